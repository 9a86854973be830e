/**
 * Latency under load: one event at a time to 1,000 subscribers, at 10, 50 and 80% of what the gateway can carry, beside the least
 * that there can be: Redis pub/sub and bare uWebSockets.js at the very same rate.
 *
 * An event bears the moment at which it was due, not the one at which it was sent: where publisher or server fall behind, all
 * that wait are counted with their whole wait (coordinated omission). One connection in twenty is read at once and gives
 * the latencies; the others are read now and then, so that the client is never what is waited for.
 */
import { build, type Histogram } from 'hdr-histogram-js';
import { RedisBroker } from '../../broker/redis/engine.ts';
import { parseRedisUrl } from '../../broker/redis/url.ts';
import { BARE, type Dialect, PASSERELLE } from '../dialects.ts';
import type { Lab, Process } from '../lab.ts';
import { cpuSeconds } from '../machine.ts';
import { CHANNEL, eventFrame, MARKER, PAYLOAD_BYTES, payload } from '../payload.ts';
import { type Figure, figure } from '../results.ts';
import { fewRounds, type Run, type Scenario } from '../scenario.ts';
import { LoadSockets } from '../sockets.ts';
import { measureTicks } from './fanout.ts';

const SUBSCRIBERS = 1_000;
const EACH = 20;
const SHARES = [10, 50, 80] as const;
const CALIBRATION_TICKS = 300;
const WARMUP_TICKS = 50;
/** Below this much time to the next event the publisher no longer sleeps: timers are a millisecond coarse. */
const SPIN_MS = 1.5;
const DRAIN_EVERY_MS = 20;
const LIMIT_MS = 30_000;
const STAMP_DIGITS = 16;
const PERCENTILES = [50, 99, 99.9] as const;

export const latencyMetric = (percentile: number): string => `latency, ms, p${percentile}`;

/** Sends one event, with this stamp. */
type Publish = (stamp: string) => Promise<unknown>;

interface Line {
  readonly name: string;
  readonly server: Process;
  readonly dialect: Dialect;
  readonly publish: Publish;
}

export const LATENCY: Scenario = {
  name: 'latency',
  title: 'how long an event takes at 10, 50 and 80% of capacity',
  run: async (run) => {
    const parsed = parseRedisUrl(run.lab.redis.url);
    if (!parsed.ok) throw new Error(parsed.error);
    const retentionOf = () => ({ size: 1_000, retentionMs: 3_600_000 });
    const broker = new RedisBroker({ target: parsed.target, retentionOf });
    await broker.connect();
    try {
      return await latency(run, broker);
    } finally {
      await broker.close();
    }
  },
};

async function latency(run: Run, broker: RedisBroker): Promise<Figure[]> {
  const { lab } = run;
  const gateway: Omit<Line, 'server'> = {
    name: 'gateway',
    dialect: PASSERELLE,
    publish: (stamp) => broker.publish(CHANNEL, { name: 'message', data: payload(PAYLOAD_BYTES, stamp) }),
  };
  const bare: Omit<Line, 'server'> = {
    name: 'bare',
    dialect: BARE,
    publish: (stamp) => lab.commands.publish(CHANNEL, eventFrame(CHANNEL, payload(PAYLOAD_BYTES, stamp))),
  };
  const capacity = await withLine(lab, { ...gateway, server: await lab.start('gateway') }, calibrate);
  run.progress(
    `the gateway's capacity: ${Math.round(capacity / SUBSCRIBERS)} events to ${SUBSCRIBERS} subscribers a second`,
  );
  const figures: Figure[] = [];
  for (const share of SHARES) {
    const perSecond = (capacity / SUBSCRIBERS) * (share / 100);
    const histograms = { gateway: [] as Histogram[], bare: [] as Histogram[] };
    for (let round = 0; round < fewRounds(run); round++) {
      run.progress(`${share}% of capacity, round ${round + 1}`);
      const seconds = run.quick ? 5 : 8;
      const measure = (line: Line, sockets: LoadSockets) => offer(line, sockets, perSecond, seconds);
      histograms.gateway.push(await withLine(lab, { ...gateway, server: await lab.start('gateway') }, measure));
      histograms.bare.push(await withLine(lab, { ...bare, server: await lab.bareOnRedis() }, measure));
    }
    for (const name of ['gateway', 'bare'] as const)
      for (const percentile of PERCENTILES) {
        const rounds = histograms[name].map((histogram) => histogram.getValueAtPercentile(percentile) / 1_000);
        const at = { 'share of capacity': `${share}%`, subscribers: SUBSCRIBERS };
        figures.push(figure('latency', name, at, latencyMetric(percentile), rounds));
      }
  }
  return figures;
}

