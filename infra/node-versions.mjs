// `npm run e2e:node-versions`: shows that the README's two commands work whatever Node.js a machine has. For each version, which is fetched
// from the registry and stands first in the PATH: `npm ci && npm start` in a clean clone, until it is healthy, and what is said where it cannot.
//
//   npm run e2e:node-versions                the commands in a clone for each of 20, 22, 24 and 26
//   npm run e2e:node-versions -- 24          of that one only
//   npm run e2e:node-versions -- --test      also `npm test`, which takes a quarter of an hour for each
//   npm run e2e:node-versions -- --short     one clone and one `npm ci` for all of them
//
// Ends with 1 where something does not work, and with 75 where the registry cannot be reached. Nothing of it is left.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const VERSIONS = ['20', '22', '24', '26'];
/** Those that the socket library has a binary for. */
const FITTING = ['20', '22'];
/** One that has a binary of the socket library, but is too old for the rest. */
const TOO_OLD = '18';
const MINUTE = 60_000;
const TEST_LIMIT_MS = 45 * MINUTE;
const LIMIT_MS = 5 * MINUTE;
const KEPT_CHARACTERS = 4_000;
/** What is in npm's cache is not fetched again; what npm remarks about packages is of no interest here. */
const QUICK = ['--prefer-offline', '--no-audit', '--no-fund'];
const UNREACHABLE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED)\b/;
const TEMPORARY_FAILURE = 75;

const args = process.argv.slice(2);
const options = { short: args.includes('--short'), test: args.includes('--test') };
const named = args.filter((arg) => !arg.startsWith('--'));
const folder = mkdtempSync(join(tmpdir(), 'passerelle-node-versions-'));
const running = new Set();
const versions = named.length > 0 ? named : VERSIONS;

