/**
 * How much may be sent on one connection, and published: on one connection, by one user, by one API key and from one address, through this
 * gateway; and when a client that goes on regardless has to leave. Pure: knows no transport, and does not count what other gateways let through.
 */
import type { Refusal } from '../protocol.ts';
import { KeyedBucketPairs, KeyedBuckets, type Rate } from './bucket.ts';
import { holderOf, isLoopback } from './holder.ts';
import type { Limit, Refusals } from './limits.ts';
import { LIMIT_SETTINGS } from './settings.ts';

export interface PublishLimitOptions {
  /** Each 0 for no limit, in publishes per second. */
  readonly maxFramesPerSecond: number;
  readonly maxPublishesPerSecond: number;
  readonly maxUserPublishesPerSecond: number;
  readonly maxKeyPublishesPerSecond: number;
  readonly maxAddressPublishesPerSecond: number;
  /** Each 0 for no limit, in bytes of data per second. */
  readonly maxPublishBytesPerSecond: number;
  readonly maxUserPublishBytesPerSecond: number;
  readonly maxKeyPublishBytesPerSecond: number;
  readonly maxAddressPublishBytesPerSecond: number;
  /** Refusals that a connection may have in 10 seconds; 0 for no limit. */
  readonly maxRefusals: number;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  /** Where refusals are counted. */
  readonly refusals: Refusals;
}

/** Who publishes; each is limited by itself, and what is not given is not limited. */
export interface Publisher {
  /** The connection's id. */
  readonly connection?: string | undefined;
  /** The user of a verified token. */
  readonly user?: string | undefined;
  /** The name of the API key. */
  readonly key?: string | undefined;
  /** The address of a client of which nothing else is known, and which has no connection here, in the one form that `clientAddress` gives it. */
  readonly address?: string | undefined;
  /** The same of a client of which nothing else is known, with a connection or without. */
  readonly anyAddress?: string | undefined;
}

/** How many users, keys and addresses are remembered at most: those who published within the last two seconds. */
const MAX_PUBLISHERS = 100_000;
/** The same for connections, of which only those that are just now busy are: one that only listens costs nothing. */
const MAX_BUSY_CONNECTIONS = 1_000_000;
/** At most so much may be published at once. */
const BURST_SECONDS = 2;
/** `MAX_REFUSALS` is about this time. */
const STRIKE_SECONDS = 10;

/** A limit on publishes, by which words whoever meets it is told, and what it counts. */
interface PublishLimit {
  readonly limit: Limit;
  readonly field: keyof PublishLimitOptions & keyof typeof LIMIT_SETTINGS;
  readonly by: string;
  readonly unit: 'publishes' | 'bytes of data';
}

const publishes = (limit: Limit, field: PublishLimit['field'], by: string): PublishLimit => ({
  limit,
  field,
  by,
  unit: 'publishes',
});
const bytes = (limit: Limit, field: PublishLimit['field'], by: string): PublishLimit => ({
  limit,
  field,
  by,
  unit: 'bytes of data',
});

/** Whose limits there are: at most one on publishes, and one on their bytes. */
const ON_PUBLISHES = [
  {
    of: 'connection',
    publishes: publishes('connection_publishes', 'maxPublishesPerSecond', 'on this connection'),
    bytes: bytes('connection_bytes', 'maxPublishBytesPerSecond', 'on this connection'),
  },
  {
    of: 'user',
    publishes: publishes('user_publishes', 'maxUserPublishesPerSecond', 'by this user'),
    bytes: bytes('user_bytes', 'maxUserPublishBytesPerSecond', 'by this user'),
  },
  {
    of: 'key',
    publishes: publishes('key_publishes', 'maxKeyPublishesPerSecond', 'by this API key'),
    bytes: bytes('key_bytes', 'maxKeyPublishBytesPerSecond', 'by this API key'),
  },
  {
    of: 'address',
    publishes: publishes('address_publishes', 'maxAddressPublishesPerSecond', 'from this address'),
    bytes: undefined,
  },
  {
    of: 'anyAddress',
    publishes: undefined,
    bytes: bytes('address_bytes', 'maxAddressPublishBytesPerSecond', 'from this address'),
  },
] as const satisfies readonly {
  of: keyof Publisher;
  publishes?: PublishLimit | undefined;
  bytes?: PublishLimit | undefined;
}[];

interface Limited {
  readonly of: keyof Publisher;
  readonly ofAddress: boolean;
  readonly publishes: PublishLimit | undefined;
  readonly bytes: PublishLimit | undefined;
  readonly buckets: KeyedBucketPairs;
}

export class PublishLimits {
  readonly #options: PublishLimitOptions;
  readonly #frames: KeyedBuckets | undefined;
  readonly #strikes: KeyedBuckets | undefined;
  /** Those that are set. */
  readonly #publishes: readonly Limited[];

