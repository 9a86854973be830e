/**
 * `npm run abuse`: abuses each command and each route beside healthy clients. Prints the table, writes `loadtest/results/abuse.json` and
 * `abuse.md`, and ends with 1 where anything was not safe. See loadtest/README.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandLine } from '../../gateway/e2e/harness/command-line.ts';
import { describeMachine } from '../machine.ts';
import { CASES } from './cases.ts';
import { type AbuseResults, abuseTable } from './report.ts';
import { type AbuseResult, runCase } from './run.ts';
import { Stage } from './stage.ts';

const values = commandLine('npm run abuse -- [options]', {
  case: { about: 'only the cases whose names contain this; their results are printed and not written', default: '' },
  subscribers: { about: 'healthy subscribers', default: 100 },
  rate: { about: 'events published to them per second', default: 50 },
  events: { about: 'events of 60 KB in the channel that is read', default: 1_000 },
  members: { about: 'members of the channel and of the room that are listed', default: 1_000 },
  quiet: { about: 'seconds without the abuser, before each case', default: 4 },
  seconds: { about: 'seconds beside it', default: 8 },
  out: {
    about: 'the folder for the results',
    default: fileURLToPath(new URL('../../../loadtest/results', import.meta.url)),
  },
});
const machine = describeMachine(); // before anything is written: the results are part of the tree whose state it names
const names = [...CASES.keys()].filter((name) => name.includes(values.case));
if (names.length === 0) {
  console.error(`No case has ${JSON.stringify(values.case)} in its name. There are: ${[...CASES.keys()].join(', ')}`);
  process.exit(2);
}

const cases: AbuseResult[] = [];
for (const name of names) {
  // Each on gateways of its own: what one left behind is not taken for what the next one does.
  const stage = await Stage.start(values);
  try {
    const result = await runCase(stage, name, {
      subscribers: values.subscribers,
      eventsPerSecond: values.rate,
      quietMs: values.quiet * 1_000,
      abusedMs: values.seconds * 1_000,
    });
    cases.push(result);
    const { quiet, abused, violations } = result;
    console.log(`${name}: p99 ${quiet.p99.toFixed(1)} ms, beside the abuser ${abused.p99.toFixed(1)} ms`);
    for (const violation of violations.slice(0, 5)) console.error(`  NOT SAFE: ${violation}`);
  } finally {
    await stage.stop();
  }
}
const results: AbuseResults = {
  machine,
  measuredAt: new Date().toISOString(),
  subscribers: values.subscribers,
  eventsPerSecond: values.rate,
  abusedSeconds: values.seconds,
  cases,
};
console.log(`\n${abuseTable(results)}`);
if (values.case === '') {
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, 'abuse.json'), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(values.out, 'abuse.md'), abuseTable(results));
}
if (cases.some(({ violations }) => violations.length > 0)) process.exitCode = 1;
