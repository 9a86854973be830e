/**
 * The processes of a benchmark: Redis, the servers under test and what publishes to them. The server under test has core 0 to
 * itself; the load client, Redis and the publishing servers share core 1. Owns all that it starts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { type RedisDeployment, startStandalone } from '../broker/redis/testing/servers.ts';
import { type GatewayOptions, GatewayProcess } from '../gateway/e2e/harness/processes.ts';
import { BARE, CENTRIFUGO, type Dialect, PASSERELLE, type Transport } from './dialects.ts';
import { pin } from './machine.ts';
import { CHANNEL, eventFrame, payload } from './payload.ts';
import { LoadSockets, type SocketsOptions } from './sockets.ts';
import { startBinary } from './yardsticks/centrifugo.ts';

export const SERVER_CORE = 0;
export const CLIENT_CORE = 1;

export const SUBJECTS = ['gateway', 'bare', 'plain', 'centrifugo'] as const;
/** The gateway, bare uWebSockets.js, npm `ws` with Redis pub/sub, and Centrifugo. */
export type SubjectName = (typeof SUBJECTS)[number];

export interface Process {
  readonly url: string;
  readonly pid: number;
  kill(): Promise<void>;
}

/** One server under test, on its own core, and how to make it deliver. */
export interface Subject extends Process {
  readonly name: SubjectName;
  readonly dialect: Dialect;
  /** Has so many events of so many bytes delivered to everyone on the one channel of the benchmarks. */
  tick(events: number, bytes: number): Promise<void>;
  /** Has one event delivered in each of so many channels `load:N`, from this number on. */
  spread(channels: number, from: number): Promise<void>;
  open(options: Omit<SocketsOptions, 'url' | 'dialect'>): Promise<LoadSockets>;
}

const UNDER = ['taskset', '-c', String(SERVER_CORE)];
const main = (file: string) => fileURLToPath(new URL(`yardsticks/${file}.js`, import.meta.url));
/** The load client answers no pings, comes from one address, and all at once. */
const UNLIMITED = {
  IDLE_TIMEOUT_SECONDS: '960',
  MAX_CONNECTS_PER_SECOND: '0',
  MAX_EVENT_LOOP_LAG_MS: '0',
  MAX_CONNECTIONS: '19000',
  MAX_FRAMES_PER_SECOND: '0',
  MAX_PUBLISHES_PER_SECOND: '0',
  MAX_PUBLISH_BYTES_PER_SECOND: '0',
  MAX_ADDRESS_PUBLISH_BYTES_PER_SECOND: '0',
};

export class Lab {
  readonly redis: RedisDeployment;
  /** A connection for whatever a scenario publishes by itself. */
  readonly commands: Redis;
  /** The path of Centrifugo's binary, where there is one. */
  readonly centrifugo: string | undefined;
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #publishers = new Map<string, Promise<Process>>();
  readonly #running = new Set<Process>();

