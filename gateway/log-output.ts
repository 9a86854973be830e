/**
 * Where the log is written: a file descriptor, asynchronously, so that a slow reader of a pipe never blocks the gateway.
 *
 * pino's own destination is not used: its `flushSync` repeats every error for ever, so that a process whose standard output has lost its reader never ends.
 */
import { write, writeSync } from 'node:fs';

/** Of lines that wait for a slow reader, in UTF-16 code units. Lines beyond it are dropped. */
const MAX_WAITING = 8 * 1024 * 1024;
const RETRY_MS = 50;
/** How often a full pipe is tried again as the process ends: for a second. */
const MAX_SYNC_RETRIES = 20;

export class LogOutput {
  readonly #fd: number;
  #waiting: string[] = [];
  #waitingLength = 0;
  /** What is being written, or waits for its next attempt. */
  #chunk: Buffer | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** Whether the descriptor takes nothing any more, as a pipe without a reader does. */
  #failed = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Writes a line, soon. It is dropped where the descriptor has failed, or too much waits already. */
  write(line: string): void {
    if (this.#failed || this.#waitingLength + line.length > MAX_WAITING) return;
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    if (this.#chunk === undefined) this.#writeNext();
  }

  /**
   * Writes what waits before it returns, for the end of a process. It gives up where the descriptor fails, or stays full for a second. A chunk that is being
   * written asynchronously is left to that write.
   */
  flushSync(): void {
    let rest = this.#takeWaiting();
    if (this.#retry !== undefined) {
      clearTimeout(this.#retry);
      this.#retry = undefined;
      rest = Buffer.concat([this.#chunk ?? Buffer.alloc(0), rest]);
      this.#chunk = undefined;
    }
    for (let retries = 0; rest.length > 0 && !this.#failed; ) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest));
        retries = 0;
      } catch (err) {
        this.#failed = !isFull(err) || ++retries > MAX_SYNC_RETRIES;
        if (!this.#failed) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }

  #writeNext(): void {
    if (this.#waiting.length > 0) this.#write(this.#takeWaiting());
  }

  #write(chunk: Buffer): void {
    this.#chunk = chunk;
    write(this.#fd, chunk, (err, written) => {
      const rest = chunk.subarray(written);
      if (err !== null && isFull(err)) {
        this.#retry = setTimeout(() => {
          this.#retry = undefined;
          this.#write(chunk);
        }, RETRY_MS);
      } else if (err !== null) {
        this.#failed = true;
        this.#takeWaiting();
      } else if (rest.length > 0) {
        this.#write(rest);
      } else {
        this.#chunk = undefined;
        this.#writeNext();
      }
    });
  }

  #takeWaiting(): Buffer {
    const taken = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#waitingLength = 0;
    return taken;
  }
}

function isFull(err: unknown): boolean {
  return err instanceof Error && 'code' in err && err.code === 'EAGAIN';
}
