/** What this process itself uses, and for how long its event loop was kept from turning. Costs a timer while it is started. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

export interface ProcessFigures {
  /** Resident memory in bytes. */
  readonly memory: number;
  /** Processor time that it ever used, in microseconds. */
  readonly cpuMicros: number;
  /** The longest time since the reading before for which a timer that was due had to wait. */
  readonly loopLagMs: number;
}

/** How often the event loop is looked at. A delay is told with this in it, and less than this is not told. */
const RESOLUTION_MS = 10;

export class ProcessMeter {
  readonly #delays: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  start(): void {
    this.#delays.reset();
    this.#delays.enable();
  }

  stop(): void {
    this.#delays.disable();
  }

  read(): ProcessFigures {
    const loopLagMs = Math.max(0, this.#delays.max / 1e6 - RESOLUTION_MS);
    this.#delays.reset();
    const { user, system } = process.cpuUsage();
    return { memory: process.memoryUsage.rss(), cpuMicros: user + system, loopLagMs };
  }
}
