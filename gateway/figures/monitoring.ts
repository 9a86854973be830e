/**
 * `/monitoring`: the figures of the machine and of this gateway, as an event stream. One sample serves every viewer, and none is
 * taken where nobody looks. Speaks to sockets through a `StreamOutlet`; knows no uWS type.
 */
import type { Hub } from '../hub/hub.ts';
import type { Logger } from '../log.ts';
import type { Membership } from '../presence/members.ts';
import type { StreamOutlet } from '../sse/stream.ts';
import type { Machine, Space } from './machine.ts';
import type { ProcessFigures, ProcessMeter } from './process-meter.ts';
import type { Tally } from './tally.ts';

export interface MonitorOptions {
  readonly machine: Pick<Machine, 'read'>;
  readonly process: Pick<ProcessMeter, keyof ProcessMeter>;
  readonly tally: Tally;
  readonly hub: Pick<Hub, 'counts'>;
  readonly gatewayId: string;
  readonly log: Logger;
  /** A `retry:` line, another for each stream. */
  readonly retry: () => string;
  /** The gateway's clock. */
  readonly now: () => number;
  /** A clock in milliseconds that only goes forward. */
  readonly clock: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
  readonly intervalMs?: number;
}

/** What a rate is computed from: counts that only grow. */
interface Counts {
  readonly atMs: number;
  readonly cpuMicros: number;
  readonly totals: Totals;
}

type Totals = Readonly<Record<`${string}_rate`, number>>;

const INTERVAL_MS = 3_000;
/** Figures since some time before need such a time. Short, for somebody waits; long enough for the kernel's clock of 10 ms. */
const FIRST_INTERVAL_MS = 250;

export class Monitor {
  readonly options: MonitorOptions;
  readonly #startedMs: number;
  readonly #viewers = new Set<MonitorStream>();
  #sampling = false;
  /** The latest sample, while there are samples. */
  #latest: Buffer | undefined;

  constructor(options: MonitorOptions) {
    this.options = options;
    this.#startedMs = options.now();
  }

