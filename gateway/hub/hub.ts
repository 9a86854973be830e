/**
 * The channels that somebody on this gateway listens to: opens and leaves them, hands them their events, checks their positions, and wakes those
 * that have something to send once per tick. Knows no sockets and no transport: a subscriber is a `Sink` that pulls.
 */
import {
  type Broker,
  type Event,
  type Listener,
  ORIGIN,
  type Position,
  type RetentionOf,
} from '../../broker/broker.ts';
import { Channel, type ChannelParts, markDue, type Opened, type Sink, type Start } from './channel.ts';
import { History, ignoreUnavailable } from './history.ts';
import { type Asker, OWN_READS, type ReadQueue } from './read-queue.ts';
import type { Subscription } from './subscription.ts';

export interface HubLimits {
  /** Events that a channel's ring keeps. */
  readonly ringEvents: number;
  /** Bytes that the rings of all channels may hold together. */
  readonly ringBytes: number;
  /** Events read from the history at once. */
  readonly historyPage: number;
  /** About how long after a failed read of history the next one is tried. */
  readonly historyRetryMs: number;
}

/** Told the oldest event of what was written, when that was (epoch milliseconds), and for how many subscriptions or shared feeds. */
export type OnWritten = (channel: string, oldest: Position, writtenMs: number, followers: number) => void;

export interface HubCounts {
  channels: number;
  subscriptions: number;
  ringBytes: number;
  repairs: number;
}

export class Hub implements Listener {
  readonly #broker: Broker;
  readonly #retentionOf: RetentionOf;
  readonly #limits: HubLimits;
  readonly #parts: ChannelParts;
  readonly #channels = new Map<string, Channel>();
  readonly #dirty = new Set<Channel>();
  /** Channels that are being left: joining one again waits for that. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #fetching = new WeakSet<Subscription>();
  #flushScheduled = false;
  #repairs = 0;
  #closed = false;
  readonly #now: () => number;
  readonly #onWritten: OnWritten;

  /** `onWritten` hears of each channel that was just written to those who listen. */
  constructor(
    broker: Broker,
    retentionOf: RetentionOf,
    limits: HubLimits,
    reads: ReadQueue,
    now: () => number,
    onWritten: OnWritten = () => undefined,
  ) {
    this.#now = now;
    this.#onWritten = onWritten;
    this.#broker = broker;
    this.#retentionOf = retentionOf;
    this.#limits = limits;
    const history = new History(broker, reads, limits.historyPage);
    this.#parts = {
      broker,
      now,
      history,
      ringEvents: limits.ringEvents,
      changed: (channel, urgent) => this.#changed(channel, urgent),
      repairing: () => {
        this.#repairs++;
      },
    };
  }

  /**
   * Begins a subscription; `attach` it to have it woken. The channel is held for it until `leave`. Rejects with `BrokerUnavailable`, and
   * then holds nothing.
   */
  async subscribe(name: string, start: Start, asker: Asker = OWN_READS): Promise<Opened> {
    const channel = this.#channels.get(name) ?? this.#open(name);
    channel.audience++;
    try {
      await channel.joined;
      return await channel.begin(start, asker);
    } catch (error) {
      channel.audience--; // not by name: the channel may have been opened anew since
      throw error;
    }
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
      if (channel?.settled && !channel.ephemeral) watched.push(channel);
    }
    if (watched.length === 0) return;
    const before = watched.map(({ ring }) => ring.nextSeq);
    const heads = await this.#broker.heads(watched.map(({ name }) => name));
    await Promise.all(
      watched.map(async (channel, index) => {
        // It may have been left meanwhile, and even be joined anew: then this answer is not about the new one.
        if (this.#channels.get(channel.name) !== channel) return;
        const { ring } = channel;
        // A ring that has grown since misses nothing, as every event names the one before it; of a busy channel it may have dropped that id again.
        if (ring.nextSeq !== before[index]) return;
        if (ring.seqAfter(heads[index] ?? ORIGIN) === undefined) await channel.repair();
      }),
    );
  }

  /** Leaves channels that have had no audience for two sweeps in a row, and holds the rings to their bytes. Called every few seconds. */
  sweep(): void {
    const share = this.#limits.ringBytes / Math.max(1, this.#channels.size);
    for (const channel of this.#channels.values()) {
      channel.trim(share);
      if (channel.audience > 0) channel.idle = false;
      else if (!channel.idle) channel.idle = true;
      else this.#close(channel);
    }
  }

  event(name: string, event: Event): void {
    this.#channels.get(name)?.event(event); // none where it was left in the meantime
  }

  resubscribed(names: readonly string[]): void {
    this.check(names).catch(ignoreUnavailable); // the periodic check comes again
  }

  /** The last id that this gateway has of a channel that it listens to; undefined where it does not, or is reading it just now. */
  headOf(name: string): Position | undefined {
    const channel = this.#channels.get(name);
    return channel?.settled ? channel.ring.head : undefined;
  }

  /** How many of this gateway's connections listen to a channel. */
  audienceOf(name: string): number {
    return this.#channels.get(name)?.audience ?? 0;
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
    return { ...counts, repairs: this.#repairs };
  }

  close(): void {
    this.#closed = true;
  }

  #open(name: string): Channel {
    const channel = new Channel(name, this.#retentionOf(name), this.#parts, this.#leaving.get(name));
    this.#channels.set(name, channel);
    channel.joined.catch(() => {
      // Everyone who waits is told by `subscribe`; the next one who comes tries anew.
      if (this.#channels.get(name) === channel) this.#close(channel);
    });
    return channel;
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

  async #fetch(subscription: Subscription): Promise<void> {
    while (!this.#closed) {
      const channel = this.#channels.get(subscription.ring.channel);
      if (channel === undefined || !channel.followers.has(subscription)) return;
      await channel.supply(subscription, this.#askerOf(channel, subscription)).catch(ignoreUnavailable);
      if (!subscription.owed) return;
      await new Promise((resolve) => setTimeout(resolve, this.#limits.historyRetryMs * (0.5 + Math.random())));
    }
  }

  #askerOf({ followers }: Channel, subscription: Subscription): Asker {
    const { holder, onRead } = followers.get(subscription)?.asker ?? OWN_READS;
    return { holder, onRead, gone: () => !followers.has(subscription) };
  }

  #changed(channel: Channel, urgent: boolean): void {
    this.#dirty.add(channel);
    if (urgent) this.#flush();
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
      if (markDue(sink, subscription)) sinks.push(sink);
    };
    for (const { followers } of this.#dirty) followers.forEach(notice); // no pair is made for each, as iterating would
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const sink of sinks) sink.pump();
    const now = this.#now();
    for (const channel of dirty) {
      const oldest = channel.written();
      if (oldest !== undefined && channel.followers.size > 0)
        this.#onWritten(channel.name, oldest, now, channel.followers.size);
      channel.trim(share);
    }
  }

  #wake(subscription: Subscription, sink: Sink): void {
    markDue(sink, subscription);
    sink.pump();
  }
}
