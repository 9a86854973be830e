/**
 * A restless crowd: 10,000 clients, half of them event streams, on one channel over two gateways, each cut without a word about every
 * 15 seconds for about 2, and back at either gateway. 120 broadcasts, two a second: everybody must get each of them, once and in
 * order. Several client processes, as one has not the descriptors.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Transport } from '../dialects.ts';
import { percentile } from '../figures.ts';
import type { JitterNews, JitterOrder } from '../jitter.ts';
import { CLIENT_CORE, type Process, SERVER_CORE } from '../lab.ts';
import { pin } from '../machine.ts';
import { payload } from '../payload.ts';
import { type Case, type Figure, figure } from '../results.ts';
import { NUMBER_DIGITS, STAMP_DIGITS } from '../roamer.ts';
import type { Run, Scenario } from '../scenario.ts';

const EVENTS = 120;
const PACE_MS = 500;
const GATEWAYS = 2;
const BYTES = 128;
const MEMBER = fileURLToPath(new URL('../jitter.js', import.meta.url));
/** On whatever core: this is about what arrives, not about what it costs. */
const BOTH = `${SERVER_CORE},${CLIENT_CORE}`;
const TRANSPORTS: readonly Transport[] = ['ws', 'sse'];

type Done = Extract<JitterNews, { is: 'done' }>;

export const JITTER: Scenario = {
  name: 'jitter',
  title: 'a restless crowd: everybody cut again and again while events are published',
  apart: true,
  run: async (run) => {
    const total = run.quick ? 500 : 10_000;
    const gateways: Process[] = [];
    const members: ChildProcess[] = [];
    // A channel that nobody has used: everybody is owed each of its events.
    const channel = `load:jitter-${total}`;
    try {
      while (gateways.length < GATEWAYS) gateways.push(await run.lab.gateway({}, ['taskset', '-c', BOTH]));
      for (const [index, transport] of TRANSPORTS.entries())
        members.push(
          start({
            urls: gateways.map(({ url }) => url),
            transport,
            count: total / TRANSPORTS.length,
            localAddress: `127.0.2.${index + 1}`,
            channel,
            events: EVENTS,
          }),
        );
      await Promise.all(members.map((member) => news(member, 'ready')));
      run.progress(`${total} clients are there, and are being cut`);
      await publish(run, channel);
      const finished = members.map((member) => news(member, 'done'));
      for (const member of members) member.send('finish');
      const done = (await Promise.all(finished)) as Done[];
      return done.flatMap((one, index) => figures(TRANSPORTS[index] ?? 'ws', total / TRANSPORTS.length, one));
    } finally {
      for (const member of members) member.kill('SIGKILL');
      await Promise.all(gateways.map((gateway) => run.lab.end(gateway)));
    }
  },
};

async function publish(run: Run, channel: string): Promise<void> {
  const startedAt = performance.now();
  for (let number = 0; number < EVENTS; number++) {
    await sleep(Math.max(0, startedAt + number * PACE_MS - performance.now()));
    const stamp = String(number).padStart(NUMBER_DIGITS, '0') + String(Date.now()).padStart(STAMP_DIGITS, '0');
    await run.lab.publish(`{"publishes":[{"channel":"${channel}","data":${payload(BYTES, stamp)}}]}`);
    if ((number + 1) % (EVENTS / 4) === 0) run.progress(`${number + 1} of ${EVENTS} events are published`);
  }
}

function figures(transport: Transport, clients: number, done: Done): Figure[] {
  const at: Case = { transport, 'clients of each transport': clients, gateways: GATEWAYS, events: EVENTS };
  const owed = clients * EVENTS;
  const values: Readonly<Record<string, number>> = {
    'percent delivered': (100 * done.received) / owed,
    'events delivered twice': done.duplicates,
    'events passed over': done.missed,
    'gap notices': done.gaps,
    cuts: done.cuts,
    'connections that a gateway refused or lost': done.refusals,
    replays: done.replays.length,
    'ms until a replay was complete, median': percentile(done.replays, 50),
    'ms until a replay was complete, 99th percentile': percentile(done.replays, 99),
    'ms until a replay was complete, most': percentile(done.replays, 100),
  };
  if (done.received !== owed || done.duplicates + done.missed + done.gaps > 0)
    throw new Error(`The promise is broken over ${transport}: ${JSON.stringify(values)}`);
  return Object.entries(values).map(([metric, value]) => figure('jitter', 'gateway', at, metric, [value]));
}

function start(order: JitterOrder): ChildProcess {
  const member = fork(MEMBER, [JSON.stringify(order)]);
  if (member.pid !== undefined) pin(member.pid, BOTH);
  return member;
}

/** Rejects where the process ends first. */
async function news(member: ChildProcess, is: JitterNews['is']): Promise<JitterNews> {
  const gone = once(member, 'exit').then(() => {
    throw new Error('A client process ended');
  });
  gone.catch(() => undefined); // where it ends later, that is no failure
  for (;;) {
    const [told] = (await Promise.race([once(member, 'message'), gone])) as [JitterNews];
    if (told.is === is) return told;
  }
}
