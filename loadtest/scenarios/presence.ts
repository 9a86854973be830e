/**
 * Presence under churn: connections come, subscribe to a channel whose members are listed and announced to everyone in it, and go. What
 * that costs the server and Redis beyond the same in channels without presence.
 */
import { GRACE_MS } from '../../broker/presence.ts';
import type { Subject } from '../lab.ts';
import { cpuSeconds } from '../machine.ts';
import { type Figure, figure } from '../results.ts';
import { fewRounds, type Run, type Scenario, withSubjects } from '../scenario.ts';

const CHANNELS = 20;
/** For leaves that wait, in case their member comes back, and for those to reach everyone. */
const SETTLE_MS = GRACE_MS + 2_000;

export const PRESENCE: Scenario = {
  name: 'presence',
  title: 'members who come and go',
  run: async (run) => {
    const names = run.lab.subjects.filter((name) => name === 'gateway' || name === 'centrifugo');
    const figures: Figure[] = [];
    for (const name of names)
      figures.push(...(await withSubjects(run.lab, [name], ([subject]) => presence(run, subject))));
    return figures;
  },
};

async function presence(run: Run, subject: Subject | undefined): Promise<Figure[]> {
  if (subject === undefined) throw new Error('There is no server');
  const members = run.quick ? 200 : 1_000;
  await churn(run, subject, 'strangers', members); // warms up
  const figures: Figure[] = [];
  for (const namespace of ['strangers', 'members'] as const) {
    run.progress(`${subject.name}, ${members} ${namespace}`);
    const rounds: Churn[] = [];
    for (let round = 0; round < fewRounds(run); round++) rounds.push(await churn(run, subject, namespace, members));
    const at = { presence: namespace === 'members' ? 'announced' : 'off', members, channels: CHANNELS };
    const of = (metric: string, key: keyof Churn) =>
      figure(
        'presence',
        subject.name,
        at,
        metric,
        rounds.map((round) => round[key]),
      );
    figures.push(of('comings and goings per CPU second of the server', 'perServer'));
    figures.push(of('comings and goings per CPU second of Redis', 'perRedis'));
  }
  return figures;
}

interface Churn {
  readonly perServer: number;
  readonly perRedis: number;
}

/** All come, all go, and all of that is dealt with. */
async function churn(run: Run, subject: Subject, namespace: string, members: number): Promise<Churn> {
  const redis = run.lab.redisPid;
  const before = { server: cpuSeconds(subject.pid), redis: cpuSeconds(redis) };
  const channels = (index: number) => [`${namespace}:${index % CHANNELS}`];
  const sockets = await subject.open({ transport: 'ws', count: members, channels });
  if (sockets.lost > 0) throw new Error(`${sockets.lost} members were lost`);
  await sockets.close();
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return {
    perServer: (2 * members) / (cpuSeconds(subject.pid) - before.server),
    perRedis: (2 * members) / (cpuSeconds(redis) - before.redis),
  };
}
