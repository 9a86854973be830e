/** What a rolling restart asked of each gateway: how many connections it had to open a second, and whether that was within bounds. Pure. */
import type { Replica, RollingReport } from '../../gateway/e2e/harness/rolling.ts';

export interface ReplicaRates {
  /** Connections opened and closed in each second, from the moment when all clients were there. */
  readonly openedPerSecond: readonly number[];
  readonly closedPerSecond: readonly number[];
  /** The most that it opened within any one second from the first restart on, whenever that second begins. */
  readonly mostOpened: number;
}

const SECOND = 1_000;

export function ratesOf({ opened, closed }: Replica, firstRestartMs: number, totalMs: number): ReplicaRates {
  const seconds = Math.ceil(totalMs / SECOND);
  const perSecond = (times: readonly number[]) => {
    const counts = new Array<number>(seconds).fill(0);
    for (const time of times) {
      const second = Math.floor(time / SECOND);
      if (second >= 0 && second < seconds) counts[second] = (counts[second] ?? 0) + 1;
    }
    return counts;
  };
  return {
    openedPerSecond: perSecond(opened),
    closedPerSecond: perSecond(closed),
    mostOpened: mostWithin(
      opened.filter((time) => time >= firstRestartMs),
      SECOND,
    ),
  };
}

/** The most of these moments, which are in order, that lie within any span of so many milliseconds. */
export function mostWithin(times: readonly number[], spanMs: number): number {
  let most = 0;
  let from = 0;
  for (const [at, time] of times.entries()) {
    while (time - (times[from] ?? time) >= spanMs) from++;
    most = Math.max(most, at - from + 1);
  }
  return most;
}

/**
 * What no gateway should have to open within a second: all that one gateway that leaves closes in that time at the most, which is twice its
 * pace where it was held up and catches up, should all of it come to one other. Undefined where all are closed at once.
 */
export function boundOf({ replicas }: RollingReport, windowMs: number): number | undefined {
  if (windowMs === 0) return undefined;
  const most = Math.max(...replicas.map(({ restart }) => restart.connections));
  return Math.ceil((2 * most * SECOND) / windowMs);
}
