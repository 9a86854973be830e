/**
 * One channel that somebody on this gateway listens to: joins it in the broker, and keeps its ring true by live events and, after a
 * hole or a fork, by the history. Says where a subscription begins, and who follows it; when those are woken is the hub's.
 */
import {
  type Broker,
  BrokerUnavailable,
  comparePositions,
  type Event,
  ORIGIN,
  type Page,
  type Position,
  type Retention,
} from '../../broker/broker.ts';
import { millisecondsOf } from './event-time.ts';
import { type History, ignoreUnavailable, type Replayable } from './history.ts';
import type { Asker } from './read-queue.ts';
import { Ring } from './ring.ts';
import { Subscription } from './subscription.ts';

/** One connection, or several that are served alike, as the hub sees it. */
export interface Sink {
  /** Subscriptions that may have something to take, in the order in which they had news: filled by `markDue`, emptied by the sink. */
  due: readonly Subscription[];
  /** Take from those that are due, and write. Called once per tick, besides when history has come or a ring would overflow. */
  pump(): void;
  /** For whom its history is read; the gateway itself where there is none. */
  readonly asker?: Asker | undefined;
}

/** What is due while nothing is: one for all, as most of very many sinks are at rest. */
export const NOTHING_DUE: readonly Subscription[] = [];

