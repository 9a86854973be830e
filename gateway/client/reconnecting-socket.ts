/**
 * A WebSocket of any of the gateway's paths that comes back by itself. Knows the frames that are about the connection itself;
 * what the others say, and how to go on where one was, is its user's.
 */
import { guard } from './errors.ts';
import type { Frame } from './frames.ts';
import { Reconnector, type State } from './reconnector.ts';
import { type SocketConstructor, type SocketLink, socketOpener } from './socket-link.ts';
import { browser, type Surroundings } from './surroundings.ts';
import type { AskToken } from './tokens.ts';

export interface ReconnectingSocketOptions {
  /** Asked anew for every attempt, so that it can carry the position. Relative to the page; http(s) is taken for ws(s). */
  url(): string | URL;
  /** Asked for a token at first, before one ends, and after the gateway took none any more. */
  token?: AskToken;
  /** Every frame but those about the connection itself: `pong`, `authenticated`, `reconnect`. */
  message(frame: Frame): void;
  /** The socket is open: what is sent now comes first. */
  open?(): void;
  /** `live` once the gateway has said something that is no error. The reason is a sentence, or empty. */
  state?(state: State, reason: string): void;
  readonly WebSocket?: SocketConstructor;
}

export class ReconnectingSocket {
  readonly #reconnector: Reconnector;
  #link: SocketLink | undefined;

  /** Nothing happens before `connect`. */
  constructor(options: ReconnectingSocketOptions, surroundings: Surroundings = browser) {
    const openSocket = socketOpener(() => options.url(), options.WebSocket);
    this.#reconnector = new Reconnector(
      {
        token: options.token,
        state: (state, reason) => guard(() => options.state?.(state, reason)),
        open: (listener, token) => {
          const user = {
            opened: () => guard(() => options.open?.()),
            frame: (frame: Frame) => {
              if (frame.type !== 'error') listener.live();
              guard(() => options.message(frame));
            },
          };
          this.#link = openSocket(user, listener, token);
          return this.#link;
        },
      },
      surroundings,
    );
  }

  get state(): State {
    return this.#reconnector.state;
  }

  /** False where there is no open connection: then nothing was sent. */
  send(frame: object): boolean {
    return this.#link?.send(JSON.stringify(frame)) ?? false;
  }

  /** Connects at once, also after `disconnect` and after a refusal. */
  connect(): void {
    this.#reconnector.connect();
  }

  /** Drops the connection; `connect` opens another one. */
  disconnect(): void {
    this.#reconnector.disconnect();
  }

  /** The same: a socket keeps nothing that would have to be given back. */
  close(): void {
    this.#reconnector.disconnect();
  }
}
