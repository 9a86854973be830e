/**
 * Publishes over each of the three routes, and says of every attempt what became of it, in the checker's words.
 * One attempt each: trying again is the caller's part. A definite refusal other than for load is a fault of the test, so it throws.
 */
import type { Answer } from './checker.ts';
import { type Frame, WsClient } from './clients.ts';
import type { PlannedPublish } from './plan.ts';

/** An attempt's outcome. `duplicate` is the gateway's word that an event with this key was there already. */
export type Attempt = Answer & { readonly duplicate?: boolean };

/** Refused for now: nothing was stored, and trying again is in order. */
const FOR_NOW: readonly unknown[] = ['too_many', 'server_full'];
/** An answer that took longer does not come. */
const REQUEST_LIMIT_MS = 20_000;
const UNKNOWN: Attempt = { outcome: 'unknown' };

/** `POST /api/publish` */
export async function publishOne(url: string, publish: PlannedPublish, limitMs = REQUEST_LIMIT_MS): Promise<Attempt> {
  const reply = await post(`${url}/api/publish`, body(publish), limitMs);
  return reply === undefined ? UNKNOWN : attempt(reply);
}

/** `POST /api/batch`: an attempt for each publish, in their order. */
export async function publishBatch(
  url: string,
  publishes: readonly PlannedPublish[],
  limitMs = REQUEST_LIMIT_MS,
): Promise<Attempt[]> {
  const reply = await post(`${url}/api/batch`, `{"publishes":[${publishes.map(body).join(',')}]}`, limitMs);
  if (reply === undefined) return publishes.map(() => UNKNOWN);
  const results = fields(reply).results;
  if (!Array.isArray(results)) return publishes.map(() => attempt(reply));
  if (results.length !== publishes.length)
    throw new Error(`${publishes.length} publishes got ${results.length} results`);
  return results.map(attempt);
}

function body({ channel, data, key }: PlannedPublish): string {
  return `{"channel":${JSON.stringify(channel)},${key === undefined ? '' : `"key":${JSON.stringify(key)},`}"data":${data}}`;
}

/** The answer's JSON, whatever its status; nothing where no whole answer came. */
async function post(url: string, text: string, limitMs: number): Promise<unknown> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: text,
      signal: AbortSignal.timeout(limitMs),
    });
    return await response.json();
  } catch {
    // Refused, cut off or too late: whether it was stored is not known.
    return undefined;
  }
}

function attempt(reply: unknown): Attempt {
  const { id, duplicate, error, code: ownCode } = fields(reply);
  if (typeof id === 'string') return { outcome: 'acknowledged', id, duplicate: duplicate === true };
  // HTTP nests the code, a WebSocket frame has it beside a sentence.
  const code = ownCode ?? fields(error).code;
  if (code === 'unavailable') return UNKNOWN;
  if (FOR_NOW.includes(code)) return { outcome: 'failed' };
  throw new Error(`A publish was refused: ${JSON.stringify(reply)}`);
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** Publishes over one WebSocket to one gateway. Any number of attempts may be under way. */
export class WsPublisher {
  /** Its connection is gone: what is sent from now on has an unknown outcome, so open another one. */
  ended = false;
  readonly #client: WsClient;
  readonly #pending = new Map<string, { resolve: (attempt: Attempt) => void; reject: (error: unknown) => void }>();
  readonly #limitMs: number;
  #ref = 0;

  constructor(url: string, limitMs = REQUEST_LIMIT_MS) {
    this.#limitMs = limitMs;
    const end = () => {
      this.ended = true;
      for (const ref of [...this.#pending.keys()]) this.#settle(ref, UNKNOWN);
    };
    this.#client = new WsClient(`${url}/ws`, { sink: { push: (frame) => this.#take(frame), end } });
    // A handshake that nobody answers would take for ever.
    const limit = setTimeout(() => this.close(), this.#limitMs);
    this.#client.opened.finally(() => clearTimeout(limit)).catch(() => undefined); // told by `closed`
  }

  async publish({ channel, key, data }: PlannedPublish): Promise<Attempt> {
    try {
      await this.#client.opened;
    } catch {
      // Nobody listens there now. Nothing was sent, which the caller need not tell from an unknown outcome.
      return UNKNOWN;
    }
    const ref = `${++this.#ref}`;
    const answer = new Promise<Attempt>((resolve, reject) => this.#pending.set(ref, { resolve, reject }));
    if (
      !this.#client.send({
        type: 'publish',
        ref,
        channel,
        ...(key === undefined ? {} : { key }),
        data: JSON.parse(data),
      })
    )
      this.#settle(ref, UNKNOWN);
    // Nobody may be there any more: what else waits here ends with the connection.
    const timer = setTimeout(() => this.close(), this.#limitMs);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.ended = true;
    this.#client.destroy();
  }

  #take(frame: Frame): void {
    const ref = String(frame.ref);
    try {
      if (frame.type === 'published' || frame.type === 'error') this.#settle(ref, attempt(frame));
    } catch (error) {
      this.#pending.get(ref)?.reject(error);
      this.#pending.delete(ref);
    }
  }

  #settle(ref: string, outcome: Attempt): void {
    this.#pending.get(ref)?.resolve(outcome);
    this.#pending.delete(ref);
  }
}

/** One `WsPublisher` for each gateway, made when it is needed and again after it ended. */
export class WsPublishers {
  readonly #byUrl = new Map<string, WsPublisher>();
  readonly #limitMs: number | undefined;

  constructor(limitMs?: number) {
    this.#limitMs = limitMs;
  }

  at(url: string): WsPublisher {
    const known = this.#byUrl.get(url);
    if (known && !known.ended) return known;
    const made = new WsPublisher(url, this.#limitMs);
    this.#byUrl.set(url, made);
    return made;
  }

  close(): void {
    for (const publisher of this.#byUrl.values()) publisher.close();
  }
}
