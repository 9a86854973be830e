/**
 * The limits of a gateway, as those meet them who come to it: each is told in the words of its transport, nobody else notices, and
 * there is room again once somebody has left.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../broker/testing/until.ts';
import { type Frame, SseClient, WsClient } from './harness/clients.ts';
import { channelNames } from './harness/fixtures.ts';
import { call, post } from './harness/http-client.ts';
import { Issuer } from './harness/issuer.ts';
import { GatewayProcess } from './harness/processes.ts';
import { handshake, RawSocket } from './harness/raw-socket.ts';

type Headers = Readonly<Record<string, string>>;
type Client = WsClient | SseClient;

const SOCKETS = ['/ws', '/chat?room=limits', '/notifications'];
const STREAMS = ['/events?channel=limits', '/monitoring'];
const SERVER_FULL = { type: 'error', code: 'server_full', error: 'Server full' };

/** By so much a timer may be early. */
const TIMER_ROUNDING_MS = 2;
/** How long whoever was closed for the first time, and whoever comes from this machine, has to stay away. */
const PENALTY_MS = 1_000;

const name = channelNames();

async function gatewayOf(t: TestContext, env: Headers): Promise<GatewayProcess> {
  const gateway = await GatewayProcess.start({ env });
  t.after(() => gateway.kill());
  return gateway;
}

interface Stats {
  readonly active_connections: number;
  readonly limit_refusals: Readonly<Record<string, number>>;
}

async function statsOf({ url }: GatewayProcess): Promise<Stats> {
  return (await call(`${url}/stats`)).json as Stats;
}

/** Opens a connection of whichever kind the path is of. */
async function enter({ url }: GatewayProcess, path: string, headers: Headers = {}): Promise<Client> {
  if (STREAMS.includes(path)) return SseClient.open(url + path, headers);
  const client = new WsClient(url + path, { ws: { headers } });
  await client.opened;
  return client;
}

async function enterAll(gateway: GatewayProcess, paths: readonly string[], headers?: Headers): Promise<Client[]> {
  const already = (await statsOf(gateway)).active_connections;
  const clients: Client[] = [];
  for (const path of paths) clients.push(await enter(gateway, path, headers));
  await holds(gateway, already + paths.length);
  return clients;
}

async function holds(gateway: GatewayProcess, connections: number): Promise<void> {
  const held = async () => (await statsOf(gateway)).active_connections === connections;
  await until(`the gateway holds ${connections} connections`, held);
}

interface Refused {
  readonly code: string;
  readonly close: number;
  readonly status: number;
  readonly error: RegExp;
}

/** Over every transport in turn: the one who comes is refused, in the way in which each can understand it. */
async function refusesEverywhere({ url }: GatewayProcess, { code, close, status, error }: Refused, headers?: Headers) {
  for (const path of SOCKETS) {
    const client = new WsClient(url + path, { ws: { headers: { ...headers } } });
    const closed = await client.closed;
    const [only, ...more] = client.frames.all;
    assert.deepEqual([only?.type, only?.code, closed.code, more], ['error', code, close, []], path);
    assert.match(String(only?.error), error, path);
  }
  // What a monitor shows is nobody's: it asks for no token.
  const streams = code === 'too_many' ? STREAMS.slice(0, 1) : STREAMS;
  for (const path of streams) {
    const eventSource = await call(url + path, { headers: { accept: 'text/event-stream', ...headers } });
    assert.equal(eventSource.status, 200, path);
    const waitMs = Number(/^retry: (\d+)\n\n$/.exec(eventSource.text)?.[1]);
    assert(waitMs >= 1_000 && waitMs <= 60_000, `${path}: ${JSON.stringify(eventSource.text)}`);

    const plain = await call(url + path, headers === undefined ? {} : { headers });
    assert.equal(plain.status, status, path);
    const waitSeconds = Number(plain.headers['retry-after']);
    assert(waitSeconds >= 1 && waitSeconds <= 60, `${path}: ${plain.headers['retry-after']}`);
    const told = (plain.json as { error: { code: string; message: string } }).error;
    assert.equal(told.code, code, path);
    assert.match(told.message, error, path);
  }
  return SOCKETS.length + 2 * streams.length;
}

