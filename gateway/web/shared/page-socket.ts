/**
 * The one WebSocket of a page. Owns the words that say how it stands, the button that cuts it, and the token that it is opened with.
 * Of the frames it knows the one that refuses the token.
 */
import { ReconnectingSocket } from '../../client/client.ts';
import { byId, say } from './dom.ts';
import { SignIn, type SignInTexts } from './sign-in.ts';
import { type ConnectionState, StateLabel, type StateTexts } from './state-label.ts';
import { showingToken } from './token.ts';

type Frame = Readonly<Record<string, unknown>>;

export interface PageSocketOptions {
  /** Asked anew for every attempt, so that it can carry the position. */
  url(): string;
  /** Not told of a refused token. */
  message(frame: Frame): void;
  /** There is another token, perhaps another user's: told before the connection that is opened with it. */
  signedIn?(): void;
  readonly t: StateTexts & SignInTexts & { readonly tokenNeeded: string };
  /** What the button says when pressing it does that; none on a page without one. */
  readonly toggle?: { readonly connect: string; readonly disconnect: string };
}

export class PageSocket {
  readonly #options: PageSocketOptions;
  readonly #label: StateLabel;
  readonly #toggle: HTMLElement | undefined;
  readonly #signIn: SignIn;
  #socket: ReconnectingSocket;
  /** What the gateway has said of the token, or of there being none. */
  #refusal: string | undefined;
  #mended = false;

  /** Nothing happens before `connect`. */
  constructor(options: PageSocketOptions) {
    this.#options = options;
    this.#label = new StateLabel(byId('connection', HTMLElement), options.t);
    this.#toggle = options.toggle && byId('toggle', HTMLElement);
    this.#toggle?.addEventListener('click', () => {
      if (this.#rests) this.connect();
      else this.disconnect();
    });
    this.#signIn = new SignIn(options.t, () => {
      this.disconnect();
      options.signedIn?.();
      this.#socket = this.#newSocket();
      this.connect();
    });
    this.#socket = this.#newSocket();
  }

  /** False where there is no connection: then nothing was sent. */
  send(frame: object): boolean {
    return this.#socket.send(frame);
  }

  connect(): void {
    this.#socket.connect();
  }

  disconnect(): void {
    this.#socket.disconnect();
  }

  /** What the gateway is about to refuse this connection for will not happen again: connects once more where it does. */
  mended(): void {
    this.#mended = true;
  }

  get #rests(): boolean {
    return this.#socket.state === 'closed' || this.#socket.state === 'refused';
  }

  #newSocket(): ReconnectingSocket {
    return new ReconnectingSocket({
      ...showingToken(),
      url: this.#options.url,
      message: (frame) => this.#receive(frame),
      state: (state, reason) => this.#changed(state, reason),
    });
  }

  #receive(frame: Frame): void {
    const { type, code, ref, error } = frame;
    if (type === 'error' && code === 'unauthorized' && ref === undefined) this.#refusal = String(error);
    else this.#options.message(frame);
  }

  #changed(state: ConnectionState, reason: string): void {
    const { t, toggle } = this.#options;
    const again = state === 'refused' && this.#mended;
    if (state === 'refused' || state === 'live') this.#mended = false;
    if (again) {
      this.connect();
      return;
    }
    if (state === 'live') {
      this.#refusal = undefined;
      this.#signIn.accepted();
    }
    const asks = state === 'refused' && this.#refusal !== undefined && this.#signIn.refused(this.#refusal);
    this.#label.show(state, asks ? t.tokenNeeded : t.said(reason));
    if (this.#toggle !== undefined && toggle !== undefined)
      say(this.#toggle, this.#rests ? toggle.connect : toggle.disconnect);
  }
}
