/** How the load client tells events from whatever else it receives, without a client library. Pure. */

/** Given what each connection receives, read by read, tells how many events there are in it. */
export interface Counter {
  /** Whether it needs all that follows the head of the response, not only what follows the confirmations of subscriptions. */
  readonly fromHead: boolean;
  /** How many end in these bytes of the connection with this index. The bytes are gone when it returns. */
  count(bytes: Buffer, index: number): number;
}

/** Counts two bytes that each event holds once: the cheapest way, for whatever goes out as it is. */
export class MarkerCounter implements Counter {
  readonly fromHead = false;
  readonly #marker: readonly [number, number];
  /** Connections whose last read ended with the first byte of the marker. */
  readonly #halves = new Set<number>();

  constructor(marker: string) {
    const [first = 0, second = 0] = Buffer.from(marker);
    this.#marker = [first, second];
  }

  count(bytes: Buffer, index: number): number {
    const [first, second] = this.#marker;
    let found = 0;
    // The second byte is the rarer one to look for.
    for (let at = bytes.indexOf(second); at !== -1; at = bytes.indexOf(second, at + 1))
      if (at === 0 ? this.#halves.has(index) : bytes[at - 1] === first) found++;
    this.#halves.delete(index);
    if (bytes.at(-1) === first) this.#halves.add(index);
    return found;
  }
}

/** One WebSocket message as it came: what is in it may be compressed. */
export interface Message {
  readonly compressed: boolean;
  readonly payload: Buffer;
  /** With the frame around it. */
  readonly wireBytes: number;
}

/** Where a connection is in its frames. */
interface Stand {
  /** The beginning of a frame whose head has not come whole. */
  head: Buffer;
  /** Of the frame whose head has come last. */
  first: number;
  wireBytes: number;
  /** Bytes of its payload that have not come; -1 where the next frame's head is what comes. */
  left: number;
}

const NOTHING = Buffer.alloc(0);
const TEXT = 1;
const OPCODE = 0x0f;
const COMPRESSED = 0x40;

/**
 * Counts WebSocket text frames by their heads, compressed or not, and the bytes of all frames. What is in them it does not see, but for the
 * connection with index 0, whose messages it hands to `sample`.
 */
export class FrameCounter implements Counter {
  readonly fromHead = true;
  /** What all connections were sent, with the frames around it. */
  wireBytes = 0;
  readonly #sample: (message: Message) => void;
  readonly #stands = new Map<number, Stand>();
  #sampled: Buffer[] = [];

  constructor(sample: (message: Message) => void) {
    this.#sample = sample;
  }

  count(given: Buffer, index: number): number {
    this.wireBytes += given.length;
    const stand = this.#standOf(index);
    const bytes = stand.head.length === 0 ? given : Buffer.concat([stand.head, given]);
    let ended = 0;
    let at = 0;
    for (;;) {
      if (stand.left === -1) {
        const head = headOf(bytes, at);
        if (head === undefined) break;
        stand.first = bytes[at] ?? 0;
        stand.left = head.payload;
        stand.wireBytes = head.bytes + head.payload;
        at += head.bytes;
      }
      const taken = Math.min(stand.left, bytes.length - at);
      if (index === 0) this.#sampled.push(Buffer.from(bytes.subarray(at, at + taken)));
      at += taken;
      stand.left -= taken;
      if (stand.left > 0) break;
      stand.left = -1;
      const isText = (stand.first & OPCODE) === TEXT;
      if (isText) ended++;
      if (index === 0) this.#take(stand, isText);
    }
    stand.head = at === bytes.length ? NOTHING : Buffer.from(bytes.subarray(at));
    return ended;
  }

  #standOf(index: number): Stand {
    let stand = this.#stands.get(index);
    if (stand === undefined) {
      stand = { head: NOTHING, first: 0, wireBytes: 0, left: -1 };
      this.#stands.set(index, stand);
    }
    return stand;
  }

  #take({ first, wireBytes }: Stand, isText: boolean): void {
    const payload = Buffer.concat(this.#sampled);
    this.#sampled = [];
    if (isText) this.#sample({ compressed: (first & COMPRESSED) !== 0, payload, wireBytes });
  }
}

/** The head of a server's frame, which has no mask; undefined where it is not there as a whole. */
function headOf(bytes: Buffer, at: number): { readonly bytes: number; readonly payload: number } | undefined {
  const short = bytes[at + 1];
  if (short === undefined) return undefined;
  if (short < 126) return { bytes: 2, payload: short };
  const head = short === 126 ? 4 : 10;
  if (bytes.length - at < head) return undefined;
  return { bytes: head, payload: short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2)) };
}
