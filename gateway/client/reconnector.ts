/**
 * Keeps one link to a gateway up: when it is tried again, when it counts as dead, which token it is opened with. Knows neither
 * WebSocket nor SSE: a link is opened by a function that is passed in, and says by its listener how it fares.
 */
import { backoff } from './backoff.ts';
import { type PasserelleError, unavailable } from './errors.ts';
import { nothing, type Surroundings } from './surroundings.ts';
import { type AskToken, Tokens } from './tokens.ts';

/**
 * `reconnecting` passes by itself; `closed` (by `disconnect` or `close`) and `refused` (the gateway would only say the same
 * again) stay until `connect`.
 */
export type State = 'connecting' | 'live' | 'reconnecting' | 'closed' | 'refused';

/** One open connection, or one that is being opened. */
export interface Link {
  /** The listener hears nothing more. */
  close(): void;
  /** Asks for a sign of life, where that can be asked for. */
  ping(): void;
  /** Within what time there must be one, in milliseconds; 10 s unless given. */
  readonly patienceMs?: number;
  /** Goes on with a fresh token. */
  renew(token: string): void;
}

export interface LinkListener {
  /** Something came. */
  heard(): void;
  /** Everything stands: the next attempt, when there must be one, is the first again. */
  live(): void;
  /** What still keeps it from being live, as a sentence. */
  delayed(reason: string): void;
  /** The gateway asks not to come back earlier, once. */
  later(ms: number): void;
  /** The gateway says when the token ends; see `Tokens.ends`. */
  tokenEnds(seconds: number): void;
  /** The link is over, or never came to be. What is called after this is not heard any more. */
  ended(end: End): void;
}

export interface End {
  /** `token`: again, but with a fresh token. */
  readonly next: 'again' | 'token' | 'never';
  readonly error: PasserelleError;
  /** The gateway ended it because of something that may well happen again, as a token always may: what has been waited so far is not forgotten. */
  readonly strained?: boolean;
}

/** A link that failed without a word of the gateway. */
export function lost(message: string, cause?: unknown): End {
  return { next: 'again', error: unavailable(message, cause) };
}

export interface ReconnectorOptions {
  /** The listener is not to be called before this returns. What it throws is taken for a link that failed. */
  open(listener: LinkListener, token: string | undefined): Link;
  readonly token?: AskToken | undefined;
  /** Told at every change, and at every failed attempt whose reason is another. */
  state(state: State, reason: string): void;
  /** Told of every link that ended by itself, before the state that follows: what it came to. */
  ended?(heard: boolean, live: boolean): void;
}

/** For as long a link may say nothing at first, and after it was asked for a sign of life. */
const PATIENCE_MS = 10_000;
/** After this much silence a link is asked for a sign of life. */
const QUIET_MS = 20_000;

export class Reconnector {
  readonly tokens: Tokens | undefined;
  state: State = 'closed';
  /** Why the state is `refused`, while it is. */
  refusal: PasserelleError | undefined;
  readonly #options: ReconnectorOptions;
  readonly #surroundings: Surroundings;
  #reason = '';
  /** The attempt under way or the link that stands; none while waiting. */
  #current: object | undefined;
  #link: Link | undefined;
  #live = false;
  #wasLive = false;
  /** Since the last look: anything; and ever, on this link. */
  #heard = false;
  #everHeard = false;
  #asked = false;
  #attempt = 0;
  #refusedTokens = 0;
  /** What the gateway asked to wait. */
  #laterMs: number | undefined;
  #stopTimer: () => void = nothing;
  #stopRenewal: () => void = nothing;
  #ears: readonly (() => void)[] = [];

  constructor(options: ReconnectorOptions, surroundings: Surroundings) {
    this.#options = options;
    this.#surroundings = surroundings;
    this.tokens = options.token && new Tokens(options.token, surroundings);
  }

