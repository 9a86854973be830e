/**
 * How much may be sent on one connection, and published: on one connection, by one user, by one API key and from one address, through this
 * gateway; and when a client that goes on regardless has to leave. Pure: knows no transport, and does not count what other gateways let through.
 */
import type { Refusal } from '../protocol.ts';
import { KeyedBuckets, type Rate } from './bucket.ts';
import { holderOf, isLoopback } from './holder.ts';
import type { Refusals } from './limits.ts';
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

const PUBLISHES = 'publishes';
const BYTES = 'bytes of data';

/** The limits on publishes: whose they are, what they count, and by which words whoever meets one is told. */
const ON_PUBLISHES = [
  {
    limit: 'connection_publishes',
    of: 'connection',
    field: 'maxPublishesPerSecond',
    by: 'on this connection',
    unit: PUBLISHES,
  },
  { limit: 'user_publishes', of: 'user', field: 'maxUserPublishesPerSecond', by: 'by this user', unit: PUBLISHES },
  { limit: 'key_publishes', of: 'key', field: 'maxKeyPublishesPerSecond', by: 'by this API key', unit: PUBLISHES },
  {
    limit: 'address_publishes',
    of: 'address',
    field: 'maxAddressPublishesPerSecond',
    by: 'from this address',
    unit: PUBLISHES,
  },
  {
    limit: 'connection_bytes',
    of: 'connection',
    field: 'maxPublishBytesPerSecond',
    by: 'on this connection',
    unit: BYTES,
  },
  { limit: 'user_bytes', of: 'user', field: 'maxUserPublishBytesPerSecond', by: 'by this user', unit: BYTES },
  { limit: 'key_bytes', of: 'key', field: 'maxKeyPublishBytesPerSecond', by: 'by this API key', unit: BYTES },
  {
    limit: 'address_bytes',
    of: 'anyAddress',
    field: 'maxAddressPublishBytesPerSecond',
    by: 'from this address',
    unit: BYTES,
  },
] as const;
type OnPublishes = (typeof ON_PUBLISHES)[number];

export class PublishLimits {
  readonly #options: PublishLimitOptions;
  readonly #frames: KeyedBuckets | undefined;
  readonly #strikes: KeyedBuckets | undefined;
  /** Those that are set. */
  readonly #publishes: readonly { readonly on: OnPublishes; readonly buckets: KeyedBuckets }[];

  constructor(options: PublishLimitOptions) {
    this.#options = options;
    const { maxRefusals } = options;
    const strikeRate = { perSecond: maxRefusals / STRIKE_SECONDS, burst: maxRefusals };
    this.#frames = keyed(rateOf(options.maxFramesPerSecond), MAX_BUSY_CONNECTIONS);
    this.#strikes = keyed(maxRefusals === 0 ? undefined : strikeRate, MAX_BUSY_CONNECTIONS);
    this.#publishes = ON_PUBLISHES.flatMap((on) => {
      const most = on.of === 'connection' ? MAX_BUSY_CONNECTIONS : MAX_PUBLISHERS;
      const buckets = keyed(rateOf(options[on.field]), most);
      return buckets === undefined ? [] : [{ on, buckets }];
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
    const whose = withLimitedAddress(publisher);
    let met: OnPublishes | undefined;
    let longestMs = 0;
    for (const { on, buckets } of this.#publishes) {
      const name = whose[on.of];
      const waitMs = name === undefined ? 0 : buckets.waitMs(name, nowMs, on.unit === BYTES ? bytes : 1);
      if (waitMs > longestMs) [met, longestMs] = [on, waitMs];
    }
    if (met !== undefined) return this.#refuse(met, longestMs);
    for (const { on, buckets } of this.#publishes) {
      const name = whose[on.of];
      if (name !== undefined) buckets.take(name, nowMs, on.unit === BYTES ? bytes : 1);
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

  #refuse({ limit, field, by, unit }: OnPublishes, waitMs: number): Refusal {
    this.#options.refusals[limit]++;
    const againInMs = Math.ceil(waitMs);
    const error =
      `More than ${this.#options[field]} ${unit} per second ${by} (${LIMIT_SETTINGS[field].name}); ` +
      `this one was not stored, send it again in ${againInMs} ms`;
    return { code: 'too_many', error, againInMs };
  }
}

function withLimitedAddress(publisher: Publisher): Publisher {
  if (publisher.anyAddress === undefined) return publisher;
  const anyAddress = limited(publisher.anyAddress);
  return { ...publisher, address: publisher.address === undefined ? undefined : anyAddress, anyAddress };
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
