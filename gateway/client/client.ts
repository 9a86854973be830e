/**
 * The browser's side of Passerelle (PROTOCOL.md): channels that go on exactly where they were, and publishes that are stored once,
 * over a WebSocket, or over SSE and HTTP where no WebSocket gets through.
 */
import { guard, PasserelleError } from './errors.ts';
import { type ChannelEvent, Feed, type Member, type SubscribeOptions, type Subscription } from './feed.ts';
import type { Fields, Frame } from './frames.ts';
import { askByHttp, type HttpParts } from './http.ts';
import { type LinkListener, Reconnector, type State } from './reconnector.ts';
import { type Published, Requests } from './requests.ts';
import type { Request, Session } from './session.ts';
import { type SocketConstructor, socketOpener } from './socket-link.ts';
import { SocketSession, type SocketSessionParts } from './socket-session.ts';
import { StreamSession, type StreamSessionParts } from './stream-session.ts';
import { browser, type Surroundings } from './surroundings.ts';
import type { AskToken } from './tokens.ts';
import { type Transport, TransportChoice } from './transport-choice.ts';

export { PasserelleError } from './errors.ts';
export type { ChannelEvent, Gap, Member, Subscribed, SubscribeOptions, Subscription } from './feed.ts';
export { ReconnectingSocket, type ReconnectingSocketOptions } from './reconnecting-socket.ts';
export type { State } from './reconnector.ts';
export type { Published } from './requests.ts';
export type { SocketConstructor, SocketLike } from './socket-link.ts';

export interface PasserelleOptions {
  /** The gateway's address, of http or https; the page's own origin unless given. */
  readonly url?: string | URL;
  /** Asked for a token at first, before one ends, and after the gateway took none any more. */
  token?: AskToken;
  /** `auto`, unless given: WebSocket, and SSE where no WebSocket gets through. */
  readonly transport?: 'auto' | Transport;
  /** `live`: connected, and everything subscribed to stands. The reason is a sentence, or empty. */
  state?(state: State, reason: string): void;
  /** For where there is none, as in Node before 22. */
  readonly WebSocket?: SocketConstructor;
  readonly fetch?: typeof globalThis.fetch;
}

export interface PublishOptions {
  /** `message` unless given. */
  readonly event?: string;
  /** Generated unless given. Two publishes of one user to a channel with the same key within five minutes store one event. */
  readonly key?: string;
}

export interface HistoryOptions {
  readonly after?: string;
  readonly before?: string;
  readonly limit?: number;
}

export interface HistoryPage {
  /** Oldest first. */
  readonly events: readonly ChannelEvent[];
  /** The channel's last id. */
  readonly position: string;
  /** Nothing of the range asked for was left out, and nothing of it is gone. */
  readonly complete: boolean;
}

export interface Presence {
  readonly users: readonly Member[];
  readonly count: number;
  /** False where there are more than it names. */
  readonly complete: boolean;
}

const CHANNEL = /^[\w.:@-]{1,128}$/;
/** Characters of a request that certainly fit into a frame of 64 KiB. Larger ones go by HTTP, which refuses what is too large in words. */
const MAX_FRAME_CHARACTERS = 20_000;

/**
 * One client: one connection for all its channels. It connects at the first `subscribe` or `publish`, and from then on by itself,
 * until `disconnect` or `close`. What the page's functions throw is reported, and breaks nothing.
 */
export class Passerelle {
  readonly #options: PasserelleOptions;
  /** What every session is made of. */
  readonly #parts: SocketSessionParts & StreamSessionParts & HttpParts;
  readonly #choice: TransportChoice;
  readonly #feeds = new Map<string, Feed>();
  readonly #reconnector: Reconnector;
  readonly #requests: Requests;
  #session: Session | undefined;
  #transport: Transport;
  /** What the attempt under way is made with; none as long as it has not come to that. */
  #tried: Transport | undefined;
  #begun = false;
  #closed = false;

