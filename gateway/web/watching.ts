/** One channel, watched over both transports at once. Owns the two connections, and what one tells the other. */
import { EventStream } from './event-stream.ts';
import type { Pane } from './pane.ts';
import { type ChannelEvent, type Link, type LinkListener, ResumingSocket, type Watcher } from './resuming-socket.ts';

const TAIL = 20;

export interface Panes {
  readonly socket: Pane;
  readonly stream: Pane;
}

export class Watching {
  readonly channel: string;
  readonly #names: Set<string>;
  readonly #panes: Panes;
  readonly #socket: ResumingSocket;
  #stream: EventStream | undefined;
  #closed = false;

  /** `names`: event names to expect, besides those that the channel's history and the WebSocket bring. */
  constructor(channel: string, names: Iterable<string>, panes: Panes) {
    this.channel = channel;
    this.#names = new Set(names);
    this.#panes = panes;
    for (const pane of [panes.socket, panes.stream]) {
      pane.clear();
      pane.state('connecting', '');
    }
    this.#socket = new ResumingSocket({ channel, tail: TAIL }, this.#socketWatcher(panes.socket), BROWSER);
    this.#socket.connect();
    void this.#openStream();
  }

  listenFor(name: string): void {
    this.#names.add(name);
    this.#stream?.listenFor(name);
  }

  toggleSocket(connect: boolean): void {
    if (connect) this.#socket.connect();
    else this.#socket.cut();
  }

  toggleStream(connect: boolean): void {
    if (connect) this.#stream?.connect();
    else this.#stream?.cut();
  }

  close(): void {
    this.#closed = true;
    this.#socket.close();
    this.#stream?.close();
  }

  /** The pane's, that also tells the stream of event names: a WebSocket is sent every event, whatever its name. */
  #socketWatcher(pane: Pane): Watcher {
    let before = '';
    return {
      state: (state, reason) => pane.state(state, reason),
      resumed: (after, recovered) => pane.resumed(after, recovered),
      gap: (gap) => pane.gap(gap),
      position: (position) => {
        before = position;
        pane.position(position);
      },
      event: (event) => {
        pane.event(event);
        this.#names.add(event.event);
        this.#stream?.expect(event.event, before);
      },
    };
  }

  async #openStream(): Promise<void> {
    const { events, position } = await readHistory(this.channel);
    if (this.#closed) return;
    for (const { event } of events) this.#names.add(event);
    const options = { channel: this.channel, tail: TAIL, names: this.#names };
    this.#stream = new EventStream(position === undefined ? options : { ...options, position }, this.#panes.stream);
    this.#stream.connect();
  }
}

interface History {
  readonly events: readonly ChannelEvent[];
  readonly position?: string;
}

/** What the tail will bring, for its event names. Without it the stream opens all the same. */
async function readHistory(channel: string): Promise<History> {
  try {
    const response = await fetch(`/api/history?${new URLSearchParams({ channel, limit: String(TAIL) })}`);
    if (response.ok) return await response.json();
  } catch {
    // The gateway cannot be reached; the stream will say so, and come back by itself.
  }
  return { events: [] };
}

const BROWSER = {
  open: openLink,
  after: (ms: number, task: () => void) => {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};

function openLink(listener: LinkListener): Link {
  const url = new URL('/ws', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url);
  socket.onopen = () => listener.opened();
  socket.onmessage = ({ data }) => {
    if (typeof data === 'string') listener.text(data);
  };
  socket.onclose = ({ code }) => listener.closed(code);
  return socket;
}
