/**
 * The embedded engine: one process, no server. It is also the executable specification of what a broker keeps and
 * answers, written for reading first.
 *
 * Owns the events, last ids and keys of one process; leases and members are in `memory-presence.ts`, and what may be taken once in
 * `memory-vault.ts`. Must not know who listens, nor anything of Redis.
 */
import {
  type Broker,
  type BrokerLoad,
  type BrokerStatus,
  BrokerUnavailable,
  comparePositions,
  type Event,
  ephemeralNotices,
  HEAD_EXTRA_LIFETIME_MS,
  KEY_LIFETIME_MS,
  type Listener,
  type Message,
  ORIGIN,
  OVERTAKEN,
  PAGE_BYTES,
  type Page,
  type Position,
  type Published,
  type Retention,
  type RetentionOf,
  type Shard,
} from './broker.ts';
import { MemoryPresence, PresenceStore } from './memory-presence.ts';
import { MemoryVault, VaultStore } from './memory-vault.ts';
import { GRACE_MS, type Presence } from './presence.ts';
import type { Vault } from './vault.ts';

export interface MemoryStoreOptions {
  readonly retentionOf: RetentionOf;
  /** Epoch milliseconds; may step back. */
  readonly now?: (() => number) | undefined;
  /** How often what has expired is thrown away. It is never answered with, also before that. */
  readonly sweepIntervalMs?: number | undefined;
}

/** What is kept for one channel. The two halves live and die apart, as the two keys do in Redis. */
export interface ChannelState {
  /** Oldest first and never empty: the last event stays, also when too old to be delivered, until the whole expires. */
  stream: { events: Event[]; expiresAtMs: number } | undefined;
  head: { id: Position; expiresAtMs: number } | undefined;
  readonly keys: Map<string, { readonly id: Position; readonly expiresAtMs: number }>;
}

/** What has come of a channel at one moment: all that a read needs. */
interface View {
  readonly kept: readonly Event[];
  /** The position before the first kept event. */
  readonly floor: Position;
  readonly head: Position;
}

