/**
 * Opens connections to a Redis target: standalone, Sentinel or Cluster. Owns every ioredis option, and why it is set.
 *
 * Each connection retries for ever with capped, jittered delays, sends nothing twice, and keeps no queue of its own:
 * `gate.ts` decides who waits.
 */
import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisTarget } from './url.ts';

/** How long a closed connection may linger when its peer does not answer. */
const DISCONNECT_TIMEOUT_MS = 200;
const RETRY_CAP_MS = 1_000;
/** How often a cluster's map is read anew: subscriptions to a killed master come back only after that. */
const SLOTS_REFRESH_MS = 1_000;

/** Delays that double up to a cap; the jitter keeps a fleet of gateways from returning in step. */
export function retryDelay(attempt: number): number {
  const ceiling = Math.min(RETRY_CAP_MS, 25 * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling / 2 + (Math.random() * ceiling) / 2);
}

/** The connection for commands. It has an `error` listener to be added by the caller and does not connect by itself. */
export function openCommands(target: RedisTarget, timeoutMs: number): Redis | Cluster {
  if (target.kind !== 'cluster') return openSingle(target, timeoutMs);
  const cluster = new Cluster(
    target.nodes.map((node) => ({ ...node })),
    {
      lazyConnect: true,
      clusterRetryStrategy: retryDelay,
      slotsRefreshInterval: SLOTS_REFRESH_MS,
      slotsRefreshTimeout: Math.min(timeoutMs, 2_000),
      // What was in flight on a lost connection may have been done: ioredis would send it again.
      retryDelayOnFailover: 0,
      // A node's certificate is made out to its name: connect by name.
      ...(target.tls ? { dnsLookup: (address, callback) => callback(null, address) } : {}),
      redisOptions: common(target, timeoutMs),
    },
  );
  cluster.on('+node', (node) => nameAskedHost(withoutHiddenFacts(node)));
  return cluster;
}

/**
 * ioredis takes a connection for ready once INFO has answered that nothing is being loaded, and for broken where INFO is forbidden or renamed.
 * Here it learns only whether the server answers at all, by which it notices a password that is refused: `server-check.ts` looks at the rest.
 */
function withoutHiddenFacts(redis: Redis): Redis {
  const ask = redis.info.bind(redis);
  const info = (callback: (error: Error | null, facts?: string) => void): Promise<void> =>
    ask().then(
      (facts) => callback(null, facts.replace('loading:1', 'loading:0')),
      (error: Error) => (/^(NOPERM|ERR unknown command)/.test(error.message) ? callback(null, '') : callback(error)),
    );
  return Object.assign(redis, { info });
}

/**
 * A node that does not know its own address, or shall not tell it, names no host, or `?`, in its map of the slots: it means the host that was
 * asked. ioredis passes over such a node. It asks by a duplicate of the node's connection, so that is where the host is put in.
 */
function nameAskedHost(node: Redis): void {
  const { host = '127.0.0.1' } = node.options;
  const duplicate = node.duplicate.bind(node);
  node.duplicate = (override) => {
    const asking = duplicate(override);
    const send = asking.sendCommand.bind(asking);
    asking.sendCommand = (command, stream) => {
      const { resolve } = command;
      if (command.name === 'cluster') command.resolve = (reply) => resolve(withHost(reply, host));
      return send(command, stream);
    };
    return asking;
  };
}

/** `reply`: one entry a range of slots, `[first, last, [host, port, id], …]`. */
function withHost(reply: unknown, host: string): unknown {
  if (!Array.isArray(reply)) return reply;
  return reply.map((range: unknown) =>
    Array.isArray(range) ? range.map((part: unknown) => (Array.isArray(part) ? namedNode(part, host) : part)) : range,
  );
}

function namedNode([name, ...rest]: readonly unknown[], host: string): unknown[] {
  const isNamed = name !== null && !['', '?'].includes(String(name));
  return [isNamed ? name : Buffer.from(host), ...rest];
}

/** A connection to one node of a cluster, for its sharded subscriptions. */
export function openNodeSubscriber(target: RedisTarget, nodeKey: string, timeoutMs: number): Redis {
  const colon = nodeKey.lastIndexOf(':');
  const host = nodeKey.slice(0, colon);
  const port = Number(nodeKey.slice(colon + 1));
  return withoutHiddenFacts(new Redis({ ...common(target, timeoutMs), ...single(), host, port }));
}

