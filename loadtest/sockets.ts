/**
 * The load client: many raw TCP connections that count events by one marker byte, in one shared buffer, without parsing
 * frames. A client library in its place would cost more than the server it is to measure.
 */
import { connect, type Socket } from 'node:net';
import { CHANNEL, MARKER } from './payload.ts';

export type Transport = 'ws' | 'sse';

export interface SocketsOptions {
  readonly url: string;
  readonly transport: Transport;
  readonly count: number;
  /** The channel of each connection, by its number. */
  readonly channel?: (index: number) => string;
  /** Whether a WebSocket has to ask for its channel by a frame, or is subscribed by its connection alone. */
  readonly subscribes: boolean;
}

const CONNECTING_AT_A_TIME = 100;
const OPEN_LIMIT_MS = 60_000;
const READ_BUFFER_BYTES = 262_144;

export class LoadSockets {
  /** Events that all connections received together. */
  received = 0;
  /** Reads that they took: how many events came with one write of the server. */
  reads = 0;
  /** Connections that ended without being asked to. */
  lost = 0;
  readonly #options: SocketsOptions;
  readonly #buffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
  readonly #sockets = new Set<Socket>();
  #closing = false;
  #target = Number.POSITIVE_INFINITY;
  #reached: (() => void) | undefined;

  private constructor(options: SocketsOptions) {
    this.#options = options;
  }

  /** Resolves once each connection is subscribed. */
  static async open(options: SocketsOptions): Promise<LoadSockets> {
    const sockets = new LoadSockets(options);
    const deadline = Date.now() + OPEN_LIMIT_MS;
    let next = 0;
    const open = async () => {
      for (let index = next++; index < options.count; index = next++) await sockets.#open(index, deadline);
    };
    await Promise.all(Array.from({ length: CONNECTING_AT_A_TIME }, open));
    return sockets;
  }

  /** Resolves when so many events were received since the start. */
  async until(received: number, limitMs: number): Promise<void> {
    if (this.received >= received) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${this.received} of ${received} events within ${limitMs} ms; ${this.lost} connections lost`));
      }, limitMs);
      this.#target = received;
      this.#reached = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** By a reset, so that no port is left waiting: the next round needs it. */
  close(): void {
    this.#closing = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #open(index: number, deadline: number): Promise<void> {
    const { url, channel = () => CHANNEL } = this.#options;
    const { hostname, port, host } = new URL(url);
    const opening = new Opening(this.#options, host, channel(index));
    return new Promise((resolve, reject) => {
      const fail = (reason: string) => reject(new Error(`Connection ${index}: ${reason}, after ${opening.text}`));
      const timer = setTimeout(() => fail('not subscribed in time'), deadline - Date.now());
      const onData = (bytes: Uint8Array) => {
        if (opening.done) return this.#count(bytes);
        const answer = opening.read(bytes);
        if (answer) socket.write(answer);
        if (!opening.done) return;
        clearTimeout(timer);
        resolve();
      };
      const onread = {
        buffer: this.#buffer,
        callback: (size: number, buffer: Uint8Array) => {
          onData(buffer.subarray(0, size));
          return true;
        },
      };
      const socket = connect({ host: hostname, port: Number(port), noDelay: true, onread });
      this.#sockets.add(socket);
      socket.on('error', (error) => fail(error.message));
      socket.on('close', () => {
        clearTimeout(timer);
        this.#sockets.delete(socket);
        if (!this.#closing) this.lost++;
        fail('it was closed');
      });
      socket.write(opening.request);
    });
  }

  #count(bytes: Uint8Array): void {
    this.reads++;
    for (let at = bytes.indexOf(MARKER); at !== -1; at = bytes.indexOf(MARKER, at + 1)) this.received++;
    if (this.received < this.#target) return;
    this.#target = Number.POSITIVE_INFINITY;
    this.#reached?.();
  }
}

/** One connection's way to its subscription: what to send, and when it is there. */
class Opening {
  readonly request: string;
  done = false;
  /** What was received so far. */
  text = '';
  readonly #options: SocketsOptions;
  readonly #channel: string;
  #asked = false;

  constructor(options: SocketsOptions, host: string, channel: string) {
    this.#options = options;
    this.#channel = channel;
    this.request =
      options.transport === 'sse'
        ? `GET /events?channel=${channel} HTTP/1.1\r\nHost: ${host}\r\nAccept: text/event-stream\r\n\r\n`
        : `GET /ws HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
  }

  /** Takes what came, and returns what is to be sent in answer. */
  read(bytes: Uint8Array): Buffer | undefined {
    this.text += Buffer.from(bytes).toString('latin1');
    const upgraded = /^HTTP\/1.1 101.*\r\n\r\n/s.test(this.text);
    if (this.#options.transport === 'sse') this.done = /^HTTP\/1.1 200.*\nid: [^\n]*\n\n/s.test(this.text);
    else if (!this.#options.subscribes) this.done = upgraded;
    else if (this.text.includes('"type":"subscribed"')) this.done = true;
    else if (upgraded && !this.#asked) {
      this.#asked = true;
      return maskedText(JSON.stringify({ type: 'subscribe', channel: this.#channel }));
    }
    return undefined;
  }
}

/** A client's text frame of fewer than 126 bytes. Its mask is zero, which the protocol allows and which changes nothing. */
function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  if (payload.length > 125) throw new Error('Too long for a short frame');
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
