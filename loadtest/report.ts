/** What a run of the smoke benchmark results in, held against the targets, and as text for a person. Pure. */
import type { FanoutResult } from './fanout.ts';
import { show, spread } from './figures.ts';
import type { IdleOptions } from './idle.ts';
import type { Machine } from './machine.ts';

export interface IdleResult extends IdleOptions {
  /** Resident bytes for each connection. */
  readonly gateway: number;
  readonly bare: number;
}

export interface Results {
  readonly machine: Machine;
  readonly measuredAt: string;
  readonly payloadBytes: number;
  readonly fanout: readonly FanoutResult[];
  readonly idle: readonly IdleResult[];
}

/** At 1 event a tick: the share of bare uWebSockets.js that the gateway must reach. */
const LEAST_RATIO = 0.85;
/** At 32 events a tick. */
const LEAST_PER_CPU_SECOND = 2_000_000;
const MOST_IDLE_BYTES = 4_096;

export function report({ machine, fanout, idle }: Results): string {
  return [
    '',
    `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}, Redis ${machine.redis}, ${machine.commit}`,
    '',
    'Deliveries per CPU second of the server, median (least to most)',
    table(
      ['', 'a tick', 'gateway', 'bare', 'gateway / bare', 'events a read', 'client busy', 'client ceiling/s'],
      [...fanout.map(fanoutRow)],
    ),
    '',
    'Resident bytes for each idle connection',
    table(
      ['', 'connections', 'gateway', 'bare'],
      idle.map((row) => [row.transport, whole(row.connections), whole(row.gateway), whole(row.bare)]),
    ),
    '',
    ...targets(fanout, idle),
  ].join('\n');
}

function fanoutRow(row: FanoutResult): string[] {
  const median = (of: 'eventsPerRead' | 'clientUtilisation' | 'clientCeilingPerSecond') =>
    spread(row.gatewayRounds.map((round) => round[of])).median;
  return [
    row.transport,
    String(row.eventsPerTick),
    show(row.gateway),
    show(row.bare),
    show(row.ratio, 2),
    median('eventsPerRead').toFixed(1),
    `${whole(median('clientUtilisation') * 100)} %`,
    whole(median('clientCeilingPerSecond')),
  ];
}

/** One line for each target: what is asked, what was reached, whether that is enough. */
function targets(fanout: readonly FanoutResult[], idle: readonly IdleResult[]): string[] {
  const line = (met: boolean, text: string) => `${met ? 'met   ' : 'MISSED'}  ${text}`;
  return [
    ...fanout
      .filter(({ eventsPerTick }) => eventsPerTick === 1)
      .map(({ transport, ratio: { median } }) =>
        line(median >= LEAST_RATIO, `${transport}, 1 a tick: ${median.toFixed(2)} of bare (at least ${LEAST_RATIO})`),
      ),
    ...fanout
      .filter(({ eventsPerTick }) => eventsPerTick === 32)
      .map(({ transport, gateway: { median } }) =>
        line(
          median >= LEAST_PER_CPU_SECOND,
          `${transport}, 32 a tick: ${whole(median)} deliveries per CPU second (at least ${whole(LEAST_PER_CPU_SECOND)})`,
        ),
      ),
    ...idle.map(({ transport, gateway }) =>
      line(gateway < MOST_IDLE_BYTES, `${transport}, idle: ${whole(gateway)} bytes (below ${whole(MOST_IDLE_BYTES)})`),
    ),
  ];
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** Columns as wide as they need to be; all but the first to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  return [line(head), ...rows.map(line)].join('\n');
}