async function answersPing(client: WsClient): Promise<void> {
  client.send({ type: 'ping' });
  await client.frames.find(({ type }) => type === 'pong');
}

const leave = (client: Client, politely: boolean) =>
  client instanceof WsClient && politely ? client.close() : client.destroy();

describe('MAX_CONNECTIONS', () => {
  const paths = [...SOCKETS, ...STREAMS, ...SOCKETS, ...STREAMS];

  test('is told to one more over every transport, and to HTTP requests it is nothing', async (t) => {
    const gateway = await gatewayOf(t, { MAX_CONNECTIONS: '10' });
    const clients = await enterAll(gateway, paths);
    const refused = { code: 'server_full', close: 1013, status: 503, error: /^Server full$/ };
    const count = await refusesEverywhere(gateway, refused);
    const exactly = new WsClient(`${gateway.url}/ws`);
    assert.deepEqual(await exactly.frames.next(), SERVER_FULL);
    await exactly.closed;

    const { active_connections, limit_refusals } = await statsOf(gateway);
    assert.deepEqual([active_connections, limit_refusals.connections], [10, count + 1]);
    assert.equal((await post(`${gateway.url}/api/publish`, { channel: 'limits', data: 1 })).status, 200);
    await answersPing(clients[0] as WsClient);
    await (clients[3] as SseClient).blocks.find(({ data }) => data === '1');
  });

  test('has room again for one, as soon as one has left, whatever that was and however it left', async (t) => {
    const gateway = await gatewayOf(t, { MAX_CONNECTIONS: '10' });
    const clients = await enterAll(gateway, paths);
    for (const [i, client] of clients.entries()) {
      await leave(client, i < 5);
      await holds(gateway, 9);
      await enter(gateway, paths[(i + 1) % paths.length] ?? '');
      await holds(gateway, 10);
      const tooMany = new WsClient(`${gateway.url}/ws`);
      assert.equal((await tooMany.closed).code, 1013, `after ${paths[i]} had left`);
    }
  });

  test('keeps no place for those whom it turned away, nor for requests that were given up', async (t) => {
    const gateway = await gatewayOf(t, { MAX_CONNECTIONS: '10' });
    const clients = await enterAll(gateway, paths);
    for (let i = 0; i < 30; i++) await new WsClient(`${gateway.url}${SOCKETS[i % 3]}`).closed;
    for (const client of clients) client.destroy();
    await holds(gateway, 0);
    for (const path of [...SOCKETS, ...STREAMS]) {
      for (let i = 0; i < 10; i++) {
        const socket = await RawSocket.open(gateway.url);
        socket.write(
          SOCKETS.includes(path) ? handshake().replace('/ws', path) : `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`,
        );
        socket.destroy();
      }
    }
    await holds(gateway, 0);
    await until('there is room for ten', async () => {
      const again = await Promise.all(paths.map((path) => enter(gateway, path)));
      const { active_connections } = await statsOf(gateway);
      for (const client of again) client.destroy();
      return active_connections === 10;
    });
  });
});

