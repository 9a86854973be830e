/** A history that is bounded by bytes, in a real Redis: what it takes there, and what becomes of one that had no such bound. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Broker, ORIGIN, type Retention } from '../broker.ts';
import { fresh, idsOf, message } from '../testing/events.ts';
import { openCommands } from './connections.ts';
import { RedisBroker } from './engine.ts';
import { Keys } from './keys.ts';
import { type RedisDeployment, startStandalone } from './testing/servers.ts';
import { parseRedisUrl } from './url.ts';

const HOUR_MS = 3_600_000;
const MANY: Retention = { size: 1_000, retentionMs: HOUR_MS };
const BOUNDED: Retention = { ...MANY, maxBytes: 1_000_000 };

/** More than any channel here keeps: a page then ends by its events alone. */
const ALL_BYTES = 64 * 1_024 * 1_024;

describe('a history that is bounded by bytes', () => {
  let deployment: RedisDeployment;
  let redis: ReturnType<typeof openCommands>;
  const brokers: Broker[] = [];
  const keys = new Keys('passerelle');
  before(async () => {
    deployment = await startStandalone();
    redis = openCommands(target(), 30_000);
    await redis.connect();
  });
  after(async () => {
    redis?.disconnect();
    for (const broker of brokers) await broker.close();
    await deployment?.stop();
  });

  const target = () => {
    const parsed = parseRedisUrl(deployment.url);
    assert(parsed.ok);
    return parsed.target;
  };
  const open = async (retention: Retention): Promise<Broker> => {
    const broker = new RedisBroker({ target: target(), retentionOf: () => retention });
    brokers.push(broker);
    broker.listen({ event: () => undefined, resubscribed: () => undefined });
    await broker.connect();
    return broker;
  };
  const publish = async (broker: Broker, channel: string, length: number): Promise<string> =>
    (await broker.publish(channel, message('1'.repeat(length)))).id;
  const bytesInRedis = async (channel: string) =>
    Number(await redis.call('MEMORY', 'USAGE', keys.stream(channel), 'SAMPLES', '0'));
  const kept = async (broker: Broker, channel: string) =>
    idsOf(await broker.readAfter(channel, ORIGIN, 1_000, ALL_BYTES));

  it('takes about so much memory, however large the events are, and is never read beyond', async () => {
    const broker = await open(BOUNDED);
    for (const length of [100, 5_000, 60_000, 400_000]) {
      const channel = fresh('bytes');
      const ids: string[] = [];
      for (let sent = 0; sent < 4_000_000; sent += length) ids.push(await publish(broker, channel, length));
      const fits = Math.min(Math.floor(1_000_000 / (length + 8)), 1_000);
      assert.deepEqual(await kept(broker, channel), ids.slice(-fits), `${length}`);
      const used = await bytesInRedis(channel);
      // Redis rounds the size of each node up.
      assert(used < 1_250_000 + 2 * length + 300 * fits, `${used} bytes of events of ${length}`);
    }
  });

  it('is bounded from the next publish on, where it was not before', async () => {
    const [unbounded, bounded] = [await open(MANY), await open(BOUNDED)];
    const channel = fresh('bytes');
    const before: string[] = [];
    for (let n = 0; n < 100; n++) before.push(await publish(unbounded, channel, 99_992));
    assert.equal((await kept(bounded, channel)).length, 100);
    const first = await publish(bounded, channel, 2);
    assert.deepEqual(await kept(bounded, channel), [...before.slice(-9), first]);
    assert((await bytesInRedis(channel)) < 1_200_000);
    // What was there before cannot be told apart by then, and goes together.
    const second = await publish(bounded, channel, 99_992);
    assert.deepEqual(await kept(bounded, channel), [first, second]);
  });

  it('counts also what gateways store that know of no such bound', async () => {
    const [unbounded, bounded] = [await open(MANY), await open(BOUNDED)];
    const channel = fresh('bytes');
    const ids: string[] = [];
    for (let n = 0; n < 40; n++) ids.push(await publish(n % 2 === 0 ? bounded : unbounded, channel, 99_992));
    const last = await publish(bounded, channel, 99_992);
    const page = await bounded.readAfter(channel, ORIGIN, 1_000, ALL_BYTES);
    assert.equal(page.known, false);
    assert.deepEqual(idsOf(page).slice(-1), [last]);
    assert(page.events.length <= 10 && page.events.length >= 1, `${page.events.length} are kept`);
    assert.deepEqual(idsOf(page), [...ids, last].slice(-page.events.length));
  });
});
