/** What a gateway gets from its process besides its settings and its broker. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Tally } from '../figures/tally.ts';
import type { Logger } from '../log.ts';
import { rarely } from '../timer.ts';

/** How often it is logged at most: two versions side by side may cause one with each event. */
const UNREADABLE_COMPLAINT_MS = 60_000;

export interface Surroundings {
  readonly log: Logger;
  /** What is counted: one for each gateway. */
  readonly tally: Tally;
  /** Told of each message by Redis that is none of this version's gateways, with the channel that it came by. */
  readonly unreadable: (channel: string) => void;
  /** The time of day in epoch milliseconds. */
  readonly now: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  /** A number from 0 up to 1, without 1. */
  readonly random: () => number;
  /** Resolves after so many milliseconds. Does not keep the process alive. */
  readonly sleep: (ms: number) => Promise<unknown>;
}

/** The clocks and the randomness of this process. */
export function processSurroundings(log: Logger, tally: Tally): Surroundings {
  const complain = rarely(UNREADABLE_COMPLAINT_MS, (channel: string) =>
    log.warn({ channel }, 'passed over a message by Redis that is none of this version of the gateway'),
  );
  return {
    log,
    tally,
    unreadable: (channel) => {
      tally.unreadable++;
      complain(channel);
    },
    now: Date.now,
    clock: () => performance.now(),
    random: Math.random,
    sleep: (ms) => delay(ms, undefined, { ref: false }),
  };
}
