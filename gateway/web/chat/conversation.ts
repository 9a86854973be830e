/** The messages of a room. Owns their elements, and where the view stands: at the end, unless the reader has scrolled up. */
import { byId, element } from '../shared/dom.ts';
import type { Format } from '../shared/format.ts';
import type { Line, Pending, Room } from './room.ts';
import type { ChatTexts } from './texts.ts';

/** Nearer to the end than this counts as being there. */
const NEAR_PX = 40;

export class Conversation {
  readonly #view = byId('view', HTMLElement);
  readonly #lines = byId('lines', HTMLElement);
  readonly #pending = byId('pending', HTMLElement);
  readonly #below = byId('below', HTMLElement);
  readonly #t: ChatTexts;
  readonly #format: Format;
  #drawn: readonly Line[] = [];

  constructor(t: ChatTexts, format: Format) {
    this.#t = t;
    this.#format = format;
    this.#below.addEventListener('click', () => this.toEnd());
    this.#view.addEventListener('scroll', () => {
      if (this.#isAtEnd()) this.#below.hidden = true;
    });
  }

  /** Draws what is new, and drops what the room has dropped. */
  draw({ lines, pending, me }: Room): void {
    const wasAtEnd = this.#isAtEnd();
    const last = this.#drawn.at(-1);
    const fresh = lines.slice(last === undefined ? 0 : lines.lastIndexOf(last) + 1);
    this.#lines.append(...fresh.map((line) => this.#row(line)));
    while (this.#lines.childElementCount > lines.length) this.#lines.firstElementChild?.remove();
    this.#pending.replaceChildren(...pending.map((message) => this.#pendingRow(message, me)));
    this.#drawn = lines;
    if (wasAtEnd) this.toEnd();
    else if (fresh.length > 0) this.#below.hidden = false;
  }

  /** As before the first message. */
  clear(): void {
    this.#lines.replaceChildren();
    this.#pending.replaceChildren();
    this.#below.hidden = true;
    this.#drawn = [];
  }

  toEnd(): void {
    this.#view.scrollTop = this.#view.scrollHeight;
    this.#below.hidden = true;
  }

  #isAtEnd(): boolean {
    const { scrollTop, clientHeight, scrollHeight } = this.#view;
    return scrollTop + clientHeight >= scrollHeight - NEAR_PX;
  }

  #row(line: Line): HTMLElement {
    const t = this.#t;
    switch (line.kind) {
      case 'message': {
        const row = element('li', line.mine ? 'message mine' : 'message');
        const at = new Date(line.timestamp);
        const time = element('time', '', this.#format.when(at, new Date()));
        time.dateTime = line.timestamp;
        row.append(element('span', 'author', line.username), time, element('p', '', line.content));
        return row;
      }
      case 'joined':
        return element('li', 'notice', t.joined(line.username));
      case 'left':
        return element('li', 'notice', t.left(line.username));
      case 'renamed':
        return element('li', 'notice', t.renamed(line.from, line.to));
      case 'resumed':
        return element('li', 'notice resumed', t.resumed);
      case 'gap':
        return element('li', 'notice gap', t.gap);
    }
  }

  #pendingRow({ content }: Pending, me: string): HTMLElement {
    const row = element('li', 'message mine pending');
    row.append(element('span', 'author', me), element('time', '', this.#t.pending), element('p', '', content));
    return row;
  }
}
