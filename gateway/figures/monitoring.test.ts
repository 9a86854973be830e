import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { createLogger } from '../log.ts';
import type { MachineFigures } from './machine.ts';
import { Monitor, MonitorStream } from './monitoring.ts';
import type { ProcessFigures } from './process-meter.ts';
import { Tally } from './tally.ts';

const FIGURES: MachineFigures = {
  cpuUsage: 12.3456,
  memory: { used: 250, total: 1_000 },
  disk: { used: 1, total: 3 },
};
const RETRY = 'retry: 2000\n\n';

type Stats = Record<string, unknown>;

/** A monitor whose time is moved by hand: it sleeps until `wake`. */
class World {
  readonly tally = new Tally();
  readonly log: string[] = [];
  now = Date.UTC(2030, 0, 1);
  figures: MachineFigures = FIGURES;
  process: ProcessFigures = { memory: 5_000_000, cpuMicros: 0, loopLagMs: 1.5 };
  failure: Error | undefined;
  reads = 0;
  /** How often the process's meter was started and not stopped. */
  metering = 0;
  /** How long it sleeps, while it does. */
  asleepMs: number | undefined;
  #wake: () => void = () => undefined;

  readonly monitor = new Monitor({
    machine: {
      read: async () => {
        this.reads++;
        if (this.failure !== undefined) throw this.failure;
        return this.figures;
      },
    },
    process: {
      start: () => this.metering++,
      stop: () => this.metering--,
      read: () => this.process,
    },
    tally: this.tally,
    hub: { counts: () => ({ ...NO_COUNTS, channels: 3, subscriptions: 7 }) },
    gatewayId: 'gateway-1',
    log: createLogger({ level: 'warn', gateway: 'gateway-1' }, { write: (line: string) => void this.log.push(line) }),
    retry: () => 'retry: 2000\n',
    now: () => this.now,
    clock: () => this.now,
    sleep: (ms) => {
      this.asleepMs = ms;
      return new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    },
    intervalMs: 3_000,
  });

  async asleep(): Promise<void> {
    await until('it sleeps', () => this.asleepMs !== undefined, 1_000);
  }

  /** Lets it sleep to the end, and resolves when it sleeps again or has stopped. */
  async wake(): Promise<void> {
    await this.asleep();
    this.now += this.asleepMs ?? 0;
    this.asleepMs = undefined;
    this.#wake();
    await until('it has gone on', () => this.asleepMs !== undefined || this.metering === 0, 1_000);
  }

  viewer(): Viewer {
    return new Viewer(this.monitor);
  }
}

const NO_COUNTS = { channels: 0, subscriptions: 0, ringBytes: 0, repairs: 0 };

/** One stream and the socket that it writes to. */
class Viewer {
  readonly stream: MonitorStream;
  readonly written: string[] = [];
  room = true;
  ended = false;

  constructor(monitor: Monitor) {
    this.stream = new MonitorStream(monitor);
    this.stream.start({
      person: { connection: 'viewer', user: null, name: null, resume: '' },
      write: (bytes) => {
        this.written.push(bytes.toString());
        return this.room;
      },
      close: () => {
        this.ended = true;
        this.stream.close();
      },
    });
  }

  get samples(): readonly Stats[] {
    return this.written.filter((block) => block.startsWith('event: ')).map(statsOf);
  }
}

function statsOf(block: string): Stats {
  const [, json] = /^event: stats\ndata: (.*)\n\n$/.exec(block) ?? [];
  assert(json !== undefined, `not a block of stats: ${JSON.stringify(block)}`);
  return JSON.parse(json) as Stats;
}

