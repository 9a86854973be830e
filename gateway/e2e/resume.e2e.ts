/** The command line of the full resume run: `npm run e2e:resume`. Ends with 1 on any violation. */
import { parseArgs } from 'node:util';
import { runResume } from './resume.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    events: { type: 'string', default: '100000' },
    channels: { type: 'string', default: '20' },
    subscribers: { type: 'string', default: '200' },
    cuts: { type: 'string', default: '3000' },
    kills: { type: 'string', default: '2' },
    gateways: { type: 'string', default: '2' },
    rate: { type: 'string', default: '1200' },
    'limit-seconds': { type: 'string', default: '400' },
  },
});

const note = (line: string) => console.log(`  ${line}`);
console.log(`Resume run with --seed ${values.seed}`);
const { violations, complaints, ...counts } = await runResume({
  seed: Number(values.seed),
  events: Number(values.events),
  channels: Number(values.channels),
  subscribers: Number(values.subscribers),
  cuts: Number(values.cuts),
  kills: Number(values.kills),
  gateways: Number(values.gateways),
  eventsPerSecond: Number(values.rate),
  limitMs: Number(values['limit-seconds']) * 1_000,
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
