/**
 * What was sent and is not known to be stored yet. Owns the refs by which replies are known again, and the keys by which a frame
 * that is sent once more is stored once. Knows no connection, but how large a frame may be.
 */

export type Outgoing<T> = T & { readonly ref: number; readonly key: string };

/** What a gateway takes in one frame unless it is set otherwise (`MAX_MESSAGE_BYTES`). */
const MAX_FRAME_BYTES = 65_536;

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

  /** The frame to send; undefined for one that is too large, which is not kept. */
  add(frame: T): Outgoing<T> | undefined {
    const outgoing = { ...frame, ref: ++this.#refs, key: this.#newKey() };
    if (bytesOf(outgoing) > MAX_FRAME_BYTES) return undefined;
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

  /**
   * Takes out the frame that a gateway with a lower limit refused. It does not say which one that was, but the largest is too large
   * in any case. Sent again, it would end every connection to come.
   */
  dropLargest(): Outgoing<T> | undefined {
    const [largest] = [...this.#frames].sort((a, b) => bytesOf(b) - bytesOf(a));
    this.settle(largest?.ref);
    return largest;
  }
}

/** As it goes over the wire. */
function bytesOf(frame: object): number {
  return new TextEncoder().encode(JSON.stringify(frame)).length;
}
