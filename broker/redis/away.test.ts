/** What the engine does while Redis is not there, or does not want it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { it } from 'node:test';
import { type BrokerStatus, BrokerUnavailable } from '../broker.ts';
import { retentionOf } from '../testing/harness.ts';
import { until } from '../testing/until.ts';
import { RedisBroker, type RedisBrokerOptions } from './engine.ts';
import { type RedisServer, startStandalone } from './testing/servers.ts';
import { parseRedisUrl } from './url.ts';

/** Short, as it is waited for; long enough for what is answered, on a busy machine too. */
const TIME_LIMIT_MS = 1_000;
const message = { name: 'message', data: '1' };

interface Scene {
  readonly server: RedisServer;
  readonly broker: RedisBroker;
  readonly statuses: BrokerStatus[];
  readonly heard: string[];
  readonly resubscribed: string[];
}

async function scene(
  t: { after(end: () => Promise<void>): void },
  options: Partial<RedisBrokerOptions> & { credentials?: string } = {},
  prepare: (server: RedisServer) => Promise<unknown> = async () => undefined,
): Promise<Scene> {
  const deployment = await startStandalone();
  t.after(() => deployment.stop());
  const [server] = deployment.servers;
  assert.ok(server);
  await prepare(server);
  const parsed = parseRedisUrl(`redis://${options.credentials ?? ''}127.0.0.1:${server.port}`);
  assert.ok(parsed.ok);
  const statuses: BrokerStatus[] = [];
  const heard: string[] = [];
  const resubscribed: string[] = [];
  const onStatus = (status: BrokerStatus) => statuses.push(status);
  const broker = new RedisBroker({
    target: parsed.target,
    retentionOf,
    timeoutMs: TIME_LIMIT_MS,
    onStatus,
    ...options,
  });
  t.after(() => broker.close());
  broker.listen({
    event: (channel) => heard.push(channel),
    resubscribed: (channels) => resubscribed.push(...channels),
  });
  return { server, broker, statuses, heard, resubscribed };
}

it('waits for a Redis that is away at the start, says why, and tells of each change once', async (t) => {
  const { server, broker, statuses } = await scene(t, {}, (server) => server.kill());
  const connected = broker.connect();
  await until('it knows', () => statuses.length === 1);
  const status = broker.status();
  assert.ok(!status.ready);
  assert.match(status.reason, /ECONNREFUSED/);
  await assert.rejects(
    broker.publish('plain:a', message),
    new RegExp(`could not be reached within ${TIME_LIMIT_MS} ms`),
  );
  await server.start();
  await connected;
  await broker.publish('plain:a', message);
  await server.kill();
  await until('it knows', () => !broker.status().ready);
  await server.start();
  await broker.connect();
  assert.deepEqual(
    statuses.map(({ ready }) => ready),
    [false, true, false, true],
  );
});

it('says why it cannot use Redis, whichever of its connections finds out', async (t) => {
  // The first connection, for commands, is taken and left without an answer.
  let connections = 0;
  const half = createServer((client) => {
    client.on('error', () => undefined);
    t.after(async () => void client.destroy());
    if (++connections > 1) client.on('data', () => client.write('-WRONGPASS no such user\r\n'));
  }).listen(0, '127.0.0.1');
  await once(half, 'listening');
  t.after(() => half.close());
  const address = half.address();
  const parsed = parseRedisUrl(`redis://:secret@127.0.0.1:${typeof address === 'object' ? address?.port : ''}`);
  assert.ok(parsed.ok);
  const statuses: BrokerStatus[] = [];
  const onStatus = (status: BrokerStatus) => statuses.push(status);
  const broker = new RedisBroker({ target: parsed.target, retentionOf, timeoutMs: 60_000, onStatus });
  t.after(() => broker.close());
  await until('it is told', () => statuses.length > 0);
  assert(statuses[0]?.ready === false);
  assert.match(statuses[0].reason, /WRONGPASS/);
});

it('does not send what has ceased to hold while it waited', async (t) => {
  const { server, broker } = await scene(t, { timeoutMs: 60_000 });
  await broker.connect();
  await server.kill();
  // The connections end one after the other: that for publishes is gone once one waits.
  await until('publishes wait', () => {
    if (broker.load().waiting > 0) return true;
    broker.publish('plain:b', message).catch(() => undefined);
    return false;
  });
  const { waiting } = broker.load();
  let holds = true;
  // Waited for from now on: one is refused as soon as Redis is back.
  const published = Promise.allSettled(
    [true, false].map((forEver) =>
      broker.publish('plain:a', { ...message, data: String(forEver), stillHolds: () => holds || forEver }),
    ),
  );
  await until('they wait', () => broker.load().waiting === waiting + 2);
  holds = false;
  await server.start();
  const [sent, overtaken] = await published;
  assert.equal(sent?.status, 'fulfilled');
  assert(overtaken?.status === 'rejected' && overtaken.reason instanceof BrokerUnavailable);
  const { events } = await broker.readTail('plain:a', 10);
  assert.deepEqual(
    events.map(({ data }) => Buffer.from(data).toString()),
    ['true'],
  );
});