  constructor(options: PasserelleOptions = {}, surroundings: Surroundings = browser) {
    const { url = globalThis.location?.origin, transport = 'auto', fetch = globalThis.fetch } = options;
    const base = new URL(url);
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    this.#options = options;
    this.#choice = new TransportChoice(transport);
    this.#transport = this.#choice.next;
    this.#requests = new Requests((request, fields) => this.#ask(request, fields), surroundings);
    const reconnector = new Reconnector(
      {
        token: options.token,
        open: (listener, token) => this.#open(listener, token),
        ended: (heard, live) => this.#ended(heard, live),
        state: (state, reason) => this.#changed(state, reason),
      },
      surroundings,
    );
    this.#reconnector = reconnector;
    this.#parts = {
      openSocket: socketOpener(() => new URL('ws', base), options.WebSocket),
      fetch: (input, init) => fetch(input, init), // a browser's own wants no other `this`
      base,
      feeds: this.#feeds,
      surroundings,
      tokens: reconnector.tokens,
      opened: () => this.#requests.wake(),
      reopen: () => reconnector.reopen(),
    };
  }

  get state(): State {
    return this.#reconnector.state;
  }

  /** What it is connected by, or was last. */
  get transport(): Transport {
    return this.#transport;
  }

  /**
   * Throws a `PasserelleError` with `bad_request` for a name that is no channel, and for a channel that this client is subscribed to
   * already: from another position that takes another client, and other listeners can be added by `Subscription.on`.
   */
  subscribe(channel: string, options: SubscribeOptions = {}): Subscription {
    if (this.#closed) throw closedError();
    if (!CHANNEL.test(channel)) throw new PasserelleError('bad_request', `${JSON.stringify(channel)} is no channel`);
    if (this.#feeds.has(channel)) throw new PasserelleError('bad_request', `Already subscribed to ${channel}`);
    const feed = new Feed(channel, options, () => {
      this.#feeds.delete(channel);
      this.#session?.changed(channel);
      this.#requests.wake(); // what waited for the subscription need not any more
    });
    this.#feeds.set(channel, feed);
    this.#session?.changed(channel);
    this.#begin();
    return feed;
  }

  /**
   * Resolves once the event is stored, however often it takes to connect until then; the publishes of this client to one channel
   * are stored in the order of the calls. Rejects with a `PasserelleError`: where the gateway refuses the event, or the
   * connection, for good; with `too_many` where 1,000 wait already; with `unavailable` where it is not known for minutes whether
   * it was stored; with `closed`.
   */
  async publish(channel: string, data: unknown, options: PublishOptions = {}): Promise<Published> {
    const { event, key = randomKey() } = options;
    this.#begin();
    return this.#requests.publish({ channel, event, data, key });
  }

  /** Stored events, asked for until there is an answer. Rejects as `publish` does. */
  history(channel: string, options: HistoryOptions = {}): Promise<HistoryPage> {
    return this.#request('history', { channel, ...options });
  }

  /** Who is subscribed, asked for until there is an answer. Rejects as `publish` does. */
  presence(channel: string): Promise<Presence> {
    return this.#request('presence', { channel });
  }

  /** Connects at once, whatever it waits for, also after `disconnect` and after a refusal. */
  connect(): void {
    if (this.#closed) return;
    this.#begun = true;
    this.#reconnector.connect();
  }

  /** Drops the connection. Positions are kept, and publishes wait: `connect` goes on with both. */
  disconnect(): void {
    this.#begun = true;
    this.#reconnector.disconnect();
  }

  /** Ends everything for good. What still waits for an answer is rejected with `closed`. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const feed of this.#feeds.values()) feed.unsubscribe();
    this.#reconnector.disconnect();
    this.#requests.stop(closedError());
  }

  #begin(): void {
    if (this.#closed) throw closedError();
    if (!this.#begun) this.connect();
  }

  #open(listener: LinkListener, token: string | undefined): Session {
    this.#tried = this.#transport = this.#choice.next;
    const Kind = this.#transport === 'sse' ? StreamSession : SocketSession;
    this.#session = new Kind(this.#parts, listener, token);
    return this.#session;
  }

  #ended(heard: boolean, live: boolean): void {
    if (this.#tried === 'sse') this.#choice.streamEnded(live);
    else if (heard || (this.#tried && this.#parts.surroundings.online())) this.#choice.socketEnded(heard); // offline nothing is learnt
    this.#session = this.#tried = undefined;
  }

  #changed(state: State, reason: string): void {
    const { refusal } = this.#reconnector;
    if (state !== 'live') for (const feed of this.#feeds.values()) feed.standing = false;
    if (refusal) this.#requests.stop(refusal);
    else this.#requests.wake();
    guard(() => this.#options.state?.(state, reason));
  }

  async #request<Answer>(request: Request, fields: Fields): Promise<Answer> {
    this.#begin();
    return (await this.#requests.persist(request, JSON.stringify(fields))) as Answer;
  }

  #ask(request: Request, fields: string): Promise<Fields> | undefined {
    if (this.state === 'closed') return undefined;
    if (this.#transport === 'websocket' && fields.length <= MAX_FRAME_CHARACTERS)
      return this.#session?.ask?.(request, fields);
    // By HTTP it could overtake a subscription that was asked for before it, which would then begin behind it.
    if (request === 'publish' && this.#feeds.get((JSON.parse(fields) as Frame).channel)?.standing === false)
      return undefined;
    return askByHttp(this.#parts, request, fields);
  }
}

function closedError(): PasserelleError {
  return new PasserelleError('closed', 'The client is closed');
}

/** Not `crypto.randomUUID`, which pages have only over HTTPS and on localhost. */
function randomKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}
