/**
 * What one anonymous client can do as fast as its limits allow: frames, requests, connections, bodies that do not end, answers that it does not read.
 * It reads what it is answered and throws that away; where it is told that it is over a limit it slows down, and then tries for more again, so that it
 * stays where the limits are. Each runs in a process of its own (abuser.ts).
 */
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RawData, WebSocket } from 'ws';

/** Whom it abuses, from where, and what became of it so far. */
export interface Target {
  readonly url: string;
  /** The address that it connects from: another one than that of healthy clients, as limits go by address. */
  readonly address: string;
  /** Aborted when it is to end. */
  readonly signal: AbortSignal;
  readonly done: Done;
}

/** Counts. */
export interface Done {
  /** Frames, requests or connections, whichever it is about. */
  sent: number;
  bytesReceived: number;
  /** Answers that said that it is over a limit. */
  refused: number;
  connections: number;
}

export type Attack = (target: Target) => void;

type Frame = object | string | Uint8Array;

/** Steps in which frames are sent. */
const TICK_MS = 20;
const MOST_PER_SECOND = 9_000;
const LEAST_PER_SECOND = 20;
/** It slows down at most so often, as the answers to what was sent before come in after that. */
const SLOWER_EACH_MS = 200;
const FASTER = 1.02;
/** What may wait in this process for one connection. */
const MOST_BUFFERED = 1_048_576;
/** Only a short answer is looked into: a refusal is one. */
const LONGEST_REFUSAL = 400;
const AGAIN_MS = 50;

export interface FrameAttack {
  /** Of a WebSocket, with its query. */
  readonly path: string | ((index: number) => string);
  /** The frames, numbered from 0 on each connection. */
  readonly frame: (number: number, connection: number) => Frame;
  readonly connections?: number;
}

/** Sends frames on some connections, and connects again whenever one ends. */
export function frames({ path, frame, connections = 16 }: FrameAttack): Attack {
  return (target) => {
    for (let index = 0; index < connections; index++) {
      void again(target, () =>
        sendFrames(target, typeof path === 'string' ? path : path(index), (number) => frame(number, index)),
      );
    }
  };
}

async function sendFrames(target: Target, path: string, frame: (number: number) => Frame): Promise<void> {
  const { signal, done } = target;
  const socket = openWebSocket(target, path);
  let rate = MOST_PER_SECOND;
  let slowedAt = 0;
  let number = 0;
  let due = 0;
  const tick = setInterval(() => {
    if (socket.readyState !== WebSocket.OPEN) return;
    for (due += (rate * TICK_MS) / 1_000; due >= 1; due--) {
      if (socket.bufferedAmount > MOST_BUFFERED) break;
      const next = frame(number++);
      socket.send(next instanceof Uint8Array || typeof next === 'string' ? next : JSON.stringify(next));
      done.sent++;
    }
    due = Math.min(due, rate); // what could not be sent for a second is not made up for
    rate = Math.min(MOST_PER_SECOND, rate * FASTER);
  }, TICK_MS);
  socket.on('message', (data: RawData) => {
    if (!isRefusal(data)) return;
    done.refused++;
    if (performance.now() - slowedAt < SLOWER_EACH_MS) return;
    slowedAt = performance.now();
    rate = Math.max(LEAST_PER_SECOND, rate / 2);
  });
  await ended(socket, signal);
  clearInterval(tick);
}

/** `ws` keeps what it receives whole; its bytes are counted by `openWebSocket`. */
function isRefusal(data: RawData): boolean {
  return Buffer.isBuffer(data) && data.length < LONGEST_REFUSAL && data.includes('"too_many"');
}

/** Opens connections, sends one frame on each, and from then on reads nothing. */
export function unreadFrames({ path, frame, connections = 64 }: FrameAttack): Attack {
  return (target) => {
    for (let index = 0; index < connections; index++) {
      void again(target, async () => {
        const socket = openWebSocket(target, typeof path === 'string' ? path : path(index));
        socket.once('open', () => {
          const first = frame(0, index);
          socket.send(first instanceof Uint8Array || typeof first === 'string' ? first : JSON.stringify(first));
          target.done.sent++;
          socket.pause();
        });
        await ended(socket, target.signal);
      });
    }
  };
}

