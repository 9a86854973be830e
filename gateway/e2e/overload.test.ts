/**
 * More than a gateway can do at once: a storm of clients that all want in, and one that floods it. Times are told, and are no
 * part of what is asserted but for bounds that a gateway which works keeps by far.
 */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type RedisDeployment, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { backoff } from '../client/backoff.ts';
import { type Frame, SseClient, WsClient } from './harness/clients.ts';
import { startFlood } from './harness/flood.ts';
import { call } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

interface Stats {
  /** Of the gateway's own clock, at the moment of the figures. */
  readonly timestamp: string;
  readonly total_connections: number;
  readonly active_connections: number;
  readonly events_published: number;
  readonly limit_refusals: Readonly<Record<string, number>>;
}

async function statsOf({ url }: GatewayProcess): Promise<Stats> {
  return (await call(`${url}/stats`)).json as Stats;
}

const CLOCK_ROUNDING_MS = 2;

/** Between any two of the samples a counter grew by no more than a burst and what the time between them allows. */
function assertPaced(
  samples: readonly Stats[],
  read: (stats: Stats) => number,
  perSecond: number,
  burst: number,
): void {
  for (const [i, from] of samples.entries()) {
    for (const to of samples.slice(i + 1)) {
      const ms = Date.parse(to.timestamp) - Date.parse(from.timestamp);
      const grown = read(to) - read(from);
      const most = burst + ((ms + CLOCK_ROUNDING_MS) / 1_000) * perSecond;
      assert(grown <= most, `${grown} within ${ms} ms, where ${most} may be`);
    }
  }
}

/** Reads the gateway's figures over and over, until it is stopped. */
function sampling(gateway: GatewayProcess): { stop(): Promise<readonly Stats[]> } {
  const samples: Stats[] = [];
  let stopped = false;
  const ended = (async () => {
    do {
      samples.push(await statsOf(gateway));
      await delay(50);
    } while (!stopped);
    samples.push(await statsOf(gateway));
    return samples;
  })();
  return {
    stop() {
      stopped = true;
      return ended;
    },
  };
}

/** Watches by how much the gateway's event loop is late at worst. */
async function watchLag(gateway: GatewayProcess): Promise<{ stop(): number }> {
  let worst = 0;
  const client = new SseClient(`${gateway.url}/monitoring`, {
    sink: {
      push: ({ event, data = '{}' }) => {
        const { event_loop_lag_ms: lag = 0 } = JSON.parse(data) as { event_loop_lag_ms?: number };
        if (event === 'stats') worst = Math.max(worst, lag);
      },
      end: () => undefined,
    },
  });
  await client.opened;
  return {
    stop() {
      client.destroy();
      return worst;
    },
  };
}

/** After these codes a client comes back by itself; after others it would be given up. */
const PASSING = [1001, 1006, 1011, 1012, 1013, 4408, 4429];

