/**
 * When those come back who are too many at a moment: one after the other, at the pace at which they can be taken. Pure.
 *
 * Each is given the next place in the time to come. Nobody has to keep to it: whether somebody is taken is decided anew when they come,
 * and whoever then finds their place gone is given another one.
 */

/** The soonest. By then some tokens have come back to whoever counts, so that those who come a little too early or late find one. */
const SOONEST_MS = 500;
/** Gateways that were stormed at the same moment have the same places to give: this is by how much they differ. */
const JITTER_MS = 500;
/** No place is farther away. Beyond, all are sent to a random time of the second half, for somebody who waits longer had better ask again. */
const HORIZON_MS = 60_000;

export class Spread {
  readonly #intervalMs: number;
  readonly #random: () => number;
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number, random: () => number) {
    this.#intervalMs = 1_000 / perSecond;
    this.#random = random;
  }

  /** After how many milliseconds, a whole number, to come back. At most `perSecond` are sent to any one second within the horizon, give or take the jitter. */
  comeBackAfterMs(nowMs: number): number {
    const place = Math.max(this.#nextMs, nowMs + SOONEST_MS);
    if (place > nowMs + HORIZON_MS) return Math.round((HORIZON_MS / 2) * (1 + this.#random()));
    this.#nextMs = place + this.#intervalMs;
    return Math.round(place - nowMs + this.#random() * JITTER_MS);
  }
}
