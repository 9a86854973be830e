/**
 * Several channels read as one event stream: the subscriptions of an SSE connection, or of a feed that many share, as blocks whose ids are
 * a cursor over all of them. Knows no socket: a `Writer` writes what is read.
 */
import { ORIGIN } from '../../broker/broker.ts';
import type { Tally } from '../figures/tally.ts';
import { NOTHING_DUE, type Sink } from '../hub/channel.ts';
import type { Hub } from '../hub/hub.ts';
import { BATCH_BYTES, encodeCursor, Gap } from '../hub/outgoing.ts';
import type { Asker } from '../hub/read-queue.ts';
import { Subscription } from '../hub/subscription.ts';

export interface ReaderParts {
  readonly hub: Hub;
  readonly tally: Tally;
}

/** Whoever writes what a reader reads: a stream, or a feed for all its members. */
export interface Writer {
  pump(): void;
}

/** The subscriptions of a stream or of a feed, read as blocks whose ids are a cursor over all of them. */
export class Reader implements Sink {
  due = NOTHING_DUE;
  readonly subscriptions: readonly Subscription[];
  readonly #envelope: boolean;
  readonly #parts: ReaderParts;
  readonly asker: Asker;
  writer: Writer;

  constructor(
    subscriptions: readonly Subscription[],
    envelope: boolean,
    parts: ReaderParts,
    asker: Asker,
    writer: Writer,
  ) {
    this.asker = asker;
    this.subscriptions = subscriptions;
    this.#envelope = envelope;
    this.#parts = parts;
    this.writer = writer;
  }

  /** From now on the writer is told when there is something to read; what there is already is due at once. */
  attach(): void {
    for (const subscription of this.subscriptions) this.#parts.hub.attach(subscription, this);
    this.due = [...this.subscriptions];
  }

  detach(): void {
    for (const subscription of this.subscriptions) this.#parts.hub.detach(subscription);
  }

  /** A reader for another writer that stands at the same place. */
  fork(writer: Writer): Reader {
    const subscriptions = this.subscriptions.map(({ ring, position }) => new Subscription(ring, position));
    return new Reader(subscriptions, this.#envelope, this.#parts, this.asker, writer);
  }

  pump(): void {
    this.writer.pump();
  }

  get channels(): readonly string[] {
    return this.subscriptions.map(({ ring }) => ring.channel);
  }

  /** What all readers have in common whose blocks are the same. */
  get key(): string {
    return `${this.channels.join(',')} ${this.#envelope}`;
  }

  get cursor(): string {
    return encodeCursor(this.subscriptions.map(({ position }) => position || ORIGIN));
  }

  /** Whether everything there is was read. */
  get current(): boolean {
    return this.due.length === 0 && this.subscriptions.every(({ current }) => current);
  }

  /** Gives back what history it holds; it will be read again. */
  release(): void {
    for (const subscription of this.due) subscription.release();
  }

  /** The next blocks, up to one write's worth, to be sent to `audience` streams; undefined where nothing is at hand. */
  read(audience: number): Buffer | undefined {
    const blocks: Buffer[] = [];
    let bytes = 0;
    let subscription = this.due.at(-1);
    while (subscription !== undefined && bytes < BATCH_BYTES) {
      const before = blocks.length;
      this.#takeInto(blocks, subscription, audience);
      for (const block of blocks.slice(before)) bytes += block.length;
      if (blocks.length > before) continue;
      this.due = this.due.slice(0, -1);
      if (subscription.owed) this.#parts.hub.fetch(subscription);
      subscription = this.due.at(-1);
    }
    this.#parts.tally.deliveredBytes += bytes * audience;
    return blocks.length > 1 ? Buffer.concat(blocks, bytes) : blocks[0];
  }

  /** Adds the blocks of what is next; none where nothing is at hand. */
  #takeInto(blocks: Buffer[], subscription: Subscription, audience: number): void {
    const { tally } = this.#parts;
    const alone = this.subscriptions.length === 1 && !this.#envelope;
    const positions = this.subscriptions.map(({ position }) => position || ORIGIN);
    const index = this.subscriptions.indexOf(subscription);
    const item = subscription.take();
    if (item === undefined) return;
    if (item instanceof Gap) {
      tally.gaps += audience;
      blocks.push(item.blockAt(this.cursor));
      return;
    }
    tally.delivered += item.events.length * audience;
    for (const event of item.events) {
      positions[index] = event.id || ORIGIN;
      blocks.push(alone ? event.block : event.blockAt(encodeCursor(positions), this.#envelope));
    }
  }
}
