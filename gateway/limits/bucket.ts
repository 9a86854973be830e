/**
 * Token buckets: how often something may happen, and how much of it at once. Pure: the time is passed in, there are no timers, and
 * every call is O(1).
 *
 * A bucket is one number, the time at which it will be full again. Each token taken moves that by the time that one takes to come back.
 */

/** `burst` tokens at most, of which `perSecond` come back. Both are above 0, and `burst` is at least 1. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** In tokens: by how much sums of times may be off. It is given once, not with each token. */
const ROUNDING = 1e-3;

/**
 * Begins full. Over any time of t seconds it gives at most `burst + perSecond * t` tokens. Times are in milliseconds, of a clock that
 * never goes back, such as `performance.now`.
 */
export class Bucket {
  readonly #rate: Rate;
  #fullAtMs = Number.NEGATIVE_INFINITY;

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** In how many milliseconds there will be a token; 0 where there is one. */
  waitMs(nowMs: number): number {
    return waitMs(this.#rate, this.#fullAtMs, nowMs);
  }

  /** Takes a token; false where there is none, and then nothing has changed. */
  take(nowMs: number): boolean {
    if (this.waitMs(nowMs) > 0) return false;
    this.#fullAtMs = afterOne(this.#rate, this.#fullAtMs, nowMs);
    return true;
  }
}

/**
 * Buckets of one rate by key. A bucket that is full again is as good as none and is forgotten, at most two with each token taken. There
 * are never more than `maxKeys`: beyond, the one from which a token was taken the longest ago is forgotten even though it is not full,
 * so that its key has a full one again. Whoever can make up keys could use that; so keys are only what cannot be made up.
 */
export class KeyedBuckets {
  readonly #rate: Rate;
  readonly #maxKeys: number;
  /** When each will be full again, in the order in which a token was last taken. */
  readonly #fullAtMs = new Map<string, number>();

  constructor(rate: Rate, maxKeys: number) {
    this.#rate = rate;
    this.#maxKeys = maxKeys;
  }

  /** How many are kept. */
  get size(): number {
    return this.#fullAtMs.size;
  }

  waitMs(key: string, nowMs: number): number {
    return waitMs(this.#rate, this.#get(key), nowMs);
  }

  take(key: string, nowMs: number): boolean {
    const fullAtMs = this.#get(key);
    if (waitMs(this.#rate, fullAtMs, nowMs) > 0) return false;
    this.#fullAtMs.delete(key); // to come last
    this.#forget(nowMs);
    this.#fullAtMs.set(key, afterOne(this.#rate, fullAtMs, nowMs));
    return true;
  }

  #get(key: string): number {
    return this.#fullAtMs.get(key) ?? Number.NEGATIVE_INFINITY;
  }

  #forget(nowMs: number): void {
    let looks = 2; // more than comes with each token, so that they do not pile up
    for (const [key, fullAtMs] of this.#fullAtMs) {
      if (looks-- === 0 || (fullAtMs > nowMs && this.#fullAtMs.size < this.#maxKeys)) return;
      this.#fullAtMs.delete(key);
    }
  }
}

function waitMs({ perSecond, burst }: Rate, fullAtMs: number, nowMs: number): number {
  const perTokenMs = 1_000 / perSecond;
  const wait = fullAtMs - nowMs - (burst - 1) * perTokenMs;
  return wait > ROUNDING * perTokenMs ? wait : 0;
}

function afterOne({ perSecond }: Rate, fullAtMs: number, nowMs: number): number {
  return Math.max(fullAtMs, nowMs) + 1_000 / perSecond;
}
