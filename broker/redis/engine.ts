/**
 * The Redis engine: standalone, Sentinel or Cluster, by the target it is given.
 *
 * Owns the connections for commands and for reads, the engine's status, and when a channel's keys are tended. What a command does is in
 * `scripts.ts` and `lua/`, who may wait for one in `gate.ts`, what is subscribed in `subscriptions.ts`, who is there in
 * `presence.ts`, and what may be taken once in `vault.ts`. Needs Redis 7.
 */
import { Cluster, type Redis } from 'ioredis';
import {
  type Broker,
  type BrokerLoad,
  type BrokerStatus,
  BrokerUnavailable,
  ephemeralNotices,
  type Listener,
  type Message,
  ORIGIN,
  OVERTAKEN,
  PAGE_BYTES,
  type Page,
  type Position,
  type Published,
  type RetentionOf,
  type Shard,
} from '../broker.ts';
import { GRACE_MS, type Presence } from '../presence.ts';
import type { Vault } from '../vault.ts';
import { openNodeSubscriber, openSentinels, openSingle, Watchdog } from './connections.ts';
import { EngineClock } from './engine-clock.ts';
import { FailoverWatch } from './failover-watch.ts';
import { Keys, slotOf } from './keys.ts';
import { Link } from './link.ts';
import { RedisPresence } from './presence.ts';
import { PresenceScripts } from './presence-scripts.ts';
import { type Send, teach } from './script.ts';
import { Scripts } from './scripts.ts';
import { shardsOf } from './shards.ts';
import { Subscriptions, type Topology } from './subscriptions.ts';
import { Tending } from './tending.ts';
import type { RedisTarget } from './url.ts';
import { RedisVault } from './vault.ts';

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
  /** In place of `GRACE_MS`, for tests. */
  readonly graceMs?: number | undefined;
  /** Told once for each change between usable and not. */
  readonly onStatus?: ((status: BrokerStatus) => void) | undefined;
}

const EMPTY_PAGE: Page = { events: [], start: ORIGIN, head: ORIGIN, known: true, more: false };

/** How often Redis is asked for its time. */
const CLOCK_MS = 5_000;

/** Last ids that are asked for at a time. */
const HEADS_AT_ONCE = 1_000;

export class RedisBroker implements Broker {
  readonly presence: Presence;
  readonly vault: Vault;
  readonly #options: RedisBrokerOptions;
  readonly #retentionOf: RetentionOf;
  readonly #commands: Link;
  /** Reads have a connection of their own, so that no publish waits behind what they bring. */
  readonly #reads: Link;
  readonly #clock: EngineClock;
  readonly #clockTimer: NodeJS.Timeout;
  readonly #subscriptions: Subscriptions;
  readonly #watchdog: Watchdog;
  readonly #failovers: FailoverWatch | undefined;
  readonly #keys: Keys;
  readonly #scripts: Scripts;
  readonly #presenceScripts: PresenceScripts;
  readonly #tending = new Tending(() => performance.now());
  /** What serves the commands: one server, or a cluster's masters. */
  #servers: readonly (string | undefined)[] | undefined;
  readonly #connecting = new Set<{ resolve(): void; reject(error: Error): void }>();
  #status: BrokerStatus = { ready: false, sinceMs: Date.now(), reason: 'Redis has not been reached yet.' };
  #announced: boolean | undefined;
  #closed = false;

