/** The figures of the last minutes, as a gateway sent them (PROTOCOL.md, section 7). Pure. */

export const MEASURES = [
  'cpu_usage',
  'process_cpu',
  'memory_used',
  'memory_total',
  'memory_percent',
  'process_memory',
  'disk_used',
  'disk_total',
  'disk_percent',
  'active_connections',
  'active_websockets',
  'active_streams',
  'channels',
  'subscriptions',
  'messages_sent_rate',
  'messages_received_rate',
  'events_published_rate',
  'bytes_sent_rate',
  'event_loop_lag_ms',
  'uptime_seconds',
] as const;

export type Measure = (typeof MEASURES)[number];

export interface Sample {
  /** Milliseconds since 1970, by the gateway's clock. */
  readonly at: number;
  readonly gateway: string;
  /** Without what could not be had. */
  readonly figures: Readonly<Partial<Record<Measure, number>>>;
}

export interface Summary {
  readonly latest: number;
  readonly lowest: number;
  readonly mean: number;
  readonly highest: number;
}

export function decode(data: string): Sample {
  const { timestamp, gateway = '', ...rest } = JSON.parse(data) as Readonly<Record<string, unknown>>;
  const figures: Partial<Record<Measure, number>> = {};
  for (const measure of MEASURES) {
    const figure = rest[measure];
    if (typeof figure === 'number') figures[measure] = figure;
  }
  return { at: Date.parse(String(timestamp)), gateway: String(gateway), figures };
}

export class Samples {
  readonly #spanMs: number;
  #samples: readonly Sample[] = [];

  /** `spanMs`: how far back it goes. */
  constructor(spanMs: number) {
    this.#spanMs = spanMs;
  }

  /** Oldest first. */
  get all(): readonly Sample[] {
    return this.#samples;
  }

  get latest(): Sample | undefined {
    return this.#samples.at(-1);
  }

  /** What another gateway says is about another machine, and begins anew. */
  add(sample: Sample): void {
    const kept = this.#samples.filter(
      ({ at, gateway }) => gateway === sample.gateway && at < sample.at && at >= sample.at - this.#spanMs,
    );
    this.#samples = [...kept, sample];
  }

  /** Undefined where there is no figure. */
  summary(measure: Measure): Summary | undefined {
    const figures = this.#samples.flatMap((sample) => sample.figures[measure] ?? []);
    const latest = figures.at(-1);
    if (latest === undefined) return undefined;
    const mean = figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
    return { latest, lowest: Math.min(...figures), mean, highest: Math.max(...figures) };
  }
}