it('refuses what would wait beyond the limit, at once', async (t) => {
  const { broker } = await scene(t, { maxWaiting: 2, maxInFlight: 2 }, (server) => server.kill());
  const waiting = [broker.publish('plain:a', message), broker.publish('plain:b', message)];
  const subscribing = [broker.subscribe('plain:a'), broker.subscribe('plain:b')];
  const settled = Promise.allSettled([...waiting, ...subscribing]);
  await assert.rejects(broker.publish('plain:a', message), /Too many calls wait/);
  await assert.rejects(broker.subscribe('plain:c'), /Too many subscriptions wait/);
  for (const result of await settled) {
    assert.equal(result.status, 'rejected');
    assert.ok(result.reason instanceof BrokerUnavailable);
  }
});

it('forgets a subscription that failed, and one that was left while Redis was away', async (t) => {
  const { server, broker, heard, resubscribed } = await scene(t);
  await broker.connect();
  await broker.subscribe('plain:kept');
  await broker.subscribe('plain:left');
  await server.kill();
  await assert.rejects(broker.subscribe('plain:failed'), BrokerUnavailable);
  await broker.unsubscribe('plain:left');
  await broker.unsubscribe('plain:failed');
  await server.start();
  await until('the kept one is told', () => resubscribed.length > 0);
  await broker.connect();
  assert.deepEqual(resubscribed, ['plain:kept']);
  const counts = await server.command('PUBSUB', 'CHANNELS', '*');
  assert.deepEqual(counts, ['passerelle:{plain:kept}:e']);
  for (const channel of ['plain:left', 'plain:failed', 'plain:kept']) await broker.publish(channel, message);
  await until('the event arrives', () => heard.length > 0);
  assert.deepEqual(heard, ['plain:kept']);
  await broker.subscribe('plain:failed');
  await broker.publish('plain:failed', message);
  await until('a later subscription holds', () => heard.includes('plain:failed'));
});

it('never stores a publish twice by itself when its connection is lost', async (t) => {
  const { server, broker } = await scene(t, { timeoutMs: 5_000 });
  await broker.connect();
  let publishing = true;
  const outcomes: PromiseSettledResult<unknown>[] = [];
  const publisher = (async () => {
    for (let i = 0; publishing; i += 1) {
      const batch = Array.from({ length: 50 }, (_, k) =>
        broker.publish('plain:a', { name: 'message', data: `"${i}-${k}"` }),
      );
      outcomes.push(...(await Promise.allSettled(batch)));
    }
  })();
  for (let i = 0; i < 10; i += 1) {
    const so = outcomes.length;
    await server.command('CLIENT', 'KILL', 'TYPE', 'normal');
    await until('publishing goes on', () => outcomes.length > so + 50);
  }
  publishing = false;
  await publisher;
  const seen = new Set<string>();
  const page = await broker.readTail('plain:a', 1_000);
  for (const { data } of page.events) {
    const text = Buffer.from(data).toString();
    assert.ok(!seen.has(text), `${text} is stored once`);
    seen.add(text);
  }
});

it('keeps a refused password out of everything it says', async (t) => {
  const { broker, statuses } = await scene(t, { credentials: ':hunter2@' }, (server) =>
    server.command('CONFIG', 'SET', 'requirepass', 'another'),
  );
  await until('it knows', () => statuses.length === 1);
  const status = broker.status();
  assert.ok(!status.ready);
  assert.match(status.reason, /WRONGPASS/);
  await assert.rejects(broker.publish('plain:a', message), (error: Error) => {
    assert.doesNotMatch(JSON.stringify([status, error.message, String(error.cause)]), /hunter2/);
    return error instanceof BrokerUnavailable;
  });
});

it('does not use a Redis that is too old, says so, and uses the one that takes its place', async (t) => {
  const deployment = await startStandalone();
  t.after(() => deployment.stop());
  const [server] = deployment.servers;
  assert.ok(server);
  let version = '6.2.14';
  // What stands between says another version than the server; both have as many characters, so that lengths stay true.
  const sockets = new Set<Socket>();
  const between = createServer((client) => {
    const upstream = connect(server.port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.pipe(upstream).on('close', () => client.destroy());
    upstream.on('data', (chunk) =>
      client.write(chunk.toString('latin1').replace(/(redis_version:)\d\.\d\.\d\d/, `$1${version}`), 'latin1'),
    );
    client.on('close', () => upstream.destroy());
  }).listen(0, '127.0.0.1');
  await once(between, 'listening');
  t.after(() => between.close());
  const address = between.address();
  const parsed = parseRedisUrl(`redis://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`);
  assert.ok(parsed.ok);
  const broker = new RedisBroker({ target: parsed.target, retentionOf, timeoutMs: TIME_LIMIT_MS });
  t.after(() => broker.close());
  broker.listen({ event: () => undefined, resubscribed: () => undefined });
  await until('it knows', () => {
    const status = broker.status();
    return !status.ready && status.reason === 'Redis 6.2.14 is too old: 7.0 or later is needed.';
  });
  await assert.rejects(broker.publish('plain:a', message), BrokerUnavailable);
  version = '7.0.14';
  for (const socket of sockets) socket.destroy();
  await broker.connect();
  await broker.publish('plain:a', message);
});
