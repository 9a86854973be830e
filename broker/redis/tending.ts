/**
 * What the next publish of a channel has to do beside storing its event. That costs Redis as much again, so it is done now and then, by each
 * gateway: the keys are given their lifetimes anew, and after another server took over, ids go on above all that may be lost. Knows no Redis.
 */

/** As `publish.lua` takes it: nothing, the lifetimes, or those and the id above which it is to go on. */
export type Tend = '0' | '1' | `${number}-${number}`;

/** How much of the retention may go by before a channel that is published to has to be tended. Less than the spare lifetime. */
export const TEND_AFTER = 0.125;

/**
 * Ids go on so far ahead of the clock. For so long a server that was replaced may take publishes still from gateways that have not heard of it: Redis
 * refuses them after 10 s without its replicas where `min-replicas-to-write` is set and nothing else.
 */
const AHEAD_MS = 10_000;

/** Where the ids of one millisecond begin: by chance, as two servers may come to the same one. */
const FIRST_SEQS = 2 ** 20;

/** Of how many channels it is remembered when they were tended last. One forgotten is only tended sooner. */
const MAX_TENDED = 10_000;

interface Tended {
  atMs: number;
  /** How many servers had been replaced when it last went on above what may be lost. */
  replaced: number;
}

export class Tending {
  readonly #clock: () => number;
  readonly #tended = new Map<string, Tended>();
  /** Servers that were replaced by others. */
  #replaced = 0;
  /** Nothing that may be lost has an id of a later millisecond; epoch. */
  #leastMs = 0;

  /** `clock`: milliseconds of a clock that never goes back. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** From now on another server answers. `latestMs` is the latest time of day that the one before can have had, in epoch milliseconds. */
  serverReplaced(latestMs: number): void {
    this.#replaced++;
    this.#leastMs = Math.max(this.#leastMs + 1, Math.ceil(latestMs) + AHEAD_MS);
  }

  /** For a publish that is sent now. */
  next(channel: string, retentionMs: number): Tend {
    const now = this.#clock();
    const last = this.#tended.get(channel);
    const isBehind = (last?.replaced ?? 0) < this.#replaced;
    if (last !== undefined && !isBehind && now - last.atMs < TEND_AFTER * retentionMs) return '0';
    this.#tended.delete(channel);
    this.#tended.set(channel, { atMs: now, replaced: last?.replaced ?? 0 });
    if (this.#tended.size > MAX_TENDED) {
      const [oldest] = this.#tended.keys();
      if (oldest !== undefined) this.#tended.delete(oldest);
    }
    return isBehind ? `${this.#leastMs}-${Math.floor(Math.random() * FIRST_SEQS)}` : '1';
  }

  /** Call with what `next` gave once the publish is stored. Until then all that follow it are given an id, too, as it may have come to nothing. */
  stored(channel: string, tend: Tend): void {
    const last = this.#tended.get(channel);
    if (last !== undefined && tend.startsWith(`${this.#leastMs}-`)) last.replaced = this.#replaced;
  }
}
