/**
 * 5,000 connections that stop reading beside 1,000 that read. How long events take to those that read, before the others are there
 * and while all of them are stuck; what the stuck ones cost the gateway in memory; and that each of them, once it reads
 * again, gets every event exactly once, as history still has them all.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../broker/testing/until.ts';
import { PASSERELLE, type Transport } from '../dialects.ts';
import { percentile } from '../figures.ts';
import { SERVER_CORE } from '../lab.ts';
import { residentBytes } from '../machine.ts';
import { againInOwnNetwork, hasOwnNetwork } from '../own-network.ts';
import { MARKER, payload } from '../payload.ts';
import { type Figure, figure, type Results } from '../results.ts';
import type { Run, Scenario } from '../scenario.ts';
import { LoadSockets } from '../sockets.ts';

/** The byte of the marker that is looked for: no frame here has a length that holds it. */
const MARK = MARKER.charCodeAt(1);
const CHANNEL = 'strangers:slow';
const EVENT_BYTES = 512;
/** Events in each of the two stretches in which latencies are taken, and the time between two. */
const PACED = 200;
const PACE_MS = 100;
/** Events at once while the sockets are being filled. */
const BATCH = 20;
/** By then the sockets must be full: several times what the kernel takes. */
const MOST_TO_FILL = 4_000;
const WARMUP = 50;
const LIMIT_MS = 240_000;
const TRANSPORTS: readonly Transport[] = ['ws', 'sse'];
/** Nobody is to be closed for being slow here. */
const ENV = { LAG_TIMEOUT_SECONDS: '3600' };

const P50 = 'ms until an event has arrived, median';
const P99 = 'ms until an event has arrived, 99th percentile';
const LAGGING = 'connections that lag';
const MEMORY = 'resident bytes of the gateway for each slow connection, most while it lags';
const RESIDENT = 'resident megabytes of the gateway';
const CAUGHT_UP = 'seconds until all slow ones have everything';
const COMPLETE = 'slow connections that got every event exactly once';

export const SLOW_READERS: Scenario = {
  name: 'slow-readers',
  title: 'thousands stop reading beside those that read',
  apart: true,
  run: async (run) => (hasOwnNetwork() ? await measure(run) : await inOwnNetwork(run)),
};