/** A connection to a standalone server or to the master that the Sentinels name. */
export function openSingle(target: Exclude<RedisTarget, { kind: 'cluster' }>, timeoutMs: number): Redis {
  return withoutHiddenFacts(
    new Redis({
      ...common(target, timeoutMs),
      ...single(),
      db: target.db,
      ...(target.kind === 'standalone' ? target.address : bySentinels(target, timeoutMs)),
    }),
  );
}

function bySentinels(target: Extract<RedisTarget, { kind: 'sentinel' }>, timeoutMs: number): RedisOptions {
  return {
    sentinels: target.sentinels.map((node) => ({ ...node })),
    name: target.masterName,
    role: 'master',
    sentinelCommandTimeout: timeoutMs,
    sentinelRetryStrategy: retryDelay,
    sentinelReconnectStrategy: retryDelay,
    ...(target.sentinelUsername === undefined ? {} : { sentinelUsername: target.sentinelUsername }),
    ...(target.sentinelPassword === undefined ? {} : { sentinelPassword: target.sentinelPassword }),
    ...(target.tls ? { enableTLSForSentinelMode: true, sentinelTLS: tlsOf(target) } : {}),
  };
}

/** A connection to each Sentinel, for what it publishes. Each finds its way back by itself, and subscribes anew. */
export function openSentinels(target: Extract<RedisTarget, { kind: 'sentinel' }>, timeoutMs: number): Redis[] {
  return target.sentinels.map(
    ({ host, port }) =>
      new Redis({
        host,
        port,
        lazyConnect: true,
        connectTimeout: timeoutMs,
        disconnectTimeout: DISCONNECT_TIMEOUT_MS,
        keepAlive: 10_000,
        retryStrategy: retryDelay,
        enableReadyCheck: false,
        maxRetriesPerRequest: null,
        ...(target.sentinelUsername === undefined ? {} : { username: target.sentinelUsername }),
        ...(target.sentinelPassword === undefined ? {} : { password: target.sentinelPassword }),
        ...(target.tls ? { tls: tlsOf(target) } : {}),
      }),
  );
}

function common(target: RedisTarget, timeoutMs: number): RedisOptions {
  return {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    keepAlive: 10_000,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    // With resending off, this is what rejects the commands in flight as soon as their connection closes.
    maxRetriesPerRequest: 0,
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    ...(target.tls ? { tls: tlsOf(target) } : {}),
  };
}

function tlsOf({ identity }: RedisTarget): ConnectionOptions {
  const { ca, cert, key } = identity ?? {};
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function single(): RedisOptions {
  return {
    enableOfflineQueue: false,
    retryStrategy: retryDelay,
    // A master that became a replica: the address now leads elsewhere, or soon will.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
}

/**
 * Breaks connections whose peer is silent: stopped, or cut off without a word. TCP alone would notice after minutes, and
 * ioredis waits without limit both for a reply and for the handshake.
 */
export class Watchdog {
  readonly #connections: () => Iterable<Redis>;
  readonly #timeoutMs: number;
  /** Who owes an answer, or the end of its handshake, and since when. */
  readonly #silences = new WeakMap<Redis, { readonly status: 'ready' | 'connect'; readonly since: number }>();
  readonly #timer: NodeJS.Timeout;

  constructor(connections: () => Iterable<Redis>, timeoutMs: number) {
    this.#connections = connections;
    this.#timeoutMs = timeoutMs;
    this.#timer = setInterval(() => this.#check(), Math.max(50, timeoutMs / 4)).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const now = performance.now();
    for (const redis of this.#connections()) {
      const { status } = redis;
      const silence = this.#silences.get(redis);
      // `connect` is the handshake; whatever comes before it has a time limit in ioredis.
      if (status !== 'ready' && status !== 'connect') this.#silences.delete(redis);
      else if (silence?.status !== status) this.#expect(redis, status, now);
      else if (now - silence.since > this.#timeoutMs) {
        this.#silences.delete(redis);
        redis.disconnect(true);
      }
    }
  }

  #expect(redis: Redis, status: 'ready' | 'connect', since: number): void {
    const silence = { status, since };
    this.#silences.set(redis, silence);
    if (status === 'connect') return;
    const heard = () => {
      if (this.#silences.get(redis) === silence) this.#silences.delete(redis);
    };
    redis.ping().then(heard, heard);
  }
}
