/**
 * Whether events get through: on each shard of the broker one is published every second that comes back to this gateway alone, over the same
 * ways as every other. A broker can be connected and answer every call, and still bring no events; this notices.
 */
import { type Broker, BrokerUnavailable, type Event, type Shard } from '../../broker/broker.ts';
import { CANARY_PREFIX } from '../fleet/own-channels.ts';
import { ignoreUnavailable } from '../hub/history.ts';

/** How often `send` is to be called. */
export const CANARY_INTERVAL_MS = 1_000;

export interface CanaryParts {
  readonly broker: Pick<Broker, 'shards' | 'subscribe' | 'unsubscribe' | 'publish'>;
  /** Other than that of any gateway there is or was. */
  readonly id: string;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  /** Hears of each canary that came back, and after how long. */
  readonly onReturn: (shard: string, delayMs: number) => void;
}

export interface Silence {
  readonly shard: string;
  readonly silentMs: number;
}

/** What is known of one shard. */
interface Watch {
  channel: string;
  subscribed: boolean;
  subscribing: boolean;
  /** When a canary last came back, or the shard was first seen. */
  aliveMs: number;
}

export class Canary {
  readonly #parts: CanaryParts;
  readonly #prefix: string;
  readonly #watches = new Map<string, Watch>();
  /** When a canary last came back, by whatever shard. */
  #aliveMs: number | undefined;
  #fault: string | undefined;

  constructor(parts: CanaryParts) {
    this.#parts = parts;
    this.#prefix = `${CANARY_PREFIX}:${parts.id}:`;
  }

  /** Sends one canary to each shard; those to which it cannot be sent are not waited for. */
  send(): void {
    const shards = this.#parts.broker.shards(this.#prefix);
    if (shards.length > 0) this.#follow(shards);
    for (const watch of this.#watches.values()) {
      if (watch.subscribed) this.#publish(watch);
      else if (!watch.subscribing) void this.#subscribe(watch);
    }
  }

  /** An event of a channel that begins with `CANARY_PREFIX`. */
  event(channel: string, { data }: Event): void {
    const { clock, onReturn } = this.#parts;
    const now = clock();
    const delayMs = now - Number(Buffer.from(data).toString());
    if (!Number.isFinite(delayMs)) return;
    for (const [shard, watch] of this.#watches) {
      if (watch.channel !== channel) continue;
      watch.aliveMs = now;
      this.#aliveMs = now;
      onReturn(shard, delayMs);
    }
  }

  /** Why the last canary could not be sent, or its channel not be subscribed; undefined where that went well. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** How long ago a canary last came back, by whatever shard; undefined where none ever did. */
  get silentMs(): number | undefined {
    return this.#aliveMs === undefined ? undefined : this.#parts.clock() - this.#aliveMs;
  }

  /** The same for each shard that there is now; for one where none came back yet, how long it has been known. */
  silences(): Silence[] {
    const now = this.#parts.clock();
    return [...this.#watches].map(([shard, { aliveMs }]) => ({ shard, silentMs: now - aliveMs }));
  }

  /** Watches the shards that there are now, each by the channel that lives there. */
  #follow(shards: readonly Shard[]): void {
    const names = new Set(shards.map(({ name }) => name));
    for (const [name, watch] of this.#watches) {
      if (names.has(name)) continue;
      this.#watches.delete(name);
      this.#leave(watch);
    }
    for (const { name, channel } of shards) {
      const watch = this.#watches.get(name);
      if (watch === undefined) {
        const aliveMs = this.#parts.clock();
        this.#watches.set(name, { channel, subscribed: false, subscribing: false, aliveMs });
      } else if (watch.channel !== channel) {
        this.#leave(watch);
        watch.channel = channel;
      }
    }
  }

  async #subscribe(watch: Watch): Promise<void> {
    const { channel } = watch;
    watch.subscribing = true;
    try {
      await this.#parts.broker.subscribe(channel);
      if (watch.channel !== channel || !this.#isWatched(watch)) return;
      watch.subscribed = true;
      this.#publish(watch);
    } catch (error) {
      this.#failed(error); // the next call of `send` tries again
    } finally {
      watch.subscribing = false;
    }
  }

  #publish({ channel }: Watch): void {
    const { broker, clock } = this.#parts;
    broker.publish(channel, { name: 'canary', data: String(clock()) }).then(
      () => {
        this.#fault = undefined;
      },
      (error: unknown) => this.#failed(error),
    );
  }

  #failed(error: unknown): void {
    if (!(error instanceof BrokerUnavailable)) throw error;
    this.#fault = error.message;
  }

  #isWatched(watch: Watch): boolean {
    return [...this.#watches.values()].includes(watch);
  }

  #leave(watch: Watch): void {
    watch.subscribed = false;
    this.#parts.broker.unsubscribe(watch.channel).catch(ignoreUnavailable);
  }
}
