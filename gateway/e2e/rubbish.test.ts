/**
 * What comes by Redis and is no message of gateways of this version: from one of another version, or from anybody who may publish there. Real
 * gateways take it on every name that they listen to, and go on.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import { SignJWT } from 'jose';
import { until } from '../../broker/testing/until.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { call, post } from './harness/http-client.ts';
import { startTwoGateways, type TwoGateways } from './harness/two-gateways.ts';

const SECRET = 'a secret of at least thirty-two characters';
const KEY = 'a-key-of-at-least-thirty-two-characters';
const ENV = { TOKEN_SECRET: SECRET, API_KEYS: `tests:${KEY}`, ALLOW_ANONYMOUS: 'on' };

const HUGE = 'x'.repeat(3 << 20);
/** Data of every wrong kind. */
const DATA = [
  ...[
    '',
    ' ',
    'null',
    'true',
    '7',
    '-1e999',
    '"text"',
    '[]',
    '{}',
    '[[[[',
    '{"a',
    '{"id":',
    'nu',
    '\u0000',
    '\r',
    '1\r\nid: 9-9',
    '\ufffd',
  ],
  ...['{"id":1,"from":2,"ask":3}', '{"id":"i","from":"{x}","ask":{"kind":"channels","prefix":""}}'],
  ...['{"id":"i","from":"","ask":{"kind":"disconnect"}}', '{"id":null,"from":null,"answer":null}'],
  ...['{"jti":7,"untilMs":"soon"}', '{"jti":"j"}', '{"name":{},"old":[],"username":7,"connection":{}}'],
  ...['{"connection":1,"user":2,"name":3}', '{"content":{},"username":[]}', '{"__proto__":{"name":1}}'],
];
const NAMES = [
  '',
  'message',
  'fleet',
  'revoked',
  'canary',
  'joined',
  'left',
  'renamed',
  'typing',
  'notification',
  'gap',
  'a b',
  'é',
  '\r',
  'x'.repeat(65),
];
/** Pairs of ids as an envelope begins with them: none, wrong ones, and such as an event might have. */
const IDS = [
  '- -',
  '- 1-1',
  '1-1 -',
  '0-0 0-0',
  '1-1 0-0',
  '01-1 0-0',
  'a b',
  '1 2',
  '-1--1 0-0',
  '9999999999999999-0 0-0',
  '2 1-1 0-0',
];

function* rubbish(): Generator<string | Buffer> {
  yield* ['', ' ', '\n', ' \n', '-', '- -', '- - \n', 'hello', 'hello world'];
  yield* [Buffer.from([0]), Buffer.from([0xff, 0xfe, 0x00, 0x0a]), Buffer.from([0x20, 0x20, 0x0a, 0xff])];
  for (const data of DATA) yield data;
  for (const ids of IDS) for (const name of NAMES) yield `${ids} ${name}\n{"a":1}`;
  for (const data of DATA) for (const name of NAMES.slice(1, 10)) yield `- - ${name}\n${data}`;
  for (const data of DATA) yield `5-5 4-4 message\n${data}`;
}

describe('rubbish by Redis', () => {
  let gateways: TwoGateways;
  before(async () => {
    gateways = await startTwoGateways(ENV);
  });
  after(() => gateways.stop());

  it('is passed over on every name that gateways listen to, and counted', async () => {
    const { redis, a, b } = gateways;
    const [server] = redis.servers;
    assert(server);
    const clients: WsClient[] = [];
    const token = await new SignJWT({ sub: 'ada' })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(Buffer.from(SECRET));
    const headers = { authorization: `Bearer ${KEY}` };
    for (const { url } of [a, b]) {
      for (const path of [`/chat?room=r&token=${token}`, `/notifications?token=${token}`, '/notifications'])
        clients.push(await WsClient.open(`${url}${path}`));
      const socket = await WsClient.open(`${url}/ws?token=${token}`);
      for (const channel of ['room', 'chat:r', 'notify:all']) socket.send({ type: 'subscribe', channel });
      await socket.frames.find(({ type, channel }) => type === 'subscribed' && channel === 'notify:all');
      clients.push(socket);
      await (await SseClient.open(`${url}/events?channel=room&channel=chat:r&token=${token}`)).blocks.next();
    }
    const names: string[] = [];
    await until('they listen to all', async () => {
      const reply = await server.command('PUBSUB', 'CHANNELS', '*');
      names.splice(0, names.length, ...(Array.isArray(reply) ? reply.map(String) : []));
      return ['$fleet', '$revoked', '$canary', '$read', '{room}', '{chat:r}', '{chat:r}#', '{notify:'].every((each) =>
        names.some((name) => name.includes(each)),
      );
    });
    const redisClient = new Redis(redis.url, { retryStrategy: null });
    redisClient.on('error', () => undefined); // it rejects what is under way
    for (const name of names) await Promise.all([...rubbish()].map((message) => redisClient.publish(name, message)));
    // What is huge goes where it is taken apart.
    for (const name of names.filter((each) => each.includes('$') || each.includes('#')))
      for (const message of [HUGE, `- - fleet\n"${HUGE}"`]) await redisClient.publish(name, message);
    redisClient.disconnect();

    // They live, are the same ones, and everything still works, also what they ask each other.
    for (const { url } of [a, b]) assert.equal((await call(`${url}/healthz`)).status, 200);
    const published = await post(`${a.url}/api/publish`, { channel: 'room', data: 'after' }, headers);
    assert.equal(published.status, 200, published.text);
    const socket = clients.at(-1);
    assert(socket);
    await socket.frames.find((frame) => frame.type === 'event' && frame.channel === 'room' && frame.data === 'after');
    const { text } = await call(`${a.url}/api/channels?prefix=room`, { headers });
    assert.deepEqual(JSON.parse(text), { channels: [{ channel: 'room', subscribers: 4 }], complete: true });
    for (const gateway of [a, b]) {
      assert.ok(gateway.running);
      const counted = /^passerelle_unreadable_messages_total.* (\d+)$/m.exec(
        (await call(`${gateway.url}/metrics`)).text,
      );
      assert.ok(Number(counted?.[1]) > 1_000, counted?.[0]);
      assert.ok(gateway.log.split('\n').filter((line) => line.includes('passed over a message')).length <= 2);
    }
    for (const client of clients) client.destroy();
  });
});
