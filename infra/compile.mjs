// Builds everything that runs: the TypeScript by tsc, the pages by esbuild and pages.mjs, and the files read at run time as copies.
//
// It is all built in a folder beside dist/, and what is new or different is then moved into dist/, a file at a time, and what has no source
// any more removed. So a build that fails leaves dist/ as it was, and gateways and tests that run from there never miss a file.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildSync } from 'esbuild';
import { buildClient } from './client.mjs';
import { buildPages } from './pages.mjs';

const TARGET = 'dist';
/** At the root, as dist/ is: source maps name their sources by relative paths. */
const STAGES = '.dist-';

/** What tsc writes, and into which folder. */
const EMITTED = [
  ['tsconfig.json', '.'],
  ['gateway/client/tsconfig.json', 'gateway/client'],
];
/** What is type-checked besides. The pages' scripts run in browsers and see no Node; their tests run in Node. */
const CHECKED = ['gateway/client/tsconfig.tests.json', 'gateway/web/tsconfig.json', 'gateway/web/tsconfig.tests.json'];

/**
 * Builds what is in the current folder into dist/. Resolves to the files that are different there; to undefined, with dist/ as it
 * was, where tsc finds faults, which it has then told. With `check: false` types are not looked at, which takes a fourth of the time.
 */
export async function compile({ check }) {
  removeAbandoned();
  const stage = `${STAGES}${process.pid}`;
  try {
    const compilers = EMITTED.map(([project, folder]) => {
      const options = ['-p', project, '--outDir', join(stage, folder)];
      return tsc(check ? options : [...options, '--noCheck']);
    });
    const checks = check ? typeCheck(CHECKED) : true;
    const faultless = [...(await Promise.all(compilers)), await checks].every(Boolean);
    if (!faultless) return undefined;
    cpSync('gateway/runtime.cjs', `${stage}/gateway/runtime.cjs`);
    cpSync('broker/redis/lua', `${stage}/broker/redis/lua`, { recursive: true });
    const clientBytes = await buildForBrowsers(stage);
    if (check) console.log(`The browser client has ${clientBytes} bytes gzipped.`);
    return moveInto(TARGET, stage);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** Whether no type is wrong anywhere, and the signal has not stopped it; faults are told. Writes nothing. */
export function checkTypes(signal) {
  return typeCheck([...EMITTED.map(([project]) => project), ...CHECKED], signal);
}

async function typeCheck(projects, signal) {
  const results = await Promise.all(projects.map((project) => tsc(['-p', project, '--noEmit'], signal)));
  return results.every(Boolean);
}

function tsc(args, signal) {
  return new Promise((resolve, reject) => {
    const command = ['node_modules/typescript/bin/tsc', ...args];
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'inherit', 'inherit'], signal });
    child.on('error', (error) => (signal?.aborted ? resolve(false) : reject(error)));
    child.on('exit', (code) => resolve(code === 0));
  });
}

/** Gives the size of the browser client. */
async function buildForBrowsers(out) {
  await buildPages('gateway/web', `${out}/gateway/web`);
  const bytes = buildClient(`${out}/gateway/web/client.js`, `${out}/gateway/client-tests`);
  // Not into gateway/web, all of which is served.
  buildSync({
    entryPoints: readdirSync('gateway/web', { recursive: true })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => `gateway/web/${name}`),
    outbase: 'gateway/web',
    outdir: `${out}/gateway/web-tests`,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    sourcemap: true,
  });
  return bytes;
}

/**
 * Makes the target's files those of the stage, and gives those that are different or gone. What is the same stays as it is, with
 * its time: nobody who watches it need start again.
 */
function moveInto(target, stage) {
  const made = filesIn(stage);
  const changed = made.filter((file) => !same(join(stage, file), join(target, file)));
  for (const file of changed) {
    mkdirSync(dirname(join(target, file)), { recursive: true });
    renameSync(join(stage, file), join(target, file));
  }
  const wanted = new Set(made);
  const stale = filesIn(target).filter((file) => !wanted.has(file));
  for (const file of stale) rmSync(join(target, file), { force: true });
  removeEmpty(target);
  return [...changed, ...stale];
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

function same(one, other) {
  const size = statSync(other, { throwIfNoEntry: false })?.size;
  return size === statSync(one).size && readFileSync(one).equals(readFileSync(other));
}

function removeEmpty(folder) {
  const entries = readdirSync(folder, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) removeEmpty(join(folder, entry.name));
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

/** Those of builds that were killed. */
function removeAbandoned() {
  for (const name of readdirSync('.')) {
    if (!name.startsWith(STAGES)) continue;
    const pid = Number(name.slice(STAGES.length));
    if (!Number.isInteger(pid) || pid === process.pid || !runs(pid)) rmSync(name, { recursive: true, force: true });
  }
}

function runs(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM'; // another user's
  }
}
