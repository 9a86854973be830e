/**
 * Is the load client the limit? The gateway and bare uWebSockets.js deliver to connections that are all read at once, and to connections of
 * which the client reads only some, so that it takes a fraction of the work. Where a delivery costs the server as much either
 * way, the client's pace has no part in what is measured.
 */

import type { Subject } from '../lab.ts';
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
  run: async (run) => {
    const found: Figure[] = [];
    for (const name of ['gateway', 'bare'] as const)
      await withSubjects(run.lab, [name], async ([subject]) => {
        if (subject !== undefined) found.push(...(await measure(run, subject)));
      });
    return found;
  },
};

async function measure(run: Run, subject: Subject): Promise<Figure[]> {
  const { name, pid } = subject;
  const sockets = await subject.open({ transport: 'ws', count: SUBSCRIBERS });
  const tick = () => subject.tick(1, 128);
  const warm = await measureTicks(pid, sockets, tick, SUBSCRIBERS, WARMUP_TICKS);
  const ticks = Math.min(MOST_TICKS, ticksOf(warm));
  const all: Round[] = [];
  const some: Round[] = [];
  for (let round = 0; round < Math.max(run.rounds, 3); round++) {
    all.push(await measureTicks(pid, sockets, tick, SUBSCRIBERS, ticks));
    some.push(await measureSome(run, pid, sockets, tick, ticks));
  }
  await sockets.close();
  return [...figures(name, 'all', all), ...figures(name, 'one in 50', some)];
}

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

function figures(subject: string, reads: string, rounds: readonly Round[]): Figure[] {
  const at = { subscribers: SUBSCRIBERS, [CLIENT_READS]: reads };
  const of = (metric: string, key: keyof Round) =>
    figure(
      'client',
      subject,
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