describe('MAX_CONNECTIONS_PER_ADDRESS', () => {
  const refused = {
    code: 'server_full',
    close: 1013,
    status: 503,
    error: /^Your address has 3 connections here, .*MAX_CONNECTIONS_PER_ADDRESS/,
  };
  const from = (...hops: string[]): Headers => ({ 'X-Forwarded-For': hops.join(', ') });
  const crowded = '203.0.113.7';
  const start = (t: TestContext) => gatewayOf(t, { TRUSTED_PROXIES: '1', MAX_CONNECTIONS_PER_ADDRESS: '3' });
  const three = ['/ws', '/chat?room=limits', '/monitoring'];

  test('is told to one more of the address, while others come, and stay', async (t) => {
    const gateway = await start(t);
    const [first, ...rest] = await enterAll(gateway, three, from(crowded));
    const [other] = await enterAll(gateway, three, from('203.0.113.8'));
    const count = await refusesEverywhere(gateway, refused, from(crowded));
    await enterAll(gateway, SOCKETS, from('203.0.113.9'));
    assert.equal((await statsOf(gateway)).limit_refusals.address, count);
    await answersPing(first as WsClient);
    await answersPing(other as WsClient);

    for (const [i, client] of [first as Client, ...rest].entries()) {
      await leave(client, i === 0);
      await holds(gateway, 8);
      await enterAll(gateway, ['/events?channel=limits'], from(crowded));
      assert.equal((await call(`${gateway.url}/monitoring`, { headers: from(crowded) })).status, 503);
    }
  });

  test('is not got round by what a client writes left of the trusted hop', async (t) => {
    const gateway = await start(t);
    await enterAll(gateway, three, from(crowded));
    for (const forged of ['198.51.100.1', '127.0.0.1', '::1', '10.0.0.1, 198.51.100.2', '', 'unknown']) {
      const client = new WsClient(`${gateway.url}/ws`, { ws: { headers: { ...from(forged, crowded) } } });
      assert.equal((await client.closed).code, 1013, forged);
      assert.equal((await call(`${gateway.url}/monitoring`, { headers: from(forged, crowded) })).status, 503, forged);
    }
    // The same as a line of its own, as some proxies pass it on.
    const socket = await RawSocket.open(gateway.url);
    socket.write(handshake({ 'X-Forwarded-For': `198.51.100.3\r\nX-Forwarded-For: ${crowded}` }));
    await socket.matching(/"code":"server_full"/);
    socket.destroy();
    // Nor does the name of somebody else's address take their places.
    for (let i = 0; i < 5; i++) await enter(gateway, '/ws', from('203.0.113.99', `203.0.113.${20 + i}`));
    await enterAll(gateway, three, from('203.0.113.99'));
  });

  test('counts one IPv6 address as one in every spelling', async (t) => {
    const gateway = await start(t);
    const spellings = ['2001:db8::a', '2001:DB8:0:0:0:0:0:A', '2001:0db8::000a'];
    for (const spelling of spellings) await enterAll(gateway, ['/ws'], from(spelling));
    await refusesEverywhere(gateway, refused, from('2001:db8:0::a'));
  });

  test('does not count where the gateway knows of no client but the proxy: loopback is exempt', async (t) => {
    const gateway = await start(t);
    await enterAll(gateway, [...SOCKETS, ...STREAMS]);
    const untrusting = await gatewayOf(t, { MAX_CONNECTIONS_PER_ADDRESS: '3' });
    await enterAll(untrusting, [...SOCKETS, ...STREAMS], from(crowded));
  });
});

