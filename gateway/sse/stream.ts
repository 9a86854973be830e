/**
 * SSE connections: what each is sent, as blocks of an event stream. Streams of the same channels that have everything share one *feed*,
 * so that their cursor and their blocks are made once for all; a stream that replays or lags reads for itself until it has caught
 * up. Speaks to the socket through a `StreamOutlet`; knows no uWS type.
 */
import type { Start } from '../hub/channel.ts';
import type { Asker } from '../hub/read-queue.ts';
import type { Subscription } from '../hub/subscription.ts';
import type { Members, Membership, Person } from '../presence/members.ts';
import { Reader, type ReaderParts, type Writer } from './stream-reader.ts';

/** The socket, as a stream sees it. Neither call may be made after the stream was closed. */
export interface StreamOutlet {
  /** Writes the bytes at once. False when the socket is full: `Stream.drained` tells when it is not any more. */
  write(bytes: Buffer): boolean;
  close(): void;
  /** As whom it is a member of its channels. */
  readonly person: Person;
}

export interface StreamOptions extends ReaderParts {
  readonly members: Members;
  readonly keepAliveMs: number;
  /** Each stream is told a value around it. */
  readonly retryMs: number;
  readonly now: () => number;
  readonly random: () => number;
}

/** What a client asked for: channels in the order of the URL, where to start in each, and the form of the data. */
export interface StreamRequest {
  readonly channels: readonly string[];
  /** One for each channel. */
  readonly starts: readonly Start[];
  readonly envelope: boolean;
}

const KEEP_ALIVE = Buffer.from(': keep-alive\n\n');

/** Streams of the same channels, in the same order and form, that all have everything up to the feed's cursor. */
class Feed implements Writer {
  readonly reader: Reader;
  readonly key: string;
  readonly members = new Set<Stream>();
  readonly #now: () => number;
  lastWrite: number;

  constructor(reader: Reader, now: () => number) {
    this.reader = reader;
    this.key = reader.key;
    this.#now = now;
    this.lastWrite = now();
    reader.writer = this;
  }

  pump(): void {
    for (let blocks = this.reader.read(this.members.size); blocks !== undefined; ) {
      this.write(blocks);
      blocks = this.reader.read(this.members.size);
    }
  }

  write(blocks: Buffer): void {
    this.lastWrite = this.#now();
    for (const stream of this.members) stream.writeShared(blocks);
  }
}

/** All streams of a gateway, and their feeds. */
export class Streams {
  readonly options: StreamOptions;
  readonly #feeds = new Map<string, Feed>();
  /** Streams that read for themselves. */
  readonly #apart = new Set<Stream>();

  constructor(options: StreamOptions) {
    this.options = options;
  }

  /** Begins a stream, which `Stream.start` lets flow. Rejects with `BrokerUnavailable`, and then holds nothing. */
  async open(request: StreamRequest, asker: Asker): Promise<Stream> {
    const { hub } = this.options;
    const { channels, starts } = request;
    const outcomes = await Promise.allSettled(
      channels.map((channel, index) => hub.subscribe(channel, starts[index], asker)),
    );
    const subscriptions: Subscription[] = [];
    for (const outcome of outcomes) if (outcome.status === 'fulfilled') subscriptions.push(outcome.value.subscription);
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined) {
      for (const { ring } of subscriptions) hub.leave(ring.channel);
      throw failure.reason;
    }
    return new Stream(subscriptions, request.envelope, asker, this);
  }

  /** Writes a comment to every stream that has been silent for too long. Called about every second. */
  keepAlive(): void {
    const { now, keepAliveMs } = this.options;
    const before = now() - keepAliveMs;
    for (const feed of this.#feeds.values()) {
      if (feed.lastWrite <= before) feed.write(KEEP_ALIVE);
    }
    for (const stream of this.#apart) stream.keepAlive(before);
  }

  /** `retry:` for one stream: jittered, so that those cut off together do not come back together. */
  retry(): string {
    const { retryMs, random } = this.options;
    return `retry: ${Math.round(retryMs * (0.5 + random()))}\n`;
  }

  /** Takes a stream that has read all there is into its feed, unless the feed stands elsewhere just now. */
  join(stream: Stream, reader: Reader): Feed | undefined {
    let feed = this.#feeds.get(reader.key);
    if (feed === undefined) {
      feed = new Feed(reader, this.options.now);
      this.#feeds.set(feed.key, feed);
    } else {
      feed.pump(); // it may have something from this very tick still to write
      if (!feed.reader.current || feed.reader.cursor !== reader.cursor) return undefined;
      reader.detach();
    }
    feed.members.add(stream);
    this.#apart.delete(stream);
    return feed;
  }

  /** Takes a stream out of its feed; the last one takes the feed along. */
  part(stream: Stream, feed: Feed): void {
    feed.members.delete(stream);
    if (feed.members.size > 0) return;
    feed.reader.detach();
    this.#feeds.delete(feed.key);
  }

  setApart(stream: Stream): void {
    this.#apart.add(stream);
  }

  forget(stream: Stream): void {
    this.#apart.delete(stream);
  }
}

