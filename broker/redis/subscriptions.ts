/**
 * Keeps the subscriptions of one gateway in Redis true: each channel on the node that it lives on, again after each lost
 * connection, and the listener told of each interruption.
 *
 * Owns the subscribed connections, one for each node. ioredis could subscribe again by itself, but it tells neither
 * when that holds nor where it failed. Must not know what an event means.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { BrokerUnavailable, type Event, type Listener } from '../broker.ts';
import { refusalOf } from '../refusals.ts';
import { decodeEnvelope } from './envelope.ts';
import { describeError } from './gate.ts';
import { slotOf } from './keys.ts';

/** Where channels live. A standalone server and a Sentinel set are one node. */
export interface Topology {
  /** Whether channels are bound to slots, so that SSUBSCRIBE is the command, for one slot at a time. */
  readonly sharded: boolean;
  /** Undefined while unknown. */
  nodeOf(slot: number): string | undefined;
  open(node: string): Redis;
}

export interface SubscriptionsOptions {
  readonly topology: Topology;
  readonly timeoutMs: number;
  /** Calls of `subscribe` that await the answer of Redis, or Redis itself. */
  readonly maxWaiting: number;
  /** Called after anything that may change what `trouble` answers. */
  readonly onChange: () => void;
}

interface Subscription {
  readonly channel: string;
  readonly name: string;
  readonly slot: number;
  /** Where SUBSCRIBE was sent on the connection that is open now; `holds` once it was answered. */
  link: Link | undefined;
  holds: boolean;
  /** The `subscribe` call that waits for it. */
  waiter: { resolve(): void; reject(error: Error): void } | undefined;
}

interface Link {
  readonly node: string;
  readonly redis: Redis;
  ready: boolean;
  lastError: string | undefined;
  /** Why Redis refused the last SUBSCRIBE: a permission is missing. Undefined where it did not. */
  refusal: string | undefined;
}