/** Comes back as the protocol says until it is welcome. */
class Returning {
  readonly told: number[] = [];
  readonly codes: number[] = [];
  /** How often it was closed with 1013 without having been told when to come back. */
  untold = 0;
  attempts = 0;
  back = false;
  /** The code after which it does not come back. */
  failed: number | undefined;
  #client: WsClient | undefined;
  #stopped = false;
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async run(): Promise<void> {
    while (!this.#stopped && this.failed === undefined) {
      let afterMs = backoff(this.attempts++, Math.random());
      const toldBefore = this.told.length;
      const push = ({ type, after }: Frame) => {
        if (type === 'welcome') this.back = true;
        if (type !== 'reconnect') return;
        afterMs = Number(after);
        this.told.push(afterMs);
      };
      this.#client = new WsClient(`${this.#url}/ws`, { sink: { push, end: () => undefined } });
      const { code } = await this.#client.closed;
      this.back = false;
      if (this.#stopped) return;
      this.codes.push(code);
      if (code === 1013 && this.told.length === toldBefore) this.untold++;
      if (PASSING.includes(code)) await delay(afterMs);
      else this.failed = code;
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#client?.destroy();
  }
}

test('of 5,000 clients that come at once all are in soon, and none too many at a time', async (t) => {
  const clients = 5_000;
  const perSecond = 500;
  const env = { MAX_CONNECTS_PER_SECOND: String(perSecond), MAX_EVENT_LOOP_LAG_MS: '1000' };
  const gateway = await GatewayProcess.start({ env });
  t.after(() => gateway.kill());
  const lag = await watchLag(gateway);
  const samples = sampling(gateway);
  const storm = Array.from({ length: clients }, () => new Returning(gateway.url));
  t.after(() => {
    for (const each of storm) each.stop();
  });
  const begun = performance.now();
  for (const each of storm) void each.run();
  await until('all are in', () => storm.every(({ back, failed }) => back || failed !== undefined), 180_000);
  const seconds = (performance.now() - begun) / 1_000;

  assert.deepEqual(storm.map(({ failed }) => failed).filter(Boolean), [], 'none has failed for good');
  const stats = await samples.stop();
  const last = stats.at(-1) as Stats;
  assert.equal(last.active_connections, clients + 1);
  assertPaced(stats, (each) => each.total_connections, perSecond, perSecond);
  const worstLagMs = lag.stop();
  assert(worstLagMs < 5_000, `the event loop was late by ${worstLagMs} ms`);

  const codes = storm.flatMap((each) => each.codes);
  const told = storm.flatMap((each) => each.told);
  assert(
    storm.every(({ untold }) => untold === 0),
    'whoever was closed with 1013 was told when to come back',
  );
  assert(told.every((ms) => Number.isInteger(ms) && ms >= 500 && ms <= 60_500));
  const { connects, event_loop_lag } = last.limit_refusals;
  // Who lost the connection before it was told does not know.
  const refused = (connects ?? 0) + (event_loop_lag ?? 0);
  const broken = codes.filter((code) => code !== 1013).length;
  assert(told.length <= refused && refused <= told.length + broken, `${refused} refused, ${told.length} told`);
  const most = Math.max(...storm.map(({ attempts }) => attempts));
  t.diagnostic(
    `all in after ${seconds.toFixed(1)} s, with ${codes.length + clients} attempts, ${most} at most; ` +
      `${broken} broken connections, ${event_loop_lag} refusals because of lag; event loop late by ${worstLagMs} ms`,
  );

  for (const each of storm) each.stop();
  await until('all have left', async () => (await statsOf(gateway)).active_connections === 0);
});

interface Pair {
  /** When each event was sent. */
  readonly sentAt: readonly number[];
  /** What the subscriber was sent, in order. */
  readonly received: readonly unknown[];
  /** Publishes one event every 10 ms. */
  publishFor(ms: number): Promise<void>;
  /** Resolves once all that was published has come, with how long each took since the last time. */
  latencies(): Promise<readonly number[]>;
}

/** One who publishes steadily, and one who hears it. */
async function steadyPair(t: TestContext, gateway: GatewayProcess): Promise<Pair> {
  const sentAt: number[] = [];
  const received: unknown[] = [];
  let latencies: number[] = [];
  const push = ({ type, data }: Frame) => {
    if (type !== 'event') return;
    received.push(data);
    latencies.push(performance.now() - (sentAt[data as number] ?? 0));
  };
  const subscriber = new WsClient(`${gateway.url}/ws`, { sink: { push, end: () => undefined } });
  const publisher = await WsClient.open(`${gateway.url}/ws`);
  t.after(() => {
    subscriber.destroy();
    publisher.destroy();
  });
  await subscriber.opened;
  subscriber.send({ type: 'subscribe', channel: 'steady' });
  await until('it is subscribed', async () => (await call(`${gateway.url}/stats`)).text.includes('"subscriptions":1'));
  return {
    sentAt,
    received,
    async publishFor(ms) {
      const end = performance.now() + ms;
      while (performance.now() < end) {
        sentAt.push(performance.now());
        publisher.send({ type: 'publish', channel: 'steady', data: sentAt.length - 1 });
        await delay(10);
      }
    },
    async latencies() {
      await until('all have come', () => received.length === sentAt.length).catch((cause) => {
        const refused = publisher.frames.all.filter(({ type }) => type === 'error');
        throw new Error(`${received.length} of ${sentAt.length}; refused: ${JSON.stringify(refused)}`, { cause });
      });
      const these = latencies;
      latencies = [];
      return these;
    },
  };
}

describe('a client that floods the gateway takes nothing from a publisher and a subscriber beside it', () => {
  let redis: RedisDeployment;
  let other: RedisDeployment;
  before(async () => {
    [redis, other] = await Promise.all([startStandalone(), startStandalone()]);
  });
  after(() => Promise.all([redis.stop(), other.stop()]));

  async function start(t: TestContext, { url }: RedisDeployment): Promise<GatewayProcess> {
    const gateway = await GatewayProcess.start({ env: { REDIS_URL: url, TRUSTED_PROXIES: '1' } });
    t.after(() => gateway.kill());
    await until('it is ready', async () => (await call(`${gateway.url}/readyz`)).status === 200);
    return gateway;
  }

  const publish = { type: 'publish', channel: 'flooded', data: 'flood' };
  for (const [what, headers, frame] of [
    ['by publishing, from an address of its own', { 'X-Forwarded-For': '203.0.113.7' }, publish],
    ['by publishing, from this machine', {}, publish],
    ['by asking', { 'X-Forwarded-For': '203.0.113.7' }, { type: 'ping' }],
  ] as const) {
    test(`${what}, also where it comes back at once whenever it is closed`, async (t) => {
      const [gateway, elsewhere] = await Promise.all([start(t, redis), start(t, other)]);
      const pair = await steadyPair(t, gateway);
      const besideFloodOf = async (flooded: GatewayProcess) => {
        const flood = startFlood(flooded.url, frame, headers);
        t.after(() => flood.kill());
        await until('it was closed', async () => closedForIt(await statsOf(flooded)) > 0);
        await pair.publishFor(3_000);
        const { sent, connections } = await flood.stop();
        return { sent, connections, latencies: await pair.latencies() };
      };
      // How long events take is told beside what a flood of another gateway costs them, as it takes up a core as well.
      const calm = await besideFloodOf(elsewhere);
      const busy = await besideFloodOf(gateway);
      const { limit_refusals: refusals } = await statsOf(gateway);
      const [without, beside] = [median(calm.latencies), median(busy.latencies)];
      t.diagnostic(
        `${busy.sent} frames on ${busy.connections} connections, ${refusals.penalties} of them too early; medians ` +
          `${without.toFixed(2)} ms beside a flood of another gateway, ${beside.toFixed(2)} ms beside one of this: ` +
          `${(beside / without).toFixed(1)} times; at most ${Math.max(...calm.latencies).toFixed(1)} and ${Math.max(...busy.latencies).toFixed(1)} ms`,
      );
      assert.deepEqual(pair.received, [...pair.sentAt.keys()], 'each event came once, in order');
      assert((refusals.penalties ?? 0) > 0, 'it came back before its time');
    });
  }
});

function closedForIt({ limit_refusals: { strikes = 0, frames = 0 } }: Stats): number {
  return strikes + frames;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
