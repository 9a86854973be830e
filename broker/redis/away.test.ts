/** What the engine does while Redis is not there, or does not want it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type BrokerStatus, BrokerUnavailable } from '../broker.ts';
import { retentionOf } from '../testing/harness.ts';
import { until } from '../testing/until.ts';
import { RedisBroker, type RedisBrokerOptions } from './engine.ts';
import { type RedisServer, startStandalone } from './testing/servers.ts';
import { parseRedisUrl } from './url.ts';

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
  const broker = new RedisBroker({ target: parsed.target, retentionOf, timeoutMs: 500, onStatus, ...options });
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
  await assert.rejects(broker.publish('plain:a', message), /could not be reached within 500 ms/);
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

it('refuses what would wait beyond the limit, at once', async (t) => {
  const { broker } = await scene(t, { maxWaiting: 2, maxInFlight: 2 }, (server) => server.kill());
  const waiting = [broker.publish('plain:a', message), broker.heads(['plain:a'])];
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
