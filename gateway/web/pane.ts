/** What one pane shows of its connection. Owns the pane's elements; everything that publishers sent is shown as text. */
import type { StreamWatcher } from './event-stream.ts';
import { timeOf } from './positions.ts';
import type { ChannelEvent, ConnectionState, Gap } from './resuming-socket.ts';

const MAX_ROWS = 200;
/** More than this of one event's data is not shown. */
const MAX_SHOWN = 4_000;

const STATES: Readonly<Record<ConnectionState, string>> = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  cut: 'Cut',
  refused: 'Refused',
};

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
  hourCycle: 'h23',
});

export class Pane implements StreamWatcher {
  readonly #root: HTMLElement;
  readonly #state: HTMLElement;
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

  constructor(root: HTMLElement, toggled: (connect: boolean) => void) {
    this.#root = root;
    this.#state = part(root, 'state');
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
    this.#root.dataset.state = state;
    const text = reason === '' ? STATES[state] : `${STATES[state]}: ${reason}`;
    if (this.#state.textContent !== text) this.#state.textContent = text; // said aloud on every change
    this.#connected = state !== 'cut' && state !== 'refused';
    this.#toggle.textContent = this.#connected ? 'Cut the connection' : 'Connect again';
  }

  position(position: string): void {
    this.#lastPosition = position;
    this.#schedule();
  }

  resumed(after: string, recovered: boolean): void {
    this.#notice('resumed', recovered ? `Resumed after ${after}` : `Resumed after ${after}, where events are missing`);
  }

  wentBack(after: string, name: string): void {
    this.#notice('resumed', `Went back to ${after} for events named ${name}: EventSource hears only names it is told`);
  }

  gap({ after, id }: Gap): void {
    this.#gaps++;
    this.#notice('gap', `Gap: events between ${after} and ${id} cannot be had`);
  }

  event({ id, event, data }: ChannelEvent): void {
    this.#events++;
    const time = element('time', 'time', clock.format(id === '' ? new Date() : timeOf(id)));
    const row = element('li', 'event');
    row.append(time, element('span', 'name', event), element('span', 'id', id), element('pre', 'data', shown(data)));
    this.#add(row);
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
    this.#position.textContent = this.#lastPosition || 'none yet';
    this.#count.textContent = counted(this.#events, 'event');
    this.#gapCount.textContent = this.#gaps === 0 ? '' : ` · ${counted(this.#gaps, 'gap')}`; // its row may be gone by now
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** The data as JSON, cut where it is too long to be looked at. */
function shown(data: unknown): string {
  const text = JSON.stringify(data);
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}… (${text.length} characters)`;
}

function part(root: HTMLElement, name: string): HTMLElement {
  const found = root.querySelector<HTMLElement>(`[data-part="${name}"]`);
  if (found === null) throw new Error(`The pane has no part ${name}`);
  return found;
}

function element(tag: string, className: string, text = ''): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
