/**
 * As many connections as the machine holds: 100,000 over 6 gateways, half of them WebSockets and half event streams, all on one
 * channel. One event must reach every one of them. Several client processes, as one has not the descriptors.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from '../../broker/testing/until.ts';
import type { CrowdNews, CrowdOrder } from '../crowd.ts';
import { batchFor, CLIENT_CORE, type Process, SERVER_CORE } from '../lab.ts';
import { kernelBytes, pin, residentBytes } from '../machine.ts';
import { type Figure, figure, KERNEL_BYTES, RESIDENT_BYTES } from '../results.ts';
import type { Scenario } from '../scenario.ts';

export const LIVE = 'connections live at once';
export const REACHED = 'connections that the broadcast reached';
export const REACH_SECONDS = 'seconds until it had reached all';

const GATEWAYS = 6;
const CHANNEL = 'strangers:crowd';
const MEMBER = fileURLToPath(new URL('../crowd.js', import.meta.url));
const SETTLE_MS = 3_000;

export const CROWD: Scenario = {
  name: 'crowd',
  title: 'as many connections as the machine holds, and one event for all of them',
  run: async (run) => {
    const total = run.quick ? 12_000 : 100_000;
    // On whatever core: this is about the machine.
    const both = ['taskset', '-c', `${SERVER_CORE},${CLIENT_CORE}`];
    const gateways: Process[] = [];
    const members: ChildProcess[] = [];
    try {
      for (let index = 0; index < GATEWAYS; index++) gateways.push(await run.lab.gateway({}, both));
      const before = { resident: resident(gateways), kernel: kernelBytes() };
      const startedAt = performance.now();
      const opening: Promise<CrowdNews>[] = [];
      for (const [index, { url }] of gateways.entries()) {
        const count = Math.floor(total / GATEWAYS) + (index < total % GATEWAYS ? 1 : 0);
        const transport = index % 2 === 0 ? 'ws' : 'sse';
        const member = join({ url, transport, count, localAddress: `127.0.1.${index + 1}`, channel: CHANNEL });
        members.push(member);
        opening.push(news(member, 'open'));
      }
      await Promise.all(opening);
      const openSeconds = (performance.now() - startedAt) / 1_000;
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const live = await connections(gateways);
      const after = { resident: resident(gateways), kernel: kernelBytes() };
      run.progress(`${live} connections are live after ${openSeconds.toFixed(0)} s`);
      const reached = members.map((member) => news(member, 'received'));
      const publishedAt = performance.now();
      await run.lab.publish(batchFor([CHANNEL]));
      const arrived = await Promise.all(reached);
      const seconds = (performance.now() - publishedAt) / 1_000;
      const reachedCount = eventsOf(arrived);
      if (reachedCount !== total) throw new Error(`The crowd got ${reachedCount} events: ${JSON.stringify(arrived)}`);
      return figures(total, {
        [LIVE]: live,
        [REACHED]: reachedCount,
        [REACH_SECONDS]: seconds,
        'seconds until all were connected': openSeconds,
        [RESIDENT_BYTES]: (after.resident - before.resident) / total,
        [KERNEL_BYTES]: (after.kernel - before.kernel) / total,
      });
    } finally {
      for (const member of members) member.kill('SIGKILL');
      await Promise.all(gateways.map((gateway) => run.lab.end(gateway)));
    }
  },
};

/** Each member waits for as many events as it has connections; one that is given to somebody twice, or a connection that is lost, is a fault. */
function eventsOf(arrived: readonly CrowdNews[]): number {
  let events = 0;
  for (const one of arrived) {
    if (one.is !== 'received' || one.lost > 0)
      throw new Error(`The crowd lost connections: ${JSON.stringify(arrived)}`);
    events += one.events;
  }
  return events;
}

function figures(total: number, values: Readonly<Record<string, number>>): Figure[] {
  const at = { gateways: GATEWAYS, connections: total };
  return Object.entries(values).map(([metric, value]) => figure('crowd', 'gateway', at, metric, [value]));
}

function join(order: CrowdOrder): ChildProcess {
  const member = fork(MEMBER, [JSON.stringify(order)]);
  if (member.pid !== undefined) pin(member.pid, `${SERVER_CORE},${CLIENT_CORE}`);
  return member;
}

/** Rejects where the process ends first. */
async function news(member: ChildProcess, is: CrowdNews['is']): Promise<CrowdNews> {
  const gone = once(member, 'exit').then(() => {
    throw new Error('A client process ended');
  });
  gone.catch(() => undefined); // where it ends later, that is no failure
  for (;;) {
    const [told] = (await Promise.race([once(member, 'message'), gone])) as [CrowdNews];
    if (told.is === is) return told;
  }
}

async function connections(gateways: readonly Process[]): Promise<number> {
  let live = 0;
  await until('the gateways tell how many they hold', async () => {
    const all = await Promise.all(gateways.map(async ({ url }) => (await fetch(`${url}/stats`)).json()));
    live = all.reduce(
      (sum: number, stats) => sum + Number((stats as { active_connections: number }).active_connections),
      0,
    );
    return live > 0;
  });
  return live;
}

function resident(gateways: readonly Process[]): number {
  return gateways.reduce((sum, { pid }) => sum + residentBytes(pid), 0);
}
