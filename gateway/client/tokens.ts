/** The token in use: asks the page for it, keeps it, and says when the next one is due. Knows no transport. */

import { unavailable } from './errors.ts';
import type { Surroundings } from './surroundings.ts';

/** An empty one is none. */
export type AskToken = () => string | Promise<string>;

/** The part of a token's remaining life after which the next one is asked for. Where that fails, the same part of what is left follows. */
const RENEW_AFTER = 0.8;
const MIN_WAIT_MS = 1_000;
/** The page's function may ask a person to sign in; but one that has not answered by then is asked anew. */
const ASK_LIMIT_MS = 60_000;
/** Timers know no longer time. */
const MAX_WAIT_MS = 2 ** 31 - 1;
/** Seconds beyond this are no duration: they are a time, counted from 1970. */
const LONGEST_DURATION = 1e9;

export class Tokens {
  readonly #ask: AskToken;
  readonly #now: () => number;
  readonly #after: Surroundings['after'];
  #token: string | undefined;
  /** When it ends, in milliseconds since 1970; neither past nor to come (0, or not a number) for a token that does not say. */
  #end = 0;
  #asking: Promise<string> | undefined;

  constructor(ask: AskToken, { now, after }: Pick<Surroundings, 'now' | 'after'>) {
    this.#ask = ask;
    this.#now = now;
    this.#after = after;
  }

  /** The token in use, or a fresh one where that has ended. Rejects with what the page's own function rejects with. */
  async get(): Promise<string> {
    const ended = this.#end > 0 && this.#end <= this.#now();
    return this.#token === undefined || ended ? this.fresh() : this.#token;
  }

  /** Asks for another one, once for all who want it meanwhile. Rejects with `unavailable` where there is none for a minute. */
  fresh(): Promise<string> {
    this.#asking ??= new Promise<string>((resolve, reject) => {
      const stop = this.#after(ASK_LIMIT_MS, () => reject(unavailable('There was no token')));
      this.#renew().finally(stop).then(resolve, reject);
    }).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** The gateway does not take it any more. */
  spoil(): void {
    this.#token = undefined;
  }

  /** The gateway says when it ends: in so many seconds, or at that second since 1970. */
  ends(seconds: number): void {
    this.#end = 1_000 * seconds + (seconds < LONGEST_DURATION ? this.#now() : 0);
  }

  /** In how many milliseconds the next one is due; undefined where that is not known, or too late. */
  get dueInMs(): number | undefined {
    const left = this.#end - this.#now();
    return left > 0 ? Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, RENEW_AFTER * left)) : undefined;
  }

  async #renew(): Promise<string> {
    const token = await this.#ask();
    this.#token = token;
    this.#end = endOf(token);
    return token;
  }
}

/** The `exp` of a JWT, in milliseconds; see `#end` for whatever else. */
function endOf(token: string): number {
  try {
    const claims = token.split('.')[1] ?? '';
    const { exp } = JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))) as { exp: number };
    return 1_000 * exp;
  } catch {
    return 0; // no JWT: the gateway may tell
  }
}
