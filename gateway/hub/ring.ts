/**
 * The latest events of one channel, ready encoded, as a chain without a hole in which each names its predecessor. Decides of each new event
 * whether it continues the chain, is known already, or shows that something is missing. Pure and synchronous: the
 * reading of what is missing is the hub's.
 */
import type { Event, Position } from '../../broker/broker.ts';
import { batchOf, OutgoingEvent, Run } from './outgoing.ts';

/** `next`: appended. `known`: had already, dropped. `hole`: events are missing before it, or history forked; dropped. */
export type Verdict = 'next' | 'known' | 'hole';

/** More than `prepend` can ever go back: numbers stay above zero, and so that a number from before a reset is never mistaken for one from after it. */
const RESET_STRIDE = 1 << 20;

/**
 * Events are counted by a sequence number of the ring's own, local to this process: a subscriber that follows the ring keeps the
 * number of its next event, and needs no look-up by id for each delivery. A number never stands for two events.
 */
export class Ring {
  readonly channel: string;
  readonly #capacity: number;
  #events: OutgoingEvent[] = [];
  #firstSeq = RESET_STRIDE;
  #start: Position;
  #bytes = 0;
  /** The run made last: all who follow the channel live ask for the same one. */
  #run: { readonly seq: number; readonly nextSeq: number; readonly run: Run } | undefined;

  /** An empty ring whose next event's predecessor is `start`. Keeps at least the last `capacity` events until `trim`. */
  constructor(channel: string, capacity: number, start: Position) {
    this.channel = channel;
    this.#capacity = capacity;
    this.#start = start;
  }

  /** The last event's id, or where the ring starts while it is empty. */
  get head(): Position {
    return this.#events.at(-1)?.id ?? this.#start;
  }

  /** The position just before the oldest event held. */
  get start(): Position {
    return this.#start;
  }

  get firstSeq(): number {
    return this.#firstSeq;
  }

  /** The number that the next event will get. */
  get nextSeq(): number {
    return this.#firstSeq + this.#events.length;
  }

  get length(): number {
    return this.#events.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The event with this number; it must be held: from `firstSeq` up to and without `nextSeq`. */
  at(seq: number): OutgoingEvent {
    const event = this.#events[seq - this.#firstSeq];
    if (event === undefined) throw new RangeError(`ring of ${this.channel}: event ${seq} is not held`);
    return event;
  }

  /** The events from this number on, which must be held, as far as they fit into one write. */
  runFrom(seq: number): Run {
    if (this.#run?.seq !== seq || this.#run.nextSeq !== this.nextSeq) {
      const run = new Run(batchOf(this.#events, seq - this.#firstSeq));
      this.#run = { seq, nextSeq: this.nextSeq, run };
    }
    return this.#run.run;
  }

  /** Takes a live event. Of an ephemeral channel (no ids) every event is the next one. */
  accept(event: Event): Verdict {
    const head = this.head;
    if (event.prev === head) {
      this.#append(event, head); // `head` and `event.prev` are equal: keeping one string makes later comparisons cheap
      return 'next';
    }
    return this.holds(event) ? 'known' : 'hole';
  }

  /** Whether this very event is here, or the ring begins after it. After a failover one id may stand for two events: what follows upon another event is another one. */
  holds({ id, prev }: Pick<Event, 'id' | 'prev'>): boolean {
    const seq = this.seqAfter(id);
    if (seq === undefined) return false;
    const held = this.#events[seq - 1 - this.#firstSeq];
    return held === undefined || held.prev === prev;
  }

  /** Appends what a read of the history after the ring's head brought. */
  append(event: Event): void {
    this.#append(event, event.prev);
  }

  /** The number of the event that follows `position`, or undefined where the ring does not reach back so far, or never knew it. */
  seqAfter(position: Position): number | undefined {
    for (let i = this.#events.length - 1; i >= 0; i--) {
      if (this.#events[i]?.id === position) return this.#firstSeq + i + 1;
    }
    return position === this.#start ? this.#firstSeq : undefined;
  }

  /** The position of a subscriber whose next event has this number. */
  positionBefore(seq: number): Position {
    return seq === this.nextSeq ? this.head : this.at(seq).prev;
  }

  /** Puts older events, read from the history, before those held, as far as they lead up to them without a hole. */
  prepend(older: readonly Event[]): void {
    const last = older.findLastIndex((event) => event.id === this.#start);
    if (last < 0) return;
    const encoded = older.slice(0, last + 1).map((event) => new OutgoingEvent(this.channel, event));
    this.#events = [...encoded, ...this.#events];
    this.#firstSeq -= encoded.length;
    this.#start = encoded[0]?.prev ?? this.#start;
    for (const event of encoded) this.#bytes += event.size;
  }

  /** Drops the events after `position`, which must be held: the history has lost them. No subscriber's number stays valid. */
  rewind(position: Position): void {
    const kept = (this.seqAfter(position) ?? this.#firstSeq) - this.#firstSeq;
    this.#firstSeq = this.nextSeq + RESET_STRIDE;
    for (const lost of this.#events.splice(kept)) this.#bytes -= lost.size;
  }

  /** Forgets everything and starts anew after `start`: no subscriber's number stays valid. */
  reset(start: Position): void {
    this.#firstSeq = this.nextSeq + RESET_STRIDE;
    this.#events = [];
    this.#bytes = 0;
    this.#start = start;
  }

  /** Drops the oldest events beyond the capacity, or beyond `atLeast` if that is more, and beyond `maxBytes` in all; the newest one always stays. */
  trim(maxBytes: number, atLeast = 0): void {
    const most = Math.max(this.#capacity, atLeast);
    let excess = 0;
    let bytes = this.#bytes;
    const { length } = this.#events;
    while (excess < length - 1 && (length - excess > most || bytes > maxBytes)) {
      bytes -= this.#events[excess]?.size ?? 0;
      excess++;
    }
    if (excess === 0) return;
    this.#start = this.#events[excess - 1]?.id ?? this.#start;
    this.#events.splice(0, excess);
    this.#firstSeq += excess;
    this.#bytes = bytes;
  }

  #append(event: Event, prev: Position): void {
    const outgoing = new OutgoingEvent(this.channel, event, prev);
    this.#events.push(outgoing);
    this.#bytes += outgoing.size;
  }
}
