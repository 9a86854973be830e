/** What Redis was asked: how often each command was called, by its own count. */
import type { Redis } from 'ioredis';

export type Calls = ReadonlyMap<string, number>;

/** Calls of each command since the server started or was told to forget, those within scripts too. */
export async function redisCalls(redis: Redis): Promise<Calls> {
  const stats = await redis.info('commandstats');
  return new Map(
    [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name = '', calls]) => [name, Number(calls)]),
  );
}

/** How many more there are than before. */
export function callsSince(before: Calls, after: Calls, names: readonly string[] = [...after.keys()]): number {
  return names.reduce((sum, name) => sum + (after.get(name) ?? 0) - (before.get(name) ?? 0), 0);
}
