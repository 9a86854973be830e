/**
 * One channel over the browser's own EventSource, which comes back and resumes by itself. Owns what EventSource leaves to the
 * page: listening for every event name, and handing the position on to a stream that replaces another.
 */
import { earlier } from '../shared/positions.ts';
import { heldToken } from '../shared/token.ts';
import type { Gap, Watcher } from './watcher.ts';

/** A watcher that is also told when the stream goes back for events that nobody listened for. */
export interface StreamWatcher extends Watcher {
  wentBack(after: string, name: string): void;
}

const GAP = 'gap';
/** By convention it says that nothing more will come. */
const END = 'end';
/** How many ids of heard events are kept, to know again what a reopened stream repeats. */
const KEPT_IDS = 1_000;

export interface EventStreamOptions {
  readonly channel: string;
  /** How many of the last events come first, when there is no position yet. */
  readonly tail: number;
  /** Where the channel stands now, for the case that the tail turns out to be empty. */
  readonly position?: string;
  /** Names to listen for; more can follow. EventSource drops events of other names without a word. */
  readonly names: Iterable<string>;
}

export class EventStream {
  readonly #options: EventStreamOptions;
  readonly #watcher: StreamWatcher;
  readonly #names: Set<string>;
  readonly #heard = new Set<string>();
  #source: EventSource | undefined;
  #position: string | undefined;
  #opened = false;

  constructor(options: EventStreamOptions, watcher: StreamWatcher) {
    this.#options = options;
    this.#watcher = watcher;
    this.#names = new Set(['message', GAP, END, ...options.names]);
    this.#position = options.position;
  }

  /** Opens the stream, after the last position where there is one. */
  connect(): void {
    this.#open(this.#position);
  }

  /** Ends the connection and keeps the position; `connect` goes on from there. */
  cut(): void {
    this.close();
    this.#watcher.state('closed', '');
  }

  /** Ends the connection for good; the watcher hears nothing more. */
  close(): void {
    this.#source?.close();
    this.#source = undefined;
  }

  /** Hears events of this name, too, from now on. */
  listenFor(name: string): void {
    if (this.#names.has(name)) return;
    this.#names.add(name);
    if (this.#source !== undefined) this.#listen(this.#source, name);
  }

  /** An event of this name is known to come next after a position: if nothing listened for it yet, the stream goes back for it. */
  expect(name: string, after: string): void {
    if (this.#names.has(name)) return;
    this.listenFor(name);
    if (this.#source === undefined) return;
    const from = this.#position === undefined ? after : earlier(this.#position, after);
    this.#position = from; // that is where it stands until it has heard more, also if it has to go back again before
    this.#open(from, () => this.#watcher.wentBack(from, name));
  }

  #open(after: string | undefined, opened?: () => void): void {
    this.#source?.close();
    const { channel, tail } = this.#options;
    const start = this.#opened && after !== undefined ? { lastEventId: after } : { tail: String(tail) };
    // EventSource sends no header, and comes back by this same address, which a ticket would open only once.
    const token = heldToken();
    const shown = token === undefined ? {} : { token };
    const source = new EventSource(`/events?${new URLSearchParams({ channel, ...start, ...shown })}`);
    this.#source = source;
    this.#watcher.state(this.#opened ? 'reconnecting' : 'connecting', '');
    let told = opened;
    // Events that a publisher has named "open" or "error" arrive here, too, but as messages.
    source.addEventListener('open', (event) => {
      if (event instanceof MessageEvent || source !== this.#source) return;
      this.#live(told);
      told = undefined; // what follows are the browser's own returns
    });
    source.addEventListener('error', (event) => {
      if (!(event instanceof MessageEvent)) this.#failed(source);
    });
    for (const name of this.#names) this.#listen(source, name);
  }

  #listen(source: EventSource, name: string): void {
    source.addEventListener(name, (event) => {
      if (event instanceof MessageEvent && source === this.#source) this.#receive(name, event);
    });
  }

  #live(told: (() => void) | undefined): void {
    this.#watcher.state('live', '');
    if (told !== undefined) told();
    else if (this.#opened && this.#position !== undefined) this.#watcher.resumed(this.#position, true);
    this.#opened = true;
  }

  #failed(source: EventSource): void {
    if (source !== this.#source) return;
    if (source.readyState === EventSource.CLOSED) this.#watcher.state('refused', '');
    else this.#watcher.state('reconnecting', '');
  }

  #end(): void {
    this.cut();
    this.#watcher.ended();
  }

  #receive(name: string, { lastEventId: id, data }: MessageEvent<string>): void {
    const value: unknown = JSON.parse(data);
    if (name === GAP && isGap(value)) {
      this.#watcher.gap(value);
      return;
    }
    if (id === '' || !this.#heard.has(id)) this.#watcher.event({ id, event: name, data: value });
    if (id === '') return;
    this.#heard.add(id);
    for (const oldest of this.#heard) {
      if (this.#heard.size <= KEPT_IDS) break;
      this.#heard.delete(oldest);
    }
    this.#position = id;
    this.#watcher.position(id);
    if (name === END) this.#end();
  }
}

function isGap(value: unknown): value is Gap {
  if (typeof value !== 'object' || value === null) return false;
  const { after, id } = value as Partial<Gap>;
  return typeof after === 'string' && typeof id === 'string';
}
