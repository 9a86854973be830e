/**
 * Publishes a plan's requests at a steady pace, each until it is acknowledged, always with the same key (and once where it has
 * none), and keeps the answers for the checker. It tells after each acknowledgement how far it is, so that disturbances strike at planned moments.
 */
import { comparePositions, type Position } from '../../../broker/broker.ts';
import type { Answer, Publish } from './checker.ts';
import type { Acknowledgement } from './liveness.ts';
import type { PlannedPublish, PlannedRequest } from './plan.ts';
import { type Attempt, publishBatch, publishOne, WsPublishers } from './publishers.ts';

export interface PublishingOptions {
  /** Taken one by one, so there may be no end of them. */
  readonly requests: Iterable<PlannedRequest>;
  /** The gateways' URLs of now; one may be dead. */
  readonly urls: () => readonly string[];
  readonly eventsPerSecond: number;
  /** How many requests may be under way; 24 unless given. */
  readonly workers?: number;
  /** How long the answer to one may take; else its outcome is unknown. */
  readonly requestLimitMs?: number;
  readonly signal: AbortSignal;
  /** After each acknowledgement: how many events are acknowledged. */
  readonly onProgress: (acknowledged: number) => void;
}

const PAUSE_MS = 60;

export class Publishing {
  /** The last id of each channel that was acknowledged. */
  readonly heads = new Map<string, Position>();
  /** All of them, in the order in which they came. */
  readonly acknowledgements: Acknowledgement[] = [];
  acknowledged = 0;
  /** Attempts after the first, because that one failed or its outcome was unknown. */
  retries = 0;
  /** Answers that said `duplicate`. */
  duplicates = 0;
  readonly #options: PublishingOptions;
  readonly #requests: Iterator<PlannedRequest>;
  readonly #answers = new Map<PlannedPublish, Answer[]>();
  #sent = 0;
  #finished = false;

  constructor(options: PublishingOptions) {
    this.#options = options;
    this.#requests = options.requests[Symbol.iterator]();
  }

  /** Resolves when all is acknowledged, or the signal was given. */
  async run(): Promise<void> {
    const startedAt = Date.now();
    const workers = Array.from({ length: this.#options.workers ?? 24 }, async () => {
      const ws = new WsPublishers(this.#options.requestLimitMs);
      try {
        await this.#work(ws, startedAt);
      } finally {
        ws.close();
      }
    });
    await Promise.all(workers);
  }

  /** Begins no further request; `run` resolves once those under way are acknowledged. */
  finish(): void {
    this.#finished = true;
  }

  /** All that were begun. */
  publishes(): Publish[] {
    return [...this.#answers].map(([{ channel, data, key }, answers]) => {
      return { channel, data, answers, once: key === undefined };
    });
  }

  async #work(ws: WsPublishers, startedAt: number): Promise<void> {
    const { signal, eventsPerSecond } = this.#options;
    while (!signal.aborted && !this.#finished) {
      const { value: request, done } = this.#requests.next();
      if (done === true) return;
      const due = startedAt + (this.#sent / eventsPerSecond) * 1_000;
      this.#sent += request.publishes.length;
      for (const publish of request.publishes) this.#answers.set(publish, []);
      if (due > Date.now()) await pause(due - Date.now());
      await this.#untilAcknowledged(ws, request);
      const repeated = request.publishes.filter((publish) => publish.repeated);
      if (repeated.length > 0)
        await this.#untilAcknowledged(ws, { ...request, publishes: repeated, gateway: request.gateway + 1 });
    }
  }

  async #untilAcknowledged(ws: WsPublishers, request: PlannedRequest): Promise<void> {
    let { publishes, gateway } = request;
    while (!this.#options.signal.aborted) {
      const urls = this.#options.urls();
      const attempts = await this.#send(ws, urls[gateway % urls.length] ?? '', { ...request, publishes });
      publishes = publishes.filter((publish, index) => !this.#keep(publish, attempts[index]) && publish.key);
      if (publishes.length === 0) return;
      this.retries += publishes.length;
      gateway++;
      await pause(PAUSE_MS);
    }
  }

  async #send(ws: WsPublishers, url: string, { route, publishes }: PlannedRequest): Promise<readonly Attempt[]> {
    const { requestLimitMs } = this.#options;
    if (route === 'batch') return publishBatch(url, publishes, requestLimitMs);
    return Promise.all(
      publishes.map((publish) =>
        route === 'ws' ? ws.at(url).publish(publish) : publishOne(url, publish, requestLimitMs),
      ),
    );
  }

  /** Whether the attempt is an acknowledgement. */
  #keep(publish: PlannedPublish, attempt: Attempt | undefined): boolean {
    const answers = this.#answers.get(publish);
    if (attempt === undefined || answers === undefined) throw new Error(`No answer for ${publish.data}`);
    const first = !answers.some(({ outcome }) => outcome === 'acknowledged');
    answers.push(attempt);
    if (attempt.outcome !== 'acknowledged') return false;
    if (attempt.duplicate === true) this.duplicates++;
    const head = this.heads.get(publish.channel);
    if (head === undefined || comparePositions(attempt.id, head) > 0) this.heads.set(publish.channel, attempt.id);
    if (first) this.acknowledgements.push({ channel: publish.channel, id: attempt.id, at: performance.now() });
    if (first) this.#options.onProgress(++this.acknowledged);
    return true;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
