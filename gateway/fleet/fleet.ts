/**
 * The gateways of one deployment, as one of them sees the others: which live, and how to ask them all something. Requests and answers
 * are events of ephemeral channels whose names no client can use.
 */
import { z } from 'zod';
import { type Broker, BrokerUnavailable, type Event } from '../../broker/broker.ts';
import { ignoreUnavailable } from '../hub/history.ts';
import { readInternal } from '../json.ts';
import { decodeAsk, type FleetAsk } from './fleet-asks.ts';
import { FLEET_PREFIX } from './own-channels.ts';

const REQUESTS = `${FLEET_PREFIX}fleet`;
const LEASE_MS = 15_000;
/** How often the lease is renewed: two may be lost before others think this gateway dead. */
export const LEASE_RENEWAL_MS = 5_000;
const ANSWER_WITHIN_MS = 1_000;

/** `from` becomes a part of a channel's name. */
const lease = z.string().regex(/^[\w.:-]{1,200}$/);
const request = z.object({ id: z.string().max(200), from: lease, ask: z.unknown() });
const answer = z.object({ id: z.string(), from: z.string(), answer: z.unknown() });

/** What this gateway answers when one of the fleet, itself included, asks: any JSON value but null, which says that the ask is not known. */
export type Answerer = (ask: FleetAsk) => unknown;

interface Pending {
  readonly awaited: Set<string>;
  /** Those that do not know what is asked. */
  readonly unknowing: string[];
  readonly answers: unknown[];
  readonly done: () => void;
}

export interface FleetParts {
  readonly broker: Broker;
  readonly gatewayId: string;
  readonly newId: () => string;
  readonly now: () => number;
  /** Milliseconds that only go forward, also while the process is stopped. */
  readonly clock: () => number;
  readonly answerer: Answerer;
  /** Told of each message on one of the fleet's channels that is no message of gateways. */
  readonly onUnreadable: (channel: string) => void;
}

export class Fleet {
  readonly #parts: FleetParts;
  readonly #pending = new Map<string, Pending>();
  #lease: string;
  #listening = false;
  /** Since when the lease has held, by this gateway's clock. */
  #heldSince: number | undefined;
  /** Until when the lease surely holds, by the clock that only goes forward: as from when its last renewal was sent. */
  #surelyUntil = Number.NEGATIVE_INFINITY;
  /** Whether the outcome of beginning this lease is unknown. */
  #doubtful = false;

  constructor(parts: FleetParts) {
    this.#parts = parts;
    this.#lease = this.#nameLease();
  }

  /**
   * The name of the lease by which this gateway lives in the fleet just now, undefined while it has none. It is another after each start, and
   * after each lease that ended.
   */
  get lease(): string | undefined {
    return this.#heldSince === undefined ? undefined : this.#lease;
  }

  /**
   * The same lease for as long as it surely holds, by this gateway's own clock; undefined from then on until it was renewed. After a process stood
   * still it is undefined at once, before anybody could have told it that others took it for dead.
   */
  get sureLease(): string | undefined {
    return this.#parts.clock() < this.#surelyUntil ? this.lease : undefined;
  }