  private constructor(redis: RedisDeployment, centrifugo: string | undefined) {
    this.redis = redis;
    this.centrifugo = centrifugo;
    this.commands = new Redis(redis.url);
    this.#folder = mkdtempSync(join(tmpdir(), 'passerelle-bench-'));
    const channelsFile = join(this.#folder, 'channels.json');
    const history = { size: 10_000, retention: '1h' };
    const namespaces = {
      load: { history },
      members: { history, presence: 'announce' },
      strangers: { history, presence: 'off' },
    };
    writeFileSync(channelsFile, JSON.stringify({ namespaces }));
    this.#env = { REDIS_URL: redis.url, CHANNELS_FILE: channelsFile, ...UNLIMITED };
  }

  static async start(centrifugo: string | undefined): Promise<Lab> {
    pin(process.pid, CLIENT_CORE);
    return new Lab(await startStandalone(), centrifugo);
  }

  get redisPid(): number {
    return this.redis.servers[0]?.pid ?? 0;
  }

  /** Those that can be had here. */
  get subjects(): readonly SubjectName[] {
    return SUBJECTS.filter((name) => name !== 'centrifugo' || this.centrifugo !== undefined);
  }

  /** A fresh server, alone on its core; `env` over what a gateway has. */
  async start(name: SubjectName, env: Readonly<Record<string, string>> = {}): Promise<Subject> {
    const server = await this.#launch(name, UNDER, env);
    const post = (path: string) => request(`${server.url}${path}`, '');
    const subject = (dialect: Dialect, tick: Subject['tick'], spread: Subject['spread']): Subject => ({
      name,
      dialect,
      url: server.url,
      pid: server.pid,
      kill: () => this.end(server),
      tick,
      spread,
      open: (options) => LoadSockets.open({ ...options, url: server.url, dialect }),
    });
    switch (name) {
      case 'gateway':
        return subject(
          PASSERELLE,
          (events, bytes) => this.publish(batchFor(Array(events).fill(CHANNEL), bytes)),
          async (channels, from) => this.publish(batchFor(channelNames(channels, from))),
        );
      case 'bare':
        return subject(
          BARE,
          (events, bytes) => post(`/tick/${events}/${bytes}`),
          (channels, from) => post(`/spread/${channels}/${from}`),
        );
      case 'plain':
        return subject(
          PASSERELLE,
          (events, bytes) => this.publishPlain(Array(events).fill(CHANNEL), payload(bytes)),
          (channels, from) => this.publishPlain(channelNames(channels, from), payload()),
        );
      case 'centrifugo':
        return subject(
          CENTRIFUGO,
          (events, bytes) => this.#commands(Array(events).fill(CHANNEL), payload(bytes)),
          (channels, from) => this.#commands(channelNames(channels, from), payload()),
        );
    }
  }

  /** A further gateway, on whatever core; `env` over what all of them have. */
  gateway(env: Readonly<Record<string, string>> = {}, under: readonly string[] = []): Promise<Process> {
    return this.#process({ env: { ...this.#env, ...env }, under });
  }

  /** Bare uWebSockets.js with a Redis subscription and nothing else. */
  bareOnRedis(): Promise<Process> {
    return this.#process({ main: main('bare'), env: { REDIS_URL: this.redis.url }, under: UNDER });
  }

  /** Publishes through a gateway that is not measured; see `batchFor`. */
  async publish(body: string): Promise<void> {
    await request(`${(await this.#publisher('gateway')).url}/api/batch`, body);
  }

  /** Publishes by Redis alone, as the server that people write themselves has it. */
  async publishPlain(channels: readonly string[], data: string): Promise<void> {
    const pipeline = this.commands.pipeline();
    for (const channel of channels) pipeline.publish(channel, eventFrame(channel, data));
    await pipeline.exec();
  }

  async end(process: Process): Promise<void> {
    this.#running.delete(process);
    await process.kill();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running].map((process) => process.kill()));
    this.commands.disconnect();
    await this.redis.stop();
    rmSync(this.#folder, { recursive: true });
  }

  #launch(name: SubjectName, under: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Process> {
    switch (name) {
      case 'gateway':
        return this.gateway(env, under);
      case 'bare':
        return this.#process({ main: main('bare'), env, under });
      case 'plain':
        return this.#process({ main: main('plain'), env: { REDIS_URL: this.redis.url, ...env }, under });
      case 'centrifugo':
        return this.#keep(startBinary(this.centrifugo ?? '', this.redis.url, this.#folder, under));
    }
  }

  #process(options: GatewayOptions): Promise<Process> {
    return this.#keep(GatewayProcess.start(options));
  }

  async #keep(starting: Promise<Process>): Promise<Process> {
    const process = await starting;
    this.#running.add(process);
    return process;
  }

  /** What publishes in place of the server under test, so that this one does nothing but deliver. On the client's core. */
  #publisher(name: 'gateway' | 'centrifugo'): Promise<Process> {
    const known = this.#publishers.get(name) ?? this.#launch(name, []);
    this.#publishers.set(name, known);
    return known;
  }

  async #commands(channels: readonly string[], data: string): Promise<void> {
    const commands = channels.map((channel) => `{"publish":{"channel":"${channel}","data":${data}}}`);
    const { url } = await this.#publisher('centrifugo');
    await request(`${url}/api/batch`, `{"commands":[${commands.join(',')}]}`);
  }
}

/** The body by which a gateway publishes an event in each of these channels, in this order. */
export function batchFor(channels: readonly string[], bytes?: number): string {
  const data = payload(bytes);
  return `{"publishes":[${channels.map((channel) => `{"channel":"${channel}","data":${data}}`).join(',')}]}`;
}

function channelNames(count: number, from: number): string[] {
  return Array.from({ length: count }, (_, index) => `load:${from + index}`);
}

async function request(url: string, body: string): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body });
  const text = await response.text();
  if (!response.ok || text.includes('"error"'))
    throw new Error(`${url} answered ${response.status}: ${text.slice(0, 500)}`);
}

/** Which transports a server has, so far as the benchmarks use them. */
export function speaks(name: SubjectName, transport: Transport): boolean {
  return transport === 'ws' || name === 'gateway' || name === 'bare';
}
