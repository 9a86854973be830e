/**
 * What was sent and is not known to be stored yet. Owns the refs by which replies are known again, and the keys by which a frame
 * that is sent once more is stored once. Knows no connection.
 */

export type Outgoing<T> = T & { readonly ref: number; readonly key: string };

export class Outbox<T extends object> {
  readonly #newKey: () => string;
  #frames: readonly Outgoing<T>[] = [];
  #refs = 0;

  /** `newKey`: a fresh idempotency key. */
  constructor(newKey: () => string) {
    this.#newKey = newKey;
  }

  /** Oldest first, to be sent again after a connection was lost. */
  get frames(): readonly Outgoing<T>[] {
    return this.#frames;
  }

  /** The frame to send. */
  add(frame: T): Outgoing<T> {
    const outgoing = { ...frame, ref: ++this.#refs, key: this.#newKey() };
    this.#frames = [...this.#frames, outgoing];
    return outgoing;
  }

  find(ref: unknown): Outgoing<T> | undefined {
    return this.#frames.find((frame) => frame.ref === ref);
  }

  /** It is stored, or never will be. */
  settle(ref: unknown): void {
    this.#frames = this.#frames.filter((frame) => frame.ref !== ref);
  }
}