  constructor(options: PublishLimitOptions) {
    this.#options = options;
    const { maxRefusals } = options;
    const strikeRate = { perSecond: maxRefusals / STRIKE_SECONDS, burst: maxRefusals };
    this.#frames = keyed(rateOf(options.maxFramesPerSecond), MAX_BUSY_CONNECTIONS);
    this.#strikes = keyed(maxRefusals === 0 ? undefined : strikeRate, MAX_BUSY_CONNECTIONS);
    this.#publishes = ON_PUBLISHES.flatMap(({ of, publishes, bytes }) => {
      const rates = [publishes, bytes].map((limit) => limit && rateOf(this.#valueOf(limit)));
      if (rates.every((rate) => rate === undefined)) return [];
      const most = of === 'connection' ? MAX_BUSY_CONNECTIONS : MAX_PUBLISHERS;
      const buckets = new KeyedBucketPairs(rates[0], rates[1], most);
      return [{ of, ofAddress: of === 'address' || of === 'anyAddress', publishes, bytes, buckets }];
    });
  }

  /** Counts one frame, of whatever kind. Where there were too many it says so: then the connection is to be closed (4429). */
  frame(connection: string): Refusal | undefined {
    if (this.#frames === undefined || this.#frames.take(connection, this.#options.clock())) return undefined;
    this.#options.refusals.frames++;
    const { maxFramesPerSecond } = this.#options;
    const error = `More than ${maxFramesPerSecond} frames per second on this connection (${LIMIT_SETTINGS.maxFramesPerSecond.name})`;
    return { code: 'too_many', error };
  }

  /** Counts a connection that has to be closed because it sends faster than it can be served. */
  inboxFull(): Refusal {
    this.#options.refusals.inbox++;
    const error = `This connection sends faster than it can be served, and more than ${LIMIT_SETTINGS.maxInboxBytes.name} waits`;
    return { code: 'too_many', error };
  }

  /** Counts one publish of so many bytes against every limit on it, or, where one of them is reached, against none, and says which and for how long. */
  allow(publisher: Publisher, bytes: number): Refusal | undefined {
    const nowMs = this.#options.clock();
    const address = publisher.anyAddress === undefined ? undefined : limited(publisher.anyAddress);
    let met: PublishLimit | undefined;
    let longestMs = 0;
    for (const limit of this.#publishes) {
      const name = nameOf(limit, publisher, address);
      const pair = name === undefined ? undefined : limit.buckets.find(name);
      if (pair === undefined) continue;
      const publishesMs = limit.buckets.firstWaitMs(pair, nowMs, 1);
      if (publishesMs > longestMs) [met, longestMs] = [limit.publishes, publishesMs];
      const bytesMs = limit.buckets.secondWaitMs(pair, nowMs, bytes);
      if (bytesMs > longestMs) [met, longestMs] = [limit.bytes, bytesMs];
    }
    if (met !== undefined) return this.#refuse(met, longestMs);
    for (const limit of this.#publishes) {
      const name = nameOf(limit, publisher, address);
      if (name !== undefined) limit.buckets.take(name, nowMs, 1, bytes);
    }
    return undefined;
  }

  /**
   * Counts an answer `too_many` to a connection, whatever the limit was, and says whether the connection is to be closed (4429). It is
   * when there were more than `maxRefusals`, of which a tenth is forgiven every second: a client that now and then meets a limit is not
   * closed, one that sends on without regard is, within 10 seconds.
   */
  strike(connection: string): boolean {
    const closes = this.#strikes !== undefined && !this.#strikes.take(connection, this.#options.clock());
    if (closes) this.#options.refusals.strikes++;
    return closes;
  }

  #valueOf({ field }: PublishLimit): number {
    return this.#options[field];
  }

  #refuse(met: PublishLimit, waitMs: number): Refusal {
    const { limit, field, by, unit } = met;
    this.#options.refusals[limit]++;
    const againInMs = Math.ceil(waitMs);
    const error =
      `More than ${this.#valueOf(met)} ${unit} per second ${by} (${LIMIT_SETTINGS[field].name}); ` +
      `this one was not stored, send it again in ${againInMs} ms`;
    return { code: 'too_many', error, againInMs };
  }
}

/** `address`: of the publisher, as limits know it. */
function nameOf({ of, ofAddress }: Limited, publisher: Publisher, address: string | undefined): string | undefined {
  const name = publisher[of];
  return ofAddress && name !== undefined ? address : name;
}

/** Whose the limit of an address is; nobody's of a loopback address, by which all come where the gateway knows of no client but a proxy. */
function limited(address: string): string | undefined {
  return isLoopback(address) ? undefined : holderOf(address);
}

function rateOf(perSecond: number): Rate | undefined {
  return perSecond === 0 ? undefined : { perSecond, burst: perSecond * BURST_SECONDS };
}

function keyed(rate: Rate | undefined, maxKeys: number): KeyedBuckets | undefined {
  return rate && new KeyedBuckets(rate, maxKeys);
}
