/**
 * `npm run faults`: injects faults into real processes and judges whether every promise was kept. Prints the table, writes
 * `loadtest/results/faults.json` and `faults.md`, and ends with 1 on any violation. See loadtest/README.md.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { anySeed, commandLine } from '../../gateway/e2e/harness/command-line.ts';
import { describeMachine } from '../machine.ts';
import { FORMS, type Form } from './fault.ts';
import { type FaultResults, faultTable } from './report.ts';
import { type FaultReport, runFaults } from './run.ts';

const values = commandLine('npm run faults -- [options]', {
  form: { about: `the form of Redis: ${FORMS.join(', ')}, or all`, default: 'all' },
  faults: { about: 'how many faults are injected into each form', default: 180 },
  without: { about: 'leave out the faults whose names contain this', default: '' },
  seed: { about: 'the plan; the same one again by the same number', default: anySeed() },
  subscribers: { about: 'clients that must miss nothing', default: 24 },
  rate: { about: 'events published per second', default: 120 },
  add: { about: 'add to the last results of the form, rather than replace them', default: false },
  out: {
    about: 'the folder for the results',
    default: fileURLToPath(new URL('../../../loadtest/results', import.meta.url)),
  },
});
const machine = describeMachine(); // before anything is written: the results are part of the tree whose state it names
const file = join(values.out, 'faults.json');
const forms = FORMS.filter((form) => values.form === form || values.form === 'all');
if (forms.length === 0) {
  console.error(`--form is ${JSON.stringify(values.form)}; it may be ${FORMS.join(', ')} or all`);
  process.exit(2);
}

let failed = false;
for (const form of forms) {
  console.log(`${form}: ${values.faults} faults, --seed ${values.seed}`);
  const report = await runFaults({
    form,
    faults: values.faults,
    seed: values.seed,
    subscribers: values.subscribers,
    eventsPerSecond: values.rate,
    without: values.without,
    note: (line) => console.log(`  ${line}`),
  });
  keep(form, report);
  for (const { fault, channel, subscriber, count, example } of report.violations.slice(0, 30))
    console.error(`VIOLATION ${fault} (${count}): ${subscriber} on ${channel}: ${example}`);
  for (const complaint of report.complaints.slice(0, 20)) console.error(`unexpected: ${complaint}`);
  if (report.violations.length === 0 && report.complaints.length === 0) continue;
  console.error(`Failed. Again with: npm run faults -- --form ${form} --faults ${values.faults} --seed ${values.seed}`);
  failed = true;
}
console.log(`\n${faultTable(known())}`);
if (failed) process.exitCode = 1;

/** The other forms' last results stay, and with `--add` also those of this form. */
function keep(form: Form, report: FaultReport): void {
  const others = known().runs.filter((run) => values.add || run.form !== form);
  const results: FaultResults = { machine, runs: [...others, report] };
  mkdirSync(values.out, { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(values.out, 'faults.md'), faultTable(results));
}

function known(): FaultResults {
  if (!existsSync(file)) return { machine: describeMachine(), runs: [] };
  return JSON.parse(readFileSync(file, 'utf8')) as FaultResults;
}
