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
/** In milliseconds: what a double cannot tell apart of a clock that has run for days. */
const CLOCK_ROUNDING_MS = 1e-6;

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

  /** In how many milliseconds `take` will take so many; 0 where it does now. */
  waitMs(nowMs: number, tokens = 1): number {
    return waitMs(this.#rate, this.#fullAtMs, nowMs, tokens);
  }

  /**
   * Takes tokens, one unless told otherwise; false where there are not so many, and then nothing has changed. More than the burst are taken of
   * a full bucket only, and are then missing: so what is larger than the burst may happen, too, and the rate holds all the same.
   */
  take(nowMs: number, tokens = 1): boolean {
    if (this.waitMs(nowMs, tokens) > 0) return false;
    this.#fullAtMs = after(this.#rate, this.#fullAtMs, nowMs, tokens);
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

  waitMs(key: string, nowMs: number, tokens = 1): number {
    return waitMs(this.#rate, this.#get(key), nowMs, tokens);
  }

  take(key: string, nowMs: number, tokens = 1): boolean {
    const fullAtMs = this.#get(key);
    if (waitMs(this.#rate, fullAtMs, nowMs, tokens) > 0) return false;
    this.#fullAtMs.delete(key); // to come last
    this.#forget(nowMs);
    this.#fullAtMs.set(key, after(this.#rate, fullAtMs, nowMs, tokens));
    return true;
  }

  /** Takes tokens that were used already, however many there are: what is missing comes back first. */
  charge(key: string, nowMs: number, tokens: number): void {
    const fullAtMs = this.#get(key);
    this.#fullAtMs.delete(key); // to come last
    this.#forget(nowMs);
    this.#fullAtMs.set(key, after(this.#rate, fullAtMs, nowMs, tokens));
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

/** When the two buckets of a key will be full again. */
interface Pair {
  firstMs: number;
  secondMs: number;
}

/**
 * As `KeyedBuckets`, but with two buckets for each key, of rates of their own, from which is taken together: that costs hardly more than one. Where
 * there is no rate, that one has always enough.
 */
export class KeyedBucketPairs {
  readonly #first: Rate | undefined;
  readonly #second: Rate | undefined;
  readonly #maxKeys: number;
  /** In the order in which tokens were last taken. */
  readonly #pairs = new Map<string, Pair>();

  constructor(first: Rate | undefined, second: Rate | undefined, maxKeys: number) {
    this.#first = first;
    this.#second = second;
    this.#maxKeys = maxKeys;
  }

  /** How many are kept. */
  get size(): number {
    return this.#pairs.size;
  }

  /** What is kept of a key, for the two that follow; undefined while both of its buckets are full. */
  find(key: string): Pair | undefined {
    return this.#pairs.get(key);
  }

  firstWaitMs(pair: Pair | undefined, nowMs: number, tokens: number): number {
    return this.#first === undefined || pair === undefined ? 0 : waitMs(this.#first, pair.firstMs, nowMs, tokens);
  }

  secondWaitMs(pair: Pair | undefined, nowMs: number, tokens: number): number {
    return this.#second === undefined || pair === undefined ? 0 : waitMs(this.#second, pair.secondMs, nowMs, tokens);
  }

  /** Takes from both, whether there is enough or not. */
  take(key: string, nowMs: number, firstTokens: number, secondTokens: number): void {
    const pair = this.#pairs.get(key);
    const { firstMs, secondMs } = pair ?? FULL;
    const [first, second] = [this.#first, this.#second];
    if (pair !== undefined) this.#pairs.delete(key); // to come last
    this.#forget(nowMs);
    const taken = pair ?? { firstMs, secondMs };
    if (first !== undefined) taken.firstMs = after(first, firstMs, nowMs, firstTokens);
    if (second !== undefined) taken.secondMs = after(second, secondMs, nowMs, secondTokens);
    this.#pairs.set(key, taken);
  }

  #forget(nowMs: number): void {
    let looks = 2; // more than comes with each token, so that they do not pile up
    for (const [key, { firstMs, secondMs }] of this.#pairs) {
      const full = firstMs <= nowMs && secondMs <= nowMs;
      if (looks-- === 0 || (!full && this.#pairs.size < this.#maxKeys)) return;
      this.#pairs.delete(key);
    }
  }
}

const FULL: Readonly<Pair> = { firstMs: Number.NEGATIVE_INFINITY, secondMs: Number.NEGATIVE_INFINITY };

function waitMs({ perSecond, burst }: Rate, fullAtMs: number, nowMs: number, tokens: number): number {
  const perTokenMs = 1_000 / perSecond;
  const wait = fullAtMs - nowMs - (burst - Math.min(tokens, burst)) * perTokenMs;
  return wait > ROUNDING * perTokenMs + CLOCK_ROUNDING_MS ? wait : 0;
}

function after({ perSecond }: Rate, fullAtMs: number, nowMs: number, tokens: number): number {
  return Math.max(fullAtMs, nowMs) + (tokens * 1_000) / perSecond;
}
