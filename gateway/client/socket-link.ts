/**
 * A WebSocket as a link: what its close codes mean, and the frames that are about the connection itself (PROTOCOL.md, section 3).
 * What the others say is for whoever opened it.
 */
import { PasserelleError, unavailable } from './errors.ts';
import { errorOf, type Frame } from './frames.ts';
import type { End, Link, LinkListener } from './reconnector.ts';
import { nothing } from './surroundings.ts';

/** What is used of a browser's WebSocket; that of `ws` has it, too. */
export interface SocketLike {
  readonly readyState: number;
  send(text: string): void;
  close(): void;
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { readonly code: number }) => void): void;
}
export type SocketConstructor = new (url: string, protocols?: string[]) => SocketLike;

export interface SocketUser {
  opened(): void;
  /** Every frame but the answers to what this link asks by itself. */
  frame(frame: Frame): void;
}

const OPEN = 1;
const SUBPROTOCOL = 'passerelle';
/** What this link asks by itself. Where the gateway does not take a fresh token, it will close when the old one ends. */
const OWN_REF = 'link';
/** Close codes after which the same thing would only happen again. */
const FINAL_CODES: readonly unknown[] = [1002, 1003, 1007, 1008, 1009, 4403];
const TOKEN_CODE = 4401;
/** Closed because of how the gateway fared with this very client. */
const STRAINED_CODES: readonly unknown[] = [1011, 4408, 4429];

/** Opens a WebSocket as a link. Throws where there can be none. */
export type OpenSocket = (user: SocketUser, listener: LinkListener, token: string | undefined) => SocketLink;

/** All WebSockets that one client opens: the url, which may be one of http, is asked for anew each time. */
export function socketOpener(url: () => string | URL, Socket: SocketConstructor = globalThis.WebSocket): OpenSocket {
  let resume: string | undefined; // by this the gateway knows again who comes back (PROTOCOL.md, Presence)
  return (user, listener, token) => {
    const address = new URL(url(), globalThis.location?.href);
    address.protocol = address.protocol.replace('http', 'ws');
    if (resume) address.searchParams.set('resume', resume);
    // A browser wants an answer to every offer, so there is none without need.
    const socket = new Socket(address.href, token ? [SUBPROTOCOL, token] : []);
    return new SocketLink(socket, user, listener, (given) => {
      resume = given;
    });
  };
}

export class SocketLink implements Link {
  readonly #socket: SocketLike;
  readonly #listener: LinkListener;
  readonly #resumable: (resume: string) => void;
  /** What the gateway said before it closed. */
  #refusal: PasserelleError | undefined;
  #closed = false;

  constructor(socket: SocketLike, user: SocketUser, listener: LinkListener, resumable: (resume: string) => void) {
    this.#socket = socket;
    this.#listener = listener;
    this.#resumable = resumable;
    socket.addEventListener('open', () => {
      if (!this.#closed) user.opened();
    });
    socket.addEventListener('message', ({ data }) => {
      if (this.#closed) return;
      listener.heard();
      if (typeof data !== 'string') return;
      const frame = JSON.parse(data) as Frame;
      if (!this.#isOwn(frame)) user.frame(frame);
    });
    socket.addEventListener('close', ({ code }) => listener.ended(this.#endBy(code)));
    socket.addEventListener('error', nothing); // a close follows; but where nobody listens, some throw
  }

  get isOpen(): boolean {
    return !this.#closed && this.#socket.readyState === OPEN;
  }

  /** False where it is not open: then nothing was sent. */
  send(text: string): boolean {
    const { isOpen } = this;
    if (isOpen) this.#socket.send(text);
    return isOpen;
  }

  close(): void {
    this.#closed = true;
    this.#socket.close();
  }

  ping(): void {
    this.send('{"type":"ping"}');
  }

  renew(token: string): void {
    this.send(JSON.stringify({ type: 'auth', token, ref: OWN_REF }));
  }

  /** Takes in what is about the connection, and says whether that is all there is to it. */
  #isOwn(frame: Frame): boolean {
    const { type, ref, after, expires, resume } = frame;
    if (resume) this.#resumable(resume);
    if (expires) this.#listener.tokenEnds(expires);
    if (type === 'reconnect') this.#listener.later(after as number);
    if (type === 'error' && ref === undefined) this.#refusal = errorOf(frame);
    return ref === OWN_REF || type === 'pong' || type === 'reconnect';
  }

  #endBy(code: number): End {
    const final = FINAL_CODES.includes(code);
    const next = final ? 'never' : code === TOKEN_CODE ? 'token' : 'again';
    const unsaid = () =>
      next === 'again' ? unavailable('') : new PasserelleError('refused', `The gateway closed with code ${code}`);
    return { next, error: this.#refusal ?? unsaid(), strained: STRAINED_CODES.includes(code) };
  }
}
