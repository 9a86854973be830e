/** `/events` as an EventSource sees it: section 4 of the protocol against a real gateway process, down to the bytes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type RedisDeployment, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import type { Block } from './harness/event-stream.ts';
import { type ChannelsFile, channelNames, writeChannelsFile } from './harness/fixtures.ts';
import { call, publish, RawStream } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

const LISTED = 'https://listed.example';
const FOREIGN = 'https://foreign.example';

const name = channelNames();
interface Context {
  after(fn: () => void): void;
}

describe('an event stream', () => {
  let gateway: GatewayProcess;
  let file: ChannelsFile;
  before(async () => {
    file = writeChannelsFile();
    gateway = await GatewayProcess.start({
      env: { ALLOWED_ORIGINS: LISTED, CHANNELS_FILE: file.path, RETRY_MS: '2000', KEEP_ALIVE_SECONDS: '300' },
    });
  });
  after(async () => {
    await gateway.kill();
    file.remove();
  });

  const raw = async (t: Context, query: string, headers: Record<string, string> = {}) => {
    const stream = await RawStream.open(`${gateway.url}/events${query}`, headers);
    t.after(() => stream.close());
    return stream;
  };
  /** A stream, and the block that says where it begins. */
  const connect = async (t: Context, query: string, headers: Record<string, string> = {}) => {
    const client = await SseClient.open(`${gateway.url}/events${query}`, headers);
    t.after(() => client.destroy());
    return { client, first: await client.blocks.next() };
  };

  test('has the headers that keep caches and proxies from holding it back', async (t) => {
    const { status, headers } = await raw(t, `?channel=${name()}`);
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'text/event-stream; charset=utf-8');
    assert.equal(headers['cache-control'], 'no-cache, no-transform');
    assert.equal(headers['x-accel-buffering'], 'no');
    assert.equal(headers['access-control-allow-origin'], undefined);
    assert.equal(headers['content-length'], undefined);
  });

  test('begins with a retry time of its own and a block of nothing but the position', async (t) => {
    const channel = name();
    const id = await publish(gateway.url, channel, 1);
    const times = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const stream = await raw(t, `?channel=${channel}`);
      const [, retry = '', position] = /^retry: (\d+)\nid: ([\d-]+)\n\n$/.exec(await stream.matching(/\n\n$/)) ?? [];
      assert.equal(position, id);
      assert(Number(retry) >= 1_000 && Number(retry) <= 3_000, retry);
      times.add(retry);
    }
    assert(times.size > 1, 'the times are jittered');
  });

  test('of a channel without events begins at 0-0', async (t) => {
    const { first } = await connect(t, `?channel=${name()}`);
    assert.deepEqual(first, { lastEventId: '0-0', event: 'message', data: undefined });
  });

  test('takes as many channels as a WebSocket may have, each with a position to resume from', async (t) => {
    const channels = Array.from({ length: 128 }, () => name());
    const { client, first } = await connect(t, `?channel=${channels.join()}`);
    const last = channels.at(-1) ?? '';
    const id = await publish(gateway.url, last, 'there');
    const block = await client.blocks.next();
    assert.equal(block.data, '"there"');
    const again = await connect(t, `?channel=${channels.join()}`, { 'last-event-id': first.lastEventId });
    const replayed = await again.client.blocks.next();
    assert.deepEqual(replayed, block);
    assert.ok(id.length > 0);
    const more = await raw(t, `?channel=${[...channels, name()].join()}`);
    assert.equal(more.status, 429);
  });

  test('writes an event as id, name unless it is message, and one line of data', async (t) => {
    const channel = name();
    const stream = await raw(t, `?channel=${channel}`);
    await stream.matching(/\n\n/);
    const plain = await publish(gateway.url, channel, { a: 'b' });
    const named = await publish(gateway.url, channel, [1, null], { event: 'my.Event-1:x_y' });
    const asMessage = await publish(gateway.url, channel, 'text', { event: 'message' });
    const text = await stream.matching(/"text"\n\n/);
    assert.equal(
      text.slice(text.indexOf('\n\n') + 2),
      `id: ${plain}\ndata: {"a":"b"}\n\nid: ${named}\nevent: my.Event-1:x_y\ndata: [1,null]\n\nid: ${asMessage}\ndata: "text"\n\n`,
    );
  });

  test('with envelope=1 has the whole event as its data', async (t) => {
    const channel = name();
    const { client } = await connect(t, `?channel=${channel}&envelope=1`);
    const id = await publish(gateway.url, channel, { a: 1 }, { event: 'named' });
    const block = await client.blocks.next();
    assert.deepEqual(block.event, 'named');
    assert.deepEqual(JSON.parse(block.data ?? ''), { channel, id, event: 'named', data: { a: 1 } });
    assert.deepEqual(Object.keys(JSON.parse(block.data ?? '')), ['channel', 'id', 'event', 'data']);
  });

  test('of no channel is that of the channel events', async (t) => {
    const { client } = await connect(t, '');
    const id = await publish(gateway.url, 'events', 'default');
    assert.equal((await client.blocks.next()).lastEventId, id);
  });

  test('of several channels has a cursor over all, in the order of the URL, in either way of naming them', async (t) => {
    const [a, b] = [name(), name()];
    const a1 = await publish(gateway.url, a, 'a1');
    for (const query of [`?channel=${b}&channel=${a}`, `?channel=${b},${a}`, `?channel=${b},${a}&channel=${b}`]) {
      const { client, first } = await connect(t, query);
      const [start] = first.lastEventId.split('.');
      assert.equal(first.lastEventId, `${start}.${first.lastEventId.split('.')[1]}`);
      const b1 = await publish(gateway.url, b, 'b1');
      assert.equal((await client.blocks.next()).lastEventId, `${b1}.${first.lastEventId.split('.')[1]}`);
      const a2 = await publish(gateway.url, a, 'a2');
      assert.equal((await client.blocks.next()).lastEventId, `${b1}.${a2}`);
      assert(a2 > a1);
    }
  });

  test('of several channels resumes each exactly from any of its ids', async (t) => {
    const [a, b, c] = [name(), name(), name()];
    const query = `?channel=${a},${b},${c}`;
    const { client } = await connect(t, query);
    const sent: string[] = [];
    for (let i = 0; i < 30; i++) {
      const channel = [a, b, c][(i * 7) % 3] ?? a;
      await publish(gateway.url, channel, `${channel} ${i}`);
      sent.push(`${channel} ${i}`);
    }
    const blocks: Block[] = [];
    for (let i = 0; i < 30; i++) blocks.push(await client.blocks.next());
    assert.deepEqual(blocks.map(dataOf), sent);
    for (const at of [0, 7, 14, 28, 29]) {
      const from = blocks[at]?.lastEventId ?? '';
      const { client: back, first } = await connect(t, `${query}&envelope=1`, { 'last-event-id': from });
      assert.equal(first.lastEventId, from);
      const rest: unknown[] = [];
      for (let i = at + 1; i < 30; i++) rest.push((dataOf(await back.blocks.next()) as { data: unknown }).data);
      for (const channel of [a, b, c]) {
        const own = (all: readonly unknown[]) => all.filter((it) => String(it).startsWith(`${channel} `));
        assert.deepEqual(own(rest), own(sent.slice(at + 1)));
      }
      // Once it has everything, its cursor is that of whoever never left.
      assert.equal(back.blocks.all.at(-1)?.lastEventId, blocks.at(-1)?.lastEventId);
    }
  });

  for (const { query, first } of [
    { query: 'tail=2', first: 3 },
    { query: 'tail=0', first: 5 },
    { query: 'tail=1000', first: 0 },
    { query: 'after=0-0', first: 0 },
    { query: 'after=P', first: 2 },
    { query: 'lastEventId=P', first: 2 },
    { query: 'lastEventId=P&after=0-0&tail=5', first: 2 },
    { query: 'lastEventId=&after=P', first: 2 },
    { query: 'after=P&tail=5', first: 2 },
    { query: 'lastEventId=0-0&after=0-0&tail=5', first: 2 },
  ]) {
    test(`begins where ${query} says${query.startsWith('lastEventId=0-0') ? ', unless a Last-Event-ID header does' : ''}`, async (t) => {
      const channel = name();
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) ids.push(await publish(gateway.url, channel, i));
      const position = ids[1] ?? '';
      const headers: Record<string, string> = query.startsWith('lastEventId=0-0') ? { 'last-event-id': position } : {};
      const { client, first: start } = await connect(
        t,
        `?channel=${channel}&${query.replaceAll('P', position)}`,
        headers,
      );
      assert.equal(start.lastEventId, ids[first - 1] ?? '0-0');
      ids.push(await publish(gateway.url, channel, 'live'));
      for (const id of ids.slice(first)) assert.equal((await client.blocks.next()).lastEventId, id);
    });
  }

  test('says a gap in band, with the position after it as its id', async (t) => {
    const channel = name('small');
    const ids: string[] = [];
    for (let i = 0; i < 6; i++) ids.push(await publish(gateway.url, channel, i));
    const stream = await raw(t, `?channel=${channel}&after=${ids[0]}`);
    const text = await stream.matching(/data: 5\n\n/);
    const gap = `id: ${ids[2]}\nevent: gap\ndata: {"channel":"${channel}","after":"${ids[0]}","id":"${ids[3]}"}\n\n`;
    assert(text.includes(`\n\n${gap}id: ${ids[3]}\ndata: 3\n\n`), text);
    assert.equal(text.split('event: gap').length, 2, 'one gap');
  });

  test('of an ephemeral channel has no ids of its own, and leaves the cursor of others alone', async (t) => {
    const [kept, none] = [name(), name('none')];
    const { client, first } = await connect(t, `?channel=${kept},${none}`);
    assert.equal(first.lastEventId, '0-0.0-0');
    await call(`${gateway.url}/api/publish`, { method: 'POST', body: { channel: none, data: 'passing' } });
    assert.deepEqual(await client.blocks.next(), { lastEventId: '0-0.0-0', event: 'message', data: '"passing"' });
    const id = await publish(gateway.url, kept, 1);
    assert.equal((await client.blocks.next()).lastEventId, `${id}.0-0`);
  });

  test('sends a comment when it has been silent, and only then', async (t) => {
    const restless = await GatewayProcess.start({ env: { KEEP_ALIVE_SECONDS: '1' } });
    t.after(() => restless.kill());
    const silent = await RawStream.open(`${restless.url}/events?channel=${name()}`);
    t.after(() => silent.close());
    const text = await silent.matching(/: keep-alive\n\n: keep-alive\n\n/);
    assert.match(text, /^retry: \d+\nid: 0-0\n\n(: keep-alive\n\n)+$/);
  });

  test('may be read by pages of its own and of listed origins, and by no others', async (t) => {
    for (const origin of [gateway.url, LISTED]) {
      const { headers } = await raw(t, `?channel=${name()}`, { origin });
      assert.equal(headers['access-control-allow-origin'], origin);
      assert.match(String(headers.vary), /origin/i);
      const refused = await call(`${gateway.url}/events?channel=a%20b`, { headers: { origin } });
      assert.equal(refused.headers['access-control-allow-origin'], origin, 'a page may read why it was refused, too');
    }
    for (const origin of [FOREIGN, 'null', `${LISTED}.evil.example`, LISTED.toUpperCase()]) {
      const { status, headers, json } = await call(`${gateway.url}/events?channel=a`, { headers: { origin } });
      assert.equal(status, 403, origin);
      assert.equal(headers['access-control-allow-origin'], undefined);
      assert.equal(codeOf(json), 'forbidden');
    }
  });

  test('has its preflight answered, for those who may', async () => {
    const ask = (origin: string) =>
      call(`${gateway.url}/events?channel=a`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'GET',
          'access-control-request-headers': 'last-event-id,authorization',
        },
      });
    const { status, headers, text } = await ask(LISTED);
    assert.equal(status, 204);
    assert.equal(text, '');
    assert.equal(headers['access-control-allow-origin'], LISTED);
    assert.match(String(headers['access-control-allow-methods']), /GET/);
    assert.match(String(headers['access-control-allow-headers']), /Authorization.*Last-Event-ID/i);
    assert.equal((await ask(FOREIGN)).headers['access-control-allow-origin'], undefined);
  });

  test('is refused with the reason as JSON where the request is wrong', async () => {
    const names = Array.from({ length: 200 }, (_, index) => `channel=c${index}`).join('&');
    for (const [query, code, status] of [
      ['channel=', 'bad_request', 400],
      ['channel=a%20b', 'bad_request', 400],
      ['channel=a,', 'bad_request', 400],
      ['channel=a%0aid:%201-0', 'bad_request', 400],
      ['channel=%00', 'bad_request', 400],
      ['channel=%24fleet', 'bad_request', 400],
      [`channel=${'x'.repeat(129)}`, 'bad_request', 400],
      ['tail=-1', 'bad_request', 400],
      ['tail=1001', 'bad_request', 400],
      ['tail=abc', 'bad_request', 400],
      ['tail=', 'bad_request', 400],
      ['envelope=yes', 'bad_request', 400],
      ['channel=a,b&after=1-0', 'bad_request', 400],
      ['channel=a&after=1-0.1-0', 'bad_request', 400],
      [names, 'too_many', 429],
    ] as const) {
      const answer = await call(`${gateway.url}/events?${query}`, { headers: { accept: 'text/event-stream' } });
      assert.equal(answer.status, status, query);
      assert.match(String(answer.headers['content-type']), /^application\/json/);
      assert.equal(codeOf(answer.json), code, query);
    }
  });

  test('cannot be given a field of a publisher, whatever it publishes', async (t) => {
    const channel = name();
    const streams = [await raw(t, `?channel=${channel}`), await raw(t, `?channel=${channel},${name()}&envelope=1`)];
    for (const stream of streams) await stream.matching(/\n\n/);
    const text = 'x\nid: 9-9\n\nevent: forged\rdata: 1\r\n\r\nretry: 1\u2028id: 8-8\u2029\u0000\u0085\ud800\ufeff';
    const sent: unknown[] = [text, { [text]: text }, [text], '\n', '\r', '\0', ':', ' '];
    for (const data of sent) await publish(gateway.url, channel, data);
    for (const event of ['a\nb', 'a\rb', 'a\0b', 'a\u2028b', 'a b', 'ä']) {
      const refused = await call(`${gateway.url}/api/publish`, { method: 'POST', body: { channel, data: 1, event } });
      assert.equal(refused.status, 400, JSON.stringify(event));
    }
    await publish(gateway.url, channel, 'end');
    for (const stream of streams) {
      const got = await stream.matching(/"end"\}?\n\n/);
      assert.doesNotMatch(got, /[\r\0]/);
      const lines = got.split('\n');
      for (const line of lines) assert.match(line, /^(retry: \d+|id: [\d.-]+|data: [\s\S]*|: keep-alive|)$/);
      const data = lines
        .filter((line) => line.startsWith('data: '))
        .map((line) => JSON.parse(line.slice('data: '.length)) as unknown);
      assert.deepEqual(
        data.map((it) => (stream === streams[0] ? it : (it as { data: unknown }).data)),
        [...sent, 'end'],
      );
    }
  });

  test('and a WebSocket beside it are sent the same', async (t) => {
    const channel = name();
    const { client } = await connect(t, `?channel=${channel}&envelope=1`);
    const socket = await WsClient.open(`${gateway.url}/ws`);
    t.after(() => socket.destroy());
    socket.send({ type: 'subscribe', channel });
    await socket.frames.find(({ type }) => type === 'subscribed');
    for (let i = 0; i < 100; i++) await publish(gateway.url, channel, i);
    for (let i = 0; i < 100; i++) {
      const { type, ...event } = await socket.frames.next();
      assert.deepEqual(JSON.parse((await client.blocks.next()).data ?? ''), event);
    }
  });
});

