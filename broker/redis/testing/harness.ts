/** A Redis deployment as the conformance suite needs it: the engine under test, and what may befall its server. */
import { randomBytes } from 'node:crypto';
import { type Harness, LONG_LIMIT_MS, retentionOf } from '../../testing/harness.ts';
import { until } from '../../testing/until.ts';
import { openCommands } from '../connections.ts';
import { RedisBroker } from '../engine.ts';
import { Keys } from '../keys.ts';
import { parseRedisUrl, type RedisTarget } from '../url.ts';
import type { RedisDeployment } from './servers.ts';

/** Throws where the URL is none. */
export function targetOf(url: string): RedisTarget {
  const parsed = parseRedisUrl(url);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.target;
}

/** `url`: by which the engine under test connects. */
export async function redisHarness(deployment: RedisDeployment, url = deployment.url): Promise<Harness> {
  const target = targetOf(url);
  const prefix = `test-${randomBytes(6).toString('hex')}`;
  const keys = new Keys(prefix);
  const redis = openCommands(targetOf(deployment.url), LONG_LIMIT_MS);
  await redis.connect();
  const onMasters = async (...command: [string, ...string[]]) => {
    for (const master of await deployment.masters()) await master.command(...command);
  };
  return {
    open: async (graceMs, timeoutMs = LONG_LIMIT_MS) =>
      new RedisBroker({ target, retentionOf, prefix, timeoutMs, graceMs }),
    loseStream: async (channel) => void (await redis.del(keys.stream(channel))),
    loseHead: async (channel) => void (await redis.del(keys.head(channel))),
    loseAll: () => onMasters('FLUSHALL'),
    rewind: async (channel, last) => {
      const stream = keys.stream(channel);
      const entries = await redis.xrange(stream, '-', last);
      const lifetimeMs = await redis.pttl(stream);
      await redis.del(stream);
      for (const [id, fields] of entries) await redis.xadd(stream, id, ...fields);
      await redis.pexpire(stream, lifetimeMs);
      await redis.set(keys.head(channel), last, 'KEEPTTL');
    },
    setHead: async (channel, head) => void (await redis.set(keys.head(channel), head, 'PX', 3_600_000)),
    interrupt: () => onMasters('CLIENT', 'KILL', 'TYPE', 'pubsub'),
    freeze: async () => {
      for (const server of deployment.servers) server.pause();
      return async () => {
        for (const server of deployment.servers) server.resume();
        await until('writes are taken again', async () => (await redis.set(keys.head('probe'), '')) === 'OK');
      };
    },
    forgetScripts: () => onMasters('SCRIPT', 'FLUSH', 'SYNC'),
    traces: async (word) => {
      const found: string[] = [];
      for (const master of await deployment.masters()) {
        const names = await master.command('KEYS', `*${word}*`);
        if (Array.isArray(names)) found.push(...names.map(String));
      }
      return found;
    },
    stop: async () => {
      redis.disconnect();
      await deployment.stop();
    },
  };
}
