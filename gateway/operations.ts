/**
 * What a client may ask for over any transport: publish and history. Turns checked requests into calls of the broker, and
 * their outcome into the fields of a reply; knows neither frames nor HTTP.
 */
import {
  type Broker,
  BrokerUnavailable,
  comparePositions,
  type Page,
  type Position,
  type RetentionOf,
} from '../broker/broker.ts';
import { type HistoryQuery, historyFields, type Publication, type Refusal } from './protocol.ts';
import type { Tally } from './tally.ts';

export type Outcome =
  | { readonly ok: true; readonly fields: Record<string, unknown> }
  | { readonly ok: false; readonly refusal: Refusal };

export interface OperationLimits {
  /** The largest `data` of one event, as JSON text. */
  readonly maxMessageBytes: number;
  /** About how large a history reply may be. */
  readonly maxReplyBytes: number;
}

export class Operations {
  readonly #broker: Broker;
  readonly #retentionOf: RetentionOf;
  readonly #limits: OperationLimits;
  readonly #tally: Tally;
  readonly #onUnavailable: (error: BrokerUnavailable) => void;

  /** `onUnavailable` hears of every call that fails because of the broker, as the client is not told why. */
  constructor(
    broker: Broker,
    retentionOf: RetentionOf,
    limits: OperationLimits,
    tally: Tally,
    onUnavailable: (error: BrokerUnavailable) => void,
  ) {
    this.#broker = broker;
    this.#retentionOf = retentionOf;
    this.#limits = limits;
    this.#tally = tally;
    this.#onUnavailable = onUnavailable;
  }

  /** Stores and sends one event. The id is left out on an ephemeral channel, which has none. */
  async publish({ channel, event, data: value, key }: Publication): Promise<Outcome> {
    const data = JSON.stringify(value);
    const bytes = Buffer.byteLength(data);
    if (bytes > this.#limits.maxMessageBytes) {
      const error = `The event's data is ${bytes} bytes of JSON; at most ${this.#limits.maxMessageBytes} are allowed`;
      return { ok: false, refusal: { code: 'too_large', error } };
    }
    return this.#ask(async () => {
      const { id, duplicate } = await this.#broker.publish(channel, { name: event, data, key });
      if (duplicate) this.#tally.duplicates++;
      else this.#tally.published++;
      return { channel, ...(id === '' ? {} : { id }), ...(duplicate ? { duplicate } : {}) };
    });
  }

  async history({ channel, after, before, limit }: HistoryQuery): Promise<Outcome> {
    if (this.#retentionOf(channel).size === 0) {
      const error = `Channel ${channel} keeps no history: its namespace is ephemeral`;
      return { ok: false, refusal: { code: 'bad_request', error } };
    }
    return this.#ask(async () => {
      if (after === undefined) {
        const page = await this.#broker.readTail(channel, limit, before);
        return historyFields(channel, page, true, this.#limits.maxReplyBytes);
      }
      if (before === undefined) {
        const page = await this.#broker.readAfter(channel, after, limit);
        return historyFields(channel, page, false, this.#limits.maxReplyBytes);
      }
      const page = await this.#broker.readAfter(channel, after, limit + 1);
      return historyFields(channel, upTo(page, before, limit), false, this.#limits.maxReplyBytes);
    });
  }

  async #ask(task: () => Promise<Record<string, unknown>>): Promise<Outcome> {
    try {
      return { ok: true, fields: await task() };
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) throw error;
      this.#onUnavailable(error);
      return { ok: false, refusal: UNAVAILABLE };
    }
  }
}

/** The outcome is unknown: a publish with a `key` can be sent again safely. */
export const UNAVAILABLE: Refusal = {
  code: 'unavailable',
  error:
    'The event store cannot be reached now; try again shortly, and give a publish a "key" so that it is not stored twice',
};

/**
 * The part of a page that lies before `end`, of at most `limit` events; the page was read with one more, which tells whether the limit or the
 * end came first. What lies beyond the end was not asked for, so it is not missing.
 */
function upTo(page: Page, end: Position, limit: number): Page {
  const beyond = page.events.findIndex(({ id }) => comparePositions(id, end) >= 0);
  const within = beyond < 0 ? page.events : page.events.slice(0, beyond);
  return { ...page, events: within.slice(0, limit), more: within.length > limit || (beyond < 0 && page.more) };
}
