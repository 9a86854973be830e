/**
 * The load client: many raw TCP connections that count events in one shared buffer, without taking apart what they are sent. A client library in
 * its place would cost more than the server it is to measure.
 */
import { connect, type Socket } from 'node:net';
import { type Counter, MarkerCounter } from './counting.ts';
import type { Dialect, Transport } from './dialects.ts';
import { maskedText } from './frames.ts';
import { CHANNEL, MARKER } from './payload.ts';

export interface SocketsOptions {
  readonly url: string;
  /** `http` opens connections that ask for nothing: what is written on them is the caller's. */
  readonly transport: Transport | 'http';
  readonly dialect: Dialect;
  readonly count: number;
  /** The channels of each connection, by its number. */
  readonly channels?: (index: number) => readonly string[];
  /** The position after which each connection resumes its channel. */
  readonly after?: (channel: string) => string | undefined;
  /** The address from which to connect, by ports of its own, of which there are some 20,000: only one of these clients may use it. */
  readonly localAddress?: string;
  /** The extensions of WebSockets that each offers. */
  readonly extensions?: string;
  /** What counts events, in place of one that counts two bytes which each holds once. */
  readonly counter?: Counter;
  /** How long all of them together may take to be subscribed. */
  readonly openLimitMs?: number;
}

/** Below those that the kernel gives out. To find a free one it goes through half of all, which takes longer the fewer there are. */
const FIRST_PORT = 12_000;
const CONNECTING_AT_A_TIME = 100;
const OPEN_LIMIT_MS = 60_000;
const READ_BUFFER_BYTES = 262_144;
const HERE = [CHANNEL];

/** Hears what one connection received after it was subscribed. The bytes are gone when it returns. */
export type Reader = (bytes: Uint8Array, index: number) => void;

export class LoadSockets {
  /** Events that all connections received together. */
  received = 0;
  /** Reads that they took: how many events came with one write of the server. */
  reads = 0;
  /** Connections that ended without being asked to. */
  lost = 0;
  /** Hears everything that is read from now on. */
  reader: Reader | undefined;
  readonly #options: SocketsOptions;
  readonly #counter: Counter;
  readonly #buffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
  readonly #sockets = new Set<Socket>();
  /** Those that `readSome` let read, and where it goes on. */
  #reading: Socket[] = [];
  #next = 0;
  #closing = false;
  #target = Number.POSITIVE_INFINITY;
  #reached: (() => void) | undefined;

  private constructor(options: SocketsOptions) {
    this.#options = options;
    this.#counter = options.counter ?? new MarkerCounter(MARKER);
  }