async function withLine<T>(lab: Lab, line: Line, use: (line: Line, sockets: LoadSockets) => Promise<T>): Promise<T> {
  const { url } = line.server;
  const sockets = await LoadSockets.open({ url, transport: 'ws', dialect: line.dialect, count: SUBSCRIBERS });
  try {
    await measureTicks(line.server.pid, sockets, () => sent(line), SUBSCRIBERS, WARMUP_TICKS);
    return await use(line, sockets);
  } finally {
    await sockets.close();
    await lab.end(line.server);
  }
}

async function sent({ publish }: Line): Promise<void> {
  await publish(stampOf(performance.now()));
}

/** Deliveries per second at which its core would be busy all the time, one event at a time. */
async function calibrate(line: Line, sockets: LoadSockets): Promise<number> {
  const before = cpuSeconds(line.server.pid);
  await measureTicks(line.server.pid, sockets, () => sent(line), SUBSCRIBERS, CALIBRATION_TICKS);
  return (CALIBRATION_TICKS * SUBSCRIBERS) / (cpuSeconds(line.server.pid) - before);
}

/** Publishes at this rate whatever comes of it, and takes down how long after its due moment each event arrived. */
async function offer(line: Line, sockets: LoadSockets, perSecond: number, seconds: number): Promise<Histogram> {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });
  const events = Math.round(perSecond * seconds);
  const { received } = sockets;
  sockets.readOnly(EACH);
  sockets.reader = (bytes, index) => {
    if (index % EACH === 0) record(bytes, histogram);
  };
  const draining = setInterval(() => sockets.readSome(SUBSCRIBERS / 50, EACH), DRAIN_EVERY_MS);
  const start = performance.now() + 50;
  const failures: unknown[] = [];
  for (let event = 0; event < events; event++) {
    const due = start + (event * 1_000) / perSecond;
    await moment(due);
    line.publish(stampOf(due)).catch((error: unknown) => failures.push(error));
  }
  clearInterval(draining);
  sockets.readAll();
  await sockets.until(received + events * SUBSCRIBERS, LIMIT_MS);
  sockets.reader = undefined;
  if (failures.length > 0) throw new Error(`${failures.length} publishes failed`, { cause: failures[0] });
  const expected = (events * SUBSCRIBERS) / EACH;
  if (histogram.totalCount !== expected) throw new Error(`${histogram.totalCount} latencies of ${expected}`);
  return histogram;
}

/** A moment in microseconds of this process, in so many digits. */
function stampOf(ms: number): string {
  return String(Math.round(ms * 1_000)).padStart(STAMP_DIGITS, '0');
}

function record(bytes: Uint8Array, histogram: Histogram): void {
  const now = performance.now() * 1_000;
  const events = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = events.indexOf(MARKER); at !== -1; at = events.indexOf(MARKER, at + 1)) {
    let due = 0;
    for (let digit = at + 2; digit < at + 2 + STAMP_DIGITS; digit++) due = due * 10 + (bytes[digit] ?? 0) - 48;
    histogram.recordValue(Math.max(1, Math.round(now - due)));
  }
}

async function moment(due: number): Promise<void> {
  while (performance.now() < due) {
    const left = due - performance.now();
    if (left > SPIN_MS) await new Promise((resolve) => setTimeout(resolve, left - SPIN_MS));
    else await new Promise((resolve) => setImmediate(resolve));
  }
}
