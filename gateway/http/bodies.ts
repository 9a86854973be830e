/**
 * The bodies of requests in memory: how much of them there is in all and of one address, and how long one may take to come. Pure: knows no
 * transport, and is handed bytes by whoever does.
 */
import { holderOf, isLoopback } from '../limits/holder.ts';
import type { Limit, Refusals } from '../limits/limits.ts';
import type { Refusal } from '../protocol.ts';

export interface BodyLimits {
  /** Of one body. */
  readonly maxBodyBytes: number;
  /** Of one body whose sender has not shown who it is, where that is asked for. */
  readonly maxAnonymousBodyBytes: number;
  /** Of all bodies together. */
  readonly maxBodiesBytes: number;
  /** Of all bodies of one address together; 0 for no limit. Loopback addresses have none. */
  readonly maxAddressBodiesBytes: number;
  /** How long one may take from its first byte to its last. */
  readonly bodyTimeoutSeconds: number;
}

export interface BodiesOptions extends BodyLimits {
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  /** Where refusals are counted. */
  readonly refusals: Refusals;
}

/** What one address has. */
interface Share {
  readonly address: string;
  bytes: number;
}

const AGAIN_MS = 1_000;

export class Bodies {
  readonly #options: BodiesOptions;
  readonly #shares = new Map<string, Share>();
  /** Those that have not ended, in the order in which they began. */
  readonly #open = new Set<Body>();
  #bytes = 0;

  constructor(options: BodiesOptions) {
    this.#options = options;
  }

  /** The memory of all that have not been let go. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many have begun and not ended. */
  get open(): number {
    return this.#open.size;
  }

  /** How many addresses have any. */
  get addresses(): number {
    return this.#shares.size;
  }

  get limits(): BodyLimits {
    return this.#options;
  }

  /** Begins one; `onLate` is called once, by `expire`, if it has not ended in time. It must be let go in any case. */
  begin(address: string, onLate: (refusal: Refusal) => void): Body {
    const body = new Body(this, holderOf(address), this.#options.clock(), onLate);
    this.#open.add(body);
    return body;
  }

  /** Refuses those that have not ended in time. */
  expire(): void {
    const { bodyTimeoutSeconds, clock } = this.#options;
    const latest = clock() - bodyTimeoutSeconds * 1_000;
    for (const body of this.#open) {
      if (body.beganMs > latest) return;
      this.#open.delete(body);
      const error = `The body did not end within BODY_TIMEOUT_SECONDS, which is ${bodyTimeoutSeconds}`;
      body.late(this.#refuse('body_time', { code: 'timeout', error }));
    }
  }

  /** Why so many more bytes of this address may not be kept; undefined where they are taken, and counted. */
  take(address: string, had: number, limit: number, bytes: number): Refusal | undefined {
    const { maxBodyBytes, maxBodiesBytes, maxAddressBodiesBytes } = this.#options;
    if (had + bytes > limit) return this.tooLarge(limit);
    // One body that may be sent at all can be sent by itself.
    if (this.#bytes + bytes > Math.max(maxBodiesBytes, maxBodyBytes)) {
      const error = 'This gateway holds as many bodies of requests as it may (MAX_BODIES_BYTES); send it again shortly';
      return this.#refuse('bodies', { code: 'unavailable', error, againInMs: AGAIN_MS });
    }
    const share = this.#shares.get(address) ?? { address, bytes: 0 };
    if (
      maxAddressBodiesBytes > 0 &&
      !isLoopback(address) &&
      share.bytes + bytes > Math.max(maxAddressBodiesBytes, maxBodyBytes)
    ) {
      const error = 'Your address sends as much at a time as it may (MAX_ADDRESS_BODIES_BYTES); send it again shortly';
      return this.#refuse('address_bodies', { code: 'too_many', error, againInMs: AGAIN_MS });
    }
    this.#shares.set(address, share);
    share.bytes += bytes;
    this.#bytes += bytes;
    return undefined;
  }

  tooLarge(limit: number): Refusal {
    const { maxBodyBytes } = this.#options;
    const error =
      limit < maxBodyBytes
        ? `The body is more than MAX_ANONYMOUS_BODY_BYTES, which is ${limit}: show a token or an API key for more`
        : `The body is more than MAX_BODY_BYTES, which is ${limit}`;
    return this.#refuse('body_bytes', { code: 'too_large', error });
  }

  /** It has all of its bytes, or will get no more. */
  ended(body: Body): void {
    this.#open.delete(body);
  }

  giveBack(address: string, bytes: number): void {
    this.#bytes -= bytes;
    const share = this.#shares.get(address);
    if (share === undefined) return;
    share.bytes -= bytes;
    if (share.bytes === 0) this.#shares.delete(address);
  }

  #refuse(limit: Limit, refusal: Refusal): Refusal {
    this.#options.refusals[limit]++;
    return refusal;
  }
}

/** One body. Whoever has it lets it go, once, when it is not needed any more. */
export class Body {
  readonly beganMs: number;
  readonly #bodies: Bodies;
  readonly #address: string;
  readonly #onLate: (refusal: Refusal) => void;
  #parts: Buffer[] = [];
  #bytes = 0;
  #limit: number;
  #gone = false;

  constructor(bodies: Bodies, address: string, beganMs: number, onLate: (refusal: Refusal) => void) {
    this.#bodies = bodies;
    this.#address = address;
    this.beganMs = beganMs;
    this.#onLate = onLate;
    this.#limit = bodies.limits.maxBodyBytes;
  }

  /** Copies what has come. Gives why it can't be kept; then nothing of the body is. After it was let go it takes nothing. */
  add(chunk: ArrayBuffer): Refusal | undefined {
    if (this.#gone) return undefined;
    const refusal = this.#bodies.take(this.#address, this.#bytes, this.#limit, chunk.byteLength);
    if (refusal !== undefined) {
      this.letGo();
      return refusal;
    }
    this.#bytes += chunk.byteLength;
    this.#parts.push(Buffer.from(chunk.slice(0))); // the library takes its chunk back
    return undefined;
  }

  /** From now on no more than who shows nothing may send; gives why what has come is too much already. */
  restrict(): Refusal | undefined {
    const { maxBodyBytes, maxAnonymousBodyBytes } = this.#bodies.limits;
    this.#limit = Math.min(maxBodyBytes, maxAnonymousBodyBytes);
    if (this.#bytes <= this.#limit) return undefined;
    this.letGo();
    return this.#bodies.tooLarge(this.#limit);
  }

  /** The whole of it. Its memory counts until it is let go. */
  end(): Buffer {
    this.#bodies.ended(this);
    const [only] = this.#parts;
    const whole = this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts, this.#bytes);
    this.#parts = [];
    return whole;
  }

  /** Ends it because it took too long. */
  late(refusal: Refusal): void {
    if (this.#gone) return;
    this.letGo();
    this.#onLate(refusal);
  }

  letGo(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#parts = [];
    this.#bodies.ended(this);
    this.#bodies.giveBack(this.#address, this.#bytes);
  }
}
