/** The command line of the fuzzer: `npm run fuzz`. Ends with 1 where an input did harm. */

import { runFuzz } from './fuzz/run.ts';
import { anySeed, commandLine } from './harness/command-line.ts';

const values = commandLine('npm run fuzz -- [options]', {
  seed: { about: 'what is sent; the same again by the same number', default: anySeed() },
  inputs: { about: 'frames and requests', default: 1_000_000 },
  only: {
    about: 'only the conversations with these numbers, separated by commas, again and again',
    default: undefined,
  },
});

console.log(`Fuzzing with --seed ${values.seed}`);
const { faults, ...counts } = await runFuzz({
  seed: values.seed,
  inputs: values.inputs,
  ...(values.only === undefined ? {} : { only: values.only.split(',').map(Number) }),
  note: (line) => console.log(`  ${line}`),
});
for (const [name, value] of Object.entries(counts))
  console.log(`${name.padEnd(20)}${typeof value === 'number' ? value.toLocaleString('en') : JSON.stringify(value)}`);
for (const fault of faults) console.error(`FAULT ${fault}`);
console.log(`faults              ${faults.length}`);
if (faults.length > 0) {
  console.error(`Failed. Again with: npm run fuzz -- --inputs ${values.inputs} --seed ${values.seed}`);
  process.exitCode = 1;
}
