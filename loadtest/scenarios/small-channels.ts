/**
 * Many small channels: 10,000 of 2 subscribers each. A tick is one event in each of 500 of them, so nothing can be gathered
 * for anybody, and what an event costs whatever the number of its subscribers is paid for every two deliveries.
 */
import type { Figure } from '../results.ts';
import { type Run, type Scenario, withSubjects } from '../scenario.ts';
import type { LoadSockets } from '../sockets.ts';
import { figuresOf, measureTicks, type Round, ticksOf } from './fanout.ts';

const SUBSCRIBERS = 2;
/** So that connections stay well below the limit of descriptors. */
const CHANNELS_PER_CONNECTION = 10;
const CHANNELS_PER_TICK = 500;
const WARMUP_TICKS = 4;

export const SMALL_CHANNELS: Scenario = {
  name: 'small-channels',
  title: 'many channels of two subscribers',
  run: (run) => withSubjects(run.lab, run.lab.subjects, (subjects) => measure(run, subjects)),
};

async function measure(run: Run, subjects: Parameters<Parameters<typeof withSubjects>[2]>[0]): Promise<Figure[]> {
  const channels = run.quick ? 1_000 : 10_000;
  const at = { transport: 'ws', channels, subscribers: SUBSCRIBERS };
  const lines = [];
  for (const subject of subjects) {
    run.progress(`${subject.name}, ${channels} channels`);
    const sockets = await subject.open({
      transport: 'ws',
      count: (channels * SUBSCRIBERS) / CHANNELS_PER_CONNECTION,
      channels: (index) => channelsOf(index, channels),
    });
    const tick = (index: number) => subject.spread(CHANNELS_PER_TICK, (index * CHANNELS_PER_TICK) % channels);
    const ticks = ticksOf(await measureSpread(subject.pid, sockets, tick, WARMUP_TICKS));
    lines.push({ subject, sockets, tick, ticks, rounds: [] as Round[] });
  }
  for (let round = 0; round < run.rounds; round++)
    for (const { subject, sockets, tick, ticks, rounds } of lines)
      rounds.push(await measureSpread(subject.pid, sockets, tick, ticks));
  for (const { sockets } of lines) await sockets.close();
  return lines.flatMap(({ subject, rounds }) => figuresOf('small-channels', subject.name, at, rounds));
}

function channelsOf(index: number, channels: number): string[] {
  const first = index * CHANNELS_PER_CONNECTION;
  return Array.from({ length: CHANNELS_PER_CONNECTION }, (_, offset) => `load:${(first + offset) % channels}`);
}

function measureSpread(pid: number, sockets: LoadSockets, tick: (index: number) => Promise<void>, ticks: number) {
  return measureTicks(pid, sockets, tick, CHANNELS_PER_TICK * SUBSCRIBERS, ticks);
}
