/** One channel, watched over both transports at once. Owns the two connections, and what one tells the other. */
import { type Passerelle, PasserelleError } from '../../client/client.ts';
import { EventStream } from './event-stream.ts';
import type { Pane } from './pane.ts';
import { SocketChannel } from './socket-channel.ts';
import type { Watcher } from './watcher.ts';

const TAIL = 20;

/** Is told how the gateway takes the token, or that there is none. */
export interface Doorkeeper {
  accepted(): void;
  /** Whether a token would help. */
  refused(sentence: string): boolean;
}

export interface Panes {
  readonly socket: Pane;
  readonly stream: Pane;
}

export class Watching {
  readonly channel: string;
  readonly #names: Set<string>;
  readonly #panes: Panes;
  readonly #reader: Passerelle;
  readonly #doorkeeper: Doorkeeper;
  readonly #socket: SocketChannel;
  #stream: EventStream | undefined;
  #closed = false;

  /** `names`: event names to expect, besides those that the channel's history, which `reader` reads, and the WebSocket bring. */
  constructor(channel: string, names: Iterable<string>, panes: Panes, reader: Passerelle, doorkeeper: Doorkeeper) {
    this.channel = channel;
    this.#names = new Set(names);
    this.#panes = panes;
    this.#reader = reader;
    this.#doorkeeper = doorkeeper;
    for (const pane of [panes.socket, panes.stream]) {
      pane.clear();
      pane.state('connecting', '');
    }
    this.#socket = new SocketChannel({ channel, tail: TAIL }, this.#socketWatcher(panes.socket));
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
    this.#closed = true; // first: closing says so
    this.#socket.close();
    this.#stream?.close();
  }

  /** The pane's, that also tells the stream of event names: a WebSocket is sent every event, whatever its name. */
  #socketWatcher(pane: Pane): Watcher {
    let before = '';
    return {
      state: (state, reason) => {
        if (this.#closed) return;
        pane.state(state, reason);
        if (state === 'live') this.#doorkeeper.accepted();
        if (state === 'refused') void this.#tail(); // which says whether that is for want of a token
      },
      resumed: (after, recovered) => pane.resumed(after, recovered),
      gap: (gap) => pane.gap(gap),
      ended: () => pane.ended(),
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
    const { events, position } = await this.#tail();
    if (this.#closed) return;
    for (const { event } of events) this.#names.add(event);
    const options = { channel: this.channel, tail: TAIL, names: this.#names };
    this.#stream = new EventStream(position === undefined ? options : { ...options, position }, this.#panes.stream);
    this.#stream.connect();
  }

  /** What the tail will bring, for its event names. Without it the stream opens all the same. */
  async #tail(): Promise<Tail> {
    try {
      return await this.#reader.history(this.channel, { limit: TAIL });
    } catch (error) {
      const unauthorized = !this.#closed && error instanceof PasserelleError && error.code === 'unauthorized';
      if (unauthorized && this.#doorkeeper.refused(error.message)) this.#panes.socket.lacksToken();
      return { events: [] }; // the stream will say what is wrong
    }
  }
}

interface Tail {
  readonly events: readonly { readonly event: string }[];
  readonly position?: string;
}
