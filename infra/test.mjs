// What `npm test` runs once lint and build have passed: sees to the programs that the tests start, then runs dist/**/*.test.js.
//
//   npm test                                   every test file
//   npm test -- hub session                    those whose path contains one of the words
//   npm test -- hub --test-name-pattern=gap    what begins with -- goes to Node's test runner
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** The programs that tests start, and the Debian packages that have them. Tests of an optional one say that they are skipped without it. */
const PROGRAMS = [
  { program: 'redis-server', debianPackages: ['redis-server'] },
  { program: 'redis-sentinel', debianPackages: ['redis-sentinel'] },
  { program: 'chromium', debianPackages: ['chromium'] },
  { program: 'openssl', debianPackages: ['openssl'] },
  { program: '/usr/sbin/nginx', debianPackages: ['nginx-light'] },
  { program: 'promtool', debianPackages: ['prometheus'], optional: true },
  { program: '/usr/sbin/haproxy', debianPackages: ['haproxy'], optional: true },
  { program: 'cc', debianPackages: ['libc6-dev', 'gcc'], optional: true },
];
/** Files at a time. Most of them start servers of their own, and timing matters to some. */
const CONCURRENCY = 2;
/** A busy machine takes several times as long as a quiet one. */
const FILE_LIMIT_MS = 10 * 60_000;
const RUN_LIMIT_MS = 25 * 60_000;
const KILL_AFTER_MS = 5_000;
const ORPHAN_CHECK_MS = 500;
/** The tests start servers of their own; services on the usual ports would be in the way. Whether they start, Debian asks policy-rc.d. */
const INSTALL = `
  set -e
  export DEBIAN_FRONTEND=noninteractive
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 1' INT TERM HUP
    printf '#!/bin/sh\\nexit 101\\n' > $policy
    chmod 755 $policy
  fi
  apt-get update
  apt-get install --yes --no-install-recommends "$@"
`;

const args = process.argv.slice(2);
const runnerOptions = args.filter((arg) => arg.startsWith('--'));
const files = testFiles(args.filter((arg) => !arg.startsWith('--')));
ensurePrograms();
runTests();

function testFiles(words) {
  const all = existsSync('dist') ? readdirSync('dist', { recursive: true }) : [];
  const found = all.filter((file) => file.endsWith('.test.js')).sort();
  if (found.length === 0) fail('There is no test file in dist/. Run `npm run build` first; `npm test` does.');
  const chosen = found.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  if (chosen.length === 0)
    fail(`No test file has ${words.join(' or ')} in its path. There are:\n  ${found.join('\n  ')}`);
  return chosen.map((file) => `dist/${file}`);
}

function ensurePrograms() {
  const packages = missingPackages();
  if (packages.length === 0) return;
  console.log(`The tests need programs that are not installed. Debian packages: ${packages.join(' ')}`);
  const fault = install(packages);
  if (fault === undefined) return;
  const byHand = `Install them, on Debian with: sudo apt-get install --no-install-recommends ${packages.join(' ')}`;
  if (missingPackages(({ optional }) => !optional).length > 0) fail(`${fault} ${byHand}`);
  else console.log(`${fault} Tests of them are skipped. ${byHand}`);
}

/** What is in the way; undefined once they are installed. */
function install(packages) {
  if (!existsSync('/etc/debian_version') || !isInstalled('apt-get')) return 'This is no Debian-like system.';
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status !== 0)
    return 'This user is neither root nor may use sudo without a password.';

  console.log('Installing them with apt-get, without starting their services.');
  const command = ['sh', '-c', INSTALL, 'sh', ...packages];
  const [program, ...rest] = isRoot ? command : ['sudo', '-n', ...command];
  const installed = spawnSync(program, rest, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (installed.status !== 0) return 'apt-get failed.';
  const still = missingPackages();
  return still.length === 0 ? undefined : `apt-get succeeded, but the programs of ${still.join(' ')} are not in PATH.`;
}

function missingPackages(among = () => true) {
  return PROGRAMS.filter(among)
    .filter(({ program }) => !isInstalled(program))
    .flatMap(({ debianPackages }) => debianPackages);
}

function isInstalled(program) {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' }).status === 0;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

function runTests() {
  const options = [
    '--enable-source-maps',
    '--test',
    '--test-reporter=spec',
    `--test-concurrency=${CONCURRENCY}`,
    `--test-timeout=${FILE_LIMIT_MS}`,
  ];
  console.log(`Running ${files.length} test file${files.length === 1 ? '' : 's'}, ${CONCURRENCY} at a time.`);
  // A process group of its own, so that whatever the test files have started can be ended with them.
  const runner = spawn(process.execPath, [...options, ...runnerOptions, ...files], {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  let stoppedWith;
  const stop = (code, reason) => {
    if (stoppedWith !== undefined) return;
    stoppedWith = code;
    signalGroup(runner, 'SIGTERM');
    console.error(reason);
    setTimeout(() => signalGroup(runner, 'SIGKILL'), KILL_AFTER_MS).unref();
  };

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ])
    process.on(signal, () => stop(code, `${signal}: stopping the tests.`));
  const minutes = RUN_LIMIT_MS / 60_000;
  const hung = `The tests have not ended within ${minutes} minutes: stopping them. What hangs comes after the last line above.`;
  setTimeout(() => stop(124, hung), RUN_LIMIT_MS).unref();

  // npm passes a signal only to the shell between it and this process; that this one is orphaned is all it notices.
  const parent = process.ppid;
  setInterval(
    () => process.ppid !== parent && stop(143, 'Whoever started the tests is gone.'),
    ORPHAN_CHECK_MS,
  ).unref();

  process.on('exit', () => signalGroup(runner, 'SIGKILL'));
  runner.on('error', (error) => fail(`Node's test runner could not be started: ${error.message}`));
  runner.on('exit', (code) => process.exit(stoppedWith ?? code ?? 1));
}

function signalGroup(leader, signal) {
  if (leader.pid === undefined) return;
  try {
    process.kill(-leader.pid, signal);
  } catch (error) {
    // Nothing of the group is left, which is what is wanted.
    if (error.code !== 'ESRCH') throw error;
  }
}
