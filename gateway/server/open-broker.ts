/** Picks the engine that the settings ask for. The one place that knows all engines. */
import type { Broker, BrokerStatus } from '../../broker/broker.ts';
import { MemoryBroker, MemoryStore } from '../../broker/memory.ts';
import { RedisBroker } from '../../broker/redis/engine.ts';
import { parseRedisUrl } from '../../broker/redis/url.ts';
import type { Config } from '../settings/config.ts';
import { retentionOfAll } from './core.ts';
import type { Surroundings } from './surroundings.ts';

/** A broker that is not connected yet. What becomes of its connection to Redis is logged, and counted. */
export function openBroker(config: Config, { log, tally }: Pick<Surroundings, 'log' | 'tally'>): Broker {
  const retentionOf = retentionOfAll(config);
  if (config.redisUrl === undefined) return new MemoryBroker(new MemoryStore({ retentionOf }));
  const parsed = parseRedisUrl(config.redisUrl);
  if (!parsed.ok) throw new Error(parsed.error); // loadConfig has checked it
  return new RedisBroker({
    target: { ...parsed.target, identity: config.redisTls },
    retentionOf,
    prefix: config.redisPrefix,
    timeoutMs: config.redisTimeoutMs,
    onStatus: (status: BrokerStatus) => {
      if (status.ready) {
        log.info('Redis is ready');
        return;
      }
      tally.interruptions++;
      log.warn({ reason: status.reason }, 'Redis cannot be used; trying on');
    },
  });
}

/** What is wrong with a REDIS_URL, continuing the sentence "REDIS_URL …"; undefined where it can be used. */
export function faultOfRedisUrl(url: string): string | undefined {
  const parsed = parseRedisUrl(url);
  return parsed.ok ? undefined : parsed.error;
}
