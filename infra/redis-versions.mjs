// Runs the engine's tests on other versions of Redis, and on Valkey: `npm run e2e:redis-versions`, after a build.
//
//   npm run e2e:redis-versions                      the newest that Debian has of both
//   npm run e2e:redis-versions -- trixie            those of that release
//   npm run e2e:redis-versions -- sid redis/order   test files whose path has the word, in place of the engine's suite
//
// Nothing is installed: Debian's packages are unpacked into a temporary folder, with the C library that they need, and run from there.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { env } = process;
const [suite = 'sid', ...words] = process.argv.slice(2);
const tests = words.length > 0 ? words : ['redis/engine', 'redis/server-check', 'redis/order'];
const folder = mkdtempSync(join(tmpdir(), 'passerelle-redis-versions-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const root = unpack(['redis-server', 'valkey-server']);
const results = ['redis-server', 'valkey-server'].map((program) => {
  const path = stand(program);
  const version = run(join(path, 'redis-server'), ['--version']).trim();
  console.log(`\n${version}`);
  const tested = spawnSync(process.execPath, ['infra/test.mjs', ...tests], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...env, PATH: `${path}:${env.PATH}` },
  });
  return { version, passed: tested.status === 0 };
});
for (const { version, passed } of results) console.log(`${passed ? 'passed' : 'FAILED'}  ${version}`);
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;

/** Fetches packages of the suite, with all that they depend on, from where this machine's own come from. */
function unpack(packages) {
  const site = run('apt-get', ['indextargets', '--format', '$(SITE)', 'Created-By: Packages', 'Origin: Debian']).split(
    '\n',
  )[0];
  if (site === '') throw new Error('This machine knows no Debian packages: run apt-get update first.');
  const apt = join(folder, 'apt');
  for (const name of ['lists/partial', 'cache/archives/partial', 'state'])
    mkdirSync(join(apt, name), { recursive: true });
  writeFileSync(
    join(apt, 'sources.list'),
    `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${site} ${suite} main\n`,
  );
  writeFileSync(join(apt, 'state', 'status'), '');
  const options = {
    'Dir::Etc::sourcelist': join(apt, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::lists': join(apt, 'lists'),
    'Dir::State::status': join(apt, 'state', 'status'),
    'Dir::Cache': join(apt, 'cache'),
    'APT::Sandbox::User': 'root',
  };
  const isolated = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  run('apt-get', [...isolated, 'update']);
  run('apt-get', [...isolated, 'install', '--yes', '--no-install-recommends', '--download-only', ...packages]);
  const target = join(folder, 'root');
  const archives = join(apt, 'cache', 'archives');
  for (const file of readdirSync(archives).filter((name) => name.endsWith('.deb')))
    run('dpkg-deb', ['-x', join(archives, file), target]);
  return target;
}

/** A folder whose `redis-server` is this program, run by the C library that was unpacked with it. */
function stand(program) {
  const path = join(folder, program);
  mkdirSync(path);
  const libraries = run('find', [join(root, 'usr/lib'), '-maxdepth', '2', '-name', 'libc.so.6'])
    .trim()
    .replace(/\/libc\.so\.6$/, '');
  const loader = run('find', [join(root, 'usr'), '-maxdepth', '3', '-name', 'ld-linux-*.so.*']).split('\n')[0];
  const script = `#!/bin/sh\nexec ${loader} --library-path ${libraries} ${join(root, 'usr/bin', program)} "$@"\n`;
  writeFileSync(join(path, 'redis-server'), script);
  chmodSync(join(path, 'redis-server'), 0o755);
  return path;
}

function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stderr}`);
  return stdout;
}
