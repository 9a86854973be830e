/**
 * The Redis engine: standalone, Sentinel or Cluster, by the target it is given.
 *
 * Owns the connection for commands, the engine's status, and when a channel is trimmed by age. What a command does is in
 * `scripts.ts` and `lua/`, who may wait for one in `gate.ts`, and what is subscribed in `subscriptions.ts`. Needs Redis 7.
 */
import { Cluster, type Redis } from 'ioredis';
import {
  type Broker,
  type BrokerStatus,
  BrokerUnavailable,
  type Listener,
  type Message,
  ORIGIN,
  type Page,
  type Position,
  type Published,
  type RetentionOf,
} from '../broker.ts';
import { openCommands, openNodeSubscriber, openSingle, Watchdog } from './connections.ts';
import { describeError, Gate } from './gate.ts';
import { Keys, slotOf } from './keys.ts';
import { loadScripts, Scripts, type Send } from './scripts.ts';
import { Subscriptions, type Topology } from './subscriptions.ts';
import type { RedisTarget } from './url.ts';

export interface RedisBrokerOptions {
  readonly target: RedisTarget;
  readonly retentionOf: RetentionOf;
  /** The first part of every name in Redis. */
  readonly prefix?: string | undefined;
  /** How long any one call may take, and how long a silent connection is believed in. */
  readonly timeoutMs?: number | undefined;
  /** How many calls may wait for Redis while it is away. */
  readonly maxWaiting?: number | undefined;
  /** How many calls may await the answer of Redis; as many subscriptions again, which may also wait while it is away. */
  readonly maxInFlight?: number | undefined;
  /** Told once for each change between usable and not. */
  readonly onStatus?: ((status: BrokerStatus) => void) | undefined;
}

const EMPTY_PAGE: Page = { events: [], start: ORIGIN, head: ORIGIN, known: true, more: false };

/** How many channels' last trims are remembered. One forgotten is only trimmed sooner. */
const MAX_TRIM_TIMES = 10_000;

export class RedisBroker implements Broker {
  readonly #options: RedisBrokerOptions;
  readonly #commands: Redis | Cluster;
  readonly #subscriptions: Subscriptions;
  readonly #watchdog: Watchdog;
  readonly #gate: Gate;
  readonly #keys: Keys;
  readonly #scripts: Scripts;
  readonly #lastTrims = new Map<string, number>();
  readonly #connecting = new Set<{ resolve(): void; reject(error: Error): void }>();
  #commandsReady = false;
  #lastError: string | undefined;
  #status: BrokerStatus = { ready: false, sinceMs: Date.now(), reason: 'Redis has not been reached yet.' };
  #announced: boolean | undefined;
  #closed = false;