/** What one or more `MemoryBroker`s share: to their gateways it is what a Redis server would be. */
export class MemoryStore {
  /** Open, so that a test may lose half of a channel as Redis might. */
  readonly channels = new Map<string, ChannelState>();
  readonly presence: PresenceStore;
  readonly vault: VaultStore;
  readonly #brokers = new Set<MemoryBroker>();
  readonly #retentionOf: RetentionOf;
  readonly #now: () => number;
  readonly #sweepIntervalMs: number;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: MemoryStoreOptions) {
    this.#retentionOf = ephemeralNotices(options.retentionOf);
    this.#now = options.now ?? Date.now;
    this.presence = new PresenceStore({ now: this.#now, send: (channel, notice) => this.publish(channel, notice) });
    this.vault = new VaultStore(this.#now);
    this.#sweepIntervalMs = options.sweepIntervalMs ?? 10_000;
  }

  attach(broker: MemoryBroker): void {
    this.#brokers.add(broker);
    this.#sweeper ??= setInterval(() => this.sweep(), this.#sweepIntervalMs).unref();
  }

  detach(broker: MemoryBroker): void {
    this.#brokers.delete(broker);
    if (this.#brokers.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  publish(channel: string, message: Message): Published {
    const now = this.#now();
    const retention = this.#retentionOf(channel);
    const { size, retentionMs } = retention;
    const state = this.#state(channel);
    this.#expire(state, now);

    const seen = message.key === undefined ? undefined : state.keys.get(message.key);
    if (seen !== undefined) return { id: seen.id, duplicate: true };

    const prev = size === 0 ? '' : lastId(state);
    const id = size === 0 ? '' : nextId(prev, now);
    const event = { id, prev, name: message.name, data: Buffer.from(message.data) };
    if (message.key !== undefined) state.keys.set(message.key, { id, expiresAtMs: now + KEY_LIFETIME_MS });
    if (size > 0) {
      const events = state.stream?.events ?? [];
      events.push(event);
      state.stream = { events, expiresAtMs: now + retentionMs };
      state.head = { id, expiresAtMs: now + retentionMs + HEAD_EXTRA_LIFETIME_MS };
      trim(events, retention, now);
      if (retention.maxBytes !== undefined) trimToBytes(events, retention.maxBytes);
    } else if (isEmpty(state)) {
      this.channels.delete(channel);
    }
    for (const broker of this.#brokers) broker.deliver(channel, event);
    return { id, duplicate: false };
  }

  readAfter(channel: string, position: Position, limit: number, maxBytes = PAGE_BYTES): Page {
    const { kept, floor, head } = this.#view(channel);
    const at = kept.findIndex((event) => event.id === position);
    const known = position === head || position === floor || at >= 0;
    const from = at >= 0 ? at + 1 : position === floor ? 0 : indexAfter(kept, position);
    const rest = position === head ? [] : kept.slice(from);
    const events = rest.slice(0, fitting(rest.slice(0, limit), maxBytes));
    return { events, start: events[0]?.prev ?? head, head, known, more: rest.length > events.length };
  }

  readTail(channel: string, limit: number, before?: Position, maxBytes = PAGE_BYTES): Page {
    const { kept, floor, head } = this.#view(channel);
    const upTo = before === undefined ? kept : kept.filter((event) => comparePositions(event.id, before) < 0);
    const last = limit === 0 ? [] : upTo.slice(-limit);
    const events = last.slice(last.length - fitting(last.toReversed(), maxBytes));
    const start = events[0]?.prev ?? upTo.at(-1)?.id ?? floor;
    return { events, start, head, known: true, more: upTo.length > events.length };
  }

  tailStart(channel: string, limit: number): Position {
    return this.readTail(channel, limit, undefined, Number.POSITIVE_INFINITY).start;
  }

  head(channel: string): Position {
    const state = this.channels.get(channel);
    if (state === undefined) return ORIGIN;
    this.#expire(state, this.#now());
    return state.head?.id ?? ORIGIN;
  }

  /** Throws away what has expired: the bound on channels, keys and texts in the vault that nobody touches again. */
  sweep(): void {
    const now = this.#now();
    this.vault.sweep();
    for (const [channel, state] of this.channels) {
      this.#expire(state, now);
      if (state.stream !== undefined) trim(state.stream.events, this.#retentionOf(channel), now);
      if (isEmpty(state)) this.channels.delete(channel);
    }
  }

  #state(channel: string): ChannelState {
    let state = this.channels.get(channel);
    if (state === undefined) {
      state = { stream: undefined, head: undefined, keys: new Map() };
      this.channels.set(channel, state);
    }
    return state;
  }

  #expire(state: ChannelState, now: number): void {
    if (state.stream !== undefined && state.stream.expiresAtMs <= now) state.stream = undefined;
    if (state.head !== undefined && state.head.expiresAtMs <= now) state.head = undefined;
    // Every key lives equally long, so the oldest come first (but for a clock that stepped back, which only delays this).
    for (const [key, { expiresAtMs }] of state.keys) {
      if (expiresAtMs > now) break;
      state.keys.delete(key);
    }
  }

  #view(channel: string): View {
    const state = this.channels.get(channel);
    const { size, retentionMs } = this.#retentionOf(channel);
    if (state === undefined || size === 0) return { kept: [], floor: ORIGIN, head: ORIGIN };
    const now = this.#now();
    this.#expire(state, now);
    const events = state.stream?.events ?? [];
    const kept = events.slice(-size).filter((event) => millisecondsOf(event.id) >= now - retentionMs);
    const head = lastId(state);
    return { kept, floor: kept[0]?.prev ?? head, head };
  }
}

/** One gateway's client of a `MemoryStore`. */
export class MemoryBroker implements Broker {
  readonly presence: Presence;
  readonly vault: Vault;
  readonly #store: MemoryStore;
  readonly #subscriptions = new Map<string, { readonly channel: string }>();
  /** Filled within one tick of the event loop and emptied in the next. */
  #undelivered: { readonly subscription: { readonly channel: string }; readonly event: Event }[] = [];
  #listener: Listener | undefined;
  #closedAtMs: number | undefined;

  /** `graceMs`: in place of `GRACE_MS`, for tests. */
  constructor(store: MemoryStore, graceMs = GRACE_MS) {
    this.#store = store;
    this.presence = new MemoryPresence(store.presence, graceMs, () => this.#assertOpen());
    this.vault = new MemoryVault(store.vault, () => this.#assertOpen());
    store.attach(this);
  }

  listen(listener: Listener): void {
    this.#listener = listener;
  }

  async connect(): Promise<void> {
    this.#assertOpen();
  }

  async publish(channel: string, message: Message): Promise<Published> {
    this.#assertOpen();
    if (message.stillHolds?.() === false) throw new BrokerUnavailable(OVERTAKEN);
    return this.#store.publish(channel, message);
  }

  async readAfter(channel: string, position: Position, limit: number, maxBytes?: number): Promise<Page> {
    this.#assertOpen();
    return this.#store.readAfter(channel, position, limit, maxBytes);
  }

  async readTail(channel: string, limit: number, before?: Position, maxBytes?: number): Promise<Page> {
    this.#assertOpen();
    return this.#store.readTail(channel, limit, before, maxBytes);
  }

  async tailStart(channel: string, limit: number): Promise<Position> {
    this.#assertOpen();
    return this.#store.tailStart(channel, limit);
  }

  async heads(channels: readonly string[]): Promise<readonly Position[]> {
    this.#assertOpen();
    return channels.map((channel) => this.#store.head(channel));
  }

  async subscribe(channel: string): Promise<void> {
    this.#assertOpen();
    if (!this.#subscriptions.has(channel)) this.#subscriptions.set(channel, { channel });
  }

  async unsubscribe(channel: string): Promise<void> {
    this.#assertOpen();
    this.#subscriptions.delete(channel);
  }

  status(): BrokerStatus {
    if (this.#closedAtMs === undefined) return { ready: true };
    return { ready: false, sinceMs: this.#closedAtMs, reason: 'The broker was closed.' };
  }

  shards(prefix: string): readonly Shard[] {
    return [{ name: 'memory', channel: prefix }];
  }

  load(): BrokerLoad {
    return { waiting: 0, inFlight: 0 }; // every call is done when it returns
  }

  async close(): Promise<void> {
    this.#closedAtMs ??= Date.now();
    this.#subscriptions.clear();
    this.#store.detach(this);
  }

  /** The store's side: queues an event, so that no listener is ever called from within somebody's publish. */
  deliver(channel: string, event: Event): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) return;
    if (this.#undelivered.length === 0) setImmediate(() => this.#flush());
    this.#undelivered.push({ subscription, event });
  }

  #flush(): void {
    const undelivered = this.#undelivered;
    this.#undelivered = [];
    for (const { subscription, event } of undelivered) {
      // By identity: a channel left and entered again in between is a new subscription, which began after this event.
      if (this.#subscriptions.get(subscription.channel) === subscription)
        this.#listener?.event(subscription.channel, event);
    }
  }

  #assertOpen(): void {
    if (this.#closedAtMs !== undefined) throw new BrokerUnavailable('The broker was closed.');
  }
}

/** A stream's own last event tells best; the head speaks for a stream that has expired; with neither, all is forgotten. */
function lastId(state: ChannelState): Position {
  return state.stream?.events.at(-1)?.id ?? state.head?.id ?? ORIGIN;
}

/** The clock's id, or where the clock is not past the last id, that one's successor. */
function nextId(last: Position, now: number): Position {
  const lastMs = millisecondsOf(last);
  if (now > lastMs) return `${now}-0`;
  return `${lastMs}-${Number(last.slice(last.indexOf('-') + 1)) + 1}`;
}

function millisecondsOf(id: Position): number {
  return Number(id.slice(0, id.indexOf('-')));
}

/** How many of these, from the first on, are a page of so many bytes: as their names and data count, and one at least. */
function fitting(events: readonly Event[], maxBytes: number): number {
  let bytes = 0;
  const beyond = events.findIndex(({ name, data }, index) => {
    bytes += name.length + 1 + data.length;
    return index > 0 && bytes > maxBytes;
  });
  return beyond < 0 ? events.length : beyond;
}

function indexAfter(events: readonly Event[], position: Position): number {
  const index = events.findIndex((event) => comparePositions(event.id, position) > 0);
  return index < 0 ? events.length : index;
}

function trim(events: Event[], { size, retentionMs }: Retention, now: number): void {
  let excess = Math.max(0, events.length - Math.max(1, size));
  for (; excess < events.length - 1; excess += 1) {
    const event = events[excess];
    if (event === undefined || millisecondsOf(event.id) >= now - retentionMs) break;
  }
  if (excess > 0) events.splice(0, excess);
}

/** Drops the oldest events while all together have more bytes than that; never the last one. */
function trimToBytes(events: Event[], maxBytes: number): void {
  let first = events.length - 1;
  for (let bytes = bytesOf(events[first]); first > 0; first -= 1) {
    bytes += bytesOf(events[first - 1]);
    if (bytes > maxBytes) break;
  }
  if (first > 0) events.splice(0, first);
}

function bytesOf(event: Event | undefined): number {
  return event === undefined ? 0 : event.name.length + 1 + event.data.length;
}

function isEmpty(state: ChannelState): boolean {
  return state.stream === undefined && state.head === undefined && state.keys.size === 0;
}