describe('a cursor', () => {
  let redis: RedisDeployment;
  let gateway: GatewayProcess;
  before(async () => {
    redis = await startStandalone();
    gateway = await GatewayProcess.start({ env: { REDIS_URL: redis.url } });
    const { url } = gateway;
    await until('Redis answers', async () => (await call(`${url}/api/channels`)).status === 200);
  });
  after(async () => {
    await gateway.kill();
    await redis.stop();
  });

  test('of 8 channels fits the 128 bytes that need no preflight, however many events share a millisecond', async (t) => {
    const channels = Array.from({ length: 8 }, () => name());
    const positions = channels.map((_, index) => `1795373936293-${2_000_000_000 + index}`);
    const query = `?channel=${channels.join(',')}`;
    const { client, first } = await begin(t, `${gateway.url}/events${query}&after=${positions.join('.')}`);
    const cursors = [first.lastEventId];
    for (let i = 0; i < 8; i++) cursors.push((await client.blocks.next()).lastEventId); // a gap in each: they are empty
    for (const cursor of cursors) {
      assert(cursor.length <= 128, `${cursor.length} bytes`);
      assert.match(cursor, /^[A-Za-z0-9._~-]+$/);
    }
    const again = await begin(t, `${gateway.url}/events${query}`, { 'last-event-id': first.lastEventId });
    const told = [];
    for (let i = 0; i < 8; i++)
      told.push(JSON.parse((await again.client.blocks.next()).data ?? '') as { after: string });
    assert.deepEqual(told.map(({ after: from }) => from).toSorted(), positions.toSorted());
  });

  test('that the gateway gave is one that it takes back, also of the largest positions', async (t) => {
    const largest = ['999999999999999-999999999999999', '9007199254740991-0', '9999999999999999-9999999999999999'];
    for (const position of largest) {
      const channels = Array.from({ length: 8 }, () => name());
      const query = `?channel=${channels.join(',')}`;
      const stream = await RawStream.open(
        `${gateway.url}/events${query}&after=${channels.map(() => position).join('.')}`,
      );
      t.after(() => stream.close());
      if (stream.status === 400) continue; // no event has such an id, so nobody is refused who has one
      await stream.matching(/\n\n/);
      const cursor = /^id: (.*)$/m.exec(stream.text)?.[1] ?? '';
      const again = await begin(t, `${gateway.url}/events${query}`, { 'last-event-id': cursor });
      assert.equal(again.first.lastEventId, cursor);
      const told = JSON.parse((await again.client.blocks.next()).data ?? '') as { after: string };
      assert.equal(told.after, position);
    }
  });
});

