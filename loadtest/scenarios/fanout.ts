/**
 * Deliveries per CPU second: servers that do nothing but deliver, in rounds that take turns on one core. A tick is sent only
 * when the one before it has arrived everywhere, so each tick is delivered by itself, and a slow client can't make a server
 * look better or worse: its pace has no part in the server's CPU time.
 */
import type { Transport } from '../dialects.ts';
import { batchFor, type Subject, type SubjectName, speaks } from '../lab.ts';
import { cpuSeconds } from '../machine.ts';
import { CHANNEL, PAYLOAD_BYTES } from '../payload.ts';
import { type Case, type Figure, figure, PER_CPU_SECOND } from '../results.ts';
import { type Run, type Scenario, withSubjects } from '../scenario.ts';
import type { LoadSockets } from '../sockets.ts';

export interface Round {
  readonly perCpuSecond: number;
  /** Events that one read of the client brought: with one write per connection and tick it is the events of a tick. */
  readonly eventsPerRead: number;
  /** The client's own share of its core. */
  readonly clientBusy: number;
  /** What the client could take at most, at the cost of this round. */
  readonly clientCeiling: number;
}

const TICK_LIMIT_MS = 20_000;
/** A round lasts until either is used up, but for one tick at least. */
const CPU_SECONDS = 0.25;
const WALL_SECONDS = 0.4;
const LEAST_TICKS = 1;
const MOST_TICKS = 2_000;
const WARMUP_TICKS = 20;
/** More are not kept open at a time: client and harness are one process, with one limit of descriptors. */
const MOST_SOCKETS = 16_000;

export const FANOUT: Scenario = {
  name: 'fanout',
  title: 'one channel, all subscribers on it',
  run: async (run) => {
    const figures: Figure[] = [];
    for (const subscribers of run.quick ? [1_000] : [1, 100, 1_000, 5_000])
      figures.push(...(await fanout(run, subscribers)));
    return figures;
  },
};

/** A server that is measured by one transport: those that have both are there twice, as what they cost is compared, too. */
interface Line {
  readonly name: SubjectName;
  readonly transport: Transport;
}

interface Opened extends Line {
  readonly channel: string;
  readonly subject: Subject;
  readonly sockets: LoadSockets;
}

const STREAMS_CHANNEL = `${CHANNEL}-streams`;

async function fanout(run: Run, subscribers: number): Promise<Figure[]> {
  const transports: readonly Transport[] = ['ws', 'sse'];
  const lines = transports.flatMap((transport) =>
    run.lab.subjects.filter((name) => speaks(name, transport)).map((name): Line => ({ name, transport })),
  );
  // All at once, so that they take turns, where the client has the descriptors for that.
  const groups = subscribers * lines.length <= MOST_SOCKETS ? [lines] : lines.map((line) => [line]);
  const figures: Figure[] = [];
  for (const group of groups) figures.push(...(await measureGroup(run, group, subscribers)));
  return figures;
}

function measureGroup(run: Run, lines: readonly Line[], subscribers: number): Promise<Figure[]> {
  const names = lines.map(({ name }) => name);
  return withSubjects(run.lab, names, async (subjects) => {
    const opened: Opened[] = [];
    for (const [index, subject] of subjects.entries()) {
      const { name, transport } = lines[index] as Line;
      // Two gateways with one channel would deliver at the same time.
      const channel = name === 'gateway' && transport === 'sse' ? STREAMS_CHANNEL : CHANNEL;
      const sockets = await subject.open({ transport, count: subscribers, channels: () => [channel] });
      opened.push({ name, transport, channel, subject, sockets });
    }
    const figures: Figure[] = [];
    for (const bytes of run.quick ? [PAYLOAD_BYTES] : [PAYLOAD_BYTES, 1_024])
      for (const events of run.quick ? [1, 32] : [1, 8, 32])
        figures.push(...(await measureCase(run, opened, { subscribers, bytes, events })));
    for (const { sockets } of opened) await sockets.close();
    return figures;
  });
}