  /** Resolves once each connection is subscribed. */
  static async open(options: SocketsOptions): Promise<LoadSockets> {
    const sockets = new LoadSockets(options);
    const deadline = Date.now() + (options.openLimitMs ?? OPEN_LIMIT_MS);
    let next = 0;
    const open = async () => {
      for (let index = next++; index < options.count; index = next++) await sockets.#open(index, deadline);
    };
    await Promise.all(Array.from({ length: Math.min(CONNECTING_AT_A_TIME, options.count) }, open));
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

  /** Writes the same bytes on connection after connection, from the first one. */
  write(bytes: Buffer): void {
    for (const socket of this.#sockets) socket.write(bytes);
  }

  /** All but every `each`th connection stop reading: what they are sent waits in the kernel, where it costs the client nothing. */
  readOnly(each: number): void {
    let index = 0;
    for (const socket of this.#sockets) if (index++ % each !== 0) socket.pause();
  }

  /** Of those that don't read, the next few take what waits for them, and stop again; `each` as with `readOnly`. */
  readSome(count: number, each: number): void {
    const all = [...this.#sockets];
    for (const socket of this.#reading) socket.pause();
    this.#reading = [];
    for (let taken = 0; taken < count; taken++, this.#next = (this.#next + 1) % all.length) {
      const socket = all[this.#next];
      if (socket === undefined || this.#next % each === 0) continue;
      socket.resume();
      this.#reading.push(socket);
    }
  }

  /** Nobody reads any more. */
  pauseAll(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  /** All read again. */
  readAll(): void {
    for (const socket of this.#sockets) socket.resume();
  }

  /** By a reset, so that no port is left waiting: the next round needs it. Resolves when all are gone. */
  async close(): Promise<void> {
    this.#closing = true;
    const gone = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await Promise.all(gone);
  }

  #open(index: number, deadline: number): Promise<void> {
    const { url, channels = () => HERE, localAddress } = this.#options;
    const { hostname, port, host } = new URL(url);
    const opening = new Opening(this.#options, host, channels(index));
    return new Promise((resolve, reject) => {
      const fail = (reason: string) => reject(new Error(`Connection ${index}: ${reason}, after ${opening.text}`));
      const timer = setTimeout(() => fail('not subscribed in time'), deadline - Date.now());
      const onData = (bytes: Buffer) => {
        if (opening.done) return this.#count(bytes, index);
        const { answer, rest } = opening.read(bytes);
        if (answer) socket.write(answer);
        if (!opening.done) return;
        clearTimeout(timer);
        const uncounted = this.#counter.fromHead ? opening.afterHead : rest;
        opening.text = '';
        if (uncounted.length > 0) this.#count(uncounted, index);
        resolve();
      };
      const onread = {
        buffer: this.#buffer,
        callback: (size: number) => {
          onData(this.#buffer.subarray(0, size));
          return true;
        },
      };
      const from = localAddress === undefined ? {} : { localAddress, localPort: FIRST_PORT + index };
      const socket = connect({ host: hostname, port: Number(port), noDelay: true, onread, ...from });
      this.#sockets.add(socket);
      socket.on('error', (error) => fail(error.message));
      socket.on('close', () => {
        clearTimeout(timer);
        this.#sockets.delete(socket);
        if (!this.#closing) this.lost++;
        fail('it was closed');
      });
      if (!opening.done) socket.write(opening.request);
      else
        socket.once('connect', () => {
          clearTimeout(timer);
          resolve();
        });
    });
  }

  #count(bytes: Buffer, index: number): void {
    this.reads++;
    this.received += this.#counter.count(bytes, index);
    this.reader?.(bytes, index);
    if (this.received < this.#target) return;
    this.#target = Number.POSITIVE_INFINITY;
    this.#reached?.();
  }
}

function streamRequest(target: string, host: string, position: string | undefined): string {
  const after = position === undefined ? '' : `&after=${position}`;
  return `GET ${target}${after} HTTP/1.1\r\nHost: ${host}\r\nAccept: text/event-stream\r\n\r\n`;
}

function upgradeRequest(target: string, host: string, extensions: string | undefined): string {
  const offer = extensions === undefined ? '' : `Sec-WebSocket-Extensions: ${extensions}\r\n`;
  return (
    `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${offer}` +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
  );
}

const NOTHING = Buffer.alloc(0);
const UPGRADED = /^HTTP\/1.1 101.*?\r\n\r\n/s;
const STREAMING = /^HTTP\/1.1 200.*?\nid: [^\n]*\n\n/s;

/** One connection's way to its subscriptions: what to send, and when they are there. */
class Opening {
  readonly request: string;
  done = false;
  /** What was received so far. */
  text = '';
  readonly #options: SocketsOptions;
  readonly #channels: readonly string[];
  #asked = false;

  constructor(options: SocketsOptions, host: string, channels: readonly string[]) {
    this.#options = options;
    this.#channels = channels;
    const { transport, dialect } = options;
    this.done = transport === 'http';
    if (transport === 'http') {
      this.request = '';
      return;
    }
    const target = dialect.target(transport, channels);
    const after = channels[0] === undefined ? undefined : options.after?.(channels[0]);
    this.request =
      transport === 'sse' ? streamRequest(target, host, after) : upgradeRequest(target, host, options.extensions);
  }

  /** All that followed the head of the response so far. */
  get afterHead(): Buffer {
    return Buffer.from(this.text.slice(UPGRADED.exec(this.text)?.[0].length ?? 0), 'latin1');
  }

  /** Takes what came, and returns what is to be sent in answer, and the events that have come already. */
  read(bytes: Buffer): { readonly answer?: Buffer; readonly rest: Buffer } {
    const { transport, dialect } = this.#options;
    const known = this.text.length;
    this.text += bytes.toString('latin1');
    if (transport === 'sse') return this.#end(STREAMING.exec(this.text)?.[0].length, bytes, known);
    const upgraded = UPGRADED.exec(this.text)?.[0].length;
    if (dialect.subscribe === undefined || this.#channels.length === 0) return this.#end(upgraded, bytes, known);
    if (upgraded !== undefined && !this.#asked) {
      this.#asked = true;
      return { answer: this.#question(), rest: NOTHING };
    }
    return this.#end(this.#confirmed(dialect.confirmation ?? ''), bytes, known);
  }

  #question(): Buffer {
    const { dialect, after } = this.#options;
    const frames = this.#channels.map(
      (channel, number) => dialect.subscribe?.(channel, number, after?.(channel)) ?? '',
    );
    return Buffer.concat([...(dialect.hello === undefined ? [] : [dialect.hello]), ...frames].map(maskedText));
  }

  /** Where the last confirmation ends, once there are as many as channels. */
  #confirmed(confirmation: string): number | undefined {
    let at = 0;
    for (const _ of this.#channels) {
      const found = this.text.indexOf(confirmation, at);
      if (found === -1) return undefined;
      at = found + confirmation.length;
    }
    return at;
  }

  #end(at: number | undefined, bytes: Buffer, known: number): { readonly rest: Buffer } {
    if (at === undefined) return { rest: NOTHING };
    this.done = true;
    return { rest: bytes.subarray(at - known) };
  }
}