  constructor(options: RedisBrokerOptions) {
    this.#options = options;
    this.#retentionOf = ephemeralNotices(options.retentionOf);
    const { target } = options;
    const timeoutMs = options.timeoutMs ?? 5_000;
    const maxInFlight = options.maxInFlight ?? 20_000;
    this.#keys = new Keys(options.prefix ?? 'passerelle', target.kind === 'cluster' ? 0 : target.db);
    const gate = { timeoutMs, maxWaiting: options.maxWaiting ?? 1_000, maxInFlight };
    const onChange = () => this.#updateStatus();
    this.#commands = new Link({
      target,
      gate,
      onUsable: (server) => {
        if (!(this.#commands.connection instanceof Cluster)) this.#servedBy([server]);
        this.#teach();
      },
      // A master that became a replica refuses what is written, and answers reads as if nothing had happened.
      onClosed: () => this.#reads.renew(),
      onChange,
      onTurnEnd: () => this.#scripts.flush(),
    });
    this.#reads = new Link({ target, gate, onChange, onUsable: () => void this.#clock.ask() });
    this.#clock = new EngineClock({
      ask: () => this.#reads.send('TIME', []),
      clock: () => performance.now(),
      now: Date.now,
    });
    this.#clockTimer = setInterval(() => this.#reads.ready && void this.#clock.ask(), CLOCK_MS).unref();
    const publishCommand = target.kind === 'cluster' ? 'SPUBLISH' : 'PUBLISH';
    const sendRead: Send = (command, args) => this.#reads.send(command, args);
    this.#scripts = new Scripts({
      send: this.#send,
      sendRead,
      keys: this.#keys,
      tending: this.#tending,
      publishCommand,
      retentionOf: this.#retentionOf,
      onWaiting: () => this.#commands.endTurn(),
    });
    this.#presenceScripts = new PresenceScripts(this.#send, sendRead, this.#keys, publishCommand);
    const gates = { changes: this.#commands.gate, reads: this.#reads.gate };
    this.presence = new RedisPresence(gates, this.#presenceScripts, options.graceMs ?? GRACE_MS);
    this.vault = new RedisVault(this.#commands.gate, this.#send, this.#keys);
    this.#subscriptions = new Subscriptions({
      topology: topologyOf(target, this.#commands.connection, timeoutMs),
      timeoutMs,
      maxWaiting: maxInFlight,
      onChange: () => this.#updateStatus(),
    });
    this.#watchdog = new Watchdog(() => this.#connections(), timeoutMs);
    this.#failovers =
      target.kind === 'sentinel'
        ? new FailoverWatch(openSentinels(target, timeoutMs), target.masterName, () => this.#connections())
        : undefined;
    const { connection } = this.#commands;
    if (!(connection instanceof Cluster)) return;
    connection.on('-node', (node: Redis) => this.#lost(nameOf(node)));
    connection.on('refresh', () => {
      this.#servedBy(connection.nodes('master').map(nameOf));
      this.#subscriptions.reroute();
    });
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
    return this.#commands.gate.run(() =>
      message.stillHolds?.() === false
        ? Promise.reject(new BrokerUnavailable(OVERTAKEN))
        : this.#scripts.publish(channel, message),
    );
  }

  async readAfter(channel: string, position: Position, limit: number, maxBytes = PAGE_BYTES): Promise<Page> {
    if (this.#retentionOf(channel).size === 0) return EMPTY_PAGE;
    return this.#reads.gate.run(() => this.#scripts.readAfter(channel, position, limit, maxBytes));
  }

  async readTail(channel: string, limit: number, before?: Position, maxBytes = PAGE_BYTES): Promise<Page> {
    if (this.#retentionOf(channel).size === 0) return EMPTY_PAGE;
    return this.#reads.gate.run(() => this.#scripts.readTail(channel, limit, before, maxBytes));
  }

  async tailStart(channel: string, limit: number): Promise<Position> {
    if (this.#retentionOf(channel).size === 0) return ORIGIN;
    for (let left = limit, before: Position | undefined; ; ) {
      const [count, from] = [left, before];
      const found = await this.#reads.gate.run(() => this.#scripts.tailStart(channel, count, from));
      if (found.left === 0) return found.position;
      [left, before] = [found.left, found.position];
    }
  }

  /** Where a head was evicted and its stream was not, answers `ORIGIN`: a caller that then reads learns the truth. */
  async heads(channels: readonly string[]): Promise<readonly Position[]> {
    const heads: Position[] = [];
    // One lot after the other: Redis runs all that it has been sent at once before it looks at what anybody else sends.
    for (let at = 0; at < channels.length; at += HEADS_AT_ONCE) {
      const names = channels.slice(at, at + HEADS_AT_ONCE).map((channel) => this.#keys.head(channel));
      const { connection } = this.#reads;
      const found = await this.#reads.gate.run(() =>
        connection instanceof Cluster ? readFromNodes(connection, names) : connection.mget(names),
      );
      for (const head of found) heads.push(head ?? ORIGIN);
    }
    return heads;
  }

  subscribe(channel: string): Promise<void> {
    return this.#subscriptions.subscribe(channel, this.#keys.events(channel));
  }

  unsubscribe(channel: string): Promise<void> {
    return this.#subscriptions.unsubscribe(this.#keys.events(channel));
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  status(): BrokerStatus {
    return this.#status;
  }

  shards(prefix: string): readonly Shard[] {
    const { connection } = this.#commands;
    if (!(connection instanceof Cluster)) return [{ name: 'redis', channel: prefix }];
    const masters = Array.from(connection.slots, (nodes) => nodes?.[0]);
    return shardsOf(masters, prefix, (channel) => this.#keys.events(channel));
  }

  /** What the limits bound. */
  load(): BrokerLoad {
    const [changes, reads] = [this.#commands.gate, this.#reads.gate];
    return { waiting: changes.waiting + reads.waiting, inFlight: changes.inFlight + reads.inFlight };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watchdog.stop();
    clearInterval(this.#clockTimer);
    this.#failovers?.close();
    this.#subscriptions.close();
    for (const waiter of this.#connecting) waiter.reject(closed());
    this.#connecting.clear();
    this.#commands.close();
    this.#reads.close();
    this.#updateStatus();
  }

  readonly #send: Send = (command, args) => {
    this.#scripts.flush();
    return this.#commands.send(command, args);
  };

  /** A cluster's nodes learn each script by its first use. */
  #teach(): void {
    if (this.#commands.connection instanceof Cluster) return;
    teach(this.#send, [...this.#scripts.all, ...this.#presenceScripts.all]).catch(() => undefined);
  }

  /** One that was not there before may lack what others have acknowledged. What does not say which it is may be another one. */
  #servedBy(servers: readonly (string | undefined)[]): void {
    const before = this.#servers;
    this.#servers = servers;
    if (before === undefined || servers.every((server) => server !== undefined && before.includes(server))) return;
    this.#tending.serverReplaced(this.#clock.latestMs());
  }

  /** A node of a cluster is gone. Its replica may have what comes next before the map of the slots tells of that: another node says where to. */
  #lost(server: string): void {
    if (this.#servers?.includes(server) !== true) return;
    this.#servers = this.#servers.filter((each) => each !== server);
    this.#tending.serverReplaced(this.#clock.latestMs());
  }

  *#connections(): Iterable<Redis> {
    yield* this.#commands.nodes();
    yield* this.#reads.nodes();
    yield* this.#subscriptions.connections();
  }

  #updateStatus(): void {
    const reason = this.#closed ? 'The broker was closed.' : (this.#troubleOfLinks() ?? this.#subscriptions.trouble());
    if (reason === undefined) {
      this.#commands.forgetError();
      this.#reads.forgetError();
      if (!this.#status.ready) this.#status = { ready: true };
      for (const waiter of this.#connecting) waiter.resolve();
      this.#connecting.clear();
    } else {
      const sinceMs = this.#status.ready ? Date.now() : this.#status.sinceMs;
      this.#status = { ready: false, sinceMs, reason };
    }
    const failed = this.#commands.failed || this.#reads.failed;
    // At the start not to be there yet is no news, until it has failed.
    const news = this.#announced === undefined ? this.#status.ready || failed : true;
    if (!news || this.#announced === this.#status.ready || this.#closed) return;
    this.#announced = this.#status.ready;
    this.#options.onStatus?.(this.#status);
  }

  /** Why commands or reads cannot be sent; of two that cannot, the one that knows says it. */
  #troubleOfLinks(): string | undefined {
    const away = [this.#commands, this.#reads].filter(({ ready }) => !ready);
    return (away.find(({ failed }) => failed) ?? away[0])?.reason;
  }
}

function nameOf({ options }: Redis): string {
  return `${options.host}:${options.port}`;
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
