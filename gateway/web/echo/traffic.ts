/** The list of frames that were sent and received. Owns its elements, and the figures above it. */
import { byId, element } from '../shared/dom.ts';
import type { Format } from '../shared/format.ts';
import { shown, sizeOf } from './payloads.ts';
import type { Payload } from './round-trips.ts';
import type { EchoTexts } from './texts.ts';

const MAX_ROWS = 200;
/** The median is that of the last so many. */
const MAX_TIMES = 200;
const ARROWS = { sent: '↑', received: '↓' } as const;

type Direction = keyof typeof ARROWS;

export class Traffic {
  readonly #rows = byId('rows', HTMLElement);
  readonly #count = byId('count', HTMLElement);
  readonly #median = byId('median', HTMLElement);
  readonly #t: EchoTexts;
  readonly #format: Format;
  readonly #counts = { sent: 0, received: 0 };
  #times: number[] = [];

  constructor(t: EchoTexts, format: Format) {
    this.#t = t;
    this.#format = format;
    this.#drawFigures();
  }

  /** `roundTripMs`: how long the frame that this one answers has waited. */
  add(direction: Direction, payload: Payload, roundTripMs?: number): void {
    this.#counts[direction]++;
    const head = element('span', 'direction', `${ARROWS[direction]} ${this.#t[direction]}`);
    const row = element('li', `frame ${direction}`);
    row.append(head, element('time', '', this.#format.exactClock(new Date())));
    row.append(element('span', 'size figure', this.#format.bytes(sizeOf(payload))));
    if (roundTripMs !== undefined) {
      this.#times.push(roundTripMs);
      if (this.#times.length > MAX_TIMES) this.#times.shift();
      row.append(element('span', 'round-trip figure', this.#t.roundTrip(this.#format.milliseconds(roundTripMs))));
    }
    row.append(element('pre', '', shown(payload)));
    this.#rows.prepend(row);
    if (this.#rows.childElementCount > MAX_ROWS) this.#rows.lastElementChild?.remove();
    this.#drawFigures();
  }

  clear(): void {
    this.#rows.replaceChildren();
    this.#counts.sent = 0;
    this.#counts.received = 0;
    this.#times = [];
    this.#drawFigures();
  }

  #drawFigures(): void {
    const { sent, received } = this.#counts;
    this.#count.textContent = this.#t.count(this.#format.number(sent), this.#format.number(received));
    const median = [...this.#times].sort((a, b) => a - b)[Math.floor(this.#times.length / 2)];
    this.#median.textContent = median === undefined ? '' : ` · ${this.#t.median(this.#format.milliseconds(median))}`;
  }
}
