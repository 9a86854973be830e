/**
 * Where the reader puts in a token, and forgets it. Owns the part of the page that this takes; on a gateway that asks for no token
 * nobody ever sees it. Knows no connection: whoever has one says how the gateway took it.
 */
import { byId, say } from './dom.ts';
import { dropToken, heldToken, holdToken, parseToken } from './token.ts';

export interface SignInTexts {
  readonly noToken: string;
  tokenRefused(reason: string): string;
  said(sentence: string): string;
}

export class SignIn {
  readonly #form = byId('token-form', HTMLFormElement);
  readonly #field = byId('token', HTMLInputElement);
  readonly #fault = byId('token-fault', HTMLElement);
  readonly #held = byId('token-held', HTMLElement);
  readonly #t: SignInTexts;
  readonly #changed: () => void;
  /** The gateway has let in who shows no token: whatever it says later, it is not for want of one. */
  #needless = false;

  /** `changed`: there is another token, perhaps another user's, and everything is to be connected anew. */
  constructor(t: SignInTexts, changed: () => void) {
    this.#t = t;
    this.#changed = changed;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#take();
    });
    byId('forget-token', HTMLElement).addEventListener('click', () => this.#forget());
    this.#show(false, false);
    this.#form.hidden = this.#held.hidden = false;
  }

  /** The gateway has let this page in. */
  accepted(): void {
    if (heldToken() === undefined) this.#needless = true;
    const hadFocus = this.#form.contains(document.activeElement);
    this.#show(false, heldToken() !== undefined);
    if (hadFocus) byId('main', HTMLElement).focus(); // it would be lost with the field
  }

  /** The gateway wants a token, or does not take this one. False where a token would not help. */
  refused(sentence: string): boolean {
    const isHeld = heldToken() !== undefined;
    if (!isHeld && this.#needless) return false;
    this.#show(true, isHeld);
    say(this.#fault, isHeld ? this.#t.tokenRefused(this.#t.said(sentence)) : '');
    return true;
  }

  /** What is not shown is not in the document: nothing there is to find it by its label. */
  #show(form: boolean, held: boolean): void {
    if (form !== this.#form.isConnected) place(this.#form, form);
    if (held !== this.#held.isConnected) place(this.#held, held);
  }

  #take(): void {
    const token = parseToken(this.#field.value);
    say(this.#fault, token === undefined ? this.#t.noToken : '');
    if (token === undefined) {
      this.#field.focus();
      return;
    }
    holdToken(token);
    this.#form.reset();
    this.#changed();
  }

  /** Nothing is to be left on the page of what only that user may see. */
  #forget(): void {
    dropToken();
    location.reload();
  }
}

/** Below what the page says of itself. */
function place(part: HTMLElement, shown: boolean): void {
  if (shown) document.querySelector('.intro')?.after(part);
  else part.remove();
}
