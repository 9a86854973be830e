/** The mark and the words that say how a connection stands. Owns the element that has them. */
import { part, say } from './dom.ts';

export type ConnectionState = 'connecting' | 'live' | 'reconnecting' | 'closed' | 'refused';

export type StateTexts = Readonly<Record<ConnectionState, string>> & {
  stateBecause(state: string, reason: string): string;
};

export class StateLabel {
  readonly #root: HTMLElement;
  readonly #text: HTMLElement;
  readonly #t: StateTexts;

  /** `root` holds the mark, and the part `state` for the words. */
  constructor(root: HTMLElement, t: StateTexts) {
    this.#root = root;
    this.#text = part(root, 'state');
    this.#t = t;
  }

  /** `reason` is a phrase, or empty. */
  show(state: ConnectionState, reason = ''): void {
    this.#root.dataset.state = state;
    say(this.#text, reason === '' ? this.#t[state] : this.#t.stateBecause(this.#t[state], reason));
  }
}
