/**
 * Pieces of tests about abuse: clients that ask for as much as they can and read none of it, healthy ones beside them, and what the servers
 * take up meanwhile. Knows the gateways by their URLs only.
 */
import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import type { RedisDeployment } from '../../../broker/redis/testing/servers.ts';
import { until } from '../../../broker/testing/until.ts';
import { type Frame, WsClient } from './clients.ts';
import { post } from './http-client.ts';
import { handshake, OPCODE, wireFrame } from './raw-socket.ts';

/** Where abusers come from, for gateways that trust a proxy: what they are punished for is not to fall back on the healthy ones. */
const ADDRESS = '203.0.113.7';

/** One that goes on until it is stopped. */
export interface Abuser {
  stop(): void;
}

/** A WebSocket that sends these frames as fast as its socket takes them, and never reads. Whenever it is cut off it comes back, and sends them again. */
export function unreadFrames(gateway: string, frames: readonly object[]): Abuser {
  const bytes = frames.map((frame) => wireFrame({ opcode: OPCODE.text, payload: Buffer.from(JSON.stringify(frame)) }));
  return connecting(gateway, (socket) => {
    // What comes in one piece with the handshake would be no frame.
    socket.once('data', () => {
      socket.pause();
      socket.write(Buffer.concat(bytes));
    });
    socket.write(handshake({ 'X-Forwarded-For': ADDRESS }));
  });
}

/** A GET whose answer is never read. Whenever it is cut off it is sent again. */
export function unreadGet(gateway: string, path: string): Abuser {
  return connecting(gateway, (socket) => {
    socket.pause();
    socket.write(`GET ${path} HTTP/1.1\r\nHost: gateway\r\nX-Forwarded-For: ${ADDRESS}\r\n\r\n`);
  });
}

/** A GET that is given up as soon as it was sent, over and over. */
export function abandonedGets(gateway: string, path: string): Abuser {
  return connecting(gateway, (socket) => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: gateway\r\nX-Forwarded-For: ${ADDRESS}\r\n\r\n`, () =>
      socket.destroy(),
    );
  });
}

const AGAIN_MS = 20;

function connecting(gateway: string, connected: (socket: Socket) => void): Abuser {
  const { hostname, port } = new URL(gateway);
  let stopped = false;
  let socket: Socket | undefined;
  const connect = () => {
    if (stopped) return;
    const own = createConnection({ host: hostname, port: Number(port) }, () => connected(own));
    socket = own;
    own.on('error', () => undefined); // `close` comes as well
    own.on('close', () => setTimeout(connect, AGAIN_MS));
  };
  connect();
  return {
    stop() {
      stopped = true;
      socket?.destroy();
    },
  };
}

/** One who publishes without pause, each event once the one before was acknowledged, and one who hears it at another gateway. */
export class HealthyPair {
  /** Errors that the publisher was answered, and closes. */
  readonly faults: unknown[] = [];
  readonly heard: unknown[] = [];
  acknowledged = 0;
  readonly #publisher: WsClient;
  readonly #subscriber: WsClient;
  readonly #channel: string;
  #stopped = false;

  private constructor(at: string, from: string, channel: string) {
    this.#channel = channel;
    this.#publisher = new WsClient(`${at}/ws`, {
      sink: { push: (frame) => this.#answered(frame), end: (reason) => this.#ended(reason) },
    });
    this.#subscriber = new WsClient(`${from}/ws`, {
      sink: { push: (frame) => this.#hear(frame), end: (reason) => this.#ended(reason) },
    });
  }

  /** Resolves once it publishes. */
  static async start(at: string, from: string, channel: string): Promise<HealthyPair> {
    const pair = new HealthyPair(at, from, channel);
    await Promise.all([pair.#publisher.opened, pair.#subscriber.opened]);
    pair.#subscriber.send({ type: 'subscribe', channel });
    return pair;
  }

  /** Resolves once so many more were acknowledged. */
  async goOn(count: number, limitMs = 60_000): Promise<void> {
    const goal = this.acknowledged + count;
    await until(`${count} more publishes are acknowledged`, () => this.acknowledged >= goal, limitMs).catch((cause) => {
      throw new Error(`${this.acknowledged} of ${goal}; ${JSON.stringify(this.faults)}`, { cause });
    });
  }

  /** Stops publishing. Resolves once all that was acknowledged was heard. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await until('all is heard', () => this.heard.length >= this.acknowledged, 60_000);
    this.#publisher.destroy();
    this.#subscriber.destroy();
  }

  #answered({ type, ...fields }: Frame): void {
    if (type === 'published') this.acknowledged++;
    else if (type === 'error') this.faults.push(fields);
    else return;
    if (!this.#stopped) this.#publish();
  }

  #hear({ type, data, ...fields }: Frame): void {
    if (type === 'event') this.heard.push(data);
    else if (type === 'error' || type === 'gap') this.faults.push(fields);
    // The publisher waits for its subscriber, so that it hears all.
    else if (type === 'subscribed') this.#publish();
  }

  #ended(reason: string): void {
    if (!this.#stopped) this.faults.push(reason);
  }

  #publish(): void {
    this.#publisher.send({ type: 'publish', channel: this.#channel, data: this.acknowledged });
  }
}

/** Fills a channel with events of so many bytes. */
export async function fill(gateway: string, channel: string, count: number, bytes: number): Promise<void> {
  const data = 'x'.repeat(bytes);
  for (let n = 0; n < count; n++) {
    const { status, text } = await post(`${gateway}/api/publish`, { channel, data });
    if (status !== 200) throw new Error(`Publish ${n} was answered with ${status}: ${text}`);
  }
}

/** The most memory that the process has ever had, in bytes. */
export function peakMemoryOf({ pid }: { readonly pid: number }): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}

/** The most memory that any of its masters has ever used, in bytes. */
export async function peakMemoryOfRedis(redis: RedisDeployment): Promise<number> {
  const peaks = (await redis.masters()).map(async (master) => {
    const info = String(await master.command('INFO', 'memory'));
    return Number(/used_memory_peak:(\d+)/.exec(info)?.[1]);
  });
  return Math.max(...(await Promise.all(peaks)));
}
