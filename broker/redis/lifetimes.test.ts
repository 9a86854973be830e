/** How long Redis keeps what a publish leaves there, which no other engine has to be told. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import { HEAD_EXTRA_LIFETIME_MS, KEY_LIFETIME_MS } from '../broker.ts';
import { RedisBroker } from './engine.ts';
import { Keys } from './keys.ts';
import { TEND_AFTER } from './tending.ts';
import { type RedisDeployment, startStandalone } from './testing/servers.ts';
import { parseRedisUrl } from './url.ts';

const HOUR_MS = 3_600_000;
/** More than all that this file does takes. */
const MINUTE_MS = 60_000;

describe('what a publish leaves in Redis', () => {
  const keys = new Keys('lifetimes');
  let deployment: RedisDeployment;
  let redis: Redis;
  before(async () => {
    deployment = await startStandalone();
    redis = new Redis(deployment.url);
  });
  after(async () => {
    redis.disconnect();
    await deployment.stop();
  });

  async function gateway(t: {
    after(fn: () => unknown): void;
  }): Promise<(channel: string, key?: string) => Promise<unknown>> {
    const parsed = parseRedisUrl(deployment.url);
    assert(parsed.ok);
    const retentionOf = () => ({ size: 100, retentionMs: HOUR_MS });
    const broker = new RedisBroker({ target: parsed.target, retentionOf, prefix: 'lifetimes' });
    t.after(() => broker.close());
    await broker.connect();
    return (channel, key) => broker.publish(channel, { name: 'message', data: '1', ...(key && { key }) });
  }

  /** The event was stored when a part of the retention had gone by since the keys were given their lifetimes: they must outlast it all the same. */
  function outlasts(lifetimeMs: number, promisedMs: number): boolean {
    return lifetimeMs - TEND_AFTER * HOUR_MS >= promisedMs;
  }

  async function holds(channel: string): Promise<boolean> {
    const [stream, head] = await Promise.all([redis.pttl(keys.stream(channel)), redis.pttl(keys.head(channel))]);
    return outlasts(stream, HOUR_MS) && outlasts(head, HOUR_MS + HEAD_EXTRA_LIFETIME_MS);
  }

  it('lives as long as is promised for the last event before its lifetimes are renewed, and not for ever', async (t) => {
    const publish = await gateway(t);
    await publish('a', 'k');
    assert(await holds('a'));
    assert((await redis.pttl(keys.stream('a'))) < 2 * HOUR_MS);
    const ofKey = await redis.pttl(keys.idempotency('a', 'k'));
    assert(ofKey <= KEY_LIFETIME_MS && ofKey > KEY_LIFETIME_MS - MINUTE_MS);
  });

  it('gets its lifetimes from each gateway that begins to publish', async (t) => {
    await (await gateway(t))('b');
    await redis.pexpire(keys.stream('b'), MINUTE_MS);
    await redis.pexpire(keys.head('b'), MINUTE_MS);
    await (await gateway(t))('b');
    assert(await holds('b'));
  });

  it('has lifetimes also where a key was lost under a gateway that had given it one', async (t) => {
    const publish = await gateway(t);
    await publish('c');
    await redis.del(keys.head('c'));
    await publish('c');
    assert(await holds('c'));
    await redis.del(keys.stream('c'));
    await publish('c');
    assert(await holds('c'));
  });
});
