/**
 * The gateways of one deployment, as one of them sees the others: which live, and how to ask them all something. Requests and answers
 * are events of ephemeral channels whose names no client can use.
 */
import { z } from 'zod';
import { type Broker, BrokerUnavailable, type Event } from '../broker/broker.ts';

/** Begins every channel of the fleet; outside the alphabet of channels, so that no client can reach one. */
export const FLEET_PREFIX = '$';
const REQUESTS = `${FLEET_PREFIX}fleet`;
const LEASE_MS = 15_000;
/** How often the lease is renewed: two may be lost before others think this gateway dead. */
export const LEASE_RENEWAL_MS = 5_000;
const ANSWER_WITHIN_MS = 1_000;

const request = z.object({ id: z.string(), from: z.string(), ask: z.string() });
const answer = z.object({ id: z.string(), from: z.string(), answer: z.unknown() });

/** What this gateway answers when one of the fleet, itself included, asks. */
export type Answerer = (ask: string) => unknown;

interface Pending {
  readonly missing: Set<string>;
  readonly answers: unknown[];
  readonly done: () => void;
}

export class Fleet {
  readonly #broker: Broker;
  readonly #self: string;
  readonly #newId: () => string;
  readonly #answerer: Answerer;
  readonly #pending = new Map<string, Pending>();
  readonly #answers: string;
  #joined = false;

  constructor(broker: Broker, self: string, newId: () => string, answerer: Answerer) {
    this.#broker = broker;
    this.#self = self;
    this.#newId = newId;
    this.#answerer = answerer;
    this.#answers = `${REQUESTS}:${self}`;
  }

  /** Says that this gateway lives; the first time also begins to listen to the others. Called every `LEASE_RENEWAL_MS`. */
  async renew(): Promise<void> {
    if (!this.#joined) {
      await this.#broker.subscribe(REQUESTS);
      await this.#broker.subscribe(this.#answers);
      this.#joined = true;
    }
    await this.#broker.renewLease(this.#self, LEASE_MS);
  }

  async leave(): Promise<void> {
    await this.#broker.dropLease(this.#self);
  }

  /** Asks every gateway that lives, and collects what they answer; one that does not answer in time counts as missing. */
  async ask(ask: string): Promise<{ readonly answers: readonly unknown[]; readonly missing: readonly string[] }> {
    const gateways = await this.#broker.gateways();
    const id = this.#newId();
    const missing = new Set(gateways);
    const answers: unknown[] = [];
    let timer: NodeJS.Timeout | undefined;
    const answered = new Promise<void>((done) => {
      timer = setTimeout(done, ANSWER_WITHIN_MS);
      this.#pending.set(id, { missing, answers, done });
      if (missing.size === 0) done();
    });
    try {
      await this.#send(REQUESTS, { id, from: this.#self, ask });
      await answered;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
    return { answers, missing: [...missing] };
  }

  /** Takes an event of one of the fleet's channels. */
  event(channel: string, event: Event): void {
    const text = Buffer.from(event.data.buffer, event.data.byteOffset, event.data.byteLength).toString();
    if (channel === this.#answers) this.#collect(text);
    else this.#reply(text);
  }

  #reply(text: string): void {
    const asked = request.parse(JSON.parse(text));
    this.#send(`${REQUESTS}:${asked.from}`, {
      id: asked.id,
      from: this.#self,
      answer: this.#answerer(asked.ask),
    }).catch((error: unknown) => {
      if (!(error instanceof BrokerUnavailable)) throw error; // who asked counts this gateway as missing
    });
  }

  #collect(text: string): void {
    const { id, from, answer: given } = answer.parse(JSON.parse(text));
    const pending = this.#pending.get(id);
    if (pending === undefined || !pending.missing.delete(from)) return;
    pending.answers.push(given);
    if (pending.missing.size === 0) pending.done();
  }

  async #send(channel: string, message: unknown): Promise<void> {
    await this.#broker.publish(channel, { name: 'fleet', data: JSON.stringify(message) });
  }
}