  /**
   * Says that this gateway lives; the first time also begins to listen to the others. True where that is under a new name: all that others may
   * have taken from the old one must be claimed anew. Called every `LEASE_RENEWAL_MS`.
   */
  async renew(): Promise<boolean> {
    const { broker, now, clock } = this.#parts;
    if (this.#doubtful) await this.#takeNewName();
    if (!this.#listening) {
      await broker.subscribe(REQUESTS);
      await broker.subscribe(answersTo(this.#lease));
      this.#listening = true;
    }
    this.#doubtful = this.#heldSince === undefined;
    const sentAt = clock();
    const held = await broker.presence.renewLease(this.#lease, LEASE_MS);
    if (this.#heldSince !== undefined) {
      if (held) {
        this.#surelyUntil = sentAt + LEASE_MS;
        return false;
      }
      await this.#takeNewName();
      return this.renew();
    }
    this.#doubtful = false;
    this.#heldSince = now();
    this.#surelyUntil = sentAt + LEASE_MS;
    return true;
  }

  /**
   * Removes what gateways left behind that died. Not before this one has lived for a while: when Redis comes back after an outage all
   * leases have ended, and the others must have the time to say that they live.
   */
  async removeDead(): Promise<void> {
    const { broker, now } = this.#parts;
    if (this.#heldSince !== undefined && now() - this.#heldSince >= 2 * LEASE_RENEWAL_MS)
      await broker.presence.removeDead();
  }

  async leave(): Promise<void> {
    await this.#parts.broker.presence.endLease(this.#lease);
  }

  /** Asks every gateway that lives, and collects what they answer; one that does not answer in time, or does not know what is asked, counts as missing. */
  async ask(ask: FleetAsk): Promise<{ readonly answers: readonly unknown[]; readonly missing: readonly string[] }> {
    const { broker, newId } = this.#parts;
    const gateways = await broker.presence.gateways();
    const id = newId();
    const awaited = new Set(gateways);
    const unknowing: string[] = [];
    const answers: unknown[] = [];
    let timer: NodeJS.Timeout | undefined;
    const answered = new Promise<void>((done) => {
      timer = setTimeout(done, ANSWER_WITHIN_MS);
      this.#pending.set(id, { awaited, unknowing, answers, done });
      if (awaited.size === 0) done();
    });
    try {
      await this.#send(REQUESTS, { id, from: this.#lease, ask });
      await answered;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
    return { answers, missing: [...awaited, ...unknowing] };
  }

  /** Takes an event of one of the fleet's channels. */
  event(channel: string, event: Event): void {
    const answering = channel === answersTo(this.#lease);
    if (!answering && channel !== REQUESTS) return; // an answer to the name before this one
    // Of a gateway of another version, or from anybody who may publish in Redis.
    const message = readInternal(event.data);
    const understood = answering ? this.#collect(message) : this.#reply(message);
    if (!understood) this.#parts.onUnreadable(channel);
  }

  /** Whether that was a request. */
  #reply(message: unknown): boolean {
    const asked = request.safeParse(message);
    if (!asked.success) return false;
    const ask = decodeAsk(asked.data.ask);
    this.#send(answersTo(asked.data.from), {
      id: asked.data.id,
      from: this.#lease,
      answer: ask === undefined ? null : this.#parts.answerer(ask),
    }).catch((error: unknown) => {
      if (!(error instanceof BrokerUnavailable)) throw error; // who asked counts this gateway as missing
    });
    return true;
  }

  /** Whether that was an answer, be it to a question that is no longer open. */
  #collect(message: unknown): boolean {
    const answered = answer.safeParse(message);
    if (!answered.success) return false;
    const { id, from, answer: given } = answered.data;
    const pending = this.#pending.get(id);
    if (pending === undefined || !pending.awaited.delete(from)) return true;
    if (given === null) pending.unknowing.push(from);
    else pending.answers.push(given);
    if (pending.awaited.size === 0) pending.done();
    return true;
  }

  async #send(channel: string, message: unknown): Promise<void> {
    await this.#parts.broker.publish(channel, { name: 'fleet', data: JSON.stringify(message) });
  }

  async #takeNewName(): Promise<void> {
    const old = this.#lease;
    this.#lease = this.#nameLease();
    this.#heldSince = undefined;
    this.#surelyUntil = Number.NEGATIVE_INFINITY;
    this.#doubtful = false;
    if (this.#listening) await this.#parts.broker.unsubscribe(answersTo(old)).catch(ignoreUnavailable); // one too many does no harm
    await this.#parts.broker.subscribe(answersTo(this.#lease));
  }

  #nameLease(): string {
    return `${this.#parts.gatewayId}.${this.#parts.newId()}`;
  }
}

function answersTo(lease: string): string {
  return `${REQUESTS}:${lease}`;
}
