/**
 * The contract between the gateway and whatever carries and keeps its events.
 *
 * A broker knows channels, events and positions, by `presence.ts` who is in a channel, and by `vault.ts` what may be taken once; it knows
 * nothing of sockets or HTTP.
 * `conformance.ts` holds every engine to what is promised here.
 */
import { noticedChannel, type Presence } from './presence.ts';
import type { StoreRefusal } from './refusals.ts';
import type { Vault } from './vault.ts';

/** The id of an event, or the place just after it: `<milliseconds>-<sequence>`. */
export type Position = string;

/** The position before the first event of any channel. */
export const ORIGIN: Position = '0-0';

/** What a publisher hands in. */
export interface Message {
  /** The event's name; already checked against its alphabet. */
  readonly name: string;
  /** JSON text on one line: no CR, no LF, no NUL. */
  readonly data: string;
  /** Two publishes to a channel with one key within `KEY_LIFETIME_MS` store one event. */
  readonly key?: string | undefined;
  /**
   * Asked just before it is sent, which may be a while after the call where the engine was away. Where it is not true any more nothing is sent,
   * and the call rejects with `BrokerUnavailable`.
   */
  readonly stillHolds?: (() => boolean) | undefined;
}

/** One event of a channel with history, or, with `id` and `prev` both `''`, of an ephemeral one. */
export interface Event {
  readonly id: Position;
  /** The id of the event before this one in its channel; `ORIGIN` for the first that ever was. */
  readonly prev: Position;
  readonly name: string;
  /** The JSON text that was published, as UTF-8. The holder may keep it, and must not write to it. */
  readonly data: Uint8Array;
}

/**
 * How much of a channel is kept: at most `size` events, each for at most `retentionMs`, and together, their names and data as UTF-8 and one byte
 * for each, at most `maxBytes`; but the last event is kept however large it is. `size` 0 is ephemeral.
 */
export interface Retention {
  readonly size: number;
  readonly retentionMs: number;
  /** Undefined for as many as there are. */
  readonly maxBytes?: number | undefined;
}

/** Which retention rules a channel. Must give the same answer on every gateway of one deployment. */
export type RetentionOf = (channel: string) => Retention;

/** The same rule, but that channels which carry notices are ephemeral. Every engine goes by this. */
export function ephemeralNotices(retentionOf: RetentionOf): RetentionOf {
  return (channel) => (noticedChannel(channel) === undefined ? retentionOf(channel) : { size: 0, retentionMs: 0 });
}

export interface Published {
  /** The stored event's id; `''` on an ephemeral channel. */
  readonly id: Position;
  /** True where `key` was seen before: nothing was stored, and `id` is the first event's. */
  readonly duplicate: boolean;
}

/** A run of a channel's history, oldest first; each event's `prev` is the `id` of the one before it. */
export interface Page {
  readonly events: readonly Event[];
  /**
   * Where the page begins: the `prev` of its first event, or, with no event, the position read from.
   * It differs from the position asked for where events after that one are gone (`known` is false).
   */
  readonly start: Position;
  /** The id of the channel's last event at the moment of the read, also when that one has expired; else `ORIGIN`. */
  readonly head: Position;
  /**
   * Whether the position asked for is one that every kept event after it follows without a hole: the channel's last id, an
   * entry that is still kept, or the predecessor of the oldest kept one. Always true for a read of the tail.
   */
  readonly known: boolean;
  /** Whether `limit` or the bytes of a page left out further events in the direction of the read. */
  readonly more: boolean;
}

/**
 * How many bytes of names and data a page has at most, unless it is asked for another number. The first event in the direction of the read
 * is always in it, so whoever reads on makes progress.
 */
export const PAGE_BYTES = 131_072;

/** How long a publish's key is remembered. */
export const KEY_LIFETIME_MS = 5 * 60_000;

/**
 * How much longer than its history a channel's last id is remembered, so that a channel whose history has expired
 * is not mistaken for one that lost events, and ids go on growing.
 */
export const HEAD_EXTRA_LIFETIME_MS = 7 * 24 * 3_600_000;

/** Why a message was not sent that does not hold any more. */
export const OVERTAKEN = 'What was to be published does not hold any more.';

/** What a broker tells its gateway. All calls come from the event loop, never from within a call to the broker. */
export interface Listener {
  /** An event of a channel that is subscribed. In order per channel while the connection holds; holes are possible. */
  event(channel: string, event: Event): void;
  /** Something came by a subscribed channel that is no event: of another version, or from somebody else. It is passed over. */
  unreadable?(channel: string): void;
  /** The subscription of these channels was interrupted and holds again: events in between may be missing. */
  resubscribed(channels: readonly string[]): void;
}

