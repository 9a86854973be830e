/** What one pane shows of its connection. Owns the pane's elements; everything that publishers sent is shown as text. */
import { element, part, say } from '../shared/dom.ts';
import type { Format } from '../shared/format.ts';
import { timeOf } from '../shared/positions.ts';
import { type ConnectionState, StateLabel, type StateTexts } from '../shared/state-label.ts';
import type { StreamWatcher } from './event-stream.ts';
import type { EventTexts } from './texts.ts';
import type { ChannelEvent, Gap } from './watcher.ts';

const MAX_ROWS = 200;
/** More than this of one event's data is not shown. */
const MAX_SHOWN = 4_000;
/** The position before the first event that a channel ever had. */
const NO_EVENT = '0-0';

export interface PaneWords {
  readonly t: EventTexts & StateTexts & { readonly tokenNeeded: string; said(sentence: string): string };
  readonly format: Format;
}

export class Pane implements StreamWatcher {
  readonly #words: PaneWords;
  readonly #state: StateLabel;
  readonly #position: HTMLElement;
  readonly #count: HTMLElement;
  readonly #gapCount: HTMLElement;
  readonly #rows: HTMLElement;
  readonly #toggle: HTMLElement;
  /** What came since the last frame, the newest last; as many as can be shown. */
  #fresh: HTMLElement[] = [];
  #lastPosition = '';
  #events = 0;
  #gaps = 0;
  #connected = false;
  #scheduled = false;

  constructor(root: HTMLElement, words: PaneWords, toggled: (connect: boolean) => void) {
    this.#words = words;
    this.#state = new StateLabel(part(root, 'connection'), words.t);
    this.#position = part(root, 'position');
    this.#count = part(root, 'count');
    this.#gapCount = part(root, 'gaps');
    this.#rows = part(root, 'rows');
    this.#toggle = part(root, 'toggle');
    this.#toggle.addEventListener('click', () => toggled(!this.#connected));
  }

  /** As before the first event. */
  clear(): void {
    this.#fresh = [];
    this.#rows.replaceChildren();
    this.#events = 0;
    this.#gaps = 0;
    this.#lastPosition = '';
    this.#draw();
  }

  state(state: ConnectionState, reason: string): void {
    this.#show(state, this.#words.t.said(reason));
  }

  /** It is refused, as the reader's language has it. */
  lacksToken(): void {
    this.#show('refused', this.#words.t.tokenNeeded);
  }

  position(position: string): void {
    this.#lastPosition = position;
    this.#schedule();
  }

  resumed(after: string, recovered: boolean): void {
    const { t } = this.#words;
    this.#notice('resumed', recovered ? t.resumed(after) : t.resumedWithGap(after));
  }

  wentBack(after: string, name: string): void {
    this.#notice('resumed', this.#words.t.wentBack(after, name));
  }

  gap({ after, id }: Gap): void {
    this.#gaps++;
    this.#notice('gap', this.#words.t.gap(after, id));
  }

  ended(): void {
    this.#notice('resumed', this.#words.t.ended);
  }

  event({ id, event, data }: ChannelEvent): void {
    this.#events++;
    const { format } = this.#words;
    const time = element('time', '', format.exactClock(id === '' ? new Date() : timeOf(id)));
    const row = element('li', 'event');
    row.append(
      time,
      element('span', 'name', event),
      element('span', 'id', id),
      element('pre', 'data', this.#shown(data)),
    );
    this.#add(row);
  }

  #show(state: ConnectionState, reason: string): void {
    const { t } = this.#words;
    this.#state.show(state, reason);
    this.#connected = state !== 'closed' && state !== 'refused';
    say(this.#toggle, this.#connected ? t.cut : t.connectAgain);
  }

  #notice(kind: string, text: string): void {
    this.#add(element('li', `notice ${kind}`, text));
  }

  #add(row: HTMLElement): void {
    this.#fresh.push(row);
    if (this.#fresh.length > MAX_ROWS) this.#fresh.shift();
    this.#schedule();
  }

  /** Draws at most once a frame, however fast events come, and not at all in the background. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#scheduled = false;
    this.#rows.prepend(...this.#fresh.reverse());
    this.#fresh = [];
    while (this.#rows.childElementCount > MAX_ROWS) this.#rows.lastElementChild?.remove();
    const { t } = this.#words;
    const isNone = this.#lastPosition === '' || this.#lastPosition === NO_EVENT;
    this.#position.textContent = isNone ? t.noPosition : this.#lastPosition;
    this.#count.textContent = t.eventCount(this.#events);
    this.#gapCount.textContent = this.#gaps === 0 ? '' : ` · ${t.gapCount(this.#gaps)}`; // its row may be gone by now
  }

  /** The data as JSON, cut where it is too long to be looked at. */
  #shown(data: unknown): string {
    const text = JSON.stringify(data);
    return text.length <= MAX_SHOWN ? text : this.#words.t.cutText(text.slice(0, MAX_SHOWN), text.length);
  }
}
