/**
 * A rolling restart as an operator does one: gateways behind the project's nginx, clients of both transports that come back when they are
 * told to, events all the while, and each gateway stopped by SIGTERM and started again, one after the other. Tells what the clients
 * missed, and when each gateway opened and closed connections, by the gateways' own logs: so no delay of this process is in it.
 */
import { startStandalone } from '../../../broker/redis/testing/servers.ts';
import { until } from '../../../broker/testing/until.ts';
import { call } from './http-client.ts';
import { NginxProcess } from './nginx.ts';
import { RestartableGateway } from './restartable.ts';
import { Traffic, type TrafficReport } from './traffic.ts';

export interface RollingOptions {
  readonly seed: number;
  readonly gateways: number;
  /** Half of them over WebSocket, half over SSE. */
  readonly clients: number;
  readonly channels: number;
  readonly eventsPerSecond: number;
  readonly settleMs: number;
  readonly windowMs: number;
  /** How long all is left alone before each restart, and after the last one. */
  readonly restMs: number;
  /** Further settings of the gateways. */
  readonly env?: Readonly<Record<string, string>>;
  readonly note: (line: string) => void;
}

/** One gateway's part. All times are milliseconds since the first client had come. */
export interface Replica {
  /** When it opened a connection and when it closed one, each in order. */
  readonly opened: readonly number[];
  readonly closed: readonly number[];
  readonly restart: Restart;
}

export interface Restart {
  /** Connections that it had when it was told to stop. */
  readonly connections: number;
  readonly toldMs: number;
  readonly goneMs: number;
  /** When it was ready again. */
  readonly backMs: number;
  readonly exitCode: number | null;
}

export interface RollingReport {
  readonly traffic: TrafficReport;
  /** Streams and WebSockets that nginx could bring to no gateway. */
  readonly turnedAway: number;
  readonly replicas: readonly Replica[];
  readonly totalMs: number;
}

/** More than any run takes. */
const MOST_SECONDS = 300;
/** Clients that reconnect are given this long at most to be back. */
const RETURN_LIMIT_MS = 60_000;
/** What a gateway may need beyond settling and its window. */
const MARGIN_SECONDS = 30;

export async function runRolling(options: RollingOptions): Promise<RollingReport> {
  const redis = await startStandalone();
  const run = new Run(options);
  try {
    return await run.report(redis.url);
  } finally {
    await run.end();
    await redis.stop();
  }
}

/** What the log of one gateway has told, over its restarts. */
class Logged {
  readonly opened: number[] = [];
  readonly closed: number[] = [];

  take(line: string): void {
    const list = line.includes('"connection opened"') ? this.opened : this.closed;
    if (list === this.closed && !line.includes('"connection closed"')) return;
    list.push(Date.parse((JSON.parse(line) as { time: string }).time));
  }

  get open(): number {
    return this.opened.length - this.closed.length;
  }
}

class Run {
  readonly #options: RollingOptions;
  readonly #gateways: { readonly process: RestartableGateway; readonly logged: Logged }[] = [];
  #nginx: NginxProcess | undefined;
  #traffic: Traffic | undefined;

  constructor(options: RollingOptions) {
    this.#options = options;
  }

  async report(redisUrl: string): Promise<RollingReport> {
    const { seed, gateways, clients, channels, eventsPerSecond, settleMs, windowMs, note } = this.#options;
    const env = {
      REDIS_URL: redisUrl,
      LOG_LEVEL: 'debug',
      TRUSTED_PROXIES: '1',
      DRAIN_SETTLE_MS: String(settleMs),
      DRAIN_WINDOW_MS: String(windowMs),
      SHUTDOWN_TIMEOUT_SECONDS: String(Math.ceil((settleMs + windowMs) / 1_000) + MARGIN_SECONDS),
      ...this.#options.env,
    };
    for (let index = 0; index < gateways; index++) {
      const logged = new Logged();
      const process = await RestartableGateway.start(env, { onLine: (line) => logged.take(line) });
      this.#gateways.push({ process, logged });
      await ready(process.url);
    }
    // Each client is two connections of nginx, and its two workers do not share them evenly.
    const nginx = await NginxProcess.start(
      this.#gateways.map(({ process }) => process.url),
      { connections: 1_000 + 4 * clients },
    );
    this.#nginx = nginx;

    const traffic = await Traffic.start({
      seed,
      urls: () => [nginx.url],
      subscribers: clients,
      channels,
      eventsPerSecond,
      mostEvents: eventsPerSecond * MOST_SECONDS,
    });
    this.#traffic = traffic;
    const startedAt = Math.min(...this.#gateways.flatMap(({ logged }) => logged.opened));
    note(`${clients} clients are connected`);
    const restarts: Restart[] = [];
    for (const index of this.#gateways.keys()) {
      await this.#rest();
      restarts.push(await this.#restart(index, startedAt));
    }
    await this.#rest();
    const totalMs = Date.now() - startedAt;
    const report = await traffic.finish();
    const since = (times: readonly number[]) => times.map((time) => time - startedAt).filter((time) => time <= totalMs);
    const replicas = restarts.map((restart, index) => {
      const logged = this.#gateways[index]?.logged;
      return { opened: since(logged?.opened ?? []), closed: since(logged?.closed ?? []), restart };
    });
    return { traffic: report, turnedAway: turnedAwayBy(nginx), replicas, totalMs };
  }

  async end(): Promise<void> {
    await this.#traffic?.stop();
    await this.#nginx?.stop();
    await Promise.all(this.#gateways.map(({ process }) => process.end('SIGKILL')));
  }

  /** Time in which events flow, once everybody is connected. */
  async #rest(): Promise<void> {
    const { clients, restMs } = this.#options;
    const open = () => this.#gateways.reduce((sum, { logged }) => sum + logged.open, 0);
    await until('all clients are back', () => open() >= clients, RETURN_LIMIT_MS);
    const published = this.#traffic?.published ?? 0;
    await new Promise((resolve) => setTimeout(resolve, restMs));
    await until('events flow', () => (this.#traffic?.published ?? 0) > published);
  }

  async #restart(index: number, startedAt: number): Promise<Restart> {
    const gateway = this.#gateways[index];
    if (gateway === undefined) throw new Error(`There is no gateway ${index}`);
    const { process, logged } = gateway;
    const { settleMs, windowMs, note } = this.#options;
    const connections = logged.open;
    const toldMs = Date.now() - startedAt;
    const exitCode = await process.end('SIGTERM', settleMs + windowMs + 2 * MARGIN_SECONDS * 1_000);
    const goneMs = Date.now() - startedAt;
    await process.start();
    await ready(process.url);
    const backMs = Date.now() - startedAt;
    note(`gateway ${index + 1} had ${connections} connections, was gone after ${goneMs - toldMs} ms, and is back`);
    return { connections, toldMs, goneMs, backMs, exitCode };
  }
}

/** In its log: a WebSocket that was not opened, and a stream that was refused, or had nothing in it but when to come back. */
const TURNED_AWAY = /"GET \/(?:ws \S+" (?!101 )\d+|events \S+" (?:(?!200 )\d+|200 1?\d) )/g;

function turnedAwayBy(nginx: NginxProcess): number {
  return nginx.log('passerelle.log').match(TURNED_AWAY)?.length ?? 0;
}

async function ready(url: string): Promise<void> {
  await until('it is ready', async () => (await call(`${url}/readyz`)).status === 200);
}
