/**
 * The channels that somebody on this gateway listens to: joins them in the broker, keeps each one's ring true (live events, repair
 * after a hole, the periodic check of positions), reads history for subscribers that are owed some, and wakes those that have
 * something to send once per tick. Knows no sockets and no transport: a subscriber is a `Sink` that pulls.
 */
import {
  type Broker,
  BrokerUnavailable,
  type Event,
  type Listener,
  ORIGIN,
  type Page,
  type Position,
  type RetentionOf,
} from '../broker/broker.ts';
import { Gate } from './gate.ts';
import { OutgoingEvent } from './outgoing.ts';
import { Ring } from './ring.ts';
import { type Replay, Subscription } from './subscription.ts';

/** One connection, or several that are served alike, as the hub sees it. */
export interface Sink {
  /** Filled by the hub, emptied by the sink: subscriptions that may have something to take. Never holds one twice. */
  readonly due: Subscription[];
  /** Take from those that are due, and write. Called at most once per tick, never from within a call to the hub. */
  pump(): void;
}

/** Where a subscription begins: only new events, after a position, or with the last few. */
export type Start = { readonly after: Position } | { readonly tail: number } | undefined;

export interface Opened {
  readonly subscription: Subscription;
  /** Where it begins; later than `after` where events after that are gone. */
  readonly position: Position;
  /** False where events after the position asked for are gone: a gap is what it takes first. */
  readonly recovered: boolean;
}

export interface HubLimits {
  /** Events that a channel's ring keeps. */
  readonly ringEvents: number;
  /** Bytes that the rings of all channels may hold together. */
  readonly ringBytes: number;
  /** Reads of history under way at once. */
  readonly historyReads: number;
  /** Events read from the history at once. */
  readonly historyPage: number;
  /** About how long after a failed read of history the next one is tried. */
  readonly historyRetryMs: number;
}

export interface HubCounts {
  channels: number;
  subscriptions: number;
  ringBytes: number;
  historyReads: number;
  historyReadsWaiting: number;
  repairs: number;
}

/** What the hub keeps of one channel. `audience` counts connections; it is joined while that is above zero, and a little longer. */
class Channel {
  readonly name: string;
  readonly ephemeral: boolean;
  readonly retentionMs: number;
  readonly ring: Ring;
  readonly followers = new Map<Subscription, Sink>();
  audience = 0;
  joined: Promise<void>;
  /** Live events that wait for a read that is under way; undefined while none is. */
  held: Event[] | undefined = [];
  /** The repair that is under way. */
  repairing: Promise<void> | undefined;
  /** Whether the ring goes as far back as it may: set by the one read that fills it for the first who asks for history. */
  filled: Promise<void> | undefined;
  /** The ring's start when it held all that is kept, as long as it does. */
  wholeFrom: Position | undefined;
  /** No audience since the last sweep. */
  idle = false;

  constructor(name: string, ring: Ring, retentionMs: number, ephemeral: boolean) {
    this.name = name;
    this.ring = ring;
    this.retentionMs = retentionMs;
    this.ephemeral = ephemeral;
    this.joined = Promise.resolve();
  }
}

export class Hub implements Listener {
  readonly #broker: Broker;
  readonly #retentionOf: RetentionOf;
  readonly #limits: HubLimits;
  readonly #now: () => number;
  readonly #channels = new Map<string, Channel>();
  readonly #dirty = new Set<Channel>();
  readonly #reads = new Map<string, Promise<Replayable>>();
  /** Channels that are being left: joining one again waits for that. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #fetching = new WeakSet<Subscription>();
  readonly #readGate: Gate;
  #flushScheduled = false;
  #repairs = 0;
  #closed = false;

  constructor(broker: Broker, retentionOf: RetentionOf, limits: HubLimits, now: () => number) {
    this.#broker = broker;
    this.#retentionOf = retentionOf;
    this.#limits = limits;
    this.#now = now;
    this.#readGate = new Gate(limits.historyReads);
  }

  /**
   * Begins a subscription; `attach` it to have it woken. The channel is held for it until `leave`. Rejects with `BrokerUnavailable`, and
   * then holds nothing.
   */
  async subscribe(name: string, start: Start): Promise<Opened> {
    const channel = this.#channels.get(name) ?? this.#open(name);
    channel.audience++;
    try {
      await channel.joined;
      return await this.#begin(channel, start);
    } catch (error) {
      channel.audience--; // not by name: the channel may have been opened anew since
      throw error;
    }
  }

