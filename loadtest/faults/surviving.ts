/** Reads from Redis itself what its history holds in the end: what the checker holds everything else against. */

import { ORIGIN } from '../../broker/broker.ts';
import { Keys } from '../../broker/redis/keys.ts';
import type { RedisDeployment } from '../../broker/redis/testing/servers.ts';
import type { History, Stored } from '../../gateway/e2e/harness/checker.ts';

/** `trimmed`: how many of its last events a channel keeps. Redis holds some more for a while, of which gateways know nothing. */
export async function readSurviving(
  redis: RedisDeployment,
  channels: readonly string[],
  trimmed: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, History>> {
  const keys = new Keys('passerelle');
  const histories = new Map<string, History>();
  for (const channel of channels) {
    const stream = keys.stream(channel);
    const server = await redis.masterOf(stream);
    const entries = await server.command('XRANGE', stream, '-', '+');
    if (!Array.isArray(entries)) throw new Error(`Redis told no history of ${channel}`);
    const size = trimmed.get(channel);
    const kept = size === undefined ? entries : entries.slice(-size);
    histories.set(channel, {
      start: startOf(entries[0]),
      events: kept.map(stored),
      trimmed: size !== undefined,
    });
  }
  return histories;
}

/** The first entry of a stream bears its predecessor in the field p. */
function startOf(first: [string, string[]] | undefined): string {
  const [name, value = ORIGIN] = first?.[1] ?? [];
  return name === 'p' ? value : ORIGIN;
}

/** An entry is its id and its fields; the last of them is the body, `name LF data`. */
function stored([id, fields]: [string, string[]]): Stored {
  const body = fields.at(-1) ?? '';
  return { id, data: JSON.stringify(JSON.parse(body.slice(body.indexOf('\n') + 1))) };
}
