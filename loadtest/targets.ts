/** What the gateway is to reach, and whether a run reached it. Ratios are of medians of one run. Pure. */
import { table } from './report.ts';
import { type Figure, median, PER_CPU_SECOND, RESIDENT_BYTES } from './results.ts';
import { CLIENT_READS } from './scenarios/client.ts';
import { LIVE, REACHED } from './scenarios/crowd.ts';
import { latencyMetric } from './scenarios/latency.ts';
import { PUBLISHES_PER_REDIS_SECOND } from './scenarios/publish.ts';
import { STORM_SECONDS } from './scenarios/reconnect-storm.ts';

export interface Target {
  readonly what: string;
  readonly least?: number;
  readonly most?: number;
  /** Undefined where the run had not what it takes. */
  readonly measured: number | undefined;
}

export function isMet({ least = 0, most = Number.POSITIVE_INFINITY, measured }: Target): boolean | undefined {
  return measured === undefined ? undefined : measured >= least && measured <= most;
}

export function targets(figures: readonly Figure[]): readonly Target[] {
  const delivered = (subject: string, transport: string, events: number) =>
    median(figures, {
      scenario: 'fanout',
      subject,
      metric: PER_CPU_SECOND,
      case: { transport, subscribers: 1_000, bytes: 128, events },
    });
  const of = (scenario: string, subject: string, metric: string, at: Readonly<Record<string, string | number>> = {}) =>
    median(figures, { scenario, subject, metric, case: at });
  const idle = (subject: string, transport: string) => of('idle', subject, RESIDENT_BYTES, { transport });
  const storm = (subject: string, transport: string) => of('reconnect-storm', subject, STORM_SECONDS, { transport });
  const script = (subject: string, key: string) =>
    of('redis-script', subject, PUBLISHES_PER_REDIS_SECOND, { 'idempotency key': key });
  const p99 = (subject: string) => of('latency', subject, latencyMetric(99), { 'share of capacity': '50%' });
  const loads = [1, 32] as const;
  const read = (subject: string, connections: string) =>
    of('client', subject, PER_CPU_SECOND, { [CLIENT_READS]: connections });
  return [
    ...(['gateway', 'bare'] as const).map((subject) => ({
      what: `CPU per delivery, ${subject}, with one connection in 50 read, against all: whether the client is the limit`,
      least: 0.8,
      most: 1.25,
      measured: ratio(read(subject, 'all'), read(subject, 'one in 50')),
    })),
    {
      what: 'CPU per delivery, WebSocket, 1 event a tick, against bare uWebSockets.js',
      most: 1.1,
      measured: ratio(delivered('bare', 'ws', 1), delivered('gateway', 'ws', 1)),
    },
    ...(['ws', 'sse'] as const).map((transport) => ({
      what: `deliveries per CPU second, ${NAMES[transport]}, 32 events a tick, 128 B`,
      least: 3_000_000,
      measured: delivered('gateway', transport, 32),
    })),
    ...loads.map((events) => ({
      what: `CPU per delivery, SSE against WebSocket, ${events} a tick`,
      most: 1.15,
      measured: ratio(delivered('gateway', 'ws', events), delivered('gateway', 'sse', events)),
    })),
    { what: 'resident bytes per idle WebSocket', most: 2_200, measured: idle('gateway', 'ws') },
    { what: 'resident bytes per idle SSE stream', most: 2_600, measured: idle('gateway', 'sse') },
    ...(['gateway', 'gateway, another than before'] as const).flatMap((subject) =>
      (['ws', 'sse'] as const).map((transport) => ({
        what: `reconnect storm with 100 missed events each, ${NAMES[transport]}, ${subject}, time against bare connects`,
        most: 2,
        measured: ratio(storm(subject, transport), storm('bare', transport)),
      })),
    ),
    ...['none', 'each its own'].map((key) => ({
      what: `publishes with history per CPU second of Redis, idempotency key: ${key}, against a script of Centrifugo's shape`,
      least: 1.5,
      measured: ratio(script('gateway', key), script('centrifugo shape', key)),
    })),
    {
      what: 'p99 latency at 50% of capacity, against Redis pub/sub and bare uWebSockets.js',
      most: 1.5,
      measured: ratio(p99('gateway'), p99('bare')),
    },
    ...loads.map((events) => ({
      what: `deliveries per CPU second, WebSocket, ${events} a tick, against Centrifugo`,
      least: 3,
      measured: ratio(delivered('gateway', 'ws', events), delivered('centrifugo', 'ws', events)),
    })),
    {
      what: 'resident bytes per idle WebSocket, against Centrifugo',
      most: 0.2,
      measured: ratio(idle('gateway', 'ws'), idle('centrifugo', 'ws')),
    },
    { what: 'connections live on this machine', least: 100_000, measured: of('crowd', 'gateway', LIVE) },
    { what: 'of them reached by one broadcast', least: 100_000, measured: of('crowd', 'gateway', REACHED) },
  ];
}

const NAMES = { ws: 'WebSocket', sse: 'SSE' } as const;

/** Target, measured, met; for what this run measured. */
export function targetTable(figures: readonly Figure[]): string {
  const rows = targets(figures)
    .filter(({ measured }) => measured !== undefined)
    .map((target) => [target.what, limit(target), shown(target.measured ?? 0), isMet(target) ? 'met' : 'MISSED']);
  return rows.length === 0 ? '' : table(['target', 'at', 'measured', ''], rows);
}

function limit({ least, most }: Target): string {
  if (least !== undefined && most !== undefined) return `${shown(least)} to ${shown(most)}`;
  return least === undefined ? `at most ${shown(most ?? 0)}` : `at least ${shown(least)}`;
}

function shown(value: number): string {
  return value < 100 ? String(Number(value.toPrecision(4))) : Math.round(value).toLocaleString('en');
}

function ratio(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one / other;
}
