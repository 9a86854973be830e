/**
 * Gives every connection its turn. The server hands over all that one socket has sent, frame after frame and for as long as more comes, before
 * it looks at another socket. Of each connection some frames are taken at once; what else came waits, and is taken a little at a time between
 * the others' turns. Order within a connection is kept. Pure: knows no transport.
 */

/** One connection, to which frames are given one by one, in the order in which they came. It may not throw. */
export interface Taker {
  take(bytes: ArrayBuffer, isBinary: boolean): void;
}

export interface TurnOptions {
  /** Frames of one connection that are taken at once, and the size of them from which on no more are. */
  readonly framesAtOnce: number;
  readonly bytesAtOnce: number;
  /** Frames that wait, of all connections together, that are taken in one turn; one of each where more connections wait. */
  readonly framesATurn: number;
  /**
   * The size of frames, of all connections together, from which on no more are taken in a turn, nor at once until the next one: what a frame costs goes
   * by its size, and a turn must be short for whoever waits for its end. Small frames are taken at once all the same.
   */
  readonly bytesATurn: number;
  /** How much may wait of one connection, and of all together. */
  readonly maxInboxBytes: number;
  readonly maxWaitingBytes: number;
  /** Calls back when others have had their turn. */
  readonly later: (next: () => void) => void;
}

/** `maxInboxBytes` is a setting; all connections together may have four times as much. */
export function turnsOf(maxInboxBytes: number): Turns {
  return new Turns({
    framesAtOnce: 64,
    bytesAtOnce: 256 * 1024,
    framesATurn: 128,
    bytesATurn: 256 * 1024,
    maxInboxBytes,
    maxWaitingBytes: 4 * maxInboxBytes,
    later: setImmediate,
  });
}

/** A frame of so many bytes is small. */
const SMALL_BYTES = 4 * 1024;
/** What a waiting frame takes up beside its bytes. */
const FRAME_BYTES = 128;

interface Waiting {
  readonly bytes: ArrayBuffer;
  readonly isBinary: boolean;
}

interface Queue {
  /** Those before `next` have been taken. */
  readonly frames: (Waiting | undefined)[];
  next: number;
  bytes: number;
  whenEmpty: (() => void) | undefined;
}

export class Turns {
  readonly #options: TurnOptions;
  readonly #queues = new Map<Taker, Queue>();
  #waitingBytes = 0;
  #scheduled = false;
  /** Whose frames are coming in now, and how many of them came. */
  #current: Taker | undefined;
  #frames = 0;
  #bytes = 0;
  /** What was taken at once, of all connections, since the last turn. */
  #bytesAtOnce = 0;

  constructor(options: TurnOptions) {
    this.#options = options;
  }

  /** How much waits. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Takes a frame, now or later; its bytes are copied where it is later. False where too much waits already, and then it is not taken. */
  offer(taker: Taker, bytes: ArrayBuffer, isBinary: boolean): boolean {
    const queue = this.#queues.get(taker);
    if (queue === undefined && this.#mayNow(taker, bytes.byteLength)) {
      taker.take(bytes, isBinary);
      return true;
    }
    return this.#wait(taker, queue ?? { frames: [], next: 0, bytes: 0, whenEmpty: undefined }, bytes, isBinary);
  }

  /** No more frames will come: calls back when all that wait have been taken, which may be at once. */
  finish(taker: Taker, then: () => void): void {
    const queue = this.#queues.get(taker);
    if (queue === undefined) then();
    else queue.whenEmpty = then;
  }

  /** Forgets what waits. */
  drop(taker: Taker): void {
    const queue = this.#queues.get(taker);
    if (queue === undefined) return;
    this.#queues.delete(taker);
    this.#waitingBytes -= queue.bytes;
  }

  #wait(taker: Taker, queue: Queue, bytes: ArrayBuffer, isBinary: boolean): boolean {
    const size = bytes.byteLength + FRAME_BYTES;
    const { maxInboxBytes, maxWaitingBytes } = this.#options;
    if (queue.bytes + size > maxInboxBytes || this.#waitingBytes + size > maxWaitingBytes) return false;
    queue.bytes += size;
    this.#waitingBytes += size;
    queue.frames.push({ bytes: bytes.slice(0), isBinary });
    this.#queues.set(taker, queue);
    this.#schedule();
    return true;
  }

  #mayNow(taker: Taker, bytes: number): boolean {
    if (taker !== this.#current) {
      this.#current = taker;
      this.#frames = 0;
      this.#bytes = 0;
      this.#schedule();
    }
    const { framesAtOnce, bytesAtOnce, bytesATurn } = this.#options;
    if (this.#frames >= framesAtOnce || this.#bytes >= bytesAtOnce) return false;
    if (this.#bytesAtOnce >= bytesATurn && bytes > SMALL_BYTES) return false;
    this.#frames++;
    this.#bytes += bytes;
    this.#bytesAtOnce += bytes;
    return true;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.later(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    this.#current = undefined;
    this.#bytesAtOnce = 0;
    const { framesATurn, bytesATurn } = this.#options;
    const each = Math.max(1, Math.floor(framesATurn / this.#queues.size));
    let left = bytesATurn;
    for (const [taker, queue] of [...this.#queues]) {
      if (left <= 0) break; // who had no turn now is the first in the next one
      left -= this.#takeSome(taker, queue, each, left);
      const waiting = this.#queues.get(taker);
      if (waiting === undefined) queue.whenEmpty?.();
      if (waiting !== queue) continue;
      this.#queues.delete(taker);
      this.#queues.set(taker, queue);
    }
    if (this.#queues.size > 0) this.#schedule();
  }

  /** At least one, and no more once `mostBytes` have been taken. Returns how many bytes were. */
  #takeSome(taker: Taker, queue: Queue, most: number, mostBytes: number): number {
    let bytes = 0;
    for (let taken = 0; taken < most && bytes < mostBytes && this.#queues.get(taker) === queue; taken++) {
      const frame = queue.frames[queue.next] as Waiting;
      queue.frames[queue.next++] = undefined;
      const size = frame.bytes.byteLength + FRAME_BYTES;
      queue.bytes -= size;
      this.#waitingBytes -= size;
      bytes += size;
      if (queue.next === queue.frames.length) this.#queues.delete(taker);
      taker.take(frame.bytes, frame.isBinary);
    }
    return bytes;
  }
}