process.on('exit', () => {
  for (const child of running) signalGroup(child, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
// npm passes a signal only to the shell between it and this process.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && process.exit(1), 500).unref();

try {
  const rows = [];
  const nodes = await fetchNodes([...versions, TOO_OLD]);
  for (const version of versions) rows.push(await tried(version, nodes));
  rows.push(await triedOld(nodes));
  console.table(Object.fromEntries(rows));
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(error.unreachable ? TEMPORARY_FAILURE : 1);
}

/** The folders that hold the `node` of each version. */
async function fetchNodes(majors) {
  const name = `node-${process.platform === 'darwin' && process.arch === 'arm64' ? 'bin-' : ''}${process.platform}-${process.arch}`;
  const folders = {};
  for (const version of majors) {
    const prefix = join(folder, `node-${version}`);
    mkdirSync(prefix);
    await run(`npm install ${name}@${version}`, [
      'npm',
      'install',
      '--prefix',
      prefix,
      '--no-save',
      ...QUICK,
      `${name}@${version}`,
    ]);
    folders[version] = join(prefix, 'node_modules', name, 'bin');
  }
  return folders;
}

/** A row of the table. */
async function tried(version, nodes) {
  const node = nodes[version];
  const clone = cloneOf(version);
  const at = { cwd: clone, node };
  const first = !existsSync(clone);
  if (first) cloneTo(clone);
  // Nothing is installed yet: none of the others has its own clone to say so in.
  const unready = first ? versions.filter((each) => options.short || each === version) : [];
  for (const each of unready) await refused(['npm', 'start'], { cwd: clone, node: nodes[each] });
  const row = { 'without npm ci': 'says what to type' };
  const installed = performance.now();
  if (first) await run('npm ci', ['npm', 'ci', ...QUICK], at);
  row['npm ci'] = first ? seconds(installed) : 'shared';
  row['npm start'] = await healthy(['npm', 'start'], at);
  row['node dist/gateway/main.js'] = await healthy(['node', 'dist/gateway/main.js'], at);
  row['without the pinned one'] = await withoutPinned(clone, () =>
    FITTING.includes(version) ? healthy(['node', 'dist/gateway/main.js'], at) : refused(['npm', 'start'], at),
  );
  const tested = performance.now();
  if (options.test) await run('npm test', ['npm', 'test'], { ...at, limitMs: TEST_LIMIT_MS });
  row['npm test'] = options.test ? `passed, ${seconds(tested)}` : 'not tried';
  console.log(`Node.js ${version}: ${JSON.stringify(row)}`);
  return [version, row];
}

/** What one says that is too old, in the last of the clones. */
async function triedOld(nodes) {
  const cwd = cloneOf(versions.at(-1));
  const at = { cwd, node: nodes[TOO_OLD] };
  const row = options.short ? {} : { 'npm start': await healthy(['npm', 'start'], at) };
  row['node dist/gateway/main.js'] = await healthy(['node', 'dist/gateway/main.js'], at);
  row['without the pinned one'] = await withoutPinned(cwd, () => refused(['node', 'dist/gateway/main.js'], at));
  return [TOO_OLD, row];
}

function cloneOf(version) {
  return join(folder, options.short ? 'clone' : `clone-${version}`);
}

function cloneTo(target) {
  const changed = execFileSync('git', ['status', '--porcelain'], { cwd: ROOT, encoding: 'utf8' });
  if (changed !== '') console.log('What is not committed takes no part.');
  execFileSync('git', ['clone', '--quiet', '--depth=1', `file://${ROOT}`, target]);
}

/** Runs a gateway until it says that it is well, ends it, and gives the Node.js that it ran on. */
async function healthy(command, at) {
  const began = performance.now();
  const gateway = start(command, at);
  try {
    const url = await Promise.race([found(gateway, /is listening on (\S+)/), late(command, LIMIT_MS)]);
    const { ok } = await fetch(`${url}/healthz`);
    const [, version] = /node="v([^"]+)"/.exec(await (await fetch(`${url}/metrics`)).text()) ?? [];
    if (!ok || version === undefined) throw new Error(`${command.join(' ')} is not healthy:\n${gateway.said()}`);
    return `healthy on ${version}, ${seconds(began)}`;
  } finally {
    await stop(gateway);
  }
}

/** Runs what cannot start, and sees that it says so in one sentence. */
async function refused(command, at) {
  const gateway = start(command, at);
  const code = await Promise.race([gateway.ended, late(command, LIMIT_MS)]).finally(() => stop(gateway));
  const own = gateway
    .said()
    .split('\n')
    .filter((line) => line !== '' && !/^(> |npm )/.test(line));
  if (code === 0 || own.length !== 1 || !/^Passerelle cannot .*: type "npm ci"/.test(own[0]))
    throw new Error(
      `${command.join(' ')} should have said in one sentence what to type, and ended with ${code}:\n${gateway.said()}`,
    );
  return 'says what to type';
}

/** As if the optional packages had been left out. */
async function withoutPinned(clone, task) {
  const modules = join(clone, 'node_modules');
  const names = ['.bin/node', ...readdirSync(modules).filter((name) => /^node-.*-(x64|arm64)$/.test(name))];
  for (const name of names) renameSync(join(modules, name), join(folder, name.replace('/', '-')));
  try {
    return await task();
  } finally {
    for (const name of names) renameSync(join(folder, name.replace('/', '-')), join(modules, name));
  }
}

/** Runs it to its end. */
async function run(name, command, at = {}) {
  const program = start(command, at);
  const code = await Promise.race([program.ended, late(command, at.limitMs ?? LIMIT_MS)]).finally(() => stop(program));
  if (code === 0) return;
  const error = new Error(`${name} failed:\n${program.said()}`);
  error.unreachable = UNREACHABLE.test(program.said());
  throw error;
}

function start([program, ...parameters], { cwd = folder, node }) {
  const child = spawn(program, parameters, {
    cwd,
    env: environment(node),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      said = (said + chunk).slice(-KEPT_CHARACTERS);
    });
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  ended.catch(() => undefined);
  return { child, ended, said: () => said };
}

/** The shell's, but for what npm has put into it for this script, and with that Node.js before any other. */
function environment(node) {
  // biome-ignore lint/style/noProcessEnv: a program of its own, which starts others.
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|NODE_(ENV|OPTIONS|PATH|TEST_CONTEXT|V8_COVERAGE)$|INIT_CWD$|PATH$)/.test(name),
  );
  // biome-ignore lint/style/noProcessEnv: as above
  const path = process.env.PATH.split(delimiter).filter(
    (each) => !each.includes('node_modules') && !each.includes('node-gyp-bin'),
  );
  return {
    ...Object.fromEntries(own),
    PATH: [...(node === undefined ? [] : [node]), ...path].join(delimiter),
    PORT: '0',
  };
}

async function stop({ child, ended }) {
  // npm passes signals to the shell only: the whole group gets them.
  signalGroup(child, 'SIGTERM');
  await Promise.race([ended, late(['a stop'], MINUTE)]).catch(() => signalGroup(child, 'SIGKILL'));
  running.delete(child);
}

function signalGroup(child, signal) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error; // nothing of it is left, which is what is wanted
  }
}

/** What the program says that matches; an error where it ends before. */
function found({ child, ended, said }, pattern) {
  return new Promise((resolve, reject) => {
    const look = () => pattern.test(said()) && resolve(pattern.exec(said())[1]);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', look);
    ended.then((code) => reject(new Error(`It ended with ${code}:\n${said()}`)), reject);
  });
}

function late(command, limitMs) {
  return new Promise((_, reject) => {
    setTimeout(
      () => reject(new Error(`${command.join(' ')}: not done within ${limitMs / MINUTE} minutes`)),
      limitMs,
    ).unref();
  });
}

function seconds(since) {
  return `${Math.round((performance.now() - since) / 1000)} s`;
}
