/**
 * How long publishes take: from the request to its acknowledgement, and from an event's storing until it is written to those who listen here. As
 * histograms, whose cost is per publish and per write of a channel, never per subscriber.
 */
import { Histogram } from 'prom-client';

/** Seconds. Ids have milliseconds, so there is nothing to tell apart below one. */
const BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class Durations {
  /** Publishes that failed are not in it. */
  readonly publish = new DurationHistogram(
    'passerelle_publish_duration_seconds',
    'From the arrival of a publish to its acknowledgement by the event store.',
  );
  /** By the clocks of Redis, which gives events their ids, and of this machine: no truer than those agree. */
  readonly delivery = new DurationHistogram(
    'passerelle_delivery_duration_seconds',
    'From the storing of an event to its having been written to all who listen: the oldest event of each write of a channel.',
  );

  /** One a second and shard: here the library's own will do. */
  readonly canary = new Histogram({
    name: 'passerelle_canary_delay_seconds',
    help: 'From the publishing of a canary until it came back, by shard.',
    labelNames: ['shard'],
    buckets: [0.0005, ...BUCKETS],
    registers: [],
  });

  returned(shard: string, ms: number): void {
    this.canary.observe({ shard }, ms / 1_000);
  }

  published(ms: number): void {
    this.publish.count(ms / 1_000);
  }

  delivered(ms: number): void {
    this.delivery.count(Math.max(0, ms) / 1_000); // a clock that is behind makes it negative
  }
}

/** A histogram without labels that costs some nanoseconds, where the library's own takes a good part of a microsecond for each value. */
class DurationHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  /** How many were in each bucket and in no earlier one; the last is for what is in none. */
  readonly #counts = new Float64Array(BUCKETS.length + 1);
  #sum = 0;

  constructor(name: string, help: string) {
    super({ name, help, buckets: BUCKETS, registers: [] });
    this.#name = name;
    this.#help = help;
  }

  count(seconds: number): void {
    let bucket = 0;
    while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] as number)) bucket++;
    (this.#counts[bucket] as number)++;
    this.#sum += seconds;
  }

  /** What the library itself, also for its `get`, calls for a histogram's values. */
  async getForPromString() {
    let total = 0;
    const sample = (of: string, value: number, labels = {}) => ({ metricName: `${this.#name}_${of}`, labels, value });
    const buckets = [...this.#counts].map((count, bucket) => {
      total += count;
      return sample('bucket', total, { le: BUCKETS[bucket] ?? '+Inf' });
    });
    const values = [...buckets, sample('sum', this.#sum), sample('count', total)];
    return { name: this.#name, help: this.#help, type: 'histogram', aggregator: 'sum', values };
  }
}