type FanoutCase = Case & {
  readonly subscribers: number;
  readonly bytes: number;
  readonly events: number;
};

async function measureCase(run: Run, opened: readonly Opened[], at: FanoutCase): Promise<Figure[]> {
  const who = opened.length === 1 ? `${opened[0]?.name}, ${opened[0]?.transport}, ` : '';
  run.progress(`${who}${at.subscribers} subscribers, ${at.events} × ${at.bytes} B a tick`);
  const lines = [];
  for (const { subject, transport, channel, sockets } of opened) {
    const tick =
      channel === CHANNEL
        ? () => subject.tick(at.events, at.bytes)
        : () => run.lab.publish(batchFor(Array(at.events).fill(channel), at.bytes));
    const perTick = at.events * at.subscribers;
    const first = await measureTicks(subject.pid, sockets, tick, perTick, 1);
    // Servers that take a second for a tick are warm after one.
    const warm = await measureTicks(subject.pid, sockets, tick, perTick, Math.min(WARMUP_TICKS, ticksOf(first)));
    lines.push({ subject, transport, sockets, tick, perTick, ticks: ticksOf(warm), rounds: [] as Round[] });
  }
  for (let round = 0; round < run.rounds; round++)
    for (const { subject, sockets, tick, perTick, ticks, rounds } of lines)
      rounds.push(await measureTicks(subject.pid, sockets, tick, perTick, ticks));
  return lines.flatMap(({ subject, transport, rounds }) =>
    figuresOf('fanout', subject.name, { transport, ...at }, rounds),
  );
}

export function figuresOf(scenario: string, subject: string, at: Case, rounds: readonly Round[]): Figure[] {
  const of = (metric: string, key: keyof Round) =>
    figure(
      scenario,
      subject,
      at,
      metric,
      rounds.map((round) => round[key]),
    );
  return [
    of(PER_CPU_SECOND, 'perCpuSecond'),
    of('events a read', 'eventsPerRead'),
    of("client's share of its core", 'clientBusy'),
    of("client's ceiling, deliveries per CPU second", 'clientCeiling'),
  ];
}

interface Timed extends Round {
  readonly cpuPerTick: number;
  readonly wallPerTick: number;
}

/** How many ticks a round should have, after what they took in the warm-up. */
export function ticksOf({ cpuPerTick, wallPerTick }: Timed): number {
  const fitting = Math.min(CPU_SECONDS / cpuPerTick, WALL_SECONDS / wallPerTick, MOST_TICKS);
  return Math.max(LEAST_TICKS, Math.round(fitting));
}

/** Sends so many ticks, one after the other, and fails where an event is missing or too many. */
export async function measureTicks(
  pid: number,
  sockets: LoadSockets,
  tick: (index: number) => Promise<void>,
  perTick: number,
  ticks: number,
): Promise<Timed> {
  const { received, reads } = sockets;
  const before = { cpu: cpuSeconds(pid), own: process.cpuUsage(), at: performance.now() };
  for (let index = 0; index < ticks; index++) {
    await tick(index);
    await sockets.until(received + (index + 1) * perTick, TICK_LIMIT_MS);
  }
  const cpu = cpuSeconds(pid) - before.cpu;
  const wall = (performance.now() - before.at) / 1_000;
  const own = process.cpuUsage(before.own);
  const ownSeconds = (own.user + own.system) / 1e6;
  const deliveries = sockets.received - received;
  if (deliveries !== ticks * perTick || sockets.lost > 0)
    throw new Error(`${deliveries} deliveries in place of ${ticks * perTick}; ${sockets.lost} connections lost`);
  return {
    perCpuSecond: deliveries / cpu,
    eventsPerRead: deliveries / (sockets.reads - reads),
    clientBusy: ownSeconds / wall,
    clientCeiling: deliveries / ownSeconds,
    cpuPerTick: cpu / ticks,
    wallPerTick: wall / ticks,
  };
}
