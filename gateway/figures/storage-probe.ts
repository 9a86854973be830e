/**
 * Whether each shard of the store takes writes and answers reads: once a second a small event is stored in a channel of the gateways' own,
 * and its position is read. A store may bring events and answer reads, and still refuse to keep anything new.
 */
import { type Broker, BrokerUnavailable } from '../../broker/broker.ts';
import { describeRefusal, type StoreRefusal } from '../../broker/refusals.ts';
import { PROBE_PREFIX } from '../fleet/own-channels.ts';

export interface StorageProbeParts {
  readonly broker: Pick<Broker, 'shards' | 'publish' | 'heads'>;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  /** Hears when a shard begins to refuse writes, refuses them for another reason, or (undefined) takes them again. */
  readonly onWrites: (shard: string, refusal: StoreRefusal | undefined, message: string) => void;
}

export interface RefusedWrites {
  readonly shard: string;
  readonly refusal: StoreRefusal;
}

/** What is known of one shard. */
interface Probed {
  /** When it last answered a read, or was first seen. */
  readMs: number;
  /** Why it failed the last read; undefined where it did not. */
  readFault: string | undefined;
  refusal: StoreRefusal | undefined;
  /** Calls that it has not answered: it is asked one thing at a time. */
  readonly waiting: Set<'read' | 'write'>;
}

export class StorageProbe {
  readonly #parts: StorageProbeParts;
  readonly #shards = new Map<string, Probed>();

  constructor(parts: StorageProbeParts) {
    this.#parts = parts;
  }

  /** Tries every shard that there is now. */
  check(): void {
    const shards = this.#parts.broker.shards(PROBE_PREFIX);
    if (shards.length === 0) return; // not known yet: those that were are kept
    const names = new Set(shards.map(({ name }) => name));
    for (const name of this.#shards.keys()) if (!names.has(name)) this.#shards.delete(name);
    for (const { name, channel } of shards) {
      const probed: Probed = this.#shards.get(name) ?? {
        readMs: this.#parts.clock(),
        readFault: undefined,
        refusal: undefined,
        waiting: new Set(),
      };
      this.#shards.set(name, probed);
      void this.#write(name, probed, channel);
      void this.#read(probed, channel);
    }
  }

  /** The shards that refuse writes now. A store that cannot be reached refuses nothing. */
  refusedWrites(): RefusedWrites[] {
    return [...this.#shards].flatMap(([shard, { refusal }]) => (refusal === undefined ? [] : [{ shard, refusal }]));
  }

  /** Why no shard has answered a read for `graceMs`; undefined while one has, or none is known. */
  unreadable(graceMs: number): string | undefined {
    const now = this.#parts.clock();
    const shards = [...this.#shards.values()];
    if (shards.some(({ readMs, readFault }) => readFault === undefined || now - readMs <= graceMs)) return undefined;
    return shards[0]?.readFault;
  }

  async #write(name: string, probed: Probed, channel: string): Promise<void> {
    if (probed.waiting.has('write')) return;
    probed.waiting.add('write');
    try {
      await this.#parts.broker.publish(channel, { name: 'probe', data: 'null' });
      this.#learn(name, probed, undefined, '');
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) throw error;
      if (error.refusal !== undefined) this.#learn(name, probed, error.refusal, error.message);
    } finally {
      probed.waiting.delete('write');
    }
  }

  #learn(name: string, probed: Probed, refusal: StoreRefusal | undefined, message: string): void {
    if (probed.refusal === refusal) return;
    probed.refusal = refusal;
    this.#parts.onWrites(name, refusal, message);
  }

  async #read(probed: Probed, channel: string): Promise<void> {
    if (probed.waiting.has('read')) return;
    probed.waiting.add('read');
    try {
      await this.#parts.broker.heads([channel]);
      probed.readMs = this.#parts.clock();
      probed.readFault = undefined;
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) throw error;
      probed.readFault = error.message;
    } finally {
      probed.waiting.delete('read');
    }
  }
}

/** A sentence for `/readyz`. */
export function describeRefusedWrites({ shard, refusal }: RefusedWrites): string {
  return `Redis refuses writes on the shard ${shard}, as ${describeRefusal(refusal)}.`;
}
