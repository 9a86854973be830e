/**
 * `npm run bench`: what one gateway core and one Redis core carry, beside bare uWebSockets.js, npm `ws` with Redis pub/sub, and
 * Centrifugo where its binary is at hand, in one run. Tells what it does, prints tables and targets, writes
 * the results as JSON, as a text and as a picture. See README.md.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandLine } from '../gateway/e2e/harness/command-line.ts';
import { Lab } from './lab.ts';
import { describeMachine } from './machine.ts';
import { picture } from './picture.ts';
import { report } from './report.ts';
import type { Figure, Results } from './results.ts';
import type { Run } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';
import { targetTable } from './targets.ts';

const named = (apart: boolean) =>
  SCENARIOS.filter((scenario) => (scenario.apart ?? false) === apart)
    .map(({ name }) => name)
    .join(', ');
const values = commandLine('npm run bench -- [options]', {
  scenario: {
    about: `only these, separated by commas: ${named(false)}; and, which run only if they are named, ${named(true)}`,
    default: undefined,
  },
  quick: { about: 'fewer and smaller cases: a few minutes', default: false },
  rounds: { about: 'how often each case is measured; those that take long a third as often', default: 3 },
  centrifugo: { about: "Centrifugo's binary; without it the one on the PATH, if there is one", default: undefined },
  'no-table': { about: 'write the results only', default: false },
  out: {
    about:
      'a .json for the results, with a .md and a .svg beside it; without it loadtest/results/bench.json for a whole run, a file among the temporary ones for any other',
    default: undefined,
  },
});

/** Only a whole run is one to keep. */
const WHOLE = values.scenario === undefined && !values.quick;
const OUT =
  values.out ??
  (WHOLE
    ? fileURLToPath(new URL('../../loadtest/results/bench.json', import.meta.url))
    : join(tmpdir(), 'passerelle-bench.json'));

await bench();

async function bench(): Promise<void> {
  const chosen = chosenScenarios();
  if (!OUT.endsWith('.json')) fail('What --out names must end with .json');
  const machine = describeMachine();
  if (machine.commit.endsWith('-dirty'))
    console.log('There are changes that are not committed: these results are of no commit.');
  const centrifugo = values.centrifugo ?? onPath('centrifugo');
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1_000);
  const figures: Figure[] = [];
  const failures: Results['failures'][number][] = [];
  let text = '';
  for (const [index, scenario] of chosen.entries()) {
    const progress = (text: string) =>
      console.log(`${String(seconds()).padStart(5)} s  ${index + 1}/${chosen.length} ${scenario.name}: ${text}`);
    progress(scenario.title);
    // Each has a Redis of its own: nothing of one scenario's history weighs on the next.
    const lab = await Lab.start(centrifugo);
    try {
      const run: Run = { lab, quick: values.quick, rounds: values.rounds, progress };
      figures.push(...(await scenario.run(run)));
    } catch (error) {
      // What the others measure is not to be lost with it.
      failures.push({ scenario: scenario.name, error: String(error) });
      console.error(error);
      process.exitCode = 1;
    } finally {
      await lab.stop();
    }
    // After each, so that a run that is cut short has what it measured.
    text = write({
      machine,
      measuredAt: new Date().toISOString(),
      seconds: seconds(),
      quick: values.quick,
      centrifugo: centrifugo === undefined ? undefined : version(centrifugo),
      failures,
      figures,
    });
  }
  // A scenario that runs itself once more, elsewhere, shows its table itself.
  if (!values['no-table']) console.log(`\n${text}\n\n${OUT}`);
}

/** The results, and beside them the same as a text to read, which it returns, and as a picture. */
function write(results: Results): string {
  const { figures, centrifugo, machine } = results;
  const text = `${report(results)}\n\n${targetTable(figures)}`.trimEnd();
  mkdirSync(dirname(OUT), { recursive: true });
  const beside = (extension: string) => OUT.replace(/\.json$/, extension);
  writeFileSync(OUT, `${JSON.stringify(results)}\n`);
  const drawn = picture(figures, centrifugo, `${machine.cpu}, Node ${machine.node}`);
  if (drawn !== undefined) writeFileSync(beside('.svg'), drawn);
  const image = drawn === undefined ? '' : `![CPU time per delivery](${basename(beside('.svg'))})\n\n`;
  writeFileSync(beside('.md'), `# The last run of ${basename(OUT, '.json')}\n\n${image}\`\`\`\n${text}\n\`\`\`\n`);
  return text;
}

function chosenScenarios() {
  if (values.scenario === undefined) return SCENARIOS.filter(({ apart }) => apart !== true);
  return values.scenario.split(',').map((name) => {
    const found = SCENARIOS.find((scenario) => scenario.name === name);
    if (found === undefined)
      fail(`There is no scenario ${JSON.stringify(name)}; there are ${named(false)}, ${named(true)}`);
    return found;
  });
}

function onPath(program: string): string | undefined {
  try {
    return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
  } catch {
    return undefined; // it is not there
  }
}

function version(binary: string): string {
  return execFileSync(binary, ['version'], { encoding: 'utf8' }).trim();
}

function fail(sentence: string): never {
  console.error(sentence);
  process.exit(2);
}
