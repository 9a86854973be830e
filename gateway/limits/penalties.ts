/**
 * Who was closed for sending without regard, and how long each must stay away. A connection's own limits begin anew with each connection; so
 * without this whoever comes back at once could go on as if nothing had been. Pure: the time is passed in, there are no timers.
 */

/** The first time is as short as this, so that a mistake costs little. */
export const FIRST_PENALTY_MS = 1_000;
/** Beyond, whoever was punished the longest ago is forgotten. */
const MAX_OFFENDERS = 100_000;

interface Offence {
  readonly lengthMs: number;
  readonly untilMs: number;
}

/**
 * Each further time is twice as long as the one before, up to `maxMs`; one that has kept away from it for `maxMs` since its last penalty ended
 * begins anew. Times are in milliseconds of a clock that never goes back.
 */
export class Penalties {
  readonly #maxMs: number;
  /** In the order in which they were last punished. */
  readonly #offences = new Map<string, Offence>();

  constructor(maxMs: number) {
    this.#maxMs = maxMs;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#offences.size;
  }

  /** From now on `offender` must stay away, for `limitMs` at most. */
  punish(offender: string, nowMs: number, limitMs = this.#maxMs): void {
    const last = this.#offences.get(offender);
    const doubled = last === undefined || this.#isForgiven(last, nowMs) ? FIRST_PENALTY_MS : 2 * last.lengthMs;
    const lengthMs = Math.min(doubled, limitMs, this.#maxMs);
    this.#offences.delete(offender); // to come last
    this.#forget(nowMs);
    this.#offences.set(offender, { lengthMs, untilMs: nowMs + lengthMs });
  }

  /** For how many more milliseconds `offender` must stay away; 0 where it may come. */
  waitMs(offender: string, nowMs: number): number {
    return Math.max(0, (this.#offences.get(offender)?.untilMs ?? nowMs) - nowMs);
  }

  #isForgiven({ untilMs }: Offence, nowMs: number): boolean {
    return nowMs >= untilMs + this.#maxMs;
  }

  #forget(nowMs: number): void {
    let looks = 2; // more than is remembered with each, so that they do not pile up
    for (const [offender, offence] of this.#offences) {
      if (looks-- === 0 || (!this.#isForgiven(offence, nowMs) && this.#offences.size < MAX_OFFENDERS)) return;
      this.#offences.delete(offender);
    }
  }
}
