/**
 * Test clients for both transports: one connection each, every frame queued or handed to a sink, in the order of arrival.
 * They speak the protocol as a stranger would and share no code with the gateway. Coming back is in `subscribers.ts`.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { type ClientOptions, WebSocket } from 'ws';
import { type Block, EventStreamParser } from './event-stream.ts';
import { FrameQueue } from './frame-queue.ts';

/** A decoded text frame; `type` is `''` where it is no such object. */
export interface Frame {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Where frames go; a connection without a sink of its own queues them. */
export interface Sink<Item> {
  push(item: Item): void;
  end(reason: string): void;
}

export interface Closed {
  /** 1006 where the connection ended without a close frame. */
  readonly code: number;
  readonly reason: string;
}

export class WsClient {
  /** When anything came last, or it began, by `performance.now()`. */
  heardAt = performance.now();
  /** What came and was not handed to a sink of the caller's. */
  readonly frames = new FrameQueue<Frame>();
  /** Resolves when the connection has ended, however it ended, or could not be made. */
  readonly closed: Promise<Closed>;
  /** Resolves once open, rejects where that fails. */
  readonly opened: Promise<void>;
  readonly #socket: WebSocket;
  #destroyed = false;

  /** `url` is a gateway's http URL with a path, `/ws` for instance. */
  constructor(url: string, options: { sink?: Sink<Frame>; ws?: ClientOptions; protocols?: string[] } = {}) {
    const sink = options.sink ?? this.frames;
    const address = url.replace(/^http/, 'ws');
    this.#socket = new WebSocket(address, options.protocols ?? [], { perMessageDeflate: false, ...options.ws });
    this.opened = new Promise((resolve, reject) => {
      this.#socket.once('open', () => resolve());
      this.#socket.on('error', reject);
    });
    // A refused connection is told by `closed` as well, so nobody has to listen here.
    this.opened.catch(() => undefined);
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', (code, reason) => {
        sink.end(`The connection was closed (${code} ${reason.toString()})`);
        resolve({ code, reason: reason.toString() });
      });
    });
    this.#socket.on('message', (data, binary) => {
      // Once cut, what was still on its way counts as lost, as it would be for a client that died.
      if (this.#destroyed) return;
      this.heardAt = performance.now();
      sink.push(binary ? { type: 'binary', bytes: data } : decode(data.toString()));
    });
  }

  static async open(url: string, ws: ClientOptions = {}): Promise<WsClient> {
    const client = new WsClient(url, { ws });
    await client.opened;
    return client;
  }

  /** What both sides have agreed to. */
  get extensions(): string {
    return this.#socket.extensions;
  }

  /** False where the connection is not open: nothing was sent. */
  send(frame: object | string): boolean {
    if (this.#destroyed || this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
    return true;
  }

  sendBinary(bytes: Uint8Array): void {
    this.#socket.send(bytes);
  }

  /** Stops reading, as a slow client does. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends it by the rules, with a close frame. */
  async close(code = 1000): Promise<Closed> {
    this.#socket.close(code);
    return this.closed;
  }

  /** Cuts the connection without a word. */
  destroy(): void {
    this.#destroyed = true;
    this.#socket.terminate();
  }
}

export class SseClient {
  /** When anything came last, also a comment, or it began, by `performance.now()`. */
  heardAt = performance.now();
  readonly blocks = new FrameQueue<Block>();
  /** Resolves with the response's head, rejects where none came. */
  readonly opened: Promise<IncomingMessage>;
  /** Resolves when the stream has ended, however it ended, or could not be made. */
  readonly closed: Promise<void>;
  readonly #parser: EventStreamParser;
  readonly #request: ClientRequest;
  #response: IncomingMessage | undefined;
  #destroyed = false;

  constructor(url: string, options: { sink?: Sink<Block>; headers?: Record<string, string> } = {}) {
    const sink = options.sink ?? this.blocks;
    this.#parser = new EventStreamParser((block) => {
      if (!this.#destroyed) sink.push(block);
    });
    const headers = { accept: 'text/event-stream', ...options.headers };
    // Without an agent of its own a stream would wait for a free socket of the shared one.
    this.#request = request(url, { headers, agent: false });
    this.opened = new Promise((resolve, reject) => {
      this.#request.once('response', resolve);
      this.#request.on('error', reject);
    });
    this.opened.catch(() => undefined);
    this.closed = new Promise((resolve) => {
      const end = (reason: string) => {
        sink.end(reason);
        resolve();
      };
      this.#request.on('error', (error) => end(`The request failed: ${error.message}`));
      this.#request.once('response', (response) => {
        this.#read(response);
        response.once('close', () => end('The stream ended'));
      });
    });
    this.#request.end();
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<SseClient> {
    const client = new SseClient(url, { headers });
    await client.opened;
    return client;
  }

  /** What the server last asked for by `retry:`. */
  get retryMs(): number | undefined {
    return this.#parser.retryMs;
  }

  pause(): void {
    this.#response?.pause();
  }

  resume(): void {
    this.#response?.resume();
  }

  /** Cuts the connection without a word. */
  destroy(): void {
    this.#destroyed = true;
    this.#request.destroy();
  }

  #read(response: IncomingMessage): void {
    this.#response = response;
    const decoder = new StringDecoder('utf8');
    const stream = response.headers['content-type']?.startsWith('text/event-stream') === true;
    // An end in the middle of the body is told by `close` too.
    response.on('error', () => undefined);
    response.on('data', (chunk: Buffer) => {
      this.heardAt = performance.now();
      // The body of a refusal is no event stream, and must not be taken for one.
      if (stream) this.#parser.push(decoder.write(chunk));
    });
  }
}

function decode(text: string): Frame {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) return { type: '', text };
  return { type: '', ...value };
}