/** Has a sink take from a subscription when it is next pumped. True where nothing else was due. */
export function markDue(sink: Sink, subscription: Subscription): boolean {
  if (sink.due.length === 0) {
    sink.due = [subscription];
    return true;
  }
  if (!sink.due.includes(subscription)) (sink.due as Subscription[]).push(subscription); // an array of its own, made above
  return false;
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

/** What all channels of a gateway share. */
export interface ChannelParts {
  readonly broker: Broker;
  readonly history: History;
  /** Events that a ring keeps. */
  readonly ringEvents: number;
  readonly now: () => number;
  /** The ring has news. `urgent`: subscribers are to take it before anything else is appended, or it may be pushed out. */
  readonly changed: (channel: Channel, urgent: boolean) => void;
  readonly repairing: () => void;
}

export class Channel {
  readonly name: string;
  readonly ephemeral: boolean;
  readonly ring: Ring;
  /** Connections that listen. The channel is held while there are any, and a little longer. */
  audience = 0;
  /** No audience at the last sweep. */
  idle = false;
  /** Who is to be woken by news. */
  readonly followers = new Map<Subscription, Sink>();
  /** Resolves once it can be subscribed to; rejects with `BrokerUnavailable`. */
  readonly joined: Promise<void>;
  readonly #retentionMs: number;
  readonly #parts: ChannelParts;
  /** Live events that wait for a read that is under way; undefined while none is. */
  #held: Event[] | undefined = [];
  /** More came than is held: the oldest are known from the history only. */
  #overflowed = false;
  #repair: Promise<void> | undefined;
  /** The one read that makes the ring reach as far back as it may, for the first who asks for history. */
  #filled: Promise<void> | undefined;
  /** The ring's start when it held all that is kept, as long as it does. */
  #wholeFrom: Position | undefined;
  /** Reads for subscribers that are under way: what arrives meanwhile must be in the ring still when they have their answer. */
  #reading = 0;
  /** The last repair has read up to here, before the live events had come as far: what still comes of those before is no hole. */
  #late: Position | undefined;
  /** The oldest event that came since the last `written`; `''` where there is none with an id. */
  #unwritten: Position = '';

  /** Joins once `left`, an earlier leaving of the same channel, is done. */
  constructor(name: string, { size, retentionMs }: Retention, parts: ChannelParts, left: Promise<void> | undefined) {
    this.name = name;
    this.ephemeral = size === 0;
    this.#retentionMs = retentionMs;
    this.#parts = parts;
    const capacity = this.ephemeral ? parts.ringEvents : Math.min(size, parts.ringEvents);
    this.ring = new Ring(name, capacity, this.ephemeral ? '' : ORIGIN);
    this.joined = this.#join(left);
  }

  /** Whether no read is under way that brings the ring up to date anyway. */
  get settled(): boolean {
    return this.#held === undefined;
  }

  /** Takes a live event, in the order in which they arrive. */
  event(event: Event): void {
    if (this.#held === undefined) {
      this.#accept(event);
      return;
    }
    this.#held.push(event);
    // Beyond the bound the oldest go: they are likeliest to be in what is being read.
    if (this.#held.length <= this.#parts.ringEvents) return;
    this.#held.shift();
    this.#overflowed = true;
  }

  /** Holds the ring to its bounds; while a subscriber's read is under way, to no fewer events than any ring may have. */
  trim(maxBytes: number): void {
    this.ring.trim(maxBytes, this.#reading > 0 ? this.#parts.ringEvents : 0);
  }

  /** Call once those who follow have taken what there is. The oldest event of it; undefined where there is none, or it has no id. */
  written(): Position | undefined {
    const oldest = this.#unwritten;
    this.#unwritten = '';
    return oldest === '' ? undefined : oldest;
  }

  /** Decides where a subscription begins, reading the history where the ring does not reach. Not before `joined`. */
  async begin(start: Start, asker: Asker): Promise<Opened> {
    const { ring } = this;
    if (start === undefined || this.ephemeral) {
      const subscription = new Subscription(ring, ring.head);
      return { subscription, position: subscription.position, recovered: start === undefined };
    }
    return 'tail' in start ? this.#beginWithTail(start.tail, asker) : this.#beginAfter(start.after, asker);
  }

  /** Reads what a subscription is owed. Where it still is owed afterwards, nothing could be read yet: try again later. */
  async supply(subscription: Subscription, asker: Asker): Promise<void> {
    const { position } = subscription;
    await this.#fill();
    if (!subscription.owed) return;
    const replay = await this.#upToRing(position, () => this.#parts.history.replayAfter(this.name, position, asker));
    if (subscription.owed && subscription.position === position) subscription.supply(replay);
  }

  /** Brings the ring up to date with the history, and puts right where the chain is broken. One at a time; all who ask await the same. */
  repair(): Promise<void> {
    this.#repair ??= this.#runRepair();
    return this.#repair;
  }

  async #join(left: Promise<void> | undefined): Promise<void> {
    const { broker, history } = this.#parts;
    await left;
    await broker.subscribe(this.name);
    if (!this.ephemeral) {
      // Only after the subscription holds: what is published from here on is either in this read or arrives, or both.
      const { head } = await history.tail(this.name, 0);
      this.ring.reset(head);
    }
    this.#release(false);
  }

  #accept(event: Event): void {
    switch (this.ring.accept(event)) {
      case 'next':
        if (this.#unwritten === '') this.#unwritten = event.id;
        this.#late = undefined;
        // A burst that fills the ring must not push out what its own subscribers have not seen.
        this.#parts.changed(this, this.ring.length >= 2 * this.#parts.ringEvents);
        return;
      case 'known':
        return;
      case 'hole':
        if (this.#late !== undefined && comparePositions(event.id, this.#late) <= 0) return;
        // The event itself was stored before it was sent, so the read brings it, too.
        this.repair().catch(ignoreUnavailable); // the periodic check comes again
        return;
    }
  }

  /**
   * Lets the held events through, from where they go on from the ring. What makes a hole among them arrived after the read, and is worth another one;
   * but where the read itself had lost touch (`apart`), another one might do so again, for as long as the channel is busy. Then the ring goes on with
   * what is live, and those who follow it find out by the history what they miss, and are told.
   */
  #release(apart: boolean): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    if (this.ephemeral) {
      for (const event of held) this.event(event);
      return;
    }
    const { head } = this.ring;
    let from = continuation(held, head);
    if (from === undefined) {
      this.#late = head;
      const newer = held.findIndex(({ id }) => comparePositions(id, head) > 0);
      from = newer < 0 ? held.length : newer;
      if (apart && newer >= 0) {
        from = Math.max(newer, chainStart(held));
        this.#restart(held[from]?.prev ?? head);
      }
    }
    for (const event of held.slice(from)) this.event(event);
  }

  async #runRepair(): Promise<void> {
    this.#held = [];
    this.#overflowed = false;
    this.#parts.repairing();
    let apart = false;
    try {
      apart = await this.#catchUp();
    } catch (error) {
      this.#held = undefined; // lost again is what was held: it is in the history
      this.#repair = undefined;
      throw error;
    }
    this.#repair = undefined;
    this.#release(apart);
  }

  /**
   * Reads on to where the live events are. True where it lost touch with them: the history does not know the ring's head any more, so that there may
   * be a gap, or page after page comes slower than the channel is written, while nobody would get anything.
   */
  async #catchUp(): Promise<boolean> {
    const { history, ringEvents } = this.#parts;
    let pages = 0;
    for (;;) {
      const page = await history.after(this.name, this.ring.head);
      if (!page.known) {
        await othersHaveCome();
        if (this.#unbroken(page.head)) return false; // trimmed, as it is of a busy channel; but what came since goes on from it
        break;
      }
      this.#extend(page.events);
      if (!page.more || continuation(this.#held ?? [], this.ring.head) !== undefined) return false;
      if (this.#overflowed && ++pages === MAX_PAGES_BEHIND) break;
    }
    // The head is no longer part of the history, trimmed past or lost in a fork; or too far behind its end.
    this.#rejoin(await history.tail(this.name, ringEvents));
    return true;
  }

  /** Whether the held events lead from the ring's head, without a hole, to an event that the history ended with just now. */
  #unbroken(head: Position): boolean {
    const held = this.#held ?? [];
    const from = held.findIndex(({ prev }) => prev === this.ring.head);
    return from >= 0 && chainStart(held) <= from && held.slice(from).some(({ id }) => id === head);
  }

  /** Goes on from the last event that the ring and the history share; where there is none, with what the history has. */
  #rejoin(tail: Page): void {
    const { ring } = this;
    const shared = tail.events.findLastIndex((event) => ring.holds(event));
    const ancestor = tail.events[shared]?.id ?? tail.start;
    if (ring.seqAfter(ancestor) !== undefined) {
      ring.rewind(ancestor);
    } else {
      this.#restart(tail.start);
    }
    // Subscribers whose position is not in the ring any more find out what they miss by reading the history from there.
    this.#extend(tail.events.slice(shared + 1));
  }

  #restart(start: Position): void {
    this.ring.reset(start);
    this.#filled = undefined;
    this.#wholeFrom = undefined;
  }

  #extend(events: readonly Event[]): void {
    for (const event of events) this.ring.append(event);
    if (this.#unwritten === '') this.#unwritten = events[0]?.id ?? '';
    this.#parts.changed(this, true);
  }

  async #beginAfter(after: Position, asker: Asker): Promise<Opened> {
    const { ring } = this;
    if (ring.seqAfter(after) === undefined) await this.#fill();
    if (this.#fresh(ring.seqAfter(after))) {
      return { subscription: new Subscription(ring, after), position: after, recovered: true };
    }
    const replay = await this.#upToRing(after, () => this.#parts.history.replayAfter(this.name, after, asker));
    const subscription = new Subscription(ring, after);
    subscription.supply(replay);
    return { subscription, position: replay.known ? after : replay.start, recovered: replay.known };
  }

  async #beginWithTail(tail: number, asker: Asker): Promise<Opened> {
    const { ring } = this;
    if (tail > ring.length) await this.#fill();
    const limit = this.#wholeFrom === ring.start ? Math.min(tail, ring.length) : tail;
    if (limit <= ring.length && this.#fresh(ring.nextSeq - limit)) {
      const position = ring.positionBefore(ring.nextSeq - limit);
      return { subscription: new Subscription(ring, position), position, recovered: true };
    }
    const replay = await this.#upToRing(undefined, () => this.#parts.history.replayTail(this.name, tail, asker));
    const subscription = new Subscription(ring, replay.start);
    subscription.supply(replay);
    return { subscription, position: replay.start, recovered: true };
  }

  /** Whether the ring can serve from this number on: its event is there, and not older than the history would keep it. */
  #fresh(seq: number | undefined): boolean {
    if (seq === undefined) return false;
    if (seq === this.ring.nextSeq) return true;
    const { id } = this.ring.at(seq);
    return millisecondsOf(id) >= this.#parts.now() - this.#retentionMs;
  }

  /** Makes the ring reach back as far as it may, by one read however many ask. */
  async #fill(): Promise<void> {
    const { history, ringEvents } = this.#parts;
    this.#filled ??= history
      .tail(this.name, ringEvents)
      .then(({ events, start, more }) => {
        this.ring.prepend(events);
        if (!more && this.ring.start === start) this.#wholeFrom = start;
      })
      .catch((error: unknown) => {
        this.#filled = undefined;
        throw error;
      });
    await this.#filled;
  }

  /**
   * Reads the history for a subscriber, up to the ring's head: no subscriber may get ahead of the ring, which would then give it
   * the same events again. A ring that turns out to be behind the history is brought up to date first. `after` is the position asked for, if one was.
   */
  async #upToRing(after: Position | undefined, read: () => Promise<Replayable>): Promise<Replayable> {
    this.#reading++;
    try {
      for (let attempt = 0; attempt < MAX_READS; attempt++) {
        const replay = await this.#readUpToRing(after, read);
        if (replay !== undefined) return replay;
      }
    } finally {
      this.#reading--;
    }
    throw new BrokerUnavailable(`The history of ${this.name} does not come to rest`);
  }

  async #readUpToRing(after: Position | undefined, read: () => Promise<Replayable>): Promise<Replayable | undefined> {
    const { ring } = this;
    const replay = await read();
    const last = replay.events.at(-1)?.id ?? replay.start;
    // The first page of a tail may lie beyond the ring's head altogether, and yet end before the channel's.
    const mayBeAhead = last === replay.head || replay.isTailsBegin === true;
    const ahead = (): boolean => mayBeAhead && ring.seqAfter(replay.head) === undefined;
    // An unknown position may be the first sign of a fork: the ring must not bring back what the history has lost. Not so where it is older than the
    // history's end, which the ring has: whoever stands there has seen nothing that comes behind it.
    const trimmed = (): boolean =>
      after !== undefined && ring.seqAfter(replay.head) !== undefined && comparePositions(after, replay.head) < 0;
    const doubtful = (): boolean => !replay.known && ring.head !== replay.head && !trimmed();
    if (ahead()) await othersHaveCome();
    if (ahead() || doubtful()) await this.repair();
    if (ahead()) return undefined; // the history was lost while it was being read: what was read of it is no longer true
    if (replay.start === ring.head) return { ...replay, events: [], head: replay.events[0]?.id ?? replay.head };
    const end = replay.events.findIndex(({ id }) => id === ring.head);
    return end < 0 ? replay : { ...replay, events: replay.events.slice(0, end + 1) };
  }
}

/** Pages that are read of a channel once more was written meanwhile than its ring takes. */
const MAX_PAGES_BEHIND = 8;

/** Reads of one stretch of history before it is given up for now. */
const MAX_READS = 4;

/** Resolves when what has come by now by another connection has been taken, too: of events and an answer that come together either may be first. */
function othersHaveCome(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Where among the events those begin that go on from a position; undefined where it is neither one of them nor the place before one. */
function continuation(events: readonly Event[], position: Position): number | undefined {
  const at = events.findLastIndex(({ id }) => id === position);
  if (at >= 0) return at + 1;
  const next = events.findLastIndex(({ prev }) => prev === position);
  return next < 0 ? undefined : next;
}

/** Where among the events the last run begins in which each goes on from the one before it. */
function chainStart(events: readonly Event[]): number {
  let start = events.length - 1;
  while (start > 0 && events[start]?.prev === events[start - 1]?.id) start--;
  return start;
}