describe('a monitor', () => {
  it('shows a first sample within a quarter of a second, then one each interval', async () => {
    const world = new World();
    const viewer = world.viewer();
    await world.asleep();
    assert.equal(world.asleepMs, 250);
    await world.wake();
    assert.equal(world.asleepMs, 3_000);
    await world.wake();
    assert.equal(viewer.written[0], RETRY);
    const times = viewer.samples.map(({ timestamp }) => timestamp);
    assert.deepEqual(times, ['2030-01-01T00:00:00.250Z', '2030-01-01T00:00:03.250Z']);
  });

  it('tells the figures of the machine, with their percentages', async () => {
    const world = new World();
    const viewer = world.viewer();
    await world.wake();
    const { cpu_usage, memory_used, memory_total, memory_percent, ...rest } = viewer.samples[0] ?? {};
    assert.deepEqual(
      { cpu_usage, memory_used, memory_total, memory_percent },
      {
        cpu_usage: 12.35,
        memory_used: 250,
        memory_total: 1_000,
        memory_percent: 25,
      },
    );
    const { disk_used, disk_total, disk_percent } = rest;
    assert.deepEqual({ disk_used, disk_total, disk_percent }, { disk_used: 1, disk_total: 3, disk_percent: 33.33 });
  });

  it('tells null where a figure cannot be had', async () => {
    const world = new World();
    world.figures = { cpuUsage: undefined, memory: { used: 0, total: 0 }, disk: undefined };
    const viewer = world.viewer();
    await world.wake();
    const stats = viewer.samples[0] ?? {};
    for (const field of ['cpu_usage', 'memory_percent', 'disk_used', 'disk_total', 'disk_percent'])
      assert.equal(stats[field], null, field);
  });

  it("tells the gateway's own figures, rates per second since the sample before", async () => {
    const world = new World();
    const { tally } = world;
    tally.delivered = 1_000_000;
    tally.open.websocket = 2;
    tally.open.sse = 1;
    const viewer = world.viewer();
    await world.wake();
    assert.equal(viewer.samples[0]?.messages_sent_rate, 0, 'what was before anybody looked is not of now');

    tally.delivered += 300;
    tally.deliveredBytes += 3_001;
    tally.received += 30;
    tally.published += 3;
    tally.opened.websocket += 9;
    tally.opened.sse += 3;
    tally.errors += 6;
    world.process = { memory: 6_000_000, cpuMicros: 1_500_000, loopLagMs: 20.126 };
    await world.wake();
    const stats = viewer.samples[1] ?? {};
    const own = Object.entries(stats).filter(([field]) => !/^(cpu|memory|disk)_/.test(field));
    assert.deepEqual(Object.fromEntries(own), {
      gateway: 'gateway-1',
      timestamp: '2030-01-01T00:00:03.250Z',
      uptime_seconds: 3,
      active_connections: 3,
      active_websockets: 2,
      active_streams: 1,
      lagging_connections: 0,
      channels: 3,
      subscriptions: 7,
      process_memory: 6_000_000,
      event_loop_lag_ms: 20.13,
      process_cpu: 50,
      messages_sent_rate: 100,
      bytes_sent_rate: 1_000.33,
      messages_received_rate: 10,
      events_published_rate: 1,
      connections_rate: 4,
      errors_rate: 2,
    });
  });

  it('samples once for all viewers, and shows the latest sample to one who comes in between', async () => {
    const world = new World();
    const viewers = [world.viewer(), world.viewer(), world.viewer()];
    await world.wake();
    const late = world.viewer();
    assert.deepEqual(late.samples, viewers[0]?.samples);
    assert.equal(late.samples.length, 1);
    await world.wake();
    assert.equal(world.reads, 3, 'one to compare with, and two samples');
    for (const viewer of [...viewers, late]) assert.deepEqual(viewer.samples, viewers[0]?.samples);
  });

  it('does nothing while nobody looks', async () => {
    const world = new World();
    assert.deepEqual([world.reads, world.metering], [0, 0]);
    const viewer = world.viewer();
    assert.equal(world.metering, 1);
    await world.wake();
    viewer.stream.close();
    await world.wake();
    assert.deepEqual([world.reads, world.metering, world.asleepMs], [2, 0, undefined]);
    assert.equal(viewer.samples.length, 1);
  });

  it('begins anew, with figures of now, for one who comes after that', async () => {
    const world = new World();
    const first = world.viewer();
    await world.wake();
    first.stream.close();
    await world.wake();
    world.now += 60_000;
    world.tally.delivered += 1_000;
    const second = world.viewer();
    assert.deepEqual(second.written, [RETRY]);
    await world.wake();
    assert.equal(second.samples[0]?.messages_sent_rate, 0);
    assert.equal(world.metering, 1);
  });

  it('goes on where the only viewer is followed by another at once', async () => {
    const world = new World();
    world.viewer().stream.close();
    const second = world.viewer();
    await world.wake();
    await world.wake();
    assert.equal(second.samples.length, 2);
    assert.deepEqual([world.reads, world.metering], [3, 1]);
  });

  it('logs a fault, and goes on', async () => {
    const world = new World();
    const viewer = world.viewer();
    await world.wake();
    world.failure = new Error('no such figure');
    await world.wake();
    assert.equal(viewer.samples.length, 1);
    assert.match(world.log.join(), /no such figure/);
    world.failure = undefined;
    world.tally.delivered += 60;
    await world.wake();
    assert.equal(viewer.samples[1]?.messages_sent_rate, 10, 'of both intervals');
  });
});

describe('a stream of samples', () => {
  it('skips what the socket has no room for, and goes on with the next sample', async () => {
    const world = new World();
    const [slow, other] = [world.viewer(), world.viewer()];
    slow.room = false;
    await world.wake();
    assert.equal(slow.samples.length, 1, 'the one that filled the socket is on its way');
    assert.equal(slow.stream.laggingSince, world.now);
    assert.deepEqual([world.tally.lagging, world.tally.lags], [1, 1]);
    await world.wake();
    await world.wake();
    assert.equal(slow.samples.length, 1);
    assert.equal(slow.stream.laggingSince, world.now - 6_000);

    slow.room = true;
    slow.stream.drained();
    assert.equal(slow.stream.laggingSince, 0);
    assert.equal(slow.samples.length, 1, 'nothing was kept for it');
    await world.wake();
    assert.deepEqual(slow.samples[1], other.samples[3]);
    assert.deepEqual([world.tally.lagging, world.tally.lags], [0, 1]);
  });

  it('that lags is not counted as lagging once it is gone', async () => {
    const world = new World();
    const slow = world.viewer();
    slow.room = false;
    await world.wake();
    slow.stream.close();
    assert.equal(world.tally.lagging, 0);
  });

  it('ends with a time to come back', async () => {
    const world = new World();
    const viewer = world.viewer();
    await world.wake();
    viewer.stream.end();
    assert.equal(viewer.ended, true);
    assert.equal(viewer.written.at(-1), RETRY);
    await world.wake();
    assert.equal(viewer.written.at(-1), RETRY, 'and nothing after it');
    assert.equal(world.metering, 0);
  });
});
