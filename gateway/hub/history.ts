/**
 * Reads of the history for one gateway: in turn with all its other reads, one for all who ask for the same, by pages, and their events
 * encoded once. Knows neither rings nor subscribers.
 */
import { type Broker, BrokerUnavailable, PAGE_BYTES, type Page, type Position } from '../../broker/broker.ts';
import { OutgoingEvent } from './outgoing.ts';
import { type Asker, OWN_READS, type ReadQueue } from './read-queue.ts';
import type { Replay } from './subscription.ts';

/** A read, ready to be sent. */
export interface Replayable extends Replay {
  /** Whether nothing is missing between the position asked for and the first event. */
  readonly known: boolean;
  /** Whether it is the first page of a tail of several. */
  readonly isTailsBegin?: boolean;
}

type Read = Page & Pick<Replayable, 'isTailsBegin'>;

/** A read that several may wait for. */
interface Shared {
  readonly askers: Asker[];
  readonly read: Promise<Replayable>;
}

/** What a read that brings no events may bring. */
const FEW_BYTES = 1_024;

export class History {
  readonly #broker: Broker;
  readonly #queue: ReadQueue;
  readonly #page: number;
  readonly #reads = new Map<string, Shared>();

  /** `page`: events at most in a read after a position. */
  constructor(broker: Broker, queue: ReadQueue, page: number) {
    this.#broker = broker;
    this.#queue = queue;
    this.#page = page;
  }

  /** The first events after a position, for subscribers. Rejects with `BrokerUnavailable`, as all reads do. */
  replayAfter(channel: string, position: Position, asker: Asker): Promise<Replayable> {
    return this.#shared(`${channel} after ${position}`, channel, asker, (all) => this.after(channel, position, all));
  }

  /** The first page of the last events, for subscribers: the others follow after its end. */
  replayTail(channel: string, limit: number, asker: Asker): Promise<Replayable> {
    return this.#shared(`${channel} tail ${limit}`, channel, asker, (all) => this.#beginOfTail(channel, limit, all));
  }

  after(channel: string, position: Position, asker: Asker = OWN_READS): Promise<Page> {
    return this.#queue.run(asker, PAGE_BYTES, () => this.#broker.readAfter(channel, position, this.#page));
  }

  /** The last events, or the newest of them that fit into a page. */
  tail(channel: string, limit: number, asker: Asker = OWN_READS): Promise<Page> {
    const bytes = limit === 0 ? FEW_BYTES : PAGE_BYTES;
    return this.#queue.run(asker, bytes, () => this.#broker.readTail(channel, limit));
  }

  async #beginOfTail(channel: string, limit: number, asker: Asker): Promise<Read> {
    const tail = await this.tail(channel, limit, asker);
    if (!tail.more || tail.events.length === limit) return tail;
    const start = await this.#queue.run(asker, PAGE_BYTES, () => this.#broker.tailStart(channel, limit));
    // Where its first ones are gone by now, the tail begins with what is left: whoever asks for one is promised no certain event.
    return { ...(await this.after(channel, start, asker)), known: true, isTailsBegin: true };
  }

  /** Whoever asks for a read that waits or is under way gets the same answer. It is done unless all of them are gone, and charged to the first. */
  #shared(key: string, channel: string, asker: Asker, from: (all: Asker) => Promise<Read>): Promise<Replayable> {
    const running = this.#reads.get(key);
    if (running !== undefined) {
      running.askers.push(asker);
      return running.read;
    }
    const askers = [asker];
    let shared: Shared | undefined;
    let givenUp = false;
    const forget = () => {
      if (this.#reads.get(key) === shared) this.#reads.delete(key);
    };
    const gone = () => {
      const isGone = askers.every((each) => each.gone?.() ?? false);
      givenUp ||= isGone;
      if (isGone) forget(); // at once: whoever comes now is not to share that it is given up
      return isGone;
    };
    const read = from({ holder: asker.holder, gone })
      .then((page) => {
        const events = page.events.map((event) => new OutgoingEvent(channel, event));
        asker.onRead?.(events.reduce((sum, { size }) => sum + size, 0));
        return { ...page, events };
      })
      .finally(forget);
    shared = { askers, read };
    if (!givenUp) this.#reads.set(key, shared);
    return read;
  }
}

/** For what is tried again anyway: passes over that the broker is away, and nothing else. */
export function ignoreUnavailable(error: unknown): void {
  if (!(error instanceof BrokerUnavailable)) throw error;
}