describe('MAX_ADDRESS_PUBLISHES_PER_SECOND', () => {
  const from = (address: string): Headers => ({ 'X-Forwarded-For': address });
  const env = { TRUSTED_PROXIES: '1', MAX_ADDRESS_PUBLISHES_PER_SECOND: '5' };
  const busy = from('203.0.113.7');
  /** As many single publishes as given, and a batch of as many. */
  const publishMany = async ({ url }: GatewayProcess, count: number, channel: string, headers: Headers) => {
    const publishes = Array.from({ length: count }, (_, data) => ({ channel, data }));
    const singles = await Promise.all(publishes.map((each) => post(`${url}/api/publish`, each, headers)));
    const batch = await post(`${url}/api/batch`, { publishes }, headers);
    const { results } = batch.json as { results: { error?: { code: string; message: string } }[] };
    const refused = singles.filter(({ status }) => status !== 200);
    const errors = results.flatMap(({ error }) => error ?? []);
    return { accepted: 2 * count - refused.length - errors.length, refused, errors };
  };

  test('counts what comes from one address by HTTP, alone and in batches, and tells when to come back', async (t) => {
    const gateway = await gatewayOf(t, env);
    const channel = name();
    const begun = performance.now();
    const { accepted, refused, errors } = await publishMany(gateway, 15, channel, busy);
    assertLimited(accepted, 5, begun);
    assert(refused.length > 0 && errors.length > 0);
    for (const { status, headers, json } of refused) {
      assert.deepEqual([status, headers['retry-after']], [429, '1']);
      assertTold((json as { error: { code: string; message: string } }).error, 'from this address');
    }
    for (const error of errors) assertTold(error, 'from this address');
    assert.equal((await statsOf(gateway)).limit_refusals.address_publishes, refused.length + errors.length);

    const stored = (await call(`${gateway.url}/api/history?channel=${channel}`)).json as { events: unknown[] };
    assert.equal(stored.events.length, accepted, 'what was refused is not stored');
    const forged = from('198.51.100.1, 203.0.113.7');
    assert.equal(
      (await publishMany(gateway, 15, channel, forged)).accepted < 15,
      true,
      'the left hop is not looked at',
    );
    assert.equal((await publishMany(gateway, 5, channel, from('203.0.113.8'))).accepted, 10, 'another address');
    await until('it may publish again', async () => {
      return (await post(`${gateway.url}/api/publish`, { channel, data: 'again' }, busy)).status === 200;
    });
  });

  test('counts the networks of IPv6 addresses, and does not count loopback', async (t) => {
    const gateway = await gatewayOf(t, env);
    const begun = performance.now();
    const one = await publishMany(gateway, 10, name(), from('2001:db8:0:1::a'));
    const other = await publishMany(gateway, 10, name(), from('2001:DB8:0:1:ffff::b'));
    assertLimited(one.accepted + other.accepted, 5, begun);
    assert.equal((await publishMany(gateway, 50, name(), {})).accepted, 100);
    const untrusting = await gatewayOf(t, { MAX_ADDRESS_PUBLISHES_PER_SECOND: '5' });
    assert.equal(
      (await publishMany(untrusting, 50, name(), busy)).accepted,
      100,
      'it knows of no client but the proxy',
    );
  });

  test('is not for users, keys and WebSockets, which have limits of their own', async (t) => {
    const issuer = await Issuer.start();
    t.after(() => issuer.stop());
    const key = 'a-key-of-the-tests';
    const folder = mkdtempSync(join(tmpdir(), 'passerelle-limits-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const namespaces = { default: { rights: { publish: 'everyone' } } };
    writeFileSync(join(folder, 'channels.json'), JSON.stringify({ namespaces }));
    const gateway = await gatewayOf(t, {
      ...env,
      TOKEN_SECRET: issuer.secret,
      API_KEYS: `tests:${key}`,
      ALLOW_ANONYMOUS: 'on',
      CHANNELS_FILE: join(folder, 'channels.json'),
    });
    const channel = name();
    const begun = performance.now();
    assertLimited((await publishMany(gateway, 15, channel, busy)).accepted, 5, begun);
    for (const bearer of [await issuer.signed(), key]) {
      const headers = { ...busy, authorization: `Bearer ${bearer}` };
      assert.equal((await publishMany(gateway, 50, channel, headers)).accepted, 100);
    }
    const client = (await enter(gateway, '/ws', busy)) as WsClient;
    for (let ref = 0; ref < 50; ref++) client.send({ type: 'publish', channel, data: ref, ref });
    const replies = await repliesTo(client, 50);
    assert.equal(replies.filter(({ type }) => type === 'published').length, 50);
    client.destroy();
  });
});

describe('limits of users', () => {
  let issuer: Issuer;
  before(async () => {
    issuer = await Issuer.start();
  });
  after(() => issuer.stop());
  const as = async (user: string): Promise<{ authorization: string }> => ({
    authorization: `Bearer ${await issuer.signed({ sub: user, jti: String(Math.random()) })}`,
  });

  test('MAX_CONNECTIONS_PER_USER is told to one more of the user, with whatever token, and to nobody else', async (t) => {
    const env = { TOKEN_SECRET: issuer.secret, ALLOW_ANONYMOUS: 'on', MAX_CONNECTIONS_PER_USER: '2' };
    const gateway = await gatewayOf(t, env);
    const [first] = await enterAll(gateway, ['/ws'], await as('ada'));
    const [second] = await enterAll(gateway, ['/events?channel=limits'], await as('ada'));
    const error = /^You have 2 connections here, .*MAX_CONNECTIONS_PER_USER/;
    const refused = { code: 'too_many', close: 4429, status: 429, error };
    const count = await refusesEverywhere(gateway, refused, await as('ada'));
    assert.equal((await statsOf(gateway)).limit_refusals.user, count);

    await enterAll(gateway, ['/ws', '/events?channel=limits'], await as('bob'));
    await enterAll(gateway, ['/ws', '/ws', '/ws', '/monitoring']); // by nobody known
    await answersPing(first as WsClient);
    for (const client of [first as Client, second as Client]) {
      client.destroy();
      await holds(gateway, 7);
      await enterAll(gateway, ['/notifications'], await as('ada'));
      assert.equal((await call(`${gateway.url}/events`, { headers: await as('ada') })).status, 429);
    }
  });

  test('MAX_USER_PUBLISHES_PER_SECOND counts what one user publishes by HTTP and on all connections', async (t) => {
    const gateway = await gatewayOf(t, { TOKEN_SECRET: issuer.secret, MAX_USER_PUBLISHES_PER_SECOND: '5' });
    const channel = name();
    const begun = performance.now();
    const headers = await as('ada');
    const answers = await Promise.all(
      Array.from({ length: 15 }, (_, i) => post(`${gateway.url}/api/publish`, { channel, data: i }, headers)),
    );
    const publishes = Array.from({ length: 15 }, (_, i) => ({ channel, data: i }));
    const batch = await post(`${gateway.url}/api/batch`, { publishes }, headers);
    const { results } = batch.json as { results: { id?: string; error?: { code: string; message: string } }[] };
    const [socket] = (await enterAll(gateway, ['/ws'], await as('ada'))) as [WsClient];
    for (let ref = 0; ref < 15; ref++) socket.send({ type: 'publish', channel, data: ref, ref });
    const replies = await repliesTo(socket, 15);

    const accepted =
      answers.filter(({ status }) => status === 200).length +
      results.filter(({ id }) => id !== undefined).length +
      replies.filter(({ type }) => type === 'published').length;
    assertLimited(accepted, 5, begun);
    for (const { status, headers, json } of answers.filter(({ status }) => status !== 200)) {
      assert.deepEqual([status, headers['retry-after']], [429, '1']);
      assertTold((json as { error: { code: string; message: string } }).error, 'by this user');
    }
    for (const { error } of results) if (error !== undefined) assertTold(error, 'by this user');
    for (const { type, code, error } of replies)
      if (type === 'error') assertTold({ code, message: error }, 'by this user');

    const bob = await post(`${gateway.url}/api/publish`, { channel, data: 'bob' }, await as('bob'));
    assert.equal(bob.status, 200);
    const again = async () =>
      (await post(`${gateway.url}/api/publish`, { channel, data: 'again' }, headers)).status === 200;
    await until('ada may publish again', again);
  });
});

/** The replies to requests that bear a `ref`, as many as were asked for. */
async function repliesTo(client: WsClient, count: number): Promise<Frame[]> {
  const replies = () => client.frames.all.filter(({ ref }) => ref !== undefined);
  await until(`${count} replies`, () => replies().length >= count);
  return replies();
}

/** Two seconds' worth at once, and then so many per second of all the time that may have gone by. */
function assertLimited(accepted: number, perSecond: number, begun: number): void {
  const most = perSecond * (2 + (performance.now() - begun) / 1_000);
  assert(accepted >= 2 * perSecond && accepted <= most, `${accepted} were accepted, and ${most} might have been`);
}

function assertTold({ code, message }: { code: unknown; message: unknown }, by: string): void {
  assert.equal(code, 'too_many');
  const sentence =
    /^More than 5 publishes per second (.+) \(MAX_\w*PUBLISHES_PER_SECOND\); this one was not stored, send it again in \d+ ms$/;
  assert.equal(sentence.exec(String(message))?.[1], by, String(message));
}

describe('limits of a connection', () => {
  test('MAX_FRAMES_PER_SECOND closes with 4429 whoever sends more, of whatever kind, and nobody else', async (t) => {
    const gateway = await gatewayOf(t, { MAX_FRAMES_PER_SECOND: '50' });
    const [client, other] = (await enterAll(gateway, ['/ws', '/ws'])) as [WsClient, WsClient];
    for (let n = 0; n < 200; n++) client.send(n % 2 === 0 ? { type: 'ping' } : 'an echo');
    assert.equal((await client.closed).code, 4429);
    const last = client.frames.all.at(-1);
    assert.equal(last?.code, 'too_many');
    assert.match(String(last?.error), /50 frames per second.*MAX_FRAMES_PER_SECOND/);
    await answersPing(other);
    assert.equal((await statsOf(gateway)).limit_refusals.frames, 1);
  });

  const publishing = [
    { path: '/ws', channel: 'limits', publish: { type: 'publish', channel: 'limits', data: 1 } },
    { path: '/chat?room=limits', channel: 'chat:limits', publish: { type: 'message', content: 'a' } },
    { path: '/notifications', channel: 'notify:all', publish: { type: 'create', title: 'a', message: 'b' } },
  ];

  for (const { path, channel, publish } of publishing) {
    test(`MAX_PUBLISHES_PER_SECOND is told on ${path}, which stays open`, async (t) => {
      const gateway = await gatewayOf(t, { MAX_PUBLISHES_PER_SECOND: '5' });
      const [client, other] = (await enterAll(gateway, [path, path])) as [WsClient, WsClient];
      const begun = performance.now();
      for (let ref = 0; ref < 40; ref++) client.send({ ...publish, ref });
      const replies = await repliesTo(client, 40);
      const accepted = replies.filter(({ type }) => type === 'published');
      assertLimited(accepted.length, 5, begun);
      const refused = replies.filter(({ type }) => type === 'error');
      assert.equal(accepted.length + refused.length, 40);
      for (const { code, error } of refused) assertTold({ code, message: error }, 'on this connection');
      assert.equal(new Set(replies.map(({ ref }) => ref)).size, 40, 'each is told by its own ref');
      assert.equal((await statsOf(gateway)).limit_refusals.connection_publishes, refused.length);

      const stored = (await call(`${gateway.url}/api/history?channel=${channel}`)).json as { events: unknown[] };
      assert.equal(stored.events.length, accepted.length, 'what was refused is not stored');
      other.send({ ...publish, ref: 'other' });
      assert.equal((await other.frames.find(({ ref }) => ref === 'other')).type, 'published');
      await answersPing(client);
      await until('it may publish again', async () => {
        client.send({ ...publish, ref: 'again' });
        return (await client.frames.find(({ ref }) => ref === 'again')).type === 'published';
      });
    });

    test(`MAX_REFUSALS closes ${path} with 4429 where it goes on, and no other`, async (t) => {
      const gateway = await gatewayOf(t, { MAX_PUBLISHES_PER_SECOND: '5', MAX_REFUSALS: '20' });
      const [client, other] = (await enterAll(gateway, [path, path])) as [WsClient, WsClient];
      const begun = performance.now();
      for (let ref = 0; ref < 300; ref++) client.send({ ...publish, ref });
      assert.equal((await client.closed).code, 4429);
      const early = (await enter(gateway, path)) as WsClient; // first of all, as it has to stay away for a second only
      const { type, after = 0 } = await early.frames.next();
      const lateMs = performance.now() - begun;
      const turnedAway = type === 'reconnect';
      assert(turnedAway || lateMs >= PENALTY_MS, `it is told when it may come back, ${lateMs} ms after it began`);
      if (turnedAway) assert.equal((await early.closed).code, 1013);
      else early.destroy(); // this machine stood still until its time was over
      const allowed = delay(Number(after) + TIMER_ROUNDING_MS);
      const told = client.frames.all.filter(({ type, code }) => type === 'error' && code === 'too_many').length;
      assert(told > 20, `${told} refusals were told before`);
      await holds(gateway, 1);
      const { strikes, penalties } = (await statsOf(gateway)).limit_refusals;
      assert.deepEqual([strikes, penalties], [1, turnedAway ? 1 : 0]);
      assert(Number(after) <= PENALTY_MS, `${after}`);
      await answersPing(other);

      await allowed;
      const [again] = (await enterAll(gateway, [path])) as [WsClient];
      again.send({ ...publish, ref: 'again' });
      assert.equal((await again.frames.find(({ ref }) => ref === 'again')).type, 'published');
    });
  }

  test('MAX_REFUSALS counts what is refused because of other limits, too', async (t) => {
    const gateway = await gatewayOf(t, { MAX_CHANNELS_PER_CONNECTION: '1', MAX_REFUSALS: '20' });
    const [client] = (await enterAll(gateway, ['/ws'])) as [WsClient];
    for (let i = 0; i < 300; i++) client.send({ type: 'subscribe', channel: `limits-${i}` });
    assert.equal((await client.closed).code, 4429);
  });
});
