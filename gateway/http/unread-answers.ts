/** How much of answers waits for clients that do not read them: of all, and of each address. Pure: knows no response. */
import { holderOf } from '../limits/holder.ts';

export class UnreadAnswers {
  readonly #maxBytes: number;
  readonly #byHolder = new Map<string, number>();
  #bytes = 0;

  /** Of one address a quarter of `maxBytes` may wait. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether so much waits that nothing large may be asked for from this address. */
  isFull(address: string): boolean {
    return this.#bytes >= this.#maxBytes || (this.#byHolder.get(holderOf(address)) ?? 0) >= this.#maxBytes / 4;
  }

  /** Counts an answer that its client has not taken whole; call what it returns once, when it has, or is gone. */
  add(address: string, bytes: number): () => void {
    const holder = holderOf(address);
    this.#bytes += bytes;
    this.#byHolder.set(holder, (this.#byHolder.get(holder) ?? 0) + bytes);
    return () => {
      this.#bytes -= bytes;
      const left = (this.#byHolder.get(holder) ?? bytes) - bytes;
      if (left === 0) this.#byHolder.delete(holder);
      else this.#byHolder.set(holder, left);
    };
  }
}