async function inOwnNetwork({ quick }: Run): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-slow-'));
  try {
    const out = join(folder, 'results.json');
    await againInOwnNetwork(['--scenario', 'slow-readers', '--out', out, '--no-table', ...(quick ? ['--quick'] : [])]);
    return (JSON.parse(readFileSync(out, 'utf8')) as Results).figures;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measure(run: Run): Promise<readonly Figure[]> {
  const slowEach = run.quick ? 250 : 2_500;
  const healthyEach = run.quick ? 50 : 500;
  const gateway = await run.lab.gateway(ENV, ['taskset', '-c', String(SERVER_CORE)]);
  const publisher = new Publisher(run);
  const at = { slow: 2 * slowEach, healthy: 2 * healthyEach, bytes: EVENT_BYTES };
  const figures: Figure[] = [];
  const tell = (subject: string, metric: string, value: number) => {
    run.progress(`${subject}: ${metric}: ${Math.round(value * 100) / 100}`);
    figures.push(figure('slow-readers', subject, at, metric, [value]));
  };
  const open = (count: number) =>
    Promise.all(
      TRANSPORTS.map((transport) =>
        LoadSockets.open({ url: gateway.url, dialect: PASSERELLE, transport, count, channels: () => [CHANNEL] }),
      ),
    );

  const healthy = await open(healthyEach);
  const clock = new Latencies(healthy);
  await publisher.paced(WARMUP);
  clock.take();
  await publisher.paced(PACED);
  const before = clock.take();
  tell('without slow ones', P50, percentile(before, 50));
  tell('without slow ones', P99, percentile(before, 99));

  const slow = await open(slowEach);
  const tallies = slow.map((sockets) => new PerConnection(sockets, slowEach));
  await sleep(2_000);
  const resident = residentBytes(gateway.pid);
  tell('without slow ones', RESIDENT, resident / 1e6);
  const from = publisher.published;
  for (const sockets of slow) sockets.pauseAll();
  let most = resident;
  const look = () => {
    most = Math.max(most, residentBytes(gateway.pid));
  };
  while ((await laggingAt(gateway.url)) < 2 * slowEach) {
    if (publisher.published - from > MOST_TO_FILL) throw new Error('The sockets were never full');
    await publisher.batch(BATCH);
    look();
  }
  tell('with slow ones', LAGGING, await laggingAt(gateway.url));
  clock.take();
  for (let stretch = 0; stretch < 10; stretch++) {
    await publisher.paced(PACED / 10);
    look();
  }
  const beside = clock.take();
  tell('with slow ones', P50, percentile(beside, 50));
  tell('with slow ones', P99, percentile(beside, 99));
  tell('with slow ones', RESIDENT, residentBytes(gateway.pid) / 1e6);
  tell('with slow ones', MEMORY, (most - resident) / (2 * slowEach));
  if ((await laggingAt(gateway.url)) < 2 * slowEach) throw new Error('Some slow ones do not lag any more');

  const owed = publisher.published - from;
  const resumedAt = performance.now();
  for (const sockets of slow) sockets.readAll();
  await Promise.all(slow.map((sockets) => sockets.until(slowEach * owed, LIMIT_MS)));
  tell('with slow ones', CAUGHT_UP, (performance.now() - resumedAt) / 1_000);
  await until('nobody lags any more', async () => (await laggingAt(gateway.url)) === 0);
  const complete = tallies.reduce((sum, tally) => sum + tally.complete(owed), 0);
  tell('with slow ones', COMPLETE, complete);
  const lost = [...slow, ...healthy].reduce((sum, sockets) => sum + sockets.lost, 0);
  for (const sockets of [...slow, ...healthy]) await sockets.close();
  await run.lab.end(gateway);
  if (complete < 2 * slowEach || lost > 0)
    throw new Error(`${2 * slowEach - complete} slow ones do not have exactly what they are owed; ${lost} were cut`);
  return figures;
}

async function laggingAt(url: string): Promise<number> {
  const stats = (await (await fetch(`${url}/stats`)).json()) as { lagging_connections: number };
  return stats.lagging_connections;
}

/** Publishes events that bear the moment at which they were due, in microseconds, each a later one than the one before. */
class Publisher {
  published = 0;
  #stamp = 0;
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  async paced(count: number): Promise<void> {
    const startedAt = performance.now();
    for (let index = 0; index < count; index++) {
      const due = startedAt + index * PACE_MS;
      await sleep(Math.max(0, due - performance.now()));
      await this.#publish([due]);
    }
    await sleep(PACE_MS);
  }

  async batch(count: number): Promise<void> {
    await this.#publish(Array(count).fill(performance.now()));
  }

  async #publish(times: readonly number[]): Promise<void> {
    this.published += times.length;
    const publishes = times.map((time) => {
      this.#stamp = Math.max(this.#stamp + 1, Math.round(time * 1_000));
      const stamp = String(this.#stamp).padStart(STAMP_DIGITS, '0');
      return `{"channel":"${CHANNEL}","data":${payload(EVENT_BYTES, stamp)}}`;
    });
    await this.#run.lab.publish(`{"publishes":[${publishes.join(',')}]}`);
  }
}

const STAMP_DIGITS = 12;

/** How long events took to whoever reads at once. */
class Latencies {
  #values: number[] = [];

  constructor(all: readonly LoadSockets[]) {
    for (const sockets of all)
      sockets.reader = (bytes) => {
        const now = performance.now();
        for (let at = bytes.indexOf(MARK); at !== -1; at = bytes.indexOf(MARK, at + 1)) {
          const stamp = Buffer.from(bytes.subarray(at + 1, at + 1 + STAMP_DIGITS)).toString('latin1');
          if (stamp.length === STAMP_DIGITS) this.#values.push(now - Number(stamp) / 1_000);
        }
      };
  }

  /** Those since the last time, in milliseconds. */
  take(): number[] {
    const values = this.#values;
    this.#values = [];
    return values;
  }
}

/** How many events each connection got that were later than the one before: one that came twice or out of order is not counted. */
class PerConnection {
  readonly #counts: Int32Array;
  readonly #latest: Float64Array;
  /** What a read cut off in the middle of a stamp. */
  readonly #rests = new Map<number, Uint8Array>();

  constructor(sockets: LoadSockets, connections: number) {
    this.#counts = new Int32Array(connections);
    this.#latest = new Float64Array(connections);
    sockets.reader = (bytes, index) => {
      const rest = this.#rests.get(index);
      this.#rests.delete(index);
      this.#read(rest === undefined ? bytes : Buffer.concat([rest, bytes]), index);
    };
  }

  #read(bytes: Uint8Array, index: number): void {
    for (let at = bytes.indexOf(MARK); at !== -1; at = bytes.indexOf(MARK, at + 1)) {
      const digits = bytes.subarray(at + 1, at + 1 + STAMP_DIGITS);
      if (digits.length < STAMP_DIGITS) {
        this.#rests.set(index, bytes.slice(at));
        return;
      }
      const stamp = Number(Buffer.from(digits).toString('latin1'));
      if (stamp <= (this.#latest[index] ?? 0)) continue;
      this.#latest[index] = stamp;
      this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    }
  }

  /** Those that got exactly so many. */
  complete(events: number): number {
    return this.#counts.filter((count) => count === events).length;
  }
}