  /** Connects at once, whatever it was waiting for; does nothing where a link stands or is being opened. */
  connect(): void {
    if (this.#current) return;
    this.refusal = undefined;
    this.#attempt = 0;
    this.#listen();
    this.#tell(this.#wasLive ? 'reconnecting' : 'connecting', '');
    if (this.#ears.length > 0) this.#open(); // unless whoever was told has closed it
  }

  /** Drops the link; `connect` opens another one. */
  disconnect(): void {
    this.#rest('closed', '');
  }

  /** Opens the link anew, at once and without a word of it; where there is none, the next one is new anyhow. */
  reopen(): void {
    if (!this.#current) return;
    this.#drop();
    this.#open();
  }

  #open(): void {
    this.#drop();
    const current = {};
    const listener = this.#listenerOf(current);
    this.#current = current;
    this.#asked = true; // opening it is a question, too
    this.#watch(PATIENCE_MS);
    const failed = (cause: unknown) => {
      listener.ended(lost(String(cause), cause));
    };
    const open = (token?: string) => {
      if (this.#current !== current) return;
      try {
        this.#link = this.#options.open(listener, token);
        this.#scheduleRenewal();
      } catch (cause) {
        failed(cause);
      }
    };
    if (this.tokens) this.tokens.get().then(open, failed);
    else open();
  }

  #listenerOf(current: object): LinkListener {
    const whileCurrent =
      <Given extends unknown[]>(task: (...given: Given) => void) =>
      (...given: Given) => {
        if (this.#current === current) task(...given);
      };
    return {
      heard: whileCurrent(() => {
        this.#heard = this.#everHeard = true;
      }),
      live: whileCurrent(() => {
        this.#live = this.#wasLive = true;
        this.#refusedTokens = 0;
        this.#tell('live', '');
      }),
      delayed: whileCurrent((reason) => this.#tell(this.state, reason)),
      later: whileCurrent((ms) => {
        this.#laterMs = ms;
      }),
      tokenEnds: whileCurrent((seconds) => {
        this.tokens?.ends(seconds);
        this.#scheduleRenewal();
      }),
      ended: whileCurrent((end) => this.#ended(end)),
    };
  }

  #ended({ next, error, strained = false }: End): void {
    const live = this.#live;
    const heard = this.#everHeard;
    this.#drop();
    this.#options.ended?.(heard, live);
    if (live && !strained && next !== 'token') this.#attempt = 0;
    if (next !== 'again') this.tokens?.spoil();
    if (next === 'token') this.#refusedTokens++;
    const final = next === 'never' || (next === 'token' && (!this.tokens || this.#refusedTokens > 1));
    if (final) {
      this.refusal = error;
      this.#rest('refused', error.message);
      return;
    }
    const delayMs = this.#laterMs ?? backoff(this.#attempt, this.#surroundings.random());
    if (this.#laterMs === undefined) this.#attempt++; // what the gateway asked to wait is no failure
    this.#laterMs = undefined;
    this.#stopTimer = this.#surroundings.after(delayMs, () => this.#open());
    this.#tell('reconnecting', error.message);
  }

  /** Gives up a link that said nothing though it was asked. */
  #watch(ms: number): void {
    this.#stopTimer();
    this.#stopTimer = this.#surroundings.after(ms, () => {
      if (this.#heard) {
        this.#heard = this.#asked = false;
        if (this.#live) this.#attempt = 0;
        this.#watch(QUIET_MS);
      } else if (this.#asked) {
        this.#ended(lost('The gateway was silent'));
      } else {
        this.#askForLife();
      }
    });
  }

  #askForLife(): void {
    this.#asked = true;
    this.#watch(this.#link?.patienceMs ?? PATIENCE_MS);
    this.#link?.ping();
  }

  #scheduleRenewal(): void {
    this.#stopRenewal();
    const dueInMs = this.tokens?.dueInMs;
    if (dueInMs === undefined) return;
    const current = this.#current;
    this.#stopRenewal = this.#surroundings.after(dueInMs, async () => {
      const token = await this.tokens?.fresh().catch(nothing); // where there is none, the old one still holds
      if (this.#current !== current) return;
      if (token) this.#link?.renew(token);
      this.#scheduleRenewal();
    });
  }

  #listen(): void {
    if (this.#ears.length > 0) return;
    const again = () => {
      if (!this.#current) this.#open();
      else if (!this.#asked) this.#askForLife(); // it may have died while the page slept
    };
    this.#ears = [
      this.#surroundings.on('online', again),
      this.#surroundings.on('visible', again),
      this.#surroundings.on('offline', () => {
        if (this.#current) this.#ended(lost('There is no network'));
      }),
    ];
  }

  #rest(state: 'closed' | 'refused', reason: string): void {
    this.#drop();
    for (const deafen of this.#ears) deafen();
    this.#ears = [];
    this.#tell(state, reason);
  }

  #drop(): void {
    this.#stopTimer();
    this.#stopRenewal();
    const link = this.#link;
    this.#current = this.#link = undefined; // first: what it still says is not listened to any more
    this.#live = this.#heard = this.#everHeard = false;
    link?.close();
  }

  #tell(state: State, reason: string): void {
    if (state === this.state && reason === this.#reason) return;
    this.state = state;
    this.#reason = reason;
    this.#options.state(state, reason);
  }
}
