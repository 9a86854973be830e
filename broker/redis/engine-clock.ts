/**
 * The time of day by the clock of Redis, which ids bear and retention goes by: asked of Redis now and then, and told on by a clock of this
 * process that never goes back. So it makes no difference what time this machine believes it is. Knows no connection.
 */

export interface EngineClockParts {
  /** Asks Redis for its time, as TIME answers; rejects where that fails. */
  readonly ask: () => Promise<unknown>;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  /** The time of day of this machine, for as long as Redis was never asked. */
  readonly now: () => number;
}

export class EngineClock {
  readonly #parts: EngineClockParts;
  /** What the clock of Redis is ahead of this process's. */
  #aheadMs: number | undefined;
  /** The same where it was more than that before: another server answered then, or the clock was set back. */
  #mostAheadMs = Number.NEGATIVE_INFINITY;

  constructor(parts: EngineClockParts) {
    this.#parts = parts;
  }

  /** Epoch milliseconds; never behind what Redis says but for the drift since it was asked, and at most a round trip ahead of it. */
  nowMs(): number {
    return this.#aheadMs === undefined ? this.#parts.now() : this.#aheadMs + this.#parts.clock();
  }

  /** The latest time of day, epoch milliseconds, that any server can have by now which answered once. */
  latestMs(): number {
    return Math.max(this.nowMs(), this.#mostAheadMs + this.#parts.clock());
  }

  /** Asks anew. What was known stays where that fails. */
  async ask(): Promise<void> {
    const { ask, clock } = this.#parts;
    const askedMs = clock();
    const answer = await ask().catch(() => undefined); // asked again soon
    const [seconds, microseconds] = Array.isArray(answer) ? answer.map(Number) : [];
    if (seconds === undefined || microseconds === undefined) return;
    const aheadMs = seconds * 1_000 + microseconds / 1_000 - askedMs;
    if (!Number.isFinite(aheadMs)) return;
    this.#aheadMs = aheadMs;
    this.#mostAheadMs = Math.max(this.#mostAheadMs, aheadMs);
  }
}
