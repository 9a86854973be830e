/**
 * When the connections of a draining gateway are closed: one after the other, evenly over a window, each at a random moment of its own
 * part of it. Pure; it is told how time passes.
 */

export interface PaceOptions {
  readonly count: number;
  /** 0 closes all at once. */
  readonly windowMs: number;
  readonly random: () => number;
}

/** How often `due` is to be called. */
export const PACE_STEP_MS = 20;
/** How much of the window one call may make up for, however late it comes. */
const MOST_MS = 2 * PACE_STEP_MS;

export class Pace {
  readonly #count: number;
  readonly #windowMs: number;
  readonly #random: () => number;
  /** How far the window has got, and by how much that is behind the time that has passed. */
  #atMs = 0;
  #behindMs = 0;
  #closed = 0;
  #nextMs: number;

  constructor({ count, windowMs, random }: PaceOptions) {
    this.#count = count;
    this.#windowMs = windowMs;
    this.#random = random;
    this.#nextMs = this.#draw();
  }

  /** Whether all are due. */
  get done(): boolean {
    return this.#closed === this.#count;
  }

  /** By how much it is behind the time that has passed. */
  get behindMs(): number {
    return this.#behindMs;
  }

  /**
   * How many are due now, so long after the last call or the beginning. Called at least every `MOST_MS` it makes all due within the
   * window. A process that was held up catches up at twice the pace at most: no call makes more due than `mostDue`.
   */
  due(elapsedMs: number): number {
    this.#behindMs += elapsedMs;
    const step = Math.min(this.#behindMs, MOST_MS);
    this.#behindMs -= step;
    this.#atMs += step;
    const before = this.#closed;
    while (!this.done && this.#nextMs <= this.#atMs) {
      this.#closed++;
      this.#nextMs = this.#draw();
    }
    return this.#closed - before;
  }

  #draw(): number {
    if (this.done) return this.#windowMs;
    // Rounding may put the last moment of the last part just beyond the window.
    return Math.min(((this.#closed + this.#random()) * this.#windowMs) / this.#count, this.#windowMs);
  }
}

/** The most that one call can make due: a moment of each part of the window that two steps can touch. */
export function mostDue({ count, windowMs }: Omit<PaceOptions, 'random'>): number {
  return windowMs === 0 ? count : Math.min(count, Math.ceil((MOST_MS * count) / windowMs) + 1);
}