/** The engine cannot be reached, did not answer in time, or refuses what is asked. */
export class BrokerUnavailable extends Error {
  override readonly name = 'BrokerUnavailable';
  /** Set where the engine answered and refused: nothing was done. Undefined: the outcome of the call is unknown. */
  readonly refusal: StoreRefusal | undefined;

  constructor(message: string, { refusal, ...options }: ErrorOptions & { refusal?: StoreRefusal | undefined } = {}) {
    super(message, options);
    this.refusal = refusal;
  }
}

/** Whether the engine can be used; where not, since when (epoch milliseconds) and why, in a sentence without secrets. */
export type BrokerStatus =
  | { readonly ready: true }
  | { readonly ready: false; readonly sinceMs: number; readonly reason: string };

export interface BrokerLoad {
  readonly waiting: number;
  readonly inFlight: number;
}

/** A part of the engine that may fail while the others work, and a channel that lives there. */
export interface Shard {
  readonly name: string;
  readonly channel: string;
}

/**
 * Every method that returns a promise rejects with `BrokerUnavailable` when the engine cannot be reached within the
 * engine's time limit; none waits without bound, and none queues without bound.
 */
export interface Broker {
  /** Must be called once, before the first `subscribe`. */
  listen(listener: Listener): void;

  /** Resolves once the engine can be used; goes on trying for ever. `status()` tells why it is not there yet. */
  connect(): Promise<void>;

  /**
   * Appends the event to the channel's history and sends it to every subscriber, in one step: when it resolves, both have
   * happened. Ids grow, also over expiry, trimming, restarts and a clock that steps back. Publishes that one
   * caller makes without waiting are stored in the order of the calls.
   */
  publish(channel: string, message: Message): Promise<Published>;

  /**
   * The first `limit` events after `position`, as far as they fit into `maxBytes` (`PAGE_BYTES` unless given). Where `position` is not known,
   * those after it (by id) that are kept. On an ephemeral channel: an empty page, known, with `start` and `head` at `ORIGIN`.
   *
   * A read sees every publish that was acknowledged before it was asked for. One that is still under way it may overtake.
   */
  readAfter(channel: string, position: Position, limit: number, maxBytes?: number): Promise<Page>;

  /**
   * The last `limit` events, or the last before (and without) `before`, which need not be the id of an event; where they don't fit into
   * `maxBytes` (`PAGE_BYTES` unless given), the newest of them that do. `limit` may be 0. `start` is `ORIGIN` only where nothing that ever was
   * before the page's first event is gone, and nothing is left out.
   */
  readTail(channel: string, limit: number, before?: Position, maxBytes?: number): Promise<Page>;

  /** The position before the last `limit` events, however large they are; `ORIGIN` on an ephemeral channel. */
  tailStart(channel: string, limit: number): Promise<Position>;

  /** The last id of each channel, in the order asked; `ORIGIN` where none is remembered. So many at a time that Redis is not held up. */
  heads(channels: readonly string[]): Promise<readonly Position[]>;

  /** When it resolves, every event published afterwards reaches the listener. Calls for one channel don't nest. */
  subscribe(channel: string): Promise<void>;
  unsubscribe(channel: string): Promise<void>;

  /** Which gateways live, and who is in a channel. */
  readonly presence: Presence;

  /** What is kept for a short while, and given out once. */
  readonly vault: Vault;

  status(): BrokerStatus;

  /** The time of day by the clock that ids bear and retention goes by, in epoch milliseconds. Where it is missing that is this machine's. */
  nowMs?(): number;

  /**
   * The engine's shards, each with a channel whose name begins with `prefix`, by which it can be tried out. Another channel where the one
   * before lives elsewhere now; empty while the shards are not known.
   */
  shards(prefix: string): readonly Shard[];

  /** Calls that wait for the engine, and calls that it has not answered. */
  load(): BrokerLoad;

  /** Ends every connection. Calls under way reject. */
  close(): Promise<void>;
}

/** Up to 15 digits, so that both halves are exact as numbers: here, in Lua, and in a cursor. */
const POSITION = /^(0|[1-9]\d{0,14})-(0|[1-9]\d{0,14})$/;

/** Whether a text is a well-formed position; it need not name an event. */
export function isPosition(text: string): boolean {
  return POSITION.test(text);
}

/** Orders positions of one unbroken channel: negative where `a` is before `b`. After a failover it says nothing about order of events. */
export function comparePositions(a: Position, b: Position): number {
  const [aMs, aSeq] = split(a);
  const [bMs, bSeq] = split(b);
  return aMs - bMs || aSeq - bSeq;
}

function split(position: Position): [number, number] {
  const dash = position.indexOf('-');
  return [Number(position.slice(0, dash)), Number(position.slice(dash + 1))];
}