  /** Counts one connection more for a channel that is held already, which shares another's subscription. */
  enter(name: string): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) throw new Error(`channel ${name} is not held`);
    channel.audience++;
  }

  /** Counts one connection less. */
  leave(name: string): void {
    const channel = this.#channels.get(name);
    if (channel !== undefined) channel.audience--;
  }

  /** From now on wakes `sink` whenever the subscription may have something to take. What it has already is for the sink to take. */
  attach(subscription: Subscription, sink: Sink): void {
    const channel = this.#channels.get(subscription.ring.channel);
    if (channel === undefined) throw new Error(`channel ${subscription.ring.channel} is not held`);
    channel.followers.set(subscription, sink);
  }

  detach(subscription: Subscription): void {
    this.#channels.get(subscription.ring.channel)?.followers.delete(subscription);
  }

  /**
   * Reads what the subscription is owed, and wakes its sink when that is there; tries again for as long as it is attached. One
   * read serves all who are owed the same range, and rings are filled by one read for all.
   */
  fetch(subscription: Subscription): void {
    if (this.#fetching.has(subscription)) return;
    this.#fetching.add(subscription);
    void this.#fetch(subscription).then(() => {
      this.#fetching.delete(subscription); // first: what its sink takes now may leave it owed again
      const sink = this.#channels.get(subscription.ring.channel)?.followers.get(subscription);
      if (sink !== undefined) this.#wake(subscription, sink);
    });
  }

  /** Compares each channel's last id with what this gateway has, in one read for all, and repairs those that differ. */
  async check(names: readonly string[] = [...this.#channels.keys()]): Promise<void> {
    const watched: Channel[] = [];
    for (const name of names) {
      const channel = this.#channels.get(name);
      // One that is being read just now learns its head by that.
      if (channel !== undefined && !channel.ephemeral && channel.held === undefined) watched.push(channel);
    }
    if (watched.length === 0) return;
    const heads = await this.#broker.heads(watched.map(({ name }) => name));
    await Promise.all(
      watched.map(async (channel, index) => {
        // It may have been left meanwhile, and even be joined anew: then this answer is not about the new one.
        if (this.#channels.get(channel.name) !== channel) return;
        if (channel.ring.seqAfter(heads[index] ?? ORIGIN) === undefined) await this.#repair(channel);
      }),
    );
  }

  /** Leaves channels that have had no audience for two sweeps in a row, and holds the rings to their bytes. Called every few seconds. */
  sweep(): void {
    const share = this.#limits.ringBytes / Math.max(1, this.#channels.size);
    for (const channel of this.#channels.values()) {
      channel.ring.trim(share);
      if (channel.audience > 0) channel.idle = false;
      else if (!channel.idle) channel.idle = true;
      else this.#close(channel);
    }
  }

  event(name: string, event: Event): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return; // left in the meantime
    if (channel.held !== undefined) {
      // All that is held is in the history too: beyond the bound the read that is under way is simply followed by another.
      if (channel.held.length <= this.#limits.ringEvents) channel.held.push(event);
      return;
    }
    this.#accept(channel, event);
  }

  resubscribed(names: readonly string[]): void {
    this.check(names).catch(ignoreUnavailable); // the periodic check comes again
  }

  /** The channels that start with `prefix`, with the number of this gateway's connections that listen to each. */
  *audiences(prefix: string): Iterable<{ channel: string; subscribers: number }> {
    for (const { name, audience } of this.#channels.values()) {
      if (audience > 0 && name.startsWith(prefix)) yield { channel: name, subscribers: audience };
    }
  }

  counts(): HubCounts {
    const counts = { channels: this.#channels.size, subscriptions: 0, ringBytes: 0 };
    for (const { audience, ring } of this.#channels.values()) {
      counts.subscriptions += audience;
      counts.ringBytes += ring.bytes;
    }
    const { running, waiting } = this.#readGate;
    return { ...counts, historyReads: running, historyReadsWaiting: waiting, repairs: this.#repairs };
  }

  close(): void {
    this.#closed = true;
  }

  #open(name: string): Channel {
    const { size, retentionMs } = this.#retentionOf(name);
    const ephemeral = size === 0;
    const capacity = ephemeral ? this.#limits.ringEvents : Math.min(size, this.#limits.ringEvents);
    const channel = new Channel(name, new Ring(name, capacity, ephemeral ? '' : ORIGIN), retentionMs, ephemeral);
    this.#channels.set(name, channel);
    channel.joined = this.#join(channel);
    channel.joined.catch(() => {
      // Everyone who waits is told by `subscribe`; the next one who comes tries anew.
      if (this.#channels.get(name) === channel) this.#close(channel);
    });
    return channel;
  }

  async #join(channel: Channel): Promise<void> {
    await this.#leaving.get(channel.name);
    await this.#broker.subscribe(channel.name);
    if (!channel.ephemeral) {
      // Only after the subscription holds: what is published from here on is either in this read or arrives, or both.
      const { head } = await this.#broker.readTail(channel.name, 0);
      channel.ring.reset(head);
    }
    this.#release(channel);
  }

  #close(channel: Channel): void {
    this.#channels.delete(channel.name);
    this.#dirty.delete(channel);
    const left = this.#broker
      .unsubscribe(channel.name)
      .catch(ignoreUnavailable) // a subscription too many does no harm
      .finally(() => this.#leaving.delete(channel.name));
    this.#leaving.set(channel.name, left);
  }

  /** Lets the held events through. What makes a hole among them arrived after the read, and is worth another one. */
  #release(channel: Channel): void {
    const held = channel.held ?? [];
    channel.held = undefined;
    for (const event of held) this.#accept(channel, event);
    if (held.length > this.#limits.ringEvents) this.#repair(channel).catch(ignoreUnavailable); // more came than was held
  }

  #accept(channel: Channel, event: Event): void {
    if (channel.held !== undefined) {
      channel.held.push(event); // an event released before this one started a repair
      return;
    }
    switch (channel.ring.accept(event)) {
      case 'next':
        this.#touch(channel);
        return;
      case 'known':
        return;
      case 'hole':
        // The event itself was stored before it was sent, so the read brings it, too.
        this.#repair(channel).catch(ignoreUnavailable); // the periodic check comes again
        return;
    }
  }

  /** Brings the ring up to date with the history, and puts right where the chain is broken. One at a time; all who ask await the same. */
  #repair(channel: Channel): Promise<void> {
    channel.repairing ??= this.#runRepair(channel);
    return channel.repairing;
  }

  async #runRepair(channel: Channel): Promise<void> {
    channel.held = [];
    this.#repairs++;
    try {
      for (let more = true; more; ) more = await this.#readGate.run(() => this.#catchUp(channel));
    } catch (error) {
      channel.held = undefined; // lost again is what was held: it is in the history
      channel.repairing = undefined;
      throw error;
    }
    channel.repairing = undefined;
    this.#release(channel);
  }

  /** One read of a repair; says whether there is more to read. */
  async #catchUp(channel: Channel): Promise<boolean> {
    const { ring } = channel;
    const page = await this.#broker.readAfter(channel.name, ring.head, this.#limits.historyPage);
    if (page.known) {
      this.#extend(channel, page.events);
      return page.more;
    }
    // The head is no longer part of the history: trimmed past, or lost in a fork. Go on from the last event that both sides share.
    const tail = await this.#broker.readTail(channel.name, this.#limits.ringEvents);
    const shared = tail.events.findLastIndex((event) => ring.seqAfter(event.id) !== undefined);
    const ancestor = tail.events[shared]?.id ?? tail.start;
    if (ring.seqAfter(ancestor) !== undefined) {
      ring.rewind(ancestor);
    } else {
      ring.reset(tail.start);
      channel.filled = undefined;
      channel.wholeFrom = undefined;
    }
    // Subscribers whose position is not in the ring any more find out what they miss by reading the history from there.
    this.#extend(channel, tail.events.slice(shared + 1));
    // What is held may be of the part that was lost; what is not is in the history, for one more read to bring.
    channel.held = [];
    return true;
  }

  #extend(channel: Channel, events: readonly Event[]): void {
    for (const event of events) channel.ring.append(event);
    this.#touch(channel);
    this.#flush(); // before the next page pushes this one out of the ring
  }

  async #begin(channel: Channel, start: Start): Promise<Opened> {
    const { ring } = channel;
    if (start === undefined || channel.ephemeral) {
      const subscription = new Subscription(ring, ring.head);
      return { subscription, position: subscription.position, recovered: start === undefined };
    }
    if ('tail' in start) return this.#beginWithTail(channel, start.tail);

    const { after } = start;
    if (ring.seqAfter(after) === undefined) await this.#fill(channel);
    if (this.#fresh(channel, ring.seqAfter(after))) {
      return { subscription: new Subscription(ring, after), position: after, recovered: true };
    }
    const replay = await this.#upToRing(channel, await this.#readAfter(channel, after));
    const subscription = new Subscription(ring, after);
    subscription.supply(replay);
    return { subscription, position: replay.known ? after : replay.start, recovered: replay.known };
  }

  async #beginWithTail(channel: Channel, tail: number): Promise<Opened> {
    const { ring } = channel;
    if (tail > ring.length) await this.#fill(channel);
    const limit = channel.wholeFrom === ring.start ? Math.min(tail, ring.length) : tail;
    if (limit <= ring.length && this.#fresh(channel, ring.nextSeq - limit)) {
      const position = ring.positionBefore(ring.nextSeq - limit);
      return { subscription: new Subscription(ring, position), position, recovered: true };
    }
    const read = this.#read(`${channel.name} tail ${tail}`, channel, () => this.#broker.readTail(channel.name, tail));
    const replay = await this.#upToRing(channel, await read);
    const subscription = new Subscription(ring, replay.start);
    subscription.supply(replay);
    return { subscription, position: replay.start, recovered: true };
  }

  /** Whether the ring can serve from this number on: its event is there, and not older than the history would keep it. */
  #fresh(channel: Channel, seq: number | undefined): boolean {
    if (seq === undefined) return false;
    if (seq === channel.ring.nextSeq) return true;
    const { id } = channel.ring.at(seq);
    return Number(id.slice(0, id.indexOf('-'))) >= this.#now() - channel.retentionMs;
  }

  async #fetch(subscription: Subscription): Promise<void> {
    const { channel: name } = subscription.ring;
    while (!this.#closed) {
      const channel = this.#channels.get(name);
      if (channel === undefined || !channel.followers.has(subscription)) return;
      const { position } = subscription;
      try {
        await this.#fill(channel);
        if (!subscription.owed) return;
        const replay = await this.#upToRing(channel, await this.#readAfter(channel, position));
        if (subscription.owed && subscription.position === position) subscription.supply(replay);
        if (!subscription.owed) return;
      } catch (error) {
        ignoreUnavailable(error);
      }
      await new Promise((resolve) => setTimeout(resolve, this.#limits.historyRetryMs * (0.5 + Math.random())));
    }
  }

  /** Makes the ring reach back as far as it may, by one read however many ask. */
  async #fill(channel: Channel): Promise<void> {
    channel.filled ??= this.#readGate
      .run(() => this.#broker.readTail(channel.name, this.#limits.ringEvents))
      .then(({ events, start, more }) => {
        channel.ring.prepend(events);
        if (!more && channel.ring.start === start) channel.wholeFrom = start;
      })
      .catch((error: unknown) => {
        channel.filled = undefined;
        throw error;
      });
    await channel.filled;
  }

  /**
   * Cuts a read of the history off at the ring's head: no subscriber may get ahead of the ring, which would then give it
   * the same events again. A ring that turns out to be behind the history is brought up to date first.
   */
  async #upToRing(channel: Channel, replay: Replayable): Promise<Replayable> {
    const { ring } = channel;
    const last = replay.events.at(-1)?.id ?? replay.start;
    const behind = last === replay.head && ring.seqAfter(last) === undefined;
    // An unknown position may be the first sign of a fork: the ring must not bring back what the history has lost.
    const doubtful = !replay.known && ring.head !== replay.head;
    if (behind || doubtful) await this.#repair(channel);
    if (replay.start === ring.head) return { ...replay, events: [], head: replay.events[0]?.id ?? replay.head };
    const end = replay.events.findIndex(({ id }) => id === ring.head);
    return end < 0 ? replay : { ...replay, events: replay.events.slice(0, end + 1) };
  }

  #readAfter(channel: Channel, position: Position): Promise<Replayable> {
    return this.#read(`${channel.name} after ${position}`, channel, () =>
      this.#broker.readAfter(channel.name, position, this.#limits.historyPage),
    );
  }

  /** Reads history; whoever asks for the same while it is under way gets the same answer. */
  #read(key: string, channel: Channel, from: () => Promise<Page>): Promise<Replayable> {
    const running = this.#reads.get(key);
    if (running !== undefined) return running;
    const read = this.#readGate
      .run(from)
      .then((page) => encode(channel.name, page))
      .finally(() => this.#reads.delete(key));
    this.#reads.set(key, read);
    return read;
  }

  #touch(channel: Channel): void {
    this.#dirty.add(channel);
    // A burst that fills the ring is sent out at once, so that it does not push out what its own subscribers have not seen.
    if (channel.ring.length >= 2 * this.#limits.ringEvents) this.#flush();
    else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      setImmediate(() => {
        this.#flushScheduled = false;
        this.#flush();
      });
    }
  }

  /** Wakes every sink that has a subscription with news: once, however many of its channels have some. */
  #flush(): void {
    const sinks: Sink[] = [];
    const share = this.#limits.ringBytes / Math.max(1, this.#channels.size);
    const notice = (sink: Sink, subscription: Subscription): void => {
      if (sink.due.length === 0) sinks.push(sink);
      else if (sink.due.includes(subscription)) return;
      sink.due.push(subscription);
    };
    for (const { followers } of this.#dirty) followers.forEach(notice); // no pair is made for each, as iterating would
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const sink of sinks) sink.pump();
    for (const channel of dirty) channel.ring.trim(share);
  }

  #wake(subscription: Subscription, sink: Sink): void {
    if (!sink.due.includes(subscription)) sink.due.push(subscription);
    sink.pump();
  }
}

interface Replayable extends Replay {
  readonly known: boolean;
}

function encode(channel: string, page: Page): Replayable {
  return { ...page, events: page.events.map((event) => new OutgoingEvent(channel, event)) };
}

function ignoreUnavailable(error: unknown): void {
  if (!(error instanceof BrokerUnavailable)) throw error;
}
