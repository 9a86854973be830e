/** Two gateways on one Redis: to clients and publishers they are one. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type RedisDeployment, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { type Frame, SseClient, WsClient } from './harness/clients.ts';
import { channelNames } from './harness/fixtures.ts';
import { call, post, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { RawSocket } from './harness/raw-socket.ts';

const name = channelNames();

/** Whether a frame is a reply of this type to what was asked of the channel with a ref that begins with its name. */
const isReply = (channel: string, kind: string) => (frame: Frame) =>
  frame.type === kind && String(frame.ref).startsWith(`${channel} `);

describe('two gateways on one Redis', () => {
  let redis: RedisDeployment;
  let a: GatewayProcess;
  let b: GatewayProcess;
  before(async () => {
    redis = await startStandalone();
    const env = { REDIS_URL: redis.url };
    [a, b] = await Promise.all([
      GatewayProcess.start({ env: { ...env, GATEWAY_ID: 'a' } }),
      GatewayProcess.start({ env: { ...env, GATEWAY_ID: 'b' } }),
    ]);
    for (const { url } of [a, b])
      await until('it is ready', async () => (await call(`${url}/stats`)).text.includes('"broker":{"ready":true}'));
    const { url } = a;
    await until('the gateways know each other', async () => {
      const probe = await SseClient.open(`${b.url}/events?channel=probe`);
      await probe.blocks.next();
      const { text } = await call(`${url}/api/channels?prefix=probe`);
      probe.destroy();
      return text.includes('"probe"');
    });
  });
  after(async () => {
    await Promise.all([a.kill(), b.kill()]);
    await redis.stop();
  });

  const subscribed = async (gateway: GatewayProcess, request: object) => {
    const client = await WsClient.open(`${gateway.url}/ws`);
    client.send({ type: 'subscribe', ...request });
    const reply = await client.frames.find(({ type }) => type !== 'welcome');
    assert.equal(reply.type, 'subscribed');
    return { client, reply };
  };

  test('who subscribes and publishes at once gets the own event, before and after which the replies come in order', async (t) => {
    const client = await WsClient.open(`${a.url}/ws`);
    t.after(() => client.destroy());
    for (let round = 0; round < 50; round++) {
      const channel = name();
      client.send({ type: 'subscribe', channel, ref: `${channel} 1` });
      for (const ref of [2, 3]) client.send({ type: 'publish', channel, data: ref, ref: `${channel} ${ref}` });
      client.send({ type: 'unsubscribe', channel, ref: `${channel} 4` });
      const { ref } = await client.frames.find(({ type }) => type === 'unsubscribed');
      assert.equal(ref, `${channel} 4`);
      await until('both are published', () => client.frames.all.filter(isReply(channel, 'published')).length === 2);
      assert.equal(client.frames.all.filter(isReply(channel, 'error')).length, 0);
    }
    const channel = name();
    client.send({ type: 'subscribe', channel });
    client.send({ type: 'publish', channel, data: 'own' });
    const event = await client.frames.find((frame) => frame.type === 'event' && frame.channel === channel);
    assert.equal(event.data, 'own');
  });

  test('requests that wait for a subscription are not more than they may be', async (t) => {
    const client = await WsClient.open(`${b.url}/ws`);
    t.after(() => client.destroy());
    const channel = name();
    client.send({ type: 'subscribe', channel });
    for (let ref = 0; ref < 1_000; ref++) client.send({ type: 'publish', channel, data: ref, ref });
    const replies = () => client.frames.all.filter(({ ref }) => ref !== undefined);
    await until('each is answered', () => replies().length === 1_000);
    const refused = replies().filter(({ type }) => type === 'error');
    for (const { code, error } of refused) {
      assert.equal(code, 'too_many');
      assert.match(String(error), /wait for subscriptions|wait for their replies/);
    }
    const taken = replies().filter(({ type }) => type === 'published');
    const events = () => client.frames.all.filter(({ type }) => type === 'event');
    await until('each that was taken has come', () => events().length === taken.length);
  });

  test('what is published on one reaches the subscribers of both, by both transports, in one order', async (t) => {
    const channel = name();
    const sockets = [await subscribed(a, { channel }), await subscribed(b, { channel })];
    const streams = [
      await SseClient.open(`${a.url}/events?channel=${channel}`),
      await SseClient.open(`${b.url}/events?channel=${channel}`),
    ];
    t.after(() => {
      for (const { client } of sockets) client.destroy();
      for (const stream of streams) stream.destroy();
    });
    for (const stream of streams) await stream.blocks.next();
    const publishes = Array.from({ length: 100 }, (_, i) => publish((i % 2 === 0 ? a : b).url, channel, i));
    const ids = new Set(await Promise.all(publishes));
    assert.equal(ids.size, 100);
    const orders: string[][] = [];
    for (const { client } of sockets) {
      const order: string[] = [];
      for (let i = 0; i < 100; i++) order.push(String((await client.frames.next()).id));
      orders.push(order);
    }
    for (const stream of streams) {
      const order: string[] = [];
      for (let i = 0; i < 100; i++) order.push((await stream.blocks.next()).lastEventId);
      orders.push(order);
    }
    for (const order of orders) assert.deepEqual(order, orders[0]);
    assert.deepEqual(new Set(orders[0]), ids);
  });

  test('who subscribes on one right after a publish was acknowledged on the other stands behind it, or gets it next', async () => {
    const channel = name();
    const ids: string[] = [];
    for (let i = 0; i < 20; i++) {
      ids.push(await publish(a.url, channel, i));
      for (const start of [{}, { tail: 1 }, { tail: 3 }]) {
        const { client, reply } = await subscribed(b, { channel, ...start });
        assert.equal(reply.recovered, true);
        // Whatever it is, it is a place between two events of the channel; and all that are later follow, in order.
        const behind = reply.position === '0-0' ? 0 : ids.indexOf(String(reply.position)) + 1;
        assert.ok(reply.position === '0-0' || behind > 0, `${reply.position} is none of ${ids}`);
        const tail = 'tail' in start ? start.tail : 0;
        assert.ok(behind <= Math.max(0, ids.length - tail), 'a tail has as many as there are');
        for (const id of ids.slice(behind)) assert.equal((await client.frames.next()).id, id);
        client.destroy();
      }
    }
  });

  test('nor does an event stream miss or double what was acknowledged right before it began', async () => {
    const channel = name();
    const ids: string[] = [];
    for (let i = 0; i < 20; i++) {
      ids.push(await publish(a.url, channel, i));
      for (const query of ['', '&tail=1', '&tail=3']) {
        const stream = await SseClient.open(`${b.url}/events?channel=${channel}${query}`);
        const { lastEventId: position } = await stream.blocks.next();
        const behind = position === '0-0' ? 0 : ids.indexOf(position) + 1;
        assert.ok(position === '0-0' || behind > 0, `${position} is none of ${ids}`);
        for (const id of ids.slice(behind)) assert.equal((await stream.blocks.next()).lastEventId, id);
        stream.destroy();
      }
    }
  });

  test('who leaves one resumes on the other exactly, also with the other transport', async () => {
    const channel = name();
    const { client } = await subscribed(a, { channel });
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push(await publish(b.url, channel, i));
    for (const id of ids) assert.equal((await client.frames.next()).id, id);
    client.destroy();
    const missed: string[] = [];
    for (let i = 0; i < 5; i++) missed.push(await publish(a.url, channel, i));
    const { client: back, reply } = await subscribed(b, { channel, after: ids.at(-1) });
    assert.deepEqual([reply.position, reply.recovered], [ids.at(-1), true]);
    const stream = await SseClient.open(`${a.url}/events?channel=${channel}`, { 'last-event-id': ids.at(-1) ?? '' });
    assert.equal((await stream.blocks.next()).lastEventId, ids.at(-1));
    missed.push(await publish(b.url, channel, 'live'));
    for (const id of missed) {
      assert.equal((await back.frames.next()).id, id);
      assert.equal((await stream.blocks.next()).lastEventId, id);
    }
    back.destroy();
    stream.destroy();
  });

  test('one key stores one event, also where it comes to both at once', async () => {
    const channel = name();
    const publishes = Array.from({ length: 40 }, (_, i) =>
      post(`${(i % 2 === 0 ? a : b).url}/api/publish`, { channel, data: i, key: `k${i >> 2}` }),
    );
    const answers = (await Promise.all(publishes)).map(({ json }) => json as { id: string; duplicate?: boolean });
    assert.equal(answers.filter(({ duplicate }) => duplicate !== true).length, 10);
    for (let key = 0; key < 10; key++)
      assert.equal(new Set(answers.slice(4 * key, 4 * key + 4).map(({ id }) => id)).size, 1);
    const { events } = (await call(`${a.url}/api/history?channel=${channel}`)).json as { events: unknown[] };
    assert.equal(events.length, 10);
  });

  test('the list of channels counts the subscribers of both', async () => {
    const channel = `counted:${name()}`;
    const clients = [
      (await subscribed(a, { channel })).client,
      (await subscribed(b, { channel })).client,
      (await subscribed(b, { channel })).client,
    ];
    const stream = await SseClient.open(`${a.url}/events?channel=${channel},counted:only-a`);
    await stream.blocks.next();
    const listOf = async ({ url }: GatewayProcess) =>
      (await call(`${url}/api/channels?prefix=counted:`)).json as { channels: unknown[]; complete: boolean };
    for (const gateway of [a, b]) {
      let list = await listOf(gateway);
      await until('both have answered in time', async () => {
        list = await listOf(gateway);
        return list.complete;
      });
      assert.deepEqual(list.channels, [
        { channel, subscribers: 4 },
        { channel: 'counted:only-a', subscribers: 1 },
      ]);
    }
    stream.destroy();
    for (const client of clients) client.destroy();
    await until('nobody is counted any more', async () => (await listOf(b)).channels.length === 0);
  });

  test('both say the same of a history', async () => {
    const channel = name();
    for (let i = 0; i < 5; i++) await publish((i % 2 === 0 ? a : b).url, channel, { i });
    for (const query of ['', '&limit=2', '&after=0-0&limit=3']) {
      const [one, two] = await Promise.all(
        [a, b].map(({ url }) => call(`${url}/api/history?channel=${channel}${query}`)),
      );
      assert.equal(one?.text, two?.text);
    }
  });

  test('pipelined requests are answered in order, or the connection ends: never out of order', async () => {
    const socket = await RawSocket.open(a.url);
    const body = JSON.stringify({ channel: name(), data: 1 });
    socket.write(
      `POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    await until('both are answered, or it has ended', () => socket.ended || socket.received.includes('"ok"'));
    assert.match(socket.received, /^(HTTP\/1\.1 200 [\s\S]*"id"[\s\S]*"ok"[\s\S]*)?$/);
    socket.destroy();
    assert.equal((await call(`${a.url}/healthz`)).status, 200);
  });

  // Last, for its lease outlives it: until that ends a list of channels counts it as missing.
  test('who was connected to one that is killed resumes on the other', async () => {
    const channel = name();
    const doomed = await GatewayProcess.start({ env: { REDIS_URL: redis.url } });
    try {
      await until('it is ready', async () => (await call(`${doomed.url}/stats`)).text.includes('{"ready":true}'));
      const { client } = await subscribed(doomed, { channel });
      const first = await publish(b.url, channel, 'first');
      assert.equal((await client.frames.next()).id, first);
      await doomed.kill();
      assert.equal((await client.closed).code, 1006);
      const second = await publish(b.url, channel, 'second');
      const { client: back } = await subscribed(b, { channel, after: first });
      assert.equal((await back.frames.next()).id, second);
      back.destroy();
    } finally {
      await doomed.kill();
    }
  });
});
