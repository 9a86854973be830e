/**
 * `npm run bench:rolling`: three gateways behind nginx are restarted one after the other under thousands of clients, once with connections closed
 * over a window and once all at a time. Nobody may miss an event or get one twice, and how fast clients came back is counted for each
 * gateway, and drawn. Ends with 1 where anything was lost, or the pace was not kept. See README.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { anySeed, commandLine } from '../gateway/e2e/harness/command-line.ts';
import { type RollingReport, runRolling } from '../gateway/e2e/harness/rolling.ts';
import { describeMachine } from './machine.ts';
import { picture } from './rolling/picture.ts';
import { boundOf, ratesOf } from './rolling/rates.ts';

const values = commandLine('npm run bench:rolling -- [options]', {
  clients: { about: 'clients that must miss nothing, half of them event streams', default: 3_000 },
  'window-ms': { about: 'over how long a gateway closes its connections', default: 10_000 },
  rate: { about: 'events published per second', default: 20 },
  seed: { about: 'who follows what; the same again by the same number', default: anySeed() },
  out: {
    about: 'the results, without .json and .svg',
    default: fileURLToPath(new URL('../../loadtest/results/rolling-restart', import.meta.url)),
  },
});

const { clients, 'window-ms': windowMs } = values;
console.log(`Rolling restarts with --seed ${values.seed}`);
const machine = describeMachine();
const runs = [await run('closed evenly over a window', windowMs), await run('all closed at once', 0)];
const kept =
  runs.every(({ lost }) => lost === 0) && runs.every(({ bound, most }) => bound === undefined || most <= bound);

mkdirSync(dirname(values.out), { recursive: true });
const results = { machine, measuredAt: new Date().toISOString(), seed: values.seed, clients, kept, runs };
writeFileSync(`${values.out}.json`, `${JSON.stringify(results, null, 1)}\n`);
const title = `Three gateways restarted one after the other under ${clients.toLocaleString('en')} clients`;
writeFileSync(`${values.out}.svg`, picture(title, runs));
console.log(`${values.out}.json\n${values.out}.svg`);
if (!kept) {
  console.error(`Failed. Again with: npm run bench:rolling -- --seed ${values.seed}`);
  process.exitCode = 1;
}

async function run(title: string, windowMs: number) {
  console.log(title);
  const report = await runRolling({
    seed: values.seed,
    gateways: 3,
    clients,
    channels: Math.max(1, Math.round(clients / 50)),
    eventsPerSecond: values.rate,
    settleMs: 0, // nginx does not ask /readyz
    windowMs,
    restMs: 4_000,
    env: { MAX_EVENT_LOOP_LAG_MS: '1000' }, // as it is unless set: tests have none
    note: (line) => console.log(`  ${line}`),
  });
  const { violations, complaints, ...counts } = report.traffic;
  for (const complaint of complaints.slice(0, 20)) console.error(`  unexpected: ${complaint}`);
  for (const { fault, channel, subscriber, count, example } of violations.slice(0, 20))
    console.error(`  VIOLATION ${fault} (${count}): ${subscriber} on ${channel}: ${example}`);
  const replicas = replicasOf(report);
  const bound = boundOf(report, windowMs);
  const most = Math.max(...replicas.map(({ mostOpened }) => mostOpened));
  for (const [name, count] of Object.entries(counts)) console.log(`  ${name.padEnd(12)}${count.toLocaleString('en')}`);
  console.log(`  turned away ${report.turnedAway}`);
  console.log(`  most connections that a gateway opened within a second: ${most} (bound: ${bound ?? 'none'})`);
  const { turnedAway } = report;
  return { title, windowMs, ...counts, turnedAway, lost: violations.length + complaints.length, bound, most, replicas };
}

function replicasOf({ replicas, totalMs }: RollingReport) {
  const firstRestartMs = Math.min(...replicas.map(({ restart }) => restart.toldMs));
  return replicas.map((replica) => ({ restart: replica.restart, ...ratesOf(replica, firstRestartMs, totalMs) }));
}
