/** Which transport the next attempt takes: WebSocket, unless it seems that something on the way lets none through. Pure. */

export type Transport = 'websocket' | 'sse';

/** So often in a row a WebSocket must have failed without a word. Where one has worked before, the gateway is rather away. */
const PATIENCE = 2;
const PROVEN_PATIENCE = 4;

export class TransportChoice {
  readonly #wish: Transport | 'auto';
  #failures = 0;
  #proven = false;

  /** There is a choice with `auto` only. */
  constructor(wish: Transport | 'auto') {
    this.#wish = wish;
  }

  get next(): Transport {
    if (this.#wish !== 'auto') return this.#wish;
    return this.#failures < this.#patience ? 'websocket' : 'sse';
  }

  /** A WebSocket ended; something had come over it, or not a word. */
  socketEnded(heard: boolean): void {
    this.#failures = heard ? 0 : this.#failures + 1;
    this.#proven ||= heard;
  }

  /** A stream ended: where it does no better, or where WebSockets have got through before, one more is worth an attempt. */
  streamEnded(live: boolean): void {
    if (!live || this.#proven) this.#failures = this.#patience - 1;
  }

  get #patience(): number {
    return this.#proven ? PROVEN_PATIENCE : PATIENCE;
  }
}
