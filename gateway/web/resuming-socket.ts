/**
 * One channel over a WebSocket that comes back by itself and goes on exactly after its last position (PROTOCOL.md, section 3).
 * Owns the position, the backoff and the words of the protocol; knows neither the DOM nor the browser's WebSocket.
 */

export interface ChannelEvent {
  /** Empty on an ephemeral channel. */
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/** Events between the two positions cannot be had. */
export interface Gap {
  readonly after: string;
  readonly id: string;
}

/** `refused` and `cut` stay until `connect`; the others pass by themselves. */
export type ConnectionState = 'connecting' | 'live' | 'reconnecting' | 'cut' | 'refused';

export interface Watcher {
  /** `reason` is a sentence, or empty. */
  state(state: ConnectionState, reason: string): void;
  /** Told after the event that moved it. */
  position(position: string): void;
  /** The subscription stands again after the connection was lost; `recovered` is false where a gap follows. */
  resumed(after: string, recovered: boolean): void;
  event(event: ChannelEvent): void;
  gap(gap: Gap): void;
}

/** One open socket, or one that is being opened. */
export interface Link {
  send(text: string): void;
  close(): void;
}

export interface LinkListener {
  opened(): void;
  text(text: string): void;
  /** Called once, also where it never opened. */
  closed(code: number): void;
}

export interface Surroundings {
  open(listener: LinkListener): Link;
  /** Runs the task once after that time; the function returned cancels it. */
  after(ms: number, task: () => void): () => void;
  /** From 0 up to 1. */
  random(): number;
}

export interface ResumingSocketOptions {
  readonly channel: string;
  /** How many of the last events come first, when there is no position yet. */
  readonly tail: number;
  /** Where to go on from; the tail is not asked for then. */
  readonly position?: string;
}

const BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 15_000;
/** A browser tells a page nothing of the server's own pings, so a connection that died without a word is found by asking. */
const PING_MS = 20_000;
/** Close codes after which the same thing would only happen again. */
const FINAL_CODES: ReadonlySet<number> = new Set([1002, 1003, 1007, 1008, 1009, 4401, 4403]);

export class ResumingSocket {
  readonly #options: ResumingSocketOptions;
  readonly #watcher: Watcher;
  readonly #surroundings: Surroundings;
  #position: string | undefined;
  #link: Link | undefined;
  #cancelTimer: () => void = nothing;
  #attempt = 0;
  /** What the gateway asked to wait, once. */
  #askedDelayMs: number | undefined;
  #heard = false;
  #refusal = '';

  constructor(options: ResumingSocketOptions, watcher: Watcher, surroundings: Surroundings) {
    this.#options = options;
    this.#watcher = watcher;
    this.#surroundings = surroundings;
    this.#position = options.position;
  }

  /** Connects at once, whatever it was waiting for. */
  connect(): void {
    this.#drop();
    this.#refusal = '';
    this.#watcher.state(this.#position === undefined ? 'connecting' : 'reconnecting', '');
    let link: Link | undefined;
    const current = () => link !== undefined && this.#link === link;
    link = this.#surroundings.open({
      opened: () => current() && this.#subscribe(),
      text: (text) => current() && this.#receive(text),
      closed: (code) => current() && this.#closed(code),
    });
    this.#link = link;
    this.#heard = false;
    this.#watch();
  }

  /** Ends the connection and keeps the position; `connect` goes on from there. */
  cut(): void {
    this.#drop();
    this.#attempt = 0;
    this.#watcher.state('cut', '');
  }

  /** Ends the connection for good; the watcher hears nothing more. */
  close(): void {
    this.#drop();
  }

  #drop(): void {
    this.#cancelTimer();
    this.#cancelTimer = nothing;
    const link = this.#link;
    this.#link = undefined; // first: what it still says is not listened to any more
    link?.close();
  }

  #subscribe(): void {
    const { channel, tail } = this.#options;
    const start = this.#position === undefined ? { tail } : { after: this.#position };
    this.#link?.send(JSON.stringify({ type: 'subscribe', channel, ...start, ref: SUBSCRIBE }));
  }

  #receive(text: string): void {
    this.#heard = true;
    const frame = decode(text);
    switch (frame.type) {
      case 'subscribed': {
        const resumedAfter = this.#position;
        this.#attempt = 0;
        this.#move(frame.position);
        this.#watcher.state('live', '');
        if (resumedAfter !== undefined) this.#watcher.resumed(resumedAfter, frame.recovered);
        return;
      }
      case 'event':
        this.#watcher.event(frame.event);
        if (frame.event.id !== '') this.#move(frame.event.id);
        return;
      case 'gap':
        this.#watcher.gap(frame.gap);
        return;
      case 'reconnect':
        this.#askedDelayMs = frame.after;
        return;
      case 'error':
        this.#refused(frame);
        return;
      case 'other':
        return;
    }
  }

  #refused({ ref, code, error }: ErrorFrame): void {
    if (ref !== SUBSCRIBE) {
      this.#refusal = error; // the close that follows says whether this is final
    } else if (code === 'unavailable') {
      this.#drop();
      this.#comeBack(error);
    } else {
      this.#drop();
      this.#watcher.state('refused', error);
    }
  }

  #closed(code: number): void {
    this.#drop();
    if (FINAL_CODES.has(code)) this.#watcher.state('refused', this.#refusal || `The gateway closed with code ${code}`);
    else this.#comeBack(this.#refusal);
  }

  #comeBack(reason: string): void {
    const ceiling = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** this.#attempt);
    const delay = this.#askedDelayMs ?? this.#surroundings.random() * ceiling;
    this.#askedDelayMs = undefined;
    this.#attempt++;
    this.#watcher.state('reconnecting', reason);
    this.#cancelTimer = this.#surroundings.after(delay, () => this.connect());
  }

  /** Gives up a connection that has been silent for a whole period: it never opened, or did not answer the ping. */
  #watch(): void {
    this.#cancelTimer = this.#surroundings.after(PING_MS, () => {
      if (!this.#heard) {
        this.#drop();
        this.#comeBack('The gateway was silent');
        return;
      }
      this.#heard = false;
      this.#link?.send('{"type":"ping"}');
      this.#watch();
    });
  }

  #move(position: string): void {
    this.#position = position;
    this.#watcher.position(position);
  }
}

const SUBSCRIBE = 'subscribe';

function nothing(): void {
  // There is no timer to cancel.
}

interface ErrorFrame {
  readonly type: 'error';
  readonly ref: unknown;
  readonly code: string;
  readonly error: string;
}

type Frame =
  | { readonly type: 'subscribed'; readonly position: string; readonly recovered: boolean }
  | { readonly type: 'event'; readonly event: ChannelEvent }
  | { readonly type: 'gap'; readonly gap: Gap }
  | { readonly type: 'reconnect'; readonly after: number }
  | ErrorFrame
  | { readonly type: 'other' };

/** Reads what a gateway sends. It is trusted to keep to its protocol: only the `type` is looked at. */
function decode(text: string): Frame {
  const frame = JSON.parse(text) as Readonly<Record<string, unknown>>;
  switch (frame.type) {
    case 'event': {
      const { id = '', event, data } = frame as unknown as Partial<ChannelEvent> & { event: string };
      return { type: 'event', event: { id, event, data } };
    }
    case 'gap': {
      const { after, id } = frame as unknown as Gap;
      return { type: 'gap', gap: { after, id } };
    }
    case 'subscribed':
    case 'reconnect':
    case 'error':
      return frame as unknown as Frame;
    default:
      return { type: 'other' };
  }
}
