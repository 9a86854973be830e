/**
 * How far the event loop is behind: by how much a timer comes late. Costs one timer every 100 ms; knows nothing of what is done about it.
 *
 * A single pause, such as of the garbage collector, counts a third at first and is forgotten within a second; it takes a loop that stays
 * behind to be told as such. While the loop does not turn at all, the time for which it has not counts in full.
 */
import { every } from '../timer.ts';

const INTERVAL_MS = 100;
/** How much of each sample goes into the figure. */
const WEIGHT = 1 / 3;

export class LoopLag {
  readonly #clock: () => number;
  #dueMs: number;
  #lagMs = 0;

  /** The clock, in milliseconds, never goes back. */
  constructor(clock: () => number) {
    this.#clock = clock;
    this.#dueMs = Number.POSITIVE_INFINITY; // until the first sample nothing is late
  }

  /** Samples until it is stopped. */
  start(): { stop(): void } {
    this.#expect();
    return every(INTERVAL_MS, () => this.sample());
  }

  /** To be called every 100 ms. */
  sample(): void {
    this.#lagMs += (this.#overdueMs() - this.#lagMs) * WEIGHT;
    this.#expect();
  }

  /** In milliseconds, never less than 0. */
  read(): number {
    return Math.max(this.#lagMs, this.#overdueMs());
  }

  #expect(): void {
    this.#dueMs = this.#clock() + INTERVAL_MS;
  }

  #overdueMs(): number {
    return Math.max(0, this.#clock() - this.#dueMs);
  }
}