/** Opens a WebSocket, and cuts it off as soon as it was greeted, over and over. */
export function shortWebSockets(path: string, connections = 32): Attack {
  return (target) => {
    for (let index = 0; index < connections; index++) {
      void again(target, async () => {
        const socket = openWebSocket(target, path);
        socket.once('message', () => socket.terminate());
        target.done.sent++;
        await ended(socket, target.signal);
      });
    }
  };
}

export interface Asked {
  readonly method?: 'GET' | 'POST' | 'HEAD' | 'OPTIONS';
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends requests, so many at a time, each after the answer to the one before it. `fresh`: each over a connection of its own. */
export function requests(ask: (number: number) => Asked, { connections = 32, fresh = false } = {}): Attack {
  return (target) => {
    const { address: localAddress } = target;
    const agent = fresh ? false : new Agent({ keepAlive: true, maxSockets: connections, localAddress });
    for (let index = 0; index < connections; index++) {
      let number = index;
      void again(target, async () => {
        const { method = 'GET', path, body, headers } = ask(number);
        number += connections;
        target.done.sent++;
        await new Promise<void>((resolve) => {
          const options = { method, localAddress, agent, headers: { ...headers }, signal: target.signal };
          const asking = request(`${target.url}${path}`, options, (response) => {
            if (response.statusCode === 429 || response.statusCode === 503) target.done.refused++;
            response.on('data', (chunk: Buffer) => {
              target.done.bytesReceived += chunk.length;
            });
            response.once('close', resolve);
            response.on('error', () => undefined); // `close` comes as well
          });
          asking.on('error', () => resolve());
          asking.end(body);
        });
        return true;
      });
    }
  };
}

/** Connects, writes bytes as they are, and then, every second, `more`, if there is any; it reads or it does not. */
export function rawConnections(
  first: string,
  { connections = 64, more = '', reads = true }: { connections?: number; more?: string; reads?: boolean } = {},
): Attack {
  return (target) => {
    for (let index = 0; index < connections; index++) {
      void again(target, async () => {
        const socket = openSocket(target);
        socket.once('connect', () => {
          target.done.sent++;
          socket.write(first);
          if (reads) socket.resume();
          else socket.pause();
        });
        const timer = more === '' ? undefined : setInterval(() => socket.write(more), 1_000);
        await new Promise<void>((resolve) => {
          socket.once('close', () => resolve());
          target.signal.addEventListener('abort', () => socket.destroy());
        });
        clearInterval(timer);
      });
    }
  };
}

/** Connects and goes, without a word. */
export function shortConnections(connections = 32): Attack {
  return (target) => {
    for (let index = 0; index < connections; index++) {
      void again(target, async () => {
        const socket = openSocket(target);
        socket.once('connect', () => socket.resetAndDestroy());
        target.done.sent++;
        await new Promise<void>((resolve) => socket.once('close', () => resolve()));
        return true;
      });
    }
  };
}

/** Over and over until it is to end. After a time that says true at once, else after a moment. */
async function again({ signal }: Target, time: () => Promise<unknown>): Promise<void> {
  while (!signal.aborted) {
    const atOnce = await time();
    await sleep(atOnce === true ? 0 : AGAIN_MS);
  }
}

function openWebSocket({ url, address, done }: Target, path: string): WebSocket {
  const options = { localAddress: address, perMessageDeflate: false };
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}${path}`, options);
  done.connections++;
  socket.on('message', (data: RawData) => {
    done.bytesReceived += Buffer.isBuffer(data) ? data.length : 0;
  });
  socket.on('error', () => undefined); // `close` comes as well
  return socket;
}

function openSocket({ url, address, done }: Target): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), localAddress: address });
  done.connections++;
  socket.on('data', (chunk) => {
    done.bytesReceived += chunk.length;
  });
  socket.on('error', () => undefined); // `close` comes as well
  return socket;
}

function ended(socket: WebSocket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => socket.terminate();
    signal.addEventListener('abort', end);
    socket.once('close', () => {
      signal.removeEventListener('abort', end);
      resolve();
    });
  });
}
