/** What is shown of the figures, and how each of them is written. Pure. */
import type { Format } from '../shared/format.ts';
import type { Measure, Sample } from './samples.ts';
import type { MonitoringTexts } from './texts.ts';

/** The measures whose name the texts have. */
export type NamedMeasure = Measure & keyof MonitoringTexts;

export interface ChartPlan {
  readonly title: keyof MonitoringTexts & ('processor' | 'memory' | 'disk' | 'connections' | 'rates' | 'loop');
  readonly measures: readonly NamedMeasure[];
  readonly end?: number;
}

export const CHARTS: readonly ChartPlan[] = [
  { title: 'processor', measures: ['cpu_usage', 'process_cpu'], end: 100 },
  { title: 'memory', measures: ['memory_percent'], end: 100 },
  { title: 'disk', measures: ['disk_percent'], end: 100 },
  { title: 'connections', measures: ['active_connections', 'active_websockets', 'active_streams'], end: 4 },
  { title: 'rates', measures: ['messages_sent_rate', 'messages_received_rate', 'events_published_rate'], end: 4 },
  { title: 'loop', measures: ['event_loop_lag_ms'], end: 10 },
];

/** Rows of the table that no chart has. */
export const MORE_MEASURES: readonly NamedMeasure[] = ['process_memory', 'bytes_sent_rate'];

const PERCENTAGES: ReadonlySet<Measure> = new Set(['cpu_usage', 'process_cpu', 'memory_percent', 'disk_percent']);
const SIZES: ReadonlySet<Measure> = new Set(['process_memory', 'bytes_sent_rate']);

/** One figure, with its unit. */
export function written(measure: Measure, value: number, format: Format): string {
  if (PERCENTAGES.has(measure)) return format.percent(value);
  if (SIZES.has(measure)) return format.bytes(value);
  if (measure === 'event_loop_lag_ms') return format.milliseconds(value);
  return format.short(value);
}

export interface Tile {
  readonly name: string;
  readonly value: string;
  readonly detail: string;
}

export function tilesOf({ figures }: Sample, t: MonitoringTexts, format: Format): readonly Tile[] {
  const say = (measure: Measure, write = (value: number) => written(measure, value, format)) => {
    const value = figures[measure];
    return value === undefined ? t.unknown : write(value);
  };
  const size = (measure: Measure) => say(measure, (value) => format.bytes(value));
  const whole = (measure: Measure) => say(measure, (value) => format.number(value));
  const rate = (measure: Measure) => say(measure, (value) => t.perSecond(format.short(value)));
  return [
    { name: t.processor, value: say('cpu_usage'), detail: `${t.process_cpu} ${say('process_cpu')}` },
    { name: t.memory, value: say('memory_percent'), detail: t.ofTotal(size('memory_used'), size('memory_total')) },
    { name: t.disk, value: say('disk_percent'), detail: t.ofTotal(size('disk_used'), size('disk_total')) },
    {
      name: t.connections,
      value: whole('active_connections'),
      detail: t.byTransport(whole('active_websockets'), whole('active_streams')),
    },
    {
      name: t.messages_sent_rate,
      value: rate('messages_sent_rate'),
      detail: `${say('subscriptions', t.subscriptionCount)}, ${say('channels', t.channelCount)}`,
    },
    {
      name: t.events_published_rate,
      value: rate('events_published_rate'),
      detail: `${t.messages_received_rate} ${rate('messages_received_rate')}`,
    },
  ];
}
