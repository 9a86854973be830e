// The inner loop: builds on every change, without looking at types, and then runs what is asked for.
//
//   npm run dev                        a gateway, started anew after each change; settings as for `npm start`
//   npm run test:watch -- hub/ring     the test files whose path contains one of the words; then it checks all types
import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkTypes, compile } from './compile.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const SOURCES = ['broker', 'gateway', 'loadtest', 'infra', 'k8s'];
/** Whoever saves a file may save several; editors write one in several steps. */
const SETTLE_MS = 30;
const ORPHAN_CHECK_MS = 500;
/** Nobody who develops waits for clients to move to another gateway. */
const NO_DRAIN_TIMES = { DRAIN_SETTLE_MS: '0', DRAIN_WINDOW_MS: '0' };

const [what, ...words] = process.argv.slice(2);
const job = what === 'dev' ? gateway() : tests(words);

let child;
let checking = new AbortController();
let stopped = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
process.on('exit', () => child?.kill('SIGKILL'));
// npm passes a signal only to the shell between it and this process; that this one is orphaned is all it notices.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && stop(), ORPHAN_CHECK_MS).unref();

for await (const first of changes()) {
  const began = performance.now();
  checking.abort(); // what it would tell is of the past
  const changed = await built();
  if (changed === undefined) console.log('\nNot built: waiting for a change.');
  else if (first || job.concerns(changed)) {
    await end();
    console.log(`\nBuilt in ${Math.round(performance.now() - began)} ms.`);
    if (!stopped) await job.run(began);
  }
}

/** What is different in dist/; undefined where nothing could be built, which has then been told. */
async function built() {
  try {
    return await compile({ check: false });
  } catch (error) {
    console.error(error.message); // a page that is half saved, a script with a fault: the next change mends it
    return undefined;
  }
}

function stop() {
  if (stopped) return;
  stopped = true;
  void end().then(() => process.exit(0));
}

/** A turn at once, and one after each change, however many there were since the last; whether it is the first. */
async function* changes() {
  let due = true;
  let wake = () => undefined;
  for (const folder of SOURCES)
    watch(folder, { recursive: true }, () => {
      due = true;
      wake();
    });
  for (let first = true; ; first = false) {
    while (!due)
      await new Promise((resolve) => {
        wake = resolve;
      });
    if (!first) await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    due = false;
    yield first;
  }
}

function gateway() {
  return {
    concerns: (changed) => changed.some((file) => !/\.test\.js$|\.map$/.test(file)),
    run: async () => {
      // biome-ignore lint/style/noProcessEnv: the gateway's settings pass through here.
      start(['dist/gateway/main.js'], { ...NO_DRAIN_TIMES, ...process.env });
      child.on('exit', (code) => {
        if (code !== null && code !== 0) console.log('The gateway has ended: waiting for a change.');
      });
    },
  };
}

function tests(chosen) {
  if (chosen.length === 0) {
    console.error('Say which test files, by a word in their paths: npm run test:watch -- hub/ring');
    process.exit(2);
  }
  return {
    concerns: () => true,
    run: async (began) => {
      // biome-ignore lint/style/noProcessEnv: the tests' programs are in its PATH.
      const running = start(['infra/test.mjs', ...chosen], process.env);
      running.on('exit', async (code, signal) => {
        if (signal !== null || running !== child) return;
        console.log(
          `\n${code === 0 ? 'Passed' : 'FAILED'} ${Math.round(performance.now() - began)} ms after the change.`,
        );
        checking = new AbortController();
        if (await checkTypes(checking.signal)) console.log('Types: no faults.');
      });
    },
  };
}

function start(args, env) {
  child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'], env });
  return child;
}

/** Ends what runs, and resolves when it is gone. */
async function end() {
  const running = child;
  child = undefined;
  if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
  await new Promise((resolve) => {
    running.once('exit', resolve);
    running.kill('SIGTERM');
  });
}
