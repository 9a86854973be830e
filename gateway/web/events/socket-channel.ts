/** One channel over a WebSocket, by the browser client, which comes back and resumes by itself. Owns what a pane can do with it. */
import { Passerelle, type Subscription } from '../../client/client.ts';
import { showingToken } from '../shared/token.ts';
import type { Watcher } from './watcher.ts';

export interface SocketChannelOptions {
  readonly channel: string;
  /** How many of the last events come first, when there is no position yet. */
  readonly tail: number;
}

export class SocketChannel {
  readonly #options: SocketChannelOptions;
  readonly #watcher: Watcher;
  readonly #client: Passerelle;
  #subscription: Subscription | undefined;
  #position: string | undefined;

  constructor(options: SocketChannelOptions, watcher: Watcher) {
    this.#options = options;
    this.#watcher = watcher;
    this.#client = new Passerelle({
      ...showingToken(),
      transport: 'websocket',
      state: (state, reason) => watcher.state(state, reason),
    });
  }

  /** Connects, after the last position where there is one. */
  connect(): void {
    this.#subscription ??= this.#subscribe();
    this.#client.connect();
  }

  /** Ends the connection and keeps the position; `connect` goes on from there. */
  cut(): void {
    this.#client.disconnect();
  }

  /** Ends the connection for good; the watcher hears nothing more but that. */
  close(): void {
    this.#client.close();
  }

  #subscribe(): Subscription {
    const { channel, tail } = this.#options;
    const start = this.#position === undefined ? { tail } : { after: this.#position };
    return this.#client.subscribe(channel, {
      ...start,
      subscribed: ({ position, recovered }) => {
        const before = this.#position;
        this.#move(position);
        if (before !== undefined) this.#watcher.resumed(before, recovered);
      },
      event: (event) => {
        this.#watcher.event(event);
        if (event.id !== '') this.#move(event.id);
      },
      gap: (gap) => this.#watcher.gap(gap),
      ended: () => {
        this.#rest();
        this.#watcher.ended();
      },
      refused: ({ message }) => {
        this.#rest();
        this.#watcher.state('refused', message);
      },
    });
  }

  /** The subscription is over; there is nothing to stay connected for. */
  #rest(): void {
    this.#subscription = undefined;
    this.#client.disconnect();
  }

  #move(position: string): void {
    this.#position = position;
    this.#watcher.position(position);
  }
}
