/**
 * What a client may ask for over any transport: publish, history and presence. Turns checked requests into calls of the broker, and
 * their outcome into the fields of a reply; knows neither frames nor HTTP.
 */
import {
  type Broker,
  BrokerUnavailable,
  comparePositions,
  type Message,
  type Page,
  type Position,
  type RetentionOf,
} from '../broker/broker.ts';
import { MEMBERS_BYTES } from '../broker/presence.ts';
import { describeRefusal, type StoreRefusal } from '../broker/refusals.ts';
import { scopedKey } from './auth/idempotency.ts';
import type { Caller, Rights } from './auth/rights.ts';
import type { Tally } from './figures/tally.ts';
import { type Asker, AskerGone, type ReadQueue } from './hub/read-queue.ts';
import type { Publisher, PublishLimits } from './limits/publish-limits.ts';
import type { ReadLimits } from './limits/read-limits.ts';
import type { Members } from './presence/members.ts';
import { type HistoryQuery, historyFields, MAX_PAGE, type Publication, type Refusal } from './protocol.ts';
import type { PresenceMode } from './settings/namespaces.ts';

export type Outcome =
  | { readonly ok: true; readonly fields: Record<string, unknown> }
  | { readonly ok: false; readonly refusal: Refusal };

/** By what a request comes, where there is one. */
export interface Source {
  /** The id of the connection. */
  readonly connection?: string;
  /** The address of the client. */
  readonly address?: string;
  /** W3C Trace Context, as it came. */
  readonly traceparent?: string;
  /** Whether nobody is there any more to be answered. */
  readonly gone?: () => boolean;
}

export interface OperationLimits {
  /** The largest `data` of one event, as JSON text. */
  readonly maxMessageBytes: number;
  /** About how large a history reply may be. */
  readonly maxReplyBytes: number;
  /** How long a subscription waits until it may read, before it is refused. */
  readonly maxReplayWaitMs: number;
}

export interface OperationParts {
  readonly broker: Broker;
  readonly rights: Rights;
  readonly publishLimits: PublishLimits;
  readonly readLimits: ReadLimits;
  readonly reads: ReadQueue;
  readonly members: Members;
  readonly retentionOf: RetentionOf;
  readonly presenceMode: (channel: string) => PresenceMode;
  readonly limits: OperationLimits;
  readonly tally: Tally;
  /** Hears of each publish that succeeded: how many milliseconds it took, the `traceparent` that came with it, and the event that it stored, `''` for none. */
  readonly onPublished: (ms: number, channel: string, id: Position, traceparent: string) => void;
  /** Milliseconds that only go forward. */
  readonly clock: () => number;
  /** Hears of every call that fails because of the broker, as the client is not told why. */
  readonly onUnavailable: (error: BrokerUnavailable) => void;
}

export class Operations {
  readonly #parts: OperationParts;

  constructor(parts: OperationParts) {
    this.#parts = parts;
  }

  /** Stores and sends one event, if the caller may, and not too much of it; not where it does not hold any more (`Message`) once it can be sent. The id is left out on an ephemeral channel, which has none. */
  publish(
    caller: Caller,
    publication: Publication,
    source: Source,
    stillHolds?: Message['stillHolds'],
  ): Promise<Outcome> {
    const { rights, publishLimits } = this.#parts;
    const refusal = rights.refuse(caller, 'publish', publication.channel);
    if (refusal !== undefined) return refused(refusal);
    const { channel, event, key, keyScope } = publication;
    if (key === undefined && keyScope !== undefined) return refused(SCOPE_WITHOUT_KEY);
    const scoped = key === undefined ? undefined : scopedKey(caller, key, keyScope, rights.open);
    if (scoped?.ok === false) return refused(scoped.refusal);
    const data = JSON.stringify(publication.data);
    const bytes = Buffer.byteLength(data);
    const limited = this.#tooLarge(bytes) ?? publishLimits.allow(publisherOf(caller, source), bytes);
    return limited === undefined
      ? this.#send(channel, { name: event, data, key: scoped?.key, stillHolds }, source.traceparent)
      : refused(limited);
  }

  /** The same for whoever has been found to be allowed to do what this is part of; a `key` is as the broker is to know it. */
  store({ channel, event, data: value, key }: Publication, stillHolds?: Message['stillHolds']): Promise<Outcome> {
    const data = JSON.stringify(value);
    const refusal = this.#tooLarge(Buffer.byteLength(data));
    return refusal === undefined ? this.#send(channel, { name: event, data, key, stillHolds }) : refused(refusal);
  }

