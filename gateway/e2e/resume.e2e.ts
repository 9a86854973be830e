/** The command line of the full resume run: `npm run e2e:resume`. Ends with 1 on any violation. */
import { anySeed, commandLine } from './harness/command-line.ts';
import { runResume } from './harness/resume.ts';

const values = commandLine('npm run e2e:resume -- [options]', {
  seed: { about: 'the plan; the same one again by the same number', default: anySeed() },
  events: { about: 'events published in all', default: 100_000 },
  channels: { about: 'over so many channels', default: 20 },
  subscribers: { about: 'clients that must miss nothing', default: 200 },
  cuts: { about: 'connections that are cut', default: 3_000 },
  kills: { about: 'gateways that are killed', default: 2 },
  gateways: { about: 'gateways that run', default: 2 },
  rate: { about: 'events published per second', default: 1_200 },
  'limit-seconds': { about: 'the run fails after so long', default: 400 },
});

const note = (line: string) => console.log(`  ${line}`);
console.log(`Resume run with --seed ${values.seed}`);
const { violations, complaints, ...counts } = await runResume({
  seed: values.seed,
  events: values.events,
  channels: values.channels,
  subscribers: values.subscribers,
  cuts: values.cuts,
  kills: values.kills,
  gateways: values.gateways,
  eventsPerSecond: values.rate,
  limitMs: values['limit-seconds'] * 1_000,
  note,
});
for (const [name, value] of Object.entries(counts)) console.log(`${name.padEnd(20)}${value.toLocaleString('en')}`);
for (const complaint of complaints.slice(0, 20)) console.error(`unexpected: ${complaint}`);
for (const { fault, channel, subscriber, count, example } of violations.slice(0, 30))
  console.error(`VIOLATION ${fault} (${count}): ${subscriber} on ${channel}: ${example}`);
console.log(`violations          ${violations.length}`);
if (violations.length > 0 || complaints.length > 0) {
  console.error(`Failed. Again with: npm run e2e:resume -- --seed ${counts.seed}`);
  process.exitCode = 1;
}
