/**
 * Requests that go on until they are answered: through lost connections, and while the gateway cannot reach its events. Owns the
 * order of publishes and their number; how one request is asked, and over what, is passed in.
 */
import { backoff } from './backoff.ts';
import { PasserelleError, unavailable } from './errors.ts';
import type { Fields } from './frames.ts';
import type { Request } from './session.ts';
import { nothing, type Surroundings } from './surroundings.ts';

/**
 * Asks once; undefined where there is no connection to ask over. Rejects with a `PasserelleError`, with `unavailable` where
 * there was no answer.
 */
export type Ask = (request: Request, fields: string) => Promise<Fields> | undefined;

export interface Publication {
  readonly channel: string;
  readonly event: string | undefined;
  readonly data: unknown;
  /** By this a repeated publish is known again, for five minutes. */
  readonly key: string;
}

export interface Published {
  /** Empty on an ephemeral channel. */
  readonly id: string;
  /** The key was seen before: the event was stored then, and not again. */
  readonly duplicate: boolean;
}

/** Publishes that wait, all channels together. */
const MAX_WAITING = 1_000;
/** A publish without an answer is not repeated after this time: the gateway may have forgotten its key soon. */
const REPEAT_MS = 4.5 * 60_000;
/** What may be otherwise the next time. */
const PASSING: readonly unknown[] = ['unavailable', 'too_many', 'server_full'];

export class Requests {
  readonly #ask: Ask;
  readonly #surroundings: Surroundings;
  /** By channel, the last publish that waits there. */
  readonly #last = new Map<string, Promise<unknown>>();
  readonly #pauses = new Set<() => void>();
  #waiting = 0;
  #stopped: PasserelleError | undefined;

  constructor(ask: Ask, surroundings: Surroundings) {
    this.#ask = ask;
    this.#surroundings = surroundings;
  }

  /**
   * Resolves once the event is stored. Of one channel there is one under way at a time, so that they are stored in the order of
   * the calls, whatever is lost.
   */
  async publish(publication: Publication): Promise<Published> {
    if (this.#waiting >= MAX_WAITING) {
      throw new PasserelleError('too_many', `${MAX_WAITING} publishes are waiting`);
    }
    const { channel } = publication;
    const fields = JSON.stringify(publication); // now: the page may change its data afterwards
    this.#waiting++;
    const before = this.#last.get(channel);
    const mine = Promise.resolve(before).then(() => this.persist('publish', fields, REPEAT_MS));
    const settled = mine.catch(nothing); // told to whoever published; the next one goes on all the same
    this.#last.set(channel, settled);
    try {
      const { id = '', duplicate = false } = (await mine) as Partial<Published>;
      return { id, duplicate };
    } finally {
      this.#waiting--;
      if (this.#last.get(channel) === settled) this.#last.delete(channel);
    }
  }

  /** Asks until there is an answer, or until it was first asked so long ago. */
  async persist(request: Request, fields: string, limitMs?: number): Promise<Fields> {
    const { now, random } = this.#surroundings;
    let endMs: number | undefined;
    for (let attempt = 0; !endMs || now() < endMs; attempt++) {
      if (this.#stopped) throw this.#stopped;
      const answer = this.#ask(request, fields);
      if (answer && limitMs) endMs ??= now() + limitMs;
      try {
        if (answer) return await answer;
      } catch (error) {
        if (!PASSING.includes((error as PasserelleError).code)) throw error; // the page's own errors, too
      }
      if (!this.#stopped) await this.#pause(answer && backoff(attempt, random()));
    }
    throw unavailable('It is not known whether that was done');
  }

  /** Everything that waits, and all that follows until `wake`, is rejected with this. */
  stop(error: PasserelleError): void {
    this.wake();
    this.#stopped = error;
  }

  /** Whatever waits to be asked again is asked at once. */
  wake(): void {
    this.#stopped = undefined;
    for (const end of [...this.#pauses]) end();
  }

  /** Without a time: until `wake`. */
  #pause(ms: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        this.#pauses.delete(end);
        resolve();
      };
      const cancel = ms === undefined ? nothing : this.#surroundings.after(ms, end);
      this.#pauses.add(end);
    });
  }
}