export class Stream implements Writer {
  readonly #streams: Streams;
  #outlet: StreamOutlet | undefined;
  /** Its own reader while it reads for itself, its feed otherwise. */
  #source: Reader | Feed;
  #lastWrite = 0;
  #fullSince = 0;

  constructor(subscriptions: readonly Subscription[], envelope: boolean, asker: Asker, streams: Streams) {
    this.#streams = streams;
    this.#source = new Reader(subscriptions, envelope, streams.options, asker, this);
  }

  /** Since when the stream has been lagging, or 0. */
  get laggingSince(): number {
    return this.#fullSince;
  }

  /** Writes the first blocks, and from then on everything that comes. */
  start(outlet: StreamOutlet): void {
    this.#outlet = outlet;
    const reader = this.#source as Reader;
    this.#streams.setApart(this);
    this.#write(Buffer.from(`${this.#streams.retry()}id: ${reader.cursor}\n\n`));
    reader.attach();
    this.pump();
    const { members } = this.#streams.options;
    for (const { channel, person } of this.memberships()) members.enter(channel, person);
  }

  /** The channels of which this connection is a member. */
  *memberships(): Iterable<Membership> {
    const person = this.#outlet?.person;
    if (person === undefined) return;
    for (const channel of this.#reader.channels) yield { channel, person, claim: undefined, nameLost: nothing };
  }

  /** Writes what it reads for itself, as far as the socket takes it, and joins its feed when it has everything. */
  pump(): void {
    const reader = this.#source;
    if (!(reader instanceof Reader)) return;
    while (this.#fullSince === 0) {
      const blocks = reader.read(1);
      if (blocks === undefined) break;
      this.#write(blocks);
    }
    if (this.#fullSince !== 0) reader.release();
    else if (reader.current) this.#source = this.#streams.join(this, reader) ?? reader;
  }

  /** Writes what its feed has read. Where that fills the socket it goes on by itself, from after that. */
  writeShared(blocks: Buffer): void {
    this.#write(blocks);
    const feed = this.#source;
    if (this.#fullSince === 0 || !(feed instanceof Feed)) return;
    const reader = feed.reader.fork(this);
    this.#streams.setApart(this);
    reader.attach();
    this.#source = reader;
    this.#streams.part(this, feed);
  }

  keepAlive(before: number): void {
    if (this.#fullSince === 0 && this.#lastWrite <= before) this.#write(KEEP_ALIVE);
  }

  /** The socket has room again. */
  drained(): void {
    if (this.#fullSince === 0) return;
    this.#fullSince = 0;
    this.#streams.options.tally.lagging--;
    this.pump();
  }

  /** Tells the client to come back later, to whichever gateway answers then, and ends. */
  end(): void {
    const outlet = this.#outlet;
    outlet?.write(Buffer.from(`${this.#streams.retry()}\n`));
    outlet?.close();
  }

  /** The connection is gone: nothing is written any more, and every channel is given back. */
  close(): void {
    const { hub, tally, members } = this.#streams.options;
    if (this.#fullSince !== 0) tally.lagging--;
    for (const { channel, person } of this.memberships()) void members.broke(channel, person.connection);
    this.#outlet = undefined;
    if (this.#source instanceof Feed) this.#streams.part(this, this.#source);
    else this.#source.detach();
    this.#streams.forget(this);
    for (const channel of this.#reader.channels) hub.leave(channel);
  }

  /** The one that reads for it, alone or for its feed. */
  get #reader(): Reader {
    return this.#source instanceof Feed ? this.#source.reader : this.#source;
  }

  #write(bytes: Buffer): void {
    const { now, tally } = this.#streams.options;
    this.#lastWrite = now();
    if (this.#outlet === undefined || this.#outlet.write(bytes) || this.#fullSince !== 0) return;
    this.#fullSince = now();
    tally.lagging++;
    tally.lags++;
  }
}

function nothing(): void {
  // A stream has no name that must be unique.
}