  #tooLarge(bytes: number): Refusal | undefined {
    const { maxMessageBytes } = this.#parts.limits;
    if (bytes <= maxMessageBytes) return undefined;
    const error = `The event's data is ${bytes} bytes of JSON; at most ${maxMessageBytes} are allowed`;
    return { code: 'too_large', error };
  }

  #send(channel: string, message: Message, traceparent = ''): Promise<Outcome> {
    const { broker, clock, onPublished, tally } = this.#parts;
    const begun = clock();
    // By hand, as thousands may be under way at a time: what an async function keeps for each is most of what a publish costs.
    return broker.publish(channel, message).then(({ id, duplicate }): Outcome => {
      onPublished(clock() - begun, channel, duplicate ? '' : id, traceparent);
      if (duplicate) tally.duplicates++;
      else tally.published++;
      return { ok: true, fields: { channel, ...(id === '' ? {} : { id }), ...(duplicate ? { duplicate } : {}) } };
    }, this.#failed);
  }

  async history(caller: Caller, query: HistoryQuery, source: Source): Promise<Outcome> {
    const { channel } = query;
    const refusal = this.#parts.rights.refuse(caller, 'history', channel);
    if (refusal !== undefined) return { ok: false, refusal };
    if (this.#parts.retentionOf(channel).size === 0) {
      const error = `Channel ${channel} keeps no history: its namespace is ephemeral`;
      return { ok: false, refusal: { code: 'bad_request', error } };
    }
    const { maxReplyBytes } = this.#parts.limits;
    return this.#read(caller, source, async (asker) => {
      const page = await this.#parts.reads.run(asker, maxReplyBytes, () => this.#page(query, maxReplyBytes));
      asker.onRead?.(page.events.reduce((sum, { data }) => sum + data.length, 0));
      if (asker.gone?.() === true) throw new AskerGone(); // to write the answer costs more than the read did
      return historyFields(query, page, maxReplyBytes);
    });
  }

  async presence(caller: Caller, channel: string, source: Source): Promise<Outcome> {
    const refusal = this.#parts.rights.refuse(caller, 'presence', channel);
    if (refusal !== undefined) return { ok: false, refusal };
    if (this.#parts.presenceMode(channel) === 'off') {
      const error = `Channel ${channel} keeps no list of who is there: its namespace has presence off`;
      return { ok: false, refusal: { code: 'bad_request', error } };
    }
    return this.users(caller, channel, MAX_PAGE, source);
  }

  /** Who is in a channel, for one who may know: `limit` users at most. */
  users(caller: Caller, channel: string, limit: number, source: Source): Promise<Outcome> {
    return this.#read(caller, source, async (asker) => {
      const { reads, members, limits } = this.#parts;
      const list = await reads.run(asker, MEMBERS_BYTES, () => members.list(channel, limit, limits.maxReplyBytes));
      const { bytes, ...fields } = list;
      asker.onRead?.(bytes);
      if (asker.gone?.() === true) throw new AskerGone();
      return { channel, ...fields };
    });
  }

  /** For whom something is read that comes by a source. */
  askerFor(caller: Caller, source: Source): Asker {
    return this.#parts.readLimits.askerFor(publisherOf(caller, source), source.gone ?? isHere);
  }

  /**
   * Resolves once a subscription may read from the history: at once, or when what was read before is made up for; to why not where that takes
   * longer than the client may wait.
   */
  async mayReplay(
    caller: Caller,
    source: Source,
    sleep: (ms: number) => Promise<unknown>,
  ): Promise<Refusal | undefined> {
    const { readLimits, limits } = this.#parts;
    const reader = publisherOf(caller, source);
    const waitMs = readLimits.waitMs(reader);
    if (waitMs === 0) return undefined;
    if (waitMs > limits.maxReplayWaitMs) return readLimits.refuse(reader);
    await sleep(waitMs);
    return undefined;
  }

  async #read(
    caller: Caller,
    source: Source,
    task: (asker: Asker) => Promise<Record<string, unknown>>,
  ): Promise<Outcome> {
    const { readLimits } = this.#parts;
    const reader = publisherOf(caller, source);
    const refusal = readLimits.refuse(reader);
    if (refusal !== undefined) return { ok: false, refusal };
    const asker = readLimits.askerFor(reader, source.gone ?? isHere);
    return readLimits.within(
      reader,
      () => this.ask(() => task(asker)),
      (met): Outcome => ({ ok: false, refusal: met }),
    );
  }

  async #page({ channel, after, before, limit }: HistoryQuery, maxBytes: number): Promise<Page> {
    const { broker } = this.#parts;
    if (after === undefined) return broker.readTail(channel, limit, before, maxBytes);
    if (before === undefined) return broker.readAfter(channel, after, limit, maxBytes);
    return upTo(await broker.readAfter(channel, after, limit + 1, maxBytes), before, limit);
  }

  /** Does something with the broker; that it cannot be reached becomes an outcome. */
  async ask(task: () => Promise<Record<string, unknown>>): Promise<Outcome> {
    try {
      return { ok: true, fields: await task() };
    } catch (error) {
      return this.#failed(error);
    }
  }

  readonly #failed = (error: unknown): Outcome => {
    if (!(error instanceof BrokerUnavailable)) throw error;
    if (error instanceof AskerGone) return { ok: false, refusal: UNAVAILABLE }; // which nobody hears
    this.#parts.tally.unavailable++;
    this.#parts.onUnavailable(error);
    return { ok: false, refusal: error.refusal === undefined ? UNAVAILABLE : refusedByStore(error.refusal) };
  };
}

function isHere(): boolean {
  return false;
}

function refused(refusal: Refusal): Promise<Outcome> {
  return Promise.resolve({ ok: false, refusal });
}

/** Of whom something is known the address does not matter. */
function publisherOf(caller: Caller, source: Source): Publisher {
  const { connection } = source;
  switch (caller.kind) {
    case 'user':
      return caller.identity.user === null ? nobody(source) : { connection, user: caller.identity.user };
    case 'key':
      return { connection, key: caller.key.name };
    case 'anonymous':
      return nobody(source);
  }
}

function nobody({ connection, address }: Source): Publisher {
  return { connection, address: connection === undefined ? address : undefined, anyAddress: address };
}

const SCOPE_WITHOUT_KEY: Refusal = {
  code: 'bad_request',
  error: 'publish: "keyScope" says whose a "key" is, and there is none',
};

/** Nothing was done. */
function refusedByStore(refusal: StoreRefusal): Refusal {
  const error = `The event store refuses this now, as ${describeRefusal(refusal)}; nothing was stored: try again later`;
  return { code: 'unavailable', error };
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