test('over MAX_CONNECTIONS an EventSource is told when to come back, and others get 503', async (t) => {
  const gateway = await GatewayProcess.start({ env: { MAX_CONNECTIONS: '2' } });
  t.after(() => gateway.kill());
  const url = `${gateway.url}/events?channel=a`;
  const [one, two] = [await RawStream.open(url), await WsClient.open(`${gateway.url}/ws`)];
  await one.matching(/\n\n/);
  await two.frames.next();
  const times = new Set<string>();
  for (let i = 0; i < 5; i++) {
    const full = await call(url, { headers: { accept: 'text/event-stream' } });
    assert.equal(full.status, 200);
    assert.equal(full.headers['content-type'], 'text/event-stream; charset=utf-8');
    assert.match(full.text, /^retry: \d+\n\n$/);
    times.add(full.text);
  }
  assert(times.size > 1, 'each is told another time');
  for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }]) {
    const refused = await call(url, { headers });
    assert.equal(refused.status, 503);
    assert.match(String(refused.headers['retry-after']), /^\d+$/);
    assert.equal(codeOf(refused.json), 'server_full');
  }
  one.close();
  await until('there is room again', async () => {
    const next = await RawStream.open(url);
    await next.matching(/\n\n/);
    next.close();
    return next.text.includes('id: ');
  });
});

