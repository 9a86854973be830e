/**
 * Is the load client the limit? Bare uWebSockets.js delivers to connections that are all read at once, and to connections of which
 * the client reads only some, so that it takes a fraction of the work. Where a delivery costs the server as much either
 * way, the client's pace has no part in what is measured.
 */
import { type Figure, figure, PER_CPU_SECOND } from '../results.ts';
import { type Run, type Scenario, withSubjects } from '../scenario.ts';
import type { LoadSockets } from '../sockets.ts';
import { measureTicks, type Round, ticksOf } from './fanout.ts';

const SUBSCRIBERS = 1_000;
/** One in so many is read while the others wait. */
const EACH = 50;
const WARMUP_TICKS = 20;
/** What waits in the kernel meanwhile is well below what a socket takes. */
const MOST_TICKS = 400;

export const CLIENT_READS = 'connections read';

export const CLIENT: Scenario = {
  name: 'client',
  title: 'whether the load client is the limit',
  run: (run) =>
    withSubjects(run.lab, ['bare'], async ([bare]) => {
      if (bare === undefined) throw new Error('There is no server');
      const sockets = await bare.open({ transport: 'ws', count: SUBSCRIBERS });
      const tick = () => bare.tick(1, 128);
      const warm = await measureTicks(bare.pid, sockets, tick, SUBSCRIBERS, WARMUP_TICKS);
      const ticks = Math.min(MOST_TICKS, ticksOf(warm));
      const all: Round[] = [];
      const some: Round[] = [];
      for (let round = 0; round < Math.max(run.rounds, 3); round++) {
        all.push(await measureTicks(bare.pid, sockets, tick, SUBSCRIBERS, ticks));
        some.push(await measureSome(run, bare.pid, sockets, tick, ticks));
      }
      await sockets.close();
      return [...figures('all', all), ...figures('one in 50', some)];
    }),
};

/** As `measureTicks`, with most connections read only after the last tick. */
async function measureSome(
  run: Run,
  pid: number,
  sockets: LoadSockets,
  tick: () => Promise<void>,
  ticks: number,
): Promise<Round> {
  const before = sockets.received;
  sockets.readOnly(EACH);
  const round = await measureTicks(pid, sockets, tick, SUBSCRIBERS / EACH, ticks);
  sockets.readAll();
  await sockets.until(before + ticks * SUBSCRIBERS, 30_000);
  run.progress('all that had waited was read');
  return { ...round, perCpuSecond: round.perCpuSecond * EACH, clientCeiling: round.clientCeiling * EACH };
}

function figures(reads: string, rounds: readonly Round[]): Figure[] {
  const at = { subscribers: SUBSCRIBERS, [CLIENT_READS]: reads };
  const of = (metric: string, key: keyof Round) =>
    figure(
      'client',
      'bare',
      at,
      metric,
      rounds.map((round) => round[key]),
    );
  return [
    of(PER_CPU_SECOND, 'perCpuSecond'),
    of("client's share of its core", 'clientBusy'),
    of("client's ceiling, deliveries per CPU second", 'clientCeiling'),
  ];
}
