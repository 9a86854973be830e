/**
 * How much may be read of what is kept: on one connection, by one user, by one API key and from one address, through this gateway. What was
 * read is charged afterwards, as only then is it known; whoever has read too much may read again once that is made up for. Pure: knows
 * neither a transport nor what is read.
 */
import type { Asker } from '../hub/read-queue.ts';
import type { Refusal } from '../protocol.ts';
import { KeyedBuckets } from './bucket.ts';
import { holderOf, isLoopback } from './holder.ts';
import type { Refusals } from './limits.ts';
import type { Publisher } from './publish-limits.ts';
import { LIMIT_SETTINGS } from './settings.ts';

export interface ReadLimitOptions {
  /** Each 0 for no limit, in bytes per second. */
  readonly maxReadBytesPerSecond: number;
  readonly maxUserReadBytesPerSecond: number;
  readonly maxKeyReadBytesPerSecond: number;
  readonly maxAddressReadBytesPerSecond: number;
  /** Requests of one address that read, waiting or under way; 0 for no limit. */
  readonly maxReadsPerAddress: number;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  /** Where refusals are counted. */
  readonly refusals: Refusals;
}

/** What every read costs beside what it brings, as bytes: the time of Redis to begin with it, and of the gateway to answer. */
const BYTES_OF_EACH = 1_024;
/** Users, keys, addresses and connections that are remembered: those that are not at rest. */
const MAX_READERS = 100_000;
const BURST_SECONDS = 2;

const ON_READS = [
  { limit: 'connection_reads', of: 'connection', field: 'maxReadBytesPerSecond', by: 'on this connection' },
  { limit: 'user_reads', of: 'user', field: 'maxUserReadBytesPerSecond', by: 'by this user' },
  { limit: 'key_reads', of: 'key', field: 'maxKeyReadBytesPerSecond', by: 'by this API key' },
  { limit: 'address_reads', of: 'anyAddress', field: 'maxAddressReadBytesPerSecond', by: 'from this address' },
] as const;
type OnReads = (typeof ON_READS)[number];

export class ReadLimits {
  readonly #options: ReadLimitOptions;
  /** Those that are set. */
  readonly #limits: readonly { readonly on: OnReads; readonly buckets: KeyedBuckets }[];
  /** Requests that wait or are under way, by address. */
  readonly #requests = new Map<string, number>();
  #bytes = 0;

  constructor(options: ReadLimitOptions) {
    this.#options = options;
    this.#limits = ON_READS.flatMap((on) => {
      const perSecond = options[on.field];
      if (perSecond === 0) return [];
      return [{ on, buckets: new KeyedBuckets({ perSecond, burst: perSecond * BURST_SECONDS }, MAX_READERS) }];
    });
  }

  /** Bytes that were read for clients, ever. */
  get bytes(): number {
    return this.#bytes;
  }

  /** For whom a reader reads, with what it reads charged to it. */
  askerFor(reader: Publisher, gone: () => boolean): Asker {
    return { holder: holderNameOf(reader), gone, onRead: (bytes) => this.charge(reader, bytes) };
  }

  charge(reader: Publisher, bytes: number): void {
    this.#bytes += bytes;
    const nowMs = this.#options.clock();
    for (const { on, buckets } of this.#limits) {
      const name = nameOf(reader, on);
      if (name !== undefined) buckets.charge(name, nowMs, bytes + BYTES_OF_EACH);
    }
  }

  /** In how many milliseconds the reader may read again; 0 where it may now. */
  waitMs(reader: Publisher): number {
    return this.#longest(reader)?.waitMs ?? 0;
  }

  /** Why the reader may not read now; undefined where it may. */
  refuse(reader: Publisher): Refusal | undefined {
    const longest = this.#longest(reader);
    if (longest === undefined) return undefined;
    const { limit, field, by } = longest.on;
    this.#options.refusals[limit]++;
    const againInMs = Math.ceil(longest.waitMs);
    const error =
      `More than ${this.#options[field]} bytes read per second ${by} (${LIMIT_SETTINGS[field].name}); ` +
      `ask again in ${againInMs} ms, or for less`;
    return { code: 'too_many', error, againInMs };
  }

  /** Does what a request asks for, unless its address has too many that are not answered. A connection has a bound of its own. */
  async within<T>(reader: Publisher, task: () => Promise<T>, refused: (refusal: Refusal) => T): Promise<T> {
    const { maxReadsPerAddress: most } = this.#options;
    const { connection, anyAddress } = reader;
    const name = connection === undefined ? limited(anyAddress) : undefined;
    if (name === undefined || most === 0) return task();
    const underWay = this.#requests.get(name) ?? 0;
    if (underWay >= most) {
      this.#options.refusals.address_requests++;
      const error =
        `${most} requests of this address that read are not answered yet ` +
        `(${LIMIT_SETTINGS.maxReadsPerAddress.name}); wait for their answers`;
      return refused({ code: 'too_many', error, againInMs: 1_000 });
    }
    this.#requests.set(name, underWay + 1);
    try {
      return await task();
    } finally {
      const left = (this.#requests.get(name) ?? 1) - 1;
      if (left === 0) this.#requests.delete(name);
      else this.#requests.set(name, left);
    }
  }

  #longest(reader: Publisher): { readonly on: OnReads; readonly waitMs: number } | undefined {
    const nowMs = this.#options.clock();
    let longest: { readonly on: OnReads; readonly waitMs: number } | undefined;
    for (const { on, buckets } of this.#limits) {
      const name = nameOf(reader, on);
      const waitMs = name === undefined ? 0 : buckets.waitMs(name, nowMs);
      if (waitMs > (longest?.waitMs ?? 0)) longest = { on, waitMs };
    }
    return longest;
  }
}

function nameOf(reader: Publisher, { of }: OnReads): string | undefined {
  return of === 'anyAddress' ? limited(reader.anyAddress) : reader[of];
}

/** Whose the limit of an address is; nobody's of a loopback address, by which all come where the gateway knows of no client but a proxy. */
function limited(address: string | undefined): string | undefined {
  return address === undefined || isLoopback(address) ? undefined : holderOf(address);
}

/** With whom a reader takes turns: all of one user, of one API key, or of one address. */
function holderNameOf({ user, key, anyAddress, connection }: Publisher): string {
  if (user !== undefined) return `user ${user}`;
  if (key !== undefined) return `key ${key}`;
  const address = limited(anyAddress);
  if (address !== undefined) return `address ${address}`;
  return connection === undefined ? `address ${anyAddress ?? ''}` : `connection ${connection}`;
}
