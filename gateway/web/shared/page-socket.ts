/**
 * The one WebSocket of a page. Owns the words that say how it stands, and the button that cuts it. Knows the page's frames no further
 * than that some are about the connection itself.
 */
import { ReconnectingSocket } from '../../client/client.ts';
import { byId, say } from './dom.ts';
import { type ConnectionState, StateLabel, type StateTexts } from './state-label.ts';

type Frame = Readonly<Record<string, unknown>>;

export interface PageSocketOptions {
  /** Asked anew for every attempt, so that it can carry the position. */
  url(): string;
  message(frame: Frame): void;
  readonly t: StateTexts & { said(sentence: string): string };
  /** What the button says when pressing it does that; none on a page without one. */
  readonly toggle?: { readonly connect: string; readonly disconnect: string };
}

export class PageSocket {
  readonly #options: PageSocketOptions;
  readonly #label: StateLabel;
  readonly #toggle: HTMLElement | undefined;
  readonly #socket: ReconnectingSocket;
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
    this.#socket = new ReconnectingSocket({
      url: options.url,
      message: options.message,
      state: (state, reason) => this.#changed(state, reason),
    });
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

  #changed(state: ConnectionState, reason: string): void {
    const { t, toggle } = this.#options;
    const again = state === 'refused' && this.#mended;
    if (state === 'refused' || state === 'live') this.#mended = false;
    if (again) {
      this.connect();
      return;
    }
    this.#label.show(state, t.said(reason));
    if (this.#toggle !== undefined && toggle !== undefined)
      say(this.#toggle, this.#rests ? toggle.connect : toggle.disconnect);
  }
}
