/**
 * Reads of the history for one gateway: so many at once and no more, one for all who ask for the same, and their events encoded once.
 * Knows neither rings nor subscribers.
 */
import { type Broker, BrokerUnavailable, type Page, type Position } from '../../broker/broker.ts';
import { OutgoingEvent } from './outgoing.ts';
import { Semaphore } from './semaphore.ts';
import type { Replay } from './subscription.ts';

/** A read, ready to be sent. */
export interface Replayable extends Replay {
  /** Whether nothing is missing between the position asked for and the first event. */
  readonly known: boolean;
}

export class History {
  readonly #broker: Broker;
  readonly #slots: Semaphore;
  readonly #page: number;
  readonly #reads = new Map<string, Promise<Replayable>>();

  /** At most `width` reads at once, the others wait their turn; `page` events at most in a read after a position. */
  constructor(broker: Broker, width: number, page: number) {
    this.#broker = broker;
    this.#slots = new Semaphore(width);
    this.#page = page;
  }

  get running(): number {
    return this.#slots.running;
  }

  get waiting(): number {
    return this.#slots.waiting;
  }

  /** The first events after a position, for subscribers. Rejects with `BrokerUnavailable`, as all reads do. */
  replayAfter(channel: string, position: Position): Promise<Replayable> {
    return this.#shared(`${channel} after ${position}`, channel, () => this.after(channel, position));
  }

  /** The last events, for subscribers. */
  replayTail(channel: string, limit: number): Promise<Replayable> {
    return this.#shared(`${channel} tail ${limit}`, channel, () => this.tail(channel, limit));
  }

  after(channel: string, position: Position): Promise<Page> {
    return this.#slots.run(() => this.#broker.readAfter(channel, position, this.#page));
  }

  tail(channel: string, limit: number): Promise<Page> {
    return this.#slots.run(() => this.#broker.readTail(channel, limit));
  }

  /** Whoever asks for a read that is under way gets the same answer. */
  #shared(key: string, channel: string, from: () => Promise<Page>): Promise<Replayable> {
    const running = this.#reads.get(key);
    if (running !== undefined) return running;
    const read = from()
      .then((page) => ({ ...page, events: page.events.map((event) => new OutgoingEvent(channel, event)) }))
      .finally(() => this.#reads.delete(key));
    this.#reads.set(key, read);
    return read;
  }
}

/** For what is tried again anyway: passes over that the broker is away, and nothing else. */
export function ignoreUnavailable(error: unknown): void {
  if (!(error instanceof BrokerUnavailable)) throw error;
}
