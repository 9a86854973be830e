/**
 * Every key and every pub/sub channel name that the engine uses in Redis, and the cluster slot they lie in.
 *
 * All names of one channel share the hash tag `{channel}`, so that one script may touch them all on a cluster; also those of the
 * channel that carries its notices. A channel's alphabet has no braces, hence no channel can forge a tag.
 */
import { noticedChannel } from '../presence.ts';

const PREFIX = /^[A-Za-z0-9_.:-]{1,64}$/;

export class Keys {
  readonly #prefix: string;
  readonly #database: string;

  /** `database`: the index of the Redis database, which keys need not name. */
  constructor(prefix: string, database = 0) {
    if (!PREFIX.test(prefix))
      throw new Error('The key prefix must be 1 to 64 characters of A-Z a-z 0-9 _ . : - to keep hash tags intact.');
    this.#prefix = prefix;
    this.#database = database === 0 ? '' : `:${database}`;
  }

  /** The stream of the channel's kept events. */
  stream(channel: string): string {
    return `${this.#base(channel)}:s`;
  }

  /** The string that remembers the channel's last id beyond its stream. */
  head(channel: string): string {
    return `${this.#base(channel)}:h`;
  }

  /** The string that remembers the id given to a publish with this key. */
  idempotency(channel: string, key: string): string {
    return `${this.#base(channel)}:k:${key}`;
  }

  /**
   * The pub/sub channel that carries the channel's envelopes. It names the database, since pub/sub knows none: without that, deployments
   * in two databases of one Redis would hear each other. Database 0 has no number, as in versions that named none.
   */
  events(channel: string): string {
    return `${this.#base(channel)}:e${this.#database}`;
  }

  /** The hash of the channel's members. */
  members(channel: string): string {
    return `${this.#base(channel)}:m`;
  }

  /** The hash of what is counted of the channel's members. */
  index(channel: string): string {
    return `${this.#base(channel)}:i`;
  }

  /** The string that remembers for a while which joins of a connection were undone, so that none takes effect late. */
  undone(channel: string, connection: string): string {
    return `${this.#base(channel)}:u:${connection}`;
  }

  /** The sorted set of gateways by the moment at which their leases end, or ended. */
  leases(): string {
    return `${this.#prefix}:leases:{gateways}`;
  }

  /** The sorted set of dead gateways by the moment until which somebody is removing their members. */
  removals(): string {
    return `${this.#prefix}:removals:{gateways}`;
  }

  /** The hash of the channels in which a gateway has members. */
  channelsOf(gateway: string): string {
    return `${this.#prefix}:channels:{${gateway}}`;
  }

  /** The string that keeps what may be taken once. */
  vault(id: string): string {
    return `${this.#prefix}:vault:{${id}}`;
  }

  #base(channel: string): string {
    const noticed = noticedChannel(channel);
    return noticed === undefined ? `${this.#prefix}:{${channel}}` : `${this.#prefix}:{${noticed}}#`;
  }
}

/** The slot of a name of ours: CRC16 (XMODEM) of its hash tag, modulo 16384, as the Redis Cluster specification has it. */
export function slotOf(name: string): number {
  const tag = name.slice(name.indexOf('{') + 1, name.indexOf('}'));
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return crc & 0x3fff;
}
