/**
 * A set of public keys that an issuer of tokens publishes (JWKS): fetched when it is needed, kept, and fetched again when it is old or
 * a token names a key that is not in it, as after the issuer has changed its keys.
 *
 * Nothing that clients send can make it fetch more often than its pauses allow.
 */

import { z } from 'zod';
import { boundedList } from '../bounds.ts';
import { type Algorithm, keyFromJwk, type TokenKey } from './keys.ts';

/** After this time the set is fetched again before it is used, so that a key that was taken out of it is not taken any more. */
const FRESH_MS = 10 * 60_000;
/** For how long a set is used that can't be fetched again: keys outlive an issuer's outage, but not for ever. */
const KEPT_MS = 24 * 3_600_000;
/** Between two fetches for the sake of unknown keys, which anybody can name. */
const COOLDOWN_MS = 30_000;
/** Between a fetch that failed and the next. */
const RETRY_MS = 5_000;
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 256 * 1_024;
const MAX_KEYS = 100;

export interface KeySetParts {
  readonly url: string;
  readonly now: () => number;
  /** Hears of every fetch that failed; whoever waited for it is only told that the keys can't be had. */
  readonly onFailure: (error: Error) => void;
}

interface Fetched {
  readonly keys: readonly TokenKey[];
  readonly atMs: number;
}

const setSchema = z.object({
  keys: boundedList('"keys" must be a list', {
    min: 0,
    max: MAX_KEYS,
    message: `"keys" may have ${MAX_KEYS} entries at most`,
  }),
});

export class KeySet {
  readonly #parts: KeySetParts;
  #fetched: Fetched | undefined;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #failed = false;
  #fetching: Promise<void> | undefined;

  constructor(parts: KeySetParts) {
    this.#parts = parts;
  }

  /**
   * The keys that may have signed a token: those of its algorithm and of the id that it names, or all where it names none. Undefined where that
   * cannot be told now, since the set cannot be fetched.
   */
  async find(algorithm: Algorithm, id: string | undefined): Promise<readonly TokenKey[] | undefined> {
    if (this.#age() > FRESH_MS) await this.#refresh(RETRY_MS);
    if (this.#age() > KEPT_MS) return undefined;
    const found = this.#matching(algorithm, id);
    if (found.length > 0) return found;
    await this.#refresh(this.#failed ? RETRY_MS : COOLDOWN_MS);
    const fetched = this.#matching(algorithm, id);
    return fetched.length === 0 && this.#failed ? undefined : fetched;
  }

  #age(): number {
    return this.#fetched === undefined ? Number.POSITIVE_INFINITY : this.#parts.now() - this.#fetched.atMs;
  }

  #matching(algorithm: Algorithm, id: string | undefined): readonly TokenKey[] {
    const keys = this.#fetched?.keys ?? [];
    return keys.filter((key) => key.algorithms.includes(algorithm) && (id === undefined || key.id === id));
  }

  /** Fetches, or waits for the fetch under way; does nothing where the last one began less than `pauseMs` ago. */
  async #refresh(pauseMs: number): Promise<void> {
    if (this.#fetching === undefined && this.#parts.now() - this.#triedAtMs >= pauseMs) {
      this.#triedAtMs = this.#parts.now();
      this.#fetching = this.#fetch().finally(() => {
        this.#fetching = undefined;
      });
    }
    await this.#fetching;
  }

  async #fetch(): Promise<void> {
    const { url, now, onFailure } = this.#parts;
    try {
      this.#fetched = { keys: await fetchKeys(url), atMs: now() };
      this.#failed = false;
    } catch (cause) {
      this.#failed = true;
      onFailure(new Error('The key set for tokens cannot be fetched', { cause }));
    }
  }
}

async function fetchKeys(url: string): Promise<readonly TokenKey[]> {
  // A redirect could lead to where nobody has agreed to trust the keys.
  const response = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/json, application/jwk-set+json' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`The answer has the status ${response.status}`);
  }
  const { keys } = setSchema.parse(JSON.parse(await readBody(response)));
  return keys.map(keyFromJwk).filter((key) => key !== undefined);
}

async function readBody(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`The answer has more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
