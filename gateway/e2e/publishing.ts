/**
 * Publishes a plan's requests at a steady pace, each until it is acknowledged, always with the same key, and keeps the
 * answers for the checker. It tells after each acknowledgement how far it is, so that disturbances strike at planned moments.
 */
import { comparePositions, type Position } from '../../broker/broker.ts';
import type { Answer, Publish } from './checker.ts';
import type { PlannedPublish, PlannedRequest } from './plan.ts';
import { type Attempt, publishBatch, publishOne, WsPublishers } from './publishers.ts';

export interface PublishingOptions {
  readonly requests: readonly PlannedRequest[];
  /** The gateways' URLs of now; one may be dead. */
  readonly urls: () => readonly string[];
  readonly eventsPerSecond: number;
  readonly signal: AbortSignal;
  /** After each acknowledgement: how many events are acknowledged. */
  readonly onProgress: (acknowledged: number) => void;
}

const WORKERS = 24;
const PAUSE_MS = 60;

export class Publishing {
  /** The last id of each channel that was acknowledged. */
  readonly heads = new Map<string, Position>();
  acknowledged = 0;
  /** Attempts after the first, because that one failed or its outcome was unknown. */
  retries = 0;
  /** Answers that said `duplicate`. */
  duplicates = 0;
  readonly #options: PublishingOptions;
  readonly #answers = new Map<PlannedPublish, Answer[]>();
  #next = 0;
  #sent = 0;

  constructor(options: PublishingOptions) {
    this.#options = options;
    for (const publish of options.requests.flatMap((request) => request.publishes)) this.#answers.set(publish, []);
  }

  /** Resolves when all is acknowledged, or the signal was given. */
  async run(): Promise<void> {
    const startedAt = Date.now();
    const workers = Array.from({ length: WORKERS }, async () => {
      const ws = new WsPublishers();
      try {
        await this.#work(ws, startedAt);
      } finally {
        ws.close();
      }
    });
    await Promise.all(workers);
  }

  publishes(): Publish[] {
    return [...this.#answers].map(([{ channel, data }, answers]) => ({ channel, data, answers }));
  }

  async #work(ws: WsPublishers, startedAt: number): Promise<void> {
    const { requests, signal, eventsPerSecond } = this.#options;
    while (!signal.aborted) {
      const request = requests[this.#next++];
      if (request === undefined) return;
      const due = startedAt + (this.#sent / eventsPerSecond) * 1_000;
      this.#sent += request.publishes.length;
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
      const attempts = await send(ws, urls[gateway % urls.length] ?? '', { ...request, publishes });
      publishes = publishes.filter((publish, index) => !this.#keep(publish, attempts[index]));
      if (publishes.length === 0) return;
      this.retries += publishes.length;
      gateway++;
      await pause(PAUSE_MS);
    }
  }

  /** Whether the attempt is an acknowledgement. */
  #keep(publish: PlannedPublish, attempt: Attempt | undefined): boolean {
    const answers = this.#answers.get(publish);
    if (attempt === undefined || answers === undefined) throw new Error(`No answer for ${publish.key}`);
    const first = !answers.some(({ outcome }) => outcome === 'acknowledged');
    answers.push(attempt);
    if (attempt.outcome !== 'acknowledged') return false;
    if (attempt.duplicate === true) this.duplicates++;
    const head = this.heads.get(publish.channel);
    if (head === undefined || comparePositions(attempt.id, head) > 0) this.heads.set(publish.channel, attempt.id);
    if (first) this.#options.onProgress(++this.acknowledged);
    return true;
  }
}

async function send(ws: WsPublishers, url: string, { route, publishes }: PlannedRequest): Promise<readonly Attempt[]> {
  if (route === 'batch') return publishBatch(url, publishes);
  return Promise.all(
    publishes.map((publish) => (route === 'ws' ? ws.at(url).publish(publish) : publishOne(url, publish))),
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
