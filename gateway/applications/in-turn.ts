/**
 * Does what one client asks for in the order in which it was asked for: what takes time holds up what comes after it, and only so much may
 * wait. Knows no command and no socket.
 */
import type { Refusal } from '../protocol.ts';

/** Something to do for the client; a promise where it takes time. */
export type Task = () => Promise<void> | undefined;

/** Commands that may wait for the one before them. */
const MAX_WAITING = 256;

export interface InTurnOptions {
  /** Whether the client is gone: then what waits is not done any more. */
  readonly gone: () => boolean;
  /** Hears what a task fails with. Those after it are done all the same. */
  readonly onFault: (fault: unknown) => void;
}

export class InTurn {
  readonly #options: InTurnOptions;
  /** What waits for a task that takes time; undefined while there is none. */
  #waiting: Task[] | undefined;

  constructor(options: InTurnOptions) {
    this.#options = options;
  }

  /** Does what the client asks for, at once where nothing is before it; where too much waits it says so, and does not. */
  offer(task: Task): Refusal | undefined {
    if ((this.#waiting?.length ?? 0) >= MAX_WAITING) {
      const error = `${MAX_WAITING} commands are waiting for the ones before them; wait for their answers`;
      return { code: 'too_many', error };
    }
    this.run(task);
    return undefined;
  }

  /** The same for what the gateway itself has to do, which is done however much waits. */
  run(task: Task): void {
    if (this.#waiting !== undefined) {
      this.#waiting.push(task);
      return;
    }
    this.#waiting = [task];
    void this.#runAll(this.#waiting);
  }

  async #runAll(waiting: Task[]): Promise<void> {
    for (let task = waiting.shift(); task !== undefined && !this.#options.gone(); task = waiting.shift()) {
      try {
        const running = task();
        if (running !== undefined) await running;
      } catch (fault) {
        this.#options.onFault(fault);
      }
    }
    this.#waiting = undefined;
  }
}
