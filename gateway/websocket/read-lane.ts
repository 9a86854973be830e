/**
 * What one connection asks to be read: a few at a time, and none while the connection has not taken the answers before. The others wait, up to
 * a bound. Pure: knows neither socket nor broker.
 */

/** Requests of one connection that may wait; each is small. */
const MAX_WAITING = 256;

export class ReadLane {
  readonly #maxUnderWay: number;
  readonly #mayStart: () => boolean;
  readonly #waiting: (() => Promise<void>)[] = [];
  #underWay = 0;

  /** `mayStart` says whether the connection has room for another answer; where it has none, call `resume` once it has. */
  constructor(maxUnderWay: number, mayStart: () => boolean) {
    this.#maxUnderWay = maxUnderWay;
    this.#mayStart = mayStart;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Does a read, now or later; it may not reject. False where too many wait already, and then it is not done. */
  offer(read: () => Promise<void>): boolean {
    if (this.#waiting.length >= MAX_WAITING) return false;
    this.#waiting.push(read);
    this.resume();
    return true;
  }

  /** Begins as many as may be. */
  resume(): void {
    while (this.#waiting.length > 0 && this.#underWay < this.#maxUnderWay && this.#mayStart()) {
      this.#underWay += 1;
      void this.#waiting
        .shift()?.()
        .finally(() => {
          this.#underWay -= 1;
          this.resume();
        });
    }
  }

  /** Forgets those that wait. */
  clear(): void {
    this.#waiting.length = 0;
  }
}