test('MAX_CONNECTIONS holds also for streams that come all at once', async (t) => {
  const redis = await startStandalone();
  t.after(() => redis.stop());
  const gateway = await GatewayProcess.start({ env: { MAX_CONNECTIONS: '2', REDIS_URL: redis.url } });
  t.after(() => gateway.kill());
  await until('Redis answers', async () => (await call(`${gateway.url}/api/channels`)).status === 200);
  const streams = await Promise.all(
    Array.from({ length: 20 }, (_, index) => RawStream.open(`${gateway.url}/events?channel=c${index}`)),
  );
  for (const stream of streams) await stream.matching(/\n\n/);
  assert.equal(streams.filter(({ text }) => text.includes('id: ')).length, 2);
  await until('the others have ended', () => streams.filter(({ ended }) => ended).length === 18);
  for (const stream of streams) stream.close();
});

test('SIGTERM gives each stream a time to come back and ends it', async (t) => {
  const gateway = await GatewayProcess.start();
  t.after(() => gateway.kill());
  const streams = await Promise.all(
    Array.from({ length: 20 }, () => RawStream.open(`${gateway.url}/events?channel=a`)),
  );
  for (const stream of streams) await stream.matching(/\n\n/);
  assert.equal(await gateway.stop(), 0);
  assert.doesNotMatch(gateway.log, /Warning/, 'the socket library has nothing to complain about');
  for (const stream of streams) {
    await until('the stream ends', () => stream.ended);
    assert.match(stream.text, /^retry: \d+\nid: 0-0\n\nretry: \d+\n\n$/);
  }
});

async function begin(t: Context, url: string, headers: Record<string, string> = {}) {
  const client = await SseClient.open(url, headers);
  t.after(() => client.destroy());
  return { client, first: await client.blocks.next() };
}

function dataOf(block: Block): unknown {
  return JSON.parse(block.data ?? 'null');
}

function codeOf(body: unknown): unknown {
  return (body as { error: { code: unknown } }).error.code;
}