  /** Sends it every sample from now on: the latest one at once, or as soon as there is one. */
  add(viewer: MonitorStream): void {
    this.#viewers.add(viewer);
    if (this.#latest !== undefined) viewer.show(this.#latest);
    if (!this.#sampling) void this.#sample();
  }

  remove(viewer: MonitorStream): void {
    this.#viewers.delete(viewer);
  }

  /** Samples for as long as somebody looks. Whoever comes before it has noticed that nobody does finds it still going. */
  async #sample(): Promise<void> {
    const { process, log, sleep, intervalMs = INTERVAL_MS } = this.options;
    this.#sampling = true;
    process.start();
    let before: Counts | undefined;
    let waitMs = Math.min(FIRST_INTERVAL_MS, intervalMs);
    while (this.#viewers.size > 0) {
      try {
        before = await this.#take(before);
      } catch (err) {
        log.error({ err }, 'the figures for /monitoring could not be had');
      }
      await sleep(waitMs);
      waitMs = intervalMs;
    }
    process.stop();
    this.#latest = undefined;
    this.#sampling = false;
  }

  /** Takes one sample and shows it, if there is one before it to compare it with. */
  async #take(before: Counts | undefined): Promise<Counts> {
    const { machine, process, tally, clock } = this.options;
    const figures = await machine.read();
    const own = process.read();
    const after = { atMs: clock(), cpuMicros: own.cpuMicros, totals: totalsOf(tally) };
    if (before === undefined) return after;
    const stats = {
      cpu_usage: rounded(figures.cpuUsage),
      ...spaceStats('memory', figures.memory),
      ...spaceStats('disk', figures.disk),
      ...this.#gatewayStats(own),
      ...rates(before, after),
    };
    this.#latest = Buffer.from(`event: stats\ndata: ${JSON.stringify(stats)}\n\n`);
    for (const viewer of this.#viewers) viewer.show(this.#latest);
    return after;
  }

  #gatewayStats({ memory, loopLagMs }: ProcessFigures): Record<string, unknown> {
    const { tally, hub, gatewayId, now } = this.options;
    const { websocket, sse } = tally.open;
    const { channels, subscriptions } = hub.counts();
    return {
      gateway: gatewayId,
      timestamp: new Date(now()).toISOString(),
      uptime_seconds: Math.round((now() - this.#startedMs) / 1000),
      active_connections: websocket + sse,
      active_websockets: websocket,
      active_streams: sse,
      lagging_connections: tally.lagging,
      channels,
      subscriptions,
      process_memory: memory,
      event_loop_lag_ms: rounded(loopLagMs),
    };
  }
}

/** One viewer's stream. What its socket has no room for is not kept: the next sample says more than a late one. */
export class MonitorStream {
  readonly #monitor: Monitor;
  #outlet: StreamOutlet | undefined;
  #fullSince = 0;

  constructor(monitor: Monitor) {
    this.#monitor = monitor;
  }

  /** Since when the stream has been lagging, or 0. */
  get laggingSince(): number {
    return this.#fullSince;
  }

  start(outlet: StreamOutlet): void {
    this.#outlet = outlet;
    this.#write(Buffer.from(`${this.#monitor.options.retry()}\n`));
    this.#monitor.add(this);
  }

  /** Viewers are in no channel. */
  memberships(): Iterable<Membership> {
    return [];
  }

  show(sample: Buffer): void {
    if (this.#fullSince === 0) this.#write(sample);
  }

  /** The socket has room again. */
  drained(): void {
    if (this.#fullSince === 0) return;
    this.#fullSince = 0;
    this.#monitor.options.tally.lagging--;
  }

  /** Tells the client to come back later, to whichever gateway answers then, and ends. */
  end(): void {
    const outlet = this.#outlet;
    outlet?.write(Buffer.from(`${this.#monitor.options.retry()}\n`));
    outlet?.close();
  }

  /** The connection is gone: nothing is written any more. */
  close(): void {
    this.drained();
    this.#outlet = undefined;
    this.#monitor.remove(this);
  }

  #write(bytes: Buffer): void {
    const { now, tally } = this.#monitor.options;
    if (this.#outlet === undefined || this.#outlet.write(bytes)) return;
    this.#fullSince = now();
    tally.lagging++;
    tally.lags++;
  }
}

function totalsOf(tally: Tally): Totals {
  return {
    messages_sent_rate: tally.sent,
    bytes_sent_rate: tally.deliveredBytes,
    messages_received_rate: tally.received,
    events_published_rate: tally.published,
    connections_rate: tally.opened.websocket + tally.opened.sse,
    errors_rate: tally.errors,
  };
}

/** Each total as what it grew by in a second; of the processor's time, the percent of one processor. */
function rates(before: Counts, after: Counts): Record<string, number | null> {
  const seconds = (after.atMs - before.atMs) / 1_000;
  const result: Record<string, number | null> = {
    process_cpu: rounded(((after.cpuMicros - before.cpuMicros) / 1e6 / seconds) * 100),
  };
  for (const name of Object.keys(after.totals) as (keyof Totals)[]) {
    result[name] = rounded(((after.totals[name] ?? 0) - (before.totals[name] ?? 0)) / seconds);
  }
  return result;
}

/** `NAME_used`, `NAME_total` and `NAME_percent`. */
function spaceStats(name: string, space: Space | undefined): Record<string, number | null> {
  const percent = space === undefined ? undefined : (space.used / space.total) * 100;
  return {
    [`${name}_used`]: space?.used ?? null,
    [`${name}_total`]: space?.total ?? null,
    [`${name}_percent`]: rounded(percent),
  };
}

/** To two decimals; null, which JSON has and a number that could be mistaken for a figure is not, where nothing is known. */
function rounded(figure: number | undefined): number | null {
  return figure === undefined || !Number.isFinite(figure) ? null : Math.round(figure * 100) / 100;
}
