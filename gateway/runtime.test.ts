import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { platform, arch, versions } = process;
const binary = (abi: string) => `uws_${platform}_${arch}_${abi}.node`;
/** Node.js 24, which no test runs on. */
const OTHER_ABI = '137';
const PINNED = `node-${platform}-${arch}`;

interface Installed {
  /** For which of Node.js's interfaces the socket library has binaries; undefined where it is not installed. */
  readonly abis?: readonly string[];
  /** What the pinned Node.js is. */
  readonly pinned?: string;
}

/** A folder with what looks at the Node.js at hand, and packages of which only the names are real. */
function project(t: TestContext, { abis, pinned }: Installed): string {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-runtime-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const file of ['package.json', 'gateway/runtime.cjs', 'infra/preflight.cjs'])
    cpSync(join(ROOT, file), join(folder, file));
  const bin = join(folder, 'node_modules/uWebSockets.js/dist/bin');
  if (abis !== undefined) {
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, '../../package.json'), '{}');
    for (const abi of abis) writeFileSync(join(bin, binary(abi)), '');
  }
  if (pinned !== undefined) {
    const file = join(folder, 'node_modules', PINNED, 'bin/node');
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, pinned);
    chmodSync(file, 0o755);
  }
  writeFileSync(
    join(folder, 'main.cjs'),
    "if (require('./gateway/runtime.cjs').ensureRuntime()) console.log('runs', process.pid);",
  );
  return folder;
}

function run(folder: string, args: readonly string[]) {
  const { pid, status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  return { pid, status, stdout, stderr };
}

/** That one sentence was all it said. */
function refused(result: ReturnType<typeof run>, sentence: RegExp): void {
  assert.equal(result.status, 2, result.stderr);
  assert.equal(result.stdout, '');
  assert.match(result.stderr, /^Passerelle cannot [^\n]+\.\n$/, 'one line');
  assert.match(result.stderr, sentence);
}

describe('the Node.js at hand', () => {
  test('is used where the socket library has a binary for it', (t) => {
    const { status, stdout } = run(project(t, { abis: [versions.modules, OTHER_ABI], pinned: '#!/bin/false\n' }), [
      'main.cjs',
    ]);
    assert.equal(status, 0);
    assert.match(stdout, /^runs \d+\n$/);
  });

  test('hands over to the pinned one where it has none, with all arguments, and in the same process', (t) => {
    const said = '#!/bin/sh\necho "$$ $*"\n';
    const { pid, status, stdout } = run(project(t, { abis: [OTHER_ABI], pinned: said }), [
      '--no-warnings',
      'main.cjs',
      'worker',
      '--x=1',
    ]);
    assert.equal(status, 0);
    const [by, ...args] = stdout.trim().split(' ');
    assert.deepEqual([args[0], args.slice(2)], ['--no-warnings', ['worker', '--x=1']]);
    assert.match(args[1] ?? '', /main\.cjs$/);
    if ('execve' in process) assert.equal(Number(by), pid);
  });

  test('ends with the exit code of the pinned one', (t) => {
    const ends = '#!/bin/sh\n[ "$1" = --version ] || exit 7\n';
    assert.equal(run(project(t, { abis: [OTHER_ABI], pinned: ends }), ['main.cjs']).status, 7);
  });

  test('says so once where the pinned one does not fit either', (t) => {
    const same = `#!/bin/sh\nexec ${process.execPath} "$@"\n`;
    refused(run(project(t, { abis: [OTHER_ABI], pinned: same }), ['main.cjs']), /runs on Node\.js 24, and this is/);
  });

  test('says which ones work, and what to type, where neither fits', (t) => {
    const sentence = new RegExp(`runs on Node\\.js 24, and this is Node\\.js ${versions.node}: type "npm ci"`);
    const folder = project(t, { abis: [OTHER_ABI] });
    refused(run(folder, ['main.cjs']), sentence);
    refused(run(project(t, { abis: [OTHER_ABI], pinned: '#!/no/such/interpreter\n' }), ['main.cjs']), sentence);
  });

  test('says so where the system is one that the library has nothing for', (t) => {
    refused(run(project(t, { abis: [] }), ['main.cjs']), /no binary for .*README\.md/);
  });

  test('says "npm ci" where the packages are not installed', (t) => {
    refused(run(project(t, {}), ['main.cjs']), /type "npm ci"/);
  });
});

describe('the program', () => {
  /** With the first file of the program itself, and another in place of the rest. */
  function withMain(t: TestContext, rest: string): string {
    const folder = project(t, { abis: [versions.modules] });
    cpSync(join(ROOT, 'dist/gateway/main.js'), join(folder, 'gateway/main.js'));
    writeFileSync(join(folder, 'gateway/program.js'), rest);
    return folder;
  }

  test('runs the rest', (t) => {
    const { status, stdout } = run(withMain(t, "console.log('the rest');"), ['gateway/main.js']);
    assert.deepEqual([status, stdout], [0, 'the rest\n']);
  });

  test('names a package that is missing, and what to type', (t) => {
    refused(
      run(withMain(t, "import 'nanoid';"), ['gateway/main.js']),
      /the package nanoid is not installed: type "npm ci"/,
    );
  });

  for (const named of ['uWS.js', 'uWS.js (v20.69.0)'])
    test(`says what the system lacks where it cannot load the socket library, which calls itself ${named}`, (t) => {
      const folder = withMain(t, "import 'uWebSockets.js';");
      const library = join(folder, 'node_modules/uWebSockets.js');
      const file = (path: string) => readFileSync(join(ROOT, 'node_modules/uWebSockets.js', path), 'utf8');
      for (const path of ['package.json', 'dist/index.mjs', 'dist/uws.mjs'])
        writeFileSync(join(library, path), file(path).replace('version of uWS.js', `version of ${named}`));
      refused(
        run(folder, ['gateway/main.js']),
        /cannot load its socket library \(.*uws_.*\): see "Run it" in README\.md/,
      );
    });

  test('shows all of a fault of its own', (t) => {
    const { status, stderr } = run(withMain(t, "throw new Error('a bug');"), ['gateway/main.js']);
    assert.equal(status, 1);
    assert.match(stderr, /a bug\n {4}at /);
  });
});

describe('before it is built', () => {
  test('"npm ci" is what to type where there are no packages, or some are missing, which are named', (t) => {
    refused(run(project(t, {}), ['infra/preflight.cjs']), /packages are not installed: type "npm ci"/);
    const some = run(project(t, { abis: [versions.modules] }), ['infra/preflight.cjs']);
    refused(some, /not installed: .*zod.*typescript.*: type "npm ci"/);
    assert.doesNotMatch(some.stderr, /uWebSockets/);
  });

  test('optional packages that build it are named where they were left out', (t) => {
    const folder = project(t, { abis: [versions.modules] });
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const program = `@esbuild/${platform}-${arch}`;
    for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
      mkdirSync(join(folder, 'node_modules', name), { recursive: true });
      const optionalDependencies = name === 'esbuild' ? { [program]: '1.0.0', '@esbuild/other-arch': '1.0.0' } : {};
      writeFileSync(join(folder, 'node_modules', name, 'package.json'), JSON.stringify({ optionalDependencies }));
    }
    const sentence = new RegExp(`left out: ${program}: type "npm ci" without --omit=optional`);
    refused(run(folder, ['infra/preflight.cjs']), sentence);
  });

  test('nothing is said where all is there', () => {
    const { status, stdout, stderr } = run(ROOT, ['infra/preflight.cjs']);
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
  });
});