  constructor(options: RedisBrokerOptions) {
    this.#options = options;
    const { target } = options;
    const timeoutMs = options.timeoutMs ?? 5_000;
    const maxInFlight = options.maxInFlight ?? 20_000;
    this.#keys = new Keys(options.prefix ?? 'passerelle');
    this.#gate = new Gate({ timeoutMs, maxWaiting: options.maxWaiting ?? 1_000, maxInFlight });
    this.#commands = openCommands(target, timeoutMs);
    this.#scripts = new Scripts(this.#send, this.#keys, target.kind === 'cluster' ? 'SPUBLISH' : 'PUBLISH');
    this.#subscriptions = new Subscriptions({
      topology: topologyOf(target, this.#commands, timeoutMs),
      timeoutMs,
      maxWaiting: maxInFlight,
      onChange: () => this.#updateStatus(),
    });
    this.#watchdog = new Watchdog(() => this.#connections(), timeoutMs);
    this.#watch();
  }

  listen(listener: Listener): void {
    this.#subscriptions.listen(listener);
  }

  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closed());
      if (this.#status.ready) return resolve();
      this.#connecting.add({ resolve, reject });
    });
  }

  publish(channel: string, message: Message): Promise<Published> {
    const retention = this.#options.retentionOf(channel);
    const trim = retention.size > 0 && this.#isTrimDue(channel, retention.retentionMs);
    return this.#gate.run(() => this.#scripts.publish(channel, message, retention, trim));
  }

  async readAfter(channel: string, position: Position, limit: number): Promise<Page> {
    const retention = this.#options.retentionOf(channel);
    if (retention.size === 0) return EMPTY_PAGE;
    return this.#gate.run(() => this.#scripts.readAfter(channel, retention, position, limit));
  }

  async readTail(channel: string, limit: number, before?: Position): Promise<Page> {
    const retention = this.#options.retentionOf(channel);
    if (retention.size === 0) return EMPTY_PAGE;
    return this.#gate.run(() => this.#scripts.readTail(channel, retention, limit, before));
  }

  /** Where a head was evicted and its stream was not, answers `ORIGIN`: a caller that then reads learns the truth. */
  async heads(channels: readonly string[]): Promise<readonly Position[]> {
    if (channels.length === 0) return [];
    const names = channels.map((channel) => this.#keys.head(channel));
    const commands = this.#commands;
    const heads = await this.#gate.run(() =>
      commands instanceof Cluster ? readFromNodes(commands, names) : commands.mget(names),
    );
    return heads.map((head) => head ?? ORIGIN);
  }

  subscribe(channel: string): Promise<void> {
    return this.#subscriptions.subscribe(channel, this.#keys.events(channel));
  }

  unsubscribe(channel: string): Promise<void> {
    return this.#subscriptions.unsubscribe(this.#keys.events(channel));
  }

  renewLease(gateway: string, leaseMs: number): Promise<void> {
    return this.#gate.run(() => this.#scripts.renewLease(gateway, leaseMs));
  }

  async dropLease(gateway: string): Promise<void> {
    await this.#gate.run(() => this.#commands.zrem(this.#keys.leases(), gateway));
  }

  gateways(): Promise<readonly string[]> {
    return this.#gate.run(() => this.#scripts.gateways());
  }

  status(): BrokerStatus {
    return this.#status;
  }

  /** Calls that wait for Redis and calls that Redis has not answered: what the limits bound. */
  load(): { readonly waiting: number; readonly inFlight: number } {
    return { waiting: this.#gate.waiting, inFlight: this.#gate.inFlight };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watchdog.stop();
    this.#gate.close();
    this.#subscriptions.close();
    for (const waiter of this.#connecting) waiter.reject(closed());
    this.#connecting.clear();
    this.#commands.disconnect();
    this.#updateStatus();
  }

  readonly #send: Send = (command, args) => {
    this.#gather();
    return this.#commands.callBuffer(command, [...args]);
  };

  /**
   * Lets what is sent in one go leave in one write: Redis then runs it in one go, and its events reach every gateway together. (A
   * cluster's commands go to several nodes, each by its own connection.)
   */
  #gather(): void {
    if (this.#commands instanceof Cluster) return;
    const { stream } = this.#commands;
    if (stream === undefined || stream.writableCorked > 0) return;
    stream.cork();
    process.nextTick(() => stream.uncork());
  }

  #watch(): void {
    const commands = this.#commands;
    commands.on('ready', () => {
      // They go out before any call that waits, on the same connection. A cluster's nodes learn each script by its first use.
      if (!(commands instanceof Cluster)) loadScripts(this.#send).catch(() => undefined);
      this.#commandsReady = true;
      this.#gate.open();
      this.#updateStatus();
    });
    commands.on('close', () => {
      this.#commandsReady = false;
      this.#gate.shut(this.#reason());
      this.#updateStatus();
    });
    commands.on('error', (error: Error) => {
      this.#lastError = describeError(error);
      this.#updateStatus();
    });
    if (commands instanceof Cluster) commands.on('refresh', () => this.#subscriptions.reroute());
    // Its failures are heard as `error`, and it goes on by itself.
    commands.connect().catch(() => undefined);
  }

  *#connections(): Iterable<Redis> {
    if (this.#commands instanceof Cluster) yield* this.#commands.nodes('all');
    else yield this.#commands;
    yield* this.#subscriptions.connections();
  }

  #reason(): string {
    return this.#lastError ?? 'The connection to Redis was lost.';
  }

  #updateStatus(): void {
    const reason = this.#closed
      ? 'The broker was closed.'
      : this.#commandsReady
        ? this.#subscriptions.trouble()
        : this.#reason();
    if (reason === undefined) {
      this.#lastError = undefined;
      if (!this.#status.ready) this.#status = { ready: true };
      for (const waiter of this.#connecting) waiter.resolve();
      this.#connecting.clear();
    } else {
      const sinceMs = this.#status.ready ? Date.now() : this.#status.sinceMs;
      this.#status = { ready: false, sinceMs, reason };
    }
    // At the start not to be there yet is no news, until it has failed.
    const news = this.#announced === undefined ? this.#status.ready || this.#lastError !== undefined : true;
    if (!news || this.#announced === this.#status.ready || this.#closed) return;
    this.#announced = this.#status.ready;
    this.#options.onStatus?.(this.#status);
  }

  /** Old entries are dropped now and then: reads ignore them anyway, so this only bounds the memory of Redis. */
  #isTrimDue(channel: string, retentionMs: number): boolean {
    const now = performance.now();
    const last = this.#lastTrims.get(channel);
    if (last !== undefined && now - last < retentionMs / 8) return false;
    this.#lastTrims.delete(channel);
    this.#lastTrims.set(channel, now);
    if (this.#lastTrims.size > MAX_TRIM_TIMES) {
      const [oldest] = this.#lastTrims.keys();
      if (oldest !== undefined) this.#lastTrims.delete(oldest);
    }
    return true;
  }
}

function closed(): BrokerUnavailable {
  return new BrokerUnavailable('The broker was closed.');
}

function topologyOf(target: RedisTarget, commands: Redis | Cluster, timeoutMs: number): Topology {
  if (target.kind !== 'cluster' || !(commands instanceof Cluster)) {
    if (target.kind === 'cluster') throw new TypeError('A cluster needs a cluster connection.');
    return { sharded: false, nodeOf: () => '', open: () => openSingle(target, timeoutMs) };
  }
  return {
    sharded: true,
    nodeOf: (slot) => commands.slots[slot]?.[0],
    open: (node) => openNodeSubscriber(target, node, timeoutMs),
  };
}

/** Reads strings that lie on several nodes: one pipeline for each node, all at once. */
async function readFromNodes(cluster: Cluster, names: readonly string[]): Promise<(string | null)[]> {
  const byNode = new Map<string | undefined, number[]>();
  names.forEach((name, index) => {
    const node = cluster.slots[slotOf(name)]?.join();
    const indices = byNode.get(node) ?? [];
    byNode.set(node, indices);
    indices.push(index);
  });
  const values = new Array<string | null>(names.length).fill(null);
  await Promise.all(
    [...byNode.values()].map(async (indices) => {
      const pipeline = cluster.pipeline();
      for (const index of indices) pipeline.get(names[index] ?? '');
      const replies = (await pipeline.exec()) ?? [];
      await Promise.all(
        indices.map(async (index, at) => {
          const [error, value] = replies[at] ?? [new Error('No reply.'), null];
          // A pipeline doesn't follow a slot that has moved; a single command does.
          values[index] = error === null ? asString(value) : await cluster.get(names[index] ?? '');
        }),
      );
    }),
  );
  return values;
}

function asString(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
