/**
 * Who has something to write. What comes about together, by one frame or by all the answers that one read from Redis brings, is so written to each
 * connection at once: a write costs a system call, whatever the number of frames.
 */

export interface Sender {
  /** Write what there is. */
  flush(): void;
}

/**
 * Calls back once all is done that the one thing which happened just now has brought about, and before the next one: of a client that asks and then
 * closes, the answer that is there at once must be written before the close is looked at.
 */
export function afterwards(flush: () => void): void {
  queueMicrotask(() => process.nextTick(flush)); // ticks come once there are no microtasks left
}

export class Outbox {
  readonly #later: (flush: () => void) => void;
  #waiting: Sender[] = [];

  /** `later` calls back when nothing more comes about for now. */
  constructor(later: (flush: () => void) => void) {
    this.#later = later;
  }

  /** Has it write then. To be called once until that is done. */
  add(sender: Sender): void {
    if (this.#waiting.push(sender) === 1) this.#later(this.#flush);
  }

  readonly #flush = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const sender of waiting) sender.flush();
  };
}
