/** A client that sends one frame over and over, as fast as its socket takes it, and cares for no answer. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { handshake, OPCODE, wireFrame } from './raw-socket.ts';

const FLOODER = fileURLToPath(new URL('flooder.js', import.meta.url));
const FRAMES_AT_ONCE = 500;

/** Many frames are written at once, put together beforehand: to flood costs next to nothing. */
export class Flood {
  /** How many frames were handed to the socket. */
  sent = 0;
  /** How often it was connected. */
  connections = 0;
  readonly #gateway: string;
  readonly #frames: Buffer;
  readonly #handshake: string;
  #socket: Socket | undefined;
  #stopped = false;

  /** Begins at once, and anew, without waiting, whenever its connection was ended. */
  constructor(gateway: string, frame: object, headers: Readonly<Record<string, string>> = {}) {
    const bytes = wireFrame({ opcode: OPCODE.text, payload: Buffer.from(JSON.stringify(frame)) });
    this.#frames = Buffer.concat(Array.from({ length: FRAMES_AT_ONCE }, () => bytes));
    this.#gateway = gateway;
    this.#handshake = handshake(headers);
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.destroy();
  }

  #connect(): void {
    if (this.#stopped) return;
    const { hostname, port } = new URL(this.#gateway);
    const socket = createConnection({ host: hostname, port: Number(port) });
    this.#socket = socket;
    const pour = () => {
      if (this.#stopped || socket.destroyed) return;
      this.sent += FRAMES_AT_ONCE;
      // Not at once where there is room: others of this process have their turn in between.
      socket.write(this.#frames, () => setImmediate(pour));
    };
    socket.once('data', () => {
      this.connections++;
      pour();
    });
    socket.resume(); // answers are read, and thrown away
    socket.on('error', () => undefined); // `close` comes as well
    socket.on('close', () => this.#connect());
    socket.write(this.#handshake);
  }
}

export interface FloodProcess {
  /** Ends it, once, and tells how many frames it sent on how many connections. */
  stop(): Promise<{ readonly sent: number; readonly connections: number }>;
  kill(): void;
}

/** Floods from a process of its own, which ends with this one. */
export function startFlood(gateway: string, frame: object, headers: Readonly<Record<string, string>>): FloodProcess {
  const child = fork(FLOODER, [gateway, JSON.stringify(frame), JSON.stringify(headers)]);
  return {
    async stop() {
      child.send('stop');
      const [counted] = await once(child, 'message');
      return counted;
    },
    kill() {
      child.kill('SIGKILL');
    },
  };
}