/** Channels in one SUBSCRIBE: enough to be quick, and few enough not to hold up the server. */
const CHUNK = 500;
const RETRY_MS = 200;

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #links = new Map<string, Link>();
  /** By the name in Redis, as that is what each message bears. */
  readonly #subscriptions = new Map<string, Subscription>();
  /** They did hold, and events may be missing since. */
  readonly #interrupted = new Set<Subscription>();
  /** Those of them that hold again and whose listener has not been told yet: they come in storms. */
  readonly #returned = new Set<Subscription>();
  #listener: Listener | undefined;
  #waiting = 0;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    // A server that isn't there shall be known before the first subscription.
    if (!options.topology.sharded) this.#link('');
  }

  listen(listener: Listener): void {
    this.#listener = listener;
  }

  /** For the watchdog. */
  *connections(): Iterable<Redis> {
    for (const { redis } of this.#links.values()) yield redis;
  }

  /** Why some subscriptions don't hold; undefined where all do. */
  trouble(): string | undefined {
    for (const link of this.#links.values()) {
      if (!link.ready) return link.lastError ?? 'Connecting for subscriptions.';
      if (link.refusal !== undefined) return link.refusal;
    }
    return this.#interrupted.size > 0 ? 'Subscriptions are being made anew.' : undefined;
  }

  subscribe(channel: string, name: string): Promise<void> {
    const { timeoutMs, maxWaiting } = this.#options;
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new BrokerUnavailable('The broker was closed.'));
      if (this.#subscriptions.has(name)) return resolve();
      if (this.#waiting >= maxWaiting)
        return reject(new BrokerUnavailable(`Too many subscriptions wait for Redis already (${maxWaiting}).`));
      const settle = () => {
        this.#waiting -= 1;
        subscription.waiter = undefined;
        clearTimeout(timer);
      };
      const waiter = {
        resolve: () => {
          settle();
          resolve();
        },
        reject: (error: Error) => {
          settle();
          reject(error);
        },
      };
      const slot = this.#options.topology.sharded ? slotOf(name) : 0;
      const subscription: Subscription = {
        channel,
        name,
        slot,
        link: undefined,
        holds: false,
        waiter,
      };
      const timer = setTimeout(() => {
        const cause = new Error(this.trouble() ?? 'Redis can be reached.');
        void this.#drop(
          subscription,
          new BrokerUnavailable(`Redis did not confirm a subscription within ${timeoutMs} ms.`, { cause }),
        );
      }, timeoutMs);
      this.#waiting += 1;
      this.#subscriptions.set(name, subscription);
      this.#establish([subscription]);
    });
  }

  /**
   * Holds at once for what the listener hears. Resolves when Redis has confirmed it, so that no event of the old
   * subscription can reach a later one; or when it can't any more, as then the connection is broken and nothing comes.
   */
  async unsubscribe(name: string): Promise<void> {
    const subscription = this.#subscriptions.get(name);
    if (subscription === undefined) return;
    const left = this.#drop(subscription, new BrokerUnavailable('The channel was unsubscribed meanwhile.'));
    const limit = new AbortController();
    await Promise.race([
      left,
      delay(this.#options.timeoutMs, undefined, { signal: limit.signal }).catch(() => undefined),
    ]);
    limit.abort();
  }

  /** The map of the cluster was read: moves what lives elsewhere now, and closes connections that serve nothing. */
  reroute(): void {
    if (this.#closed) return;
    const { topology } = this.#options;
    const used = new Set<Link>();
    for (const subscription of this.#subscriptions.values()) {
      const { link } = subscription;
      if (link === undefined) continue;
      if (topology.nodeOf(subscription.slot) === link.node) used.add(link);
      else {
        void this.#leave(link, subscription);
        this.#lose(subscription);
      }
    }
    this.#establish(this.#subscriptions.values());
    for (const subscription of this.#subscriptions.values()) if (subscription.link) used.add(subscription.link);
    for (const [node, link] of this.#links) {
      if (used.has(link)) continue;
      // Those that wait for this link's node alone have no link set; they keep it.
      const awaited = [...this.#subscriptions.values()].some(({ slot }) => topology.nodeOf(slot) === node);
      if (awaited) continue;
      this.#links.delete(node);
      link.redis.disconnect();
    }
    this.#options.onChange();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    for (const subscription of this.#subscriptions.values())
      subscription.waiter?.reject(new BrokerUnavailable('The broker was closed.'));
    this.#subscriptions.clear();
    for (const { redis } of this.#links.values()) redis.disconnect();
    this.#links.clear();
  }

  #link(node: string): Link {
    const known = this.#links.get(node);
    if (known !== undefined) return known;
    const redis = this.#options.topology.open(node);
    const link: Link = { node, redis, ready: false, lastError: undefined, refusal: undefined };
    this.#links.set(node, link);
    redis.on(this.#options.topology.sharded ? 'smessageBuffer' : 'messageBuffer', (name: Buffer, message: Buffer) =>
      this.#receive(name, message),
    );
    redis.on('ready', () => {
      link.ready = true;
      link.lastError = undefined;
      this.#establish(this.#subscriptions.values());
      this.#options.onChange();
    });
    redis.on('close', () => {
      link.ready = false;
      for (const subscription of this.#subscriptions.values()) if (subscription.link === link) this.#lose(subscription);
      this.#options.onChange();
    });
    redis.on('error', (error: Error) => {
      link.lastError = describeError(error);
      // A node that gives up a slot ends its subscriptions unasked, and ioredis takes that for the answer to another
      // command: from there on no reply on this connection can be trusted.
      if (error.message.startsWith('Command queue state error')) redis.disconnect(true);
      this.#options.onChange();
    });
    // Its failures are heard as `error`, and it goes on by itself.
    redis.connect().catch(() => undefined);
    return link;
  }

  /** Sends SUBSCRIBE for those that neither hold nor await an answer, as far as their nodes can be reached. */
  #establish(subscriptions: Iterable<Subscription>): void {
    if (this.#closed) return;
    const { topology } = this.#options;
    const batches = new Map<Link, Map<number, Subscription[]>>();
    for (const subscription of subscriptions) {
      if (subscription.link !== undefined) continue;
      const node = topology.nodeOf(subscription.slot);
      // Without a map there will be one (`reroute`), and without a connection it will be ready: both come back here.
      if (node === undefined) continue;
      const link = this.#link(node);
      if (!link.ready) continue;
      subscription.link = link;
      const bySlot = batches.get(link) ?? new Map<number, Subscription[]>();
      batches.set(link, bySlot);
      const batch = bySlot.get(subscription.slot) ?? [];
      bySlot.set(subscription.slot, batch);
      batch.push(subscription);
    }
    for (const [link, bySlot] of batches)
      for (const batch of bySlot.values())
        for (let from = 0; from < batch.length; from += CHUNK)
          this.#subscribeNow(link, batch.slice(from, from + CHUNK));
  }

  #subscribeNow(link: Link, batch: readonly Subscription[]): void {
    // A subscription that was lost since, or left, no longer has this attempt's link.
    const mine = () => batch.filter((each) => each.link === link && !each.holds && this.#isCurrent(each));
    const { stream } = link.redis;
    this.#send(link, 'subscribe', batch).then(
      () => {
        if (!link.ready || link.redis.stream !== stream) return;
        this.#learn(link, undefined);
        for (const subscription of mine()) this.#hold(subscription);
      },
      (error: unknown) => {
        if (link.redis.stream !== stream) return;
        const reason = describeError(error);
        if (refusalOf(reason) !== undefined) this.#learn(link, reason);
        for (const subscription of mine()) subscription.link = undefined;
        this.#retry ??= setTimeout(() => {
          this.#retry = undefined;
          this.#establish(this.#subscriptions.values());
        }, RETRY_MS);
      },
    );
  }

  #learn(link: Link, refusal: string | undefined): void {
    if (link.refusal === refusal) return;
    link.refusal = refusal;
    this.#options.onChange();
  }

  #hold(subscription: Subscription): void {
    subscription.holds = true;
    subscription.waiter?.resolve();
    if (!this.#interrupted.has(subscription)) return;
    if (this.#returned.size === 0) setImmediate(() => this.#tellReturned());
    this.#returned.add(subscription);
  }

  #lose(subscription: Subscription): void {
    if (subscription.holds) this.#interrupted.add(subscription);
    subscription.holds = false;
    subscription.link = undefined;
    this.#returned.delete(subscription);
  }

  async #drop(subscription: Subscription, reason: BrokerUnavailable): Promise<void> {
    this.#subscriptions.delete(subscription.name);
    this.#returned.delete(subscription);
    this.#interrupted.delete(subscription);
    subscription.waiter?.reject(reason);
    this.#options.onChange();
    if (subscription.link !== undefined) await this.#leave(subscription.link, subscription);
  }

  /** Right also where SUBSCRIBE is not answered yet: both are read in order on one connection. */
  async #leave(link: Link, subscription: Subscription): Promise<void> {
    // Where it fails the connection is lost, and the subscription with it.
    if (link.ready) await this.#send(link, 'unsubscribe', [subscription]).catch(() => undefined);
  }

  #tellReturned(): void {
    const channels: string[] = [];
    for (const subscription of this.#returned) {
      this.#interrupted.delete(subscription);
      channels.push(subscription.channel);
    }
    this.#returned.clear();
    this.#options.onChange();
    if (channels.length > 0) this.#listener?.resubscribed(channels);
  }

  #receive(name: Buffer, message: Buffer): void {
    const subscription = this.#subscriptions.get(name.toString('latin1'));
    if (subscription === undefined) return;
    const event: Event | undefined = decodeEnvelope(message);
    if (event === undefined) this.#listener?.unreadable?.(subscription.channel);
    else this.#listener?.event(subscription.channel, event);
  }

  #send(link: Link, what: 'subscribe' | 'unsubscribe', batch: readonly Subscription[]): Promise<unknown> {
    const names = batch.map(({ name }) => name);
    const command = this.#options.topology.sharded ? `s${what}` : what;
    return link.redis.call(command, names);
  }

  #isCurrent(subscription: Subscription): boolean {
    return this.#subscriptions.get(subscription.name) === subscription;
  }
}
