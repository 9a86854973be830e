/** One case: healthy clients by themselves for a while, then beside an abuser, and what became of everybody. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Done } from './attacks.ts';
import { Healthy, type Span } from './healthy.ts';
import type { Stage, Watched } from './stage.ts';

export interface AbuseOptions {
  readonly subscribers: number;
  readonly eventsPerSecond: number;
  /** How long it is quiet, and then abused: in milliseconds. */
  readonly quietMs: number;
  readonly abusedMs: number;
}

export interface AbuseResult {
  readonly name: string;
  readonly quiet: Span;
  readonly abused: Span;
  readonly done: Done;
  readonly watched: Watched;
  readonly published: number;
  readonly deliveries: number;
  /** What must not be, in sentences: a publish that was refused, an event that was lost, an unready gateway, memory without bound. */
  readonly violations: readonly string[];
}

/** Beside an abuser events may take so many times as long as without one. */
export const MOST_TIMES_P99 = 2;
const MIB = 1_048_576;
/**
 * By how much a gateway may grow: all that its settings let it hold at once (bodies 64 MiB, frames that wait 64 MiB, recent events 64 MiB, answers to reads) and as much
 * again until it is collected. Without bounds it grew to gigabytes within seconds.
 */
export const GATEWAY_GROWTH_BYTES = 640 * MIB;
/** By how much Redis may grow beside what is published: buffers of answers. */
const REDIS_GROWTH_BYTES = 256 * MIB;
/** What one address may publish, and Redis keeps: MAX_PUBLISH_BYTES_PER_SECOND on each of four connections, with what a stream adds. */
const REDIS_GROWTH_BYTES_PER_SECOND = 48 * MIB;

export function redisGrowthBytes(ms: number): number {
  return REDIS_GROWTH_BYTES + (REDIS_GROWTH_BYTES_PER_SECOND * ms) / 1_000;
}

export async function runCase(stage: Stage, name: string, options: AbuseOptions): Promise<AbuseResult> {
  const { quietMs, abusedMs, subscribers, eventsPerSecond } = options;
  const healthy = await Healthy.start({
    urls: stage.urls,
    channels: stage.newChannels(2),
    subscribers,
    eventsPerSecond,
  });
  try {
    await sleep(quietMs);
    const quiet = healthy.span();
    const watch = stage.watch();
    const abuser = await stage.abuse(name);
    await sleep(abusedMs);
    const done = await abuser.stop();
    const watched = await watch.stop();
    const abused = healthy.span();
    const { faults, published, deliveries } = await healthy.verdict();
    const violations = [...faults, ...unbounded(watched, abusedMs)];
    for (const { log, running } of [stage.gateways.a, stage.gateways.b])
      if (!running) violations.push(`A gateway ended:\n${log}`);
    return { name, quiet, abused, done, watched, published, deliveries, violations };
  } finally {
    await healthy.stop();
  }
}

function unbounded(watched: Watched, abusedMs: number): string[] {
  const violations: string[] = [];
  const { unready, probes, gatewayGrowth, redisGrowth } = watched;
  if (unready.length > 0)
    violations.push(`/readyz was not 200 for ${unready.length} of ${probes} times: ${unready[0]}`);
  if (gatewayGrowth > GATEWAY_GROWTH_BYTES) violations.push(`A gateway grew by ${mebibytes(gatewayGrowth)} MiB`);
  if (redisGrowth > redisGrowthBytes(abusedMs)) violations.push(`Redis grew by ${mebibytes(redisGrowth)} MiB`);
  return violations;
}

export function mebibytes(bytes: number): number {
  return Math.round(bytes / MIB);
}
