/**
 * A TCP connection on which a test writes whatever bytes it likes, and WebSocket frames put together by hand, the forbidden
 * ones too.
 */
import { createConnection, type Socket } from 'node:net';
import { until } from '../../../broker/testing/until.ts';

export class RawSocket {
  /** Everything that came, byte by byte as one character each. */
  received = '';
  /** That the other side ended the connection, or cut it. */
  ended = false;
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.received += chunk.toString('latin1');
    });
    socket.on('end', () => {
      this.ended = true;
    });
    socket.on('error', () => undefined); // a reset is an end, which `close` tells
    socket.on('close', () => {
      this.ended = true;
    });
  }

  static open(gateway: string): Promise<RawSocket> {
    const { hostname, port } = new URL(gateway);
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host: hostname, port: Number(port) });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RawSocket(socket)));
    });
  }

  /** A connection whose WebSocket handshake is done; headers as for `handshake`. */
  static async upgraded(gateway: string, headers: Readonly<Record<string, string>> = {}): Promise<RawSocket> {
    const socket = await RawSocket.open(gateway);
    socket.write(handshake(headers));
    await socket.matching(/^HTTP\/1\.1 101 [\s\S]*"type":"welcome"/);
    return socket;
  }

  write(bytes: string | Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  async matching(pattern: RegExp): Promise<void> {
    await until(`the socket had ${pattern}`, () => pattern.test(this.received)).catch(() => {
      throw new Error(`The socket never had ${pattern}; it had ${JSON.stringify(this.received)}`);
    });
  }

  /** Resolves when the other side has ended it. */
  async closed(): Promise<void> {
    await until('the other side ends the connection', () => this.ended);
  }

  /** Stops reading, as a slow client does. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** The request that asks for a WebSocket; a header given as undefined is left out. */
export function handshake(changed: Readonly<Record<string, string | undefined>> = {}): string {
  const headers: Record<string, string | undefined> = {
    Host: 'gateway',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...changed,
  };
  const lines = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return `GET /ws HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

export interface FrameShape {
  readonly opcode: number;
  readonly payload?: Uint8Array;
  readonly masked?: boolean;
  readonly fin?: boolean;
  /** The three reserved bits, 0 to 7. */
  readonly reserved?: number;
}

/** One WebSocket frame as a client sends it; the mask is all zeros, which is allowed and keeps it readable. */
export function wireFrame(shape: FrameShape): Buffer {
  const { opcode, payload = new Uint8Array(), masked = true, fin = true, reserved = 0 } = shape;
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const mask = masked ? 0x80 : 0;
  const { length } = payload;
  const head = length < 126 ? [first, mask | length] : [first, mask | 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), masked ? Buffer.alloc(4) : Buffer.alloc(0), payload]);
}

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
