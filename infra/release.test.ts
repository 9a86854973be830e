/** What a release is made of, held as far as it can be without making one: versions, the changelog, workflows, the SBOM, and what contributors are told. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const ROOT = new URL('../../', import.meta.url);
const cwd = fileURLToPath(ROOT);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');
const { version, scripts, dependencies } = JSON.parse(read('package.json')) as {
  version: string;
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
};
const WORKFLOWS = readdirSync(new URL('.github/workflows/', ROOT)).map((name) => `.github/workflows/${name}`);
/** Checks workflows. Built, where Go is there, into a folder that git and npm leave alone. */
const ACTIONLINT = 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12';
const CACHE = fileURLToPath(new URL('node_modules/.cache/passerelle/', ROOT));
const BUILD_LIMIT_MS = 180_000;

const release = (...args: string[]) =>
  spawnSync(process.execPath, ['infra/release.mjs', ...args], { cwd, encoding: 'utf8' });

describe('a release', () => {
  test('has one version, wherever one stands, and the changelog has it under a date', () => {
    const { stdout, stderr } = release('version', `v${version}`);
    assert.equal(stdout, `${version}\n`, stderr);
  });

  test('is refused where the tag says another', () => {
    const { status, stderr } = release('version', 'v99.0.0');
    assert.equal(status, 1);
    assert.match(stderr, /^The tag says 99\.0\.0, and package\.json /);
    assert.match(release('version', 'latest').stderr, /^latest is no tag of a release/);
  });

  test('is told with what the changelog says of it', () => {
    const { stdout } = release('notes', `v${version}`);
    assert.match(stdout, /^### (Added|Changed|Deprecated|Removed|Fixed|Security)\n\n- /);
    assert.doesNotMatch(stdout, /^## /m);
  });

  test('is in a changelog that begins with what is not released, and goes from the newest to the oldest', () => {
    const headings = [...read('CHANGELOG.md').matchAll(/^## (.*)$/gm)].map(([, heading]) => heading as string);
    assert.equal(headings[0], '[Unreleased]');
    const dated = headings.slice(1).map((heading) => /^\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d)$/.exec(heading)?.[1]);
    assert.ok(dated.length > 0 && dated.every((date) => date !== undefined), headings.join('\n'));
    assert.deepEqual(dated, [...dated].sort().reverse());
  });
});

test('the SBOM names every package that runs, with the hash that the lock file pins', () => {
  const { stdout, stderr, status } = spawnSync('npm', ['run', '--silent', 'sbom'], { cwd, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const { bomFormat, metadata, components } = JSON.parse(stdout) as {
    bomFormat: string;
    metadata: { component: { 'bom-ref': string } };
    components: { name: string; version: string; hashes?: { alg: string; content: string }[] }[];
  };
  assert.deepEqual([bomFormat, metadata.component['bom-ref']], ['CycloneDX', `passerelle@${version}`]);
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { version: string; integrity: string; dev?: boolean; devOptional?: boolean }>;
  };
  const pinned = Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => path !== '' && dev !== true && devOptional !== true)
    .map(([path, { version, integrity }]) => [path.replace(/^.*node_modules\//, ''), version, hex(integrity)].join());
  const named = components.map(({ name, version, hashes }) => [name, version, hashes?.[0]?.content].join());
  assert.deepEqual(
    pinned.filter((each) => !named.includes(each)),
    [],
  );
  for (const name of Object.keys(dependencies)) assert.ok(named.some((each) => each.startsWith(`${name},`)));
});

describe('workflows', () => {
  test('hold before actionlint', (t) => {
    const program = actionlint(t);
    if (program === undefined) return t.skip(`there is neither actionlint nor a Go that can build it: ${ACTIONLINT}`);
    const { status, stdout } = spawnSync(program, WORKFLOWS, { cwd, encoding: 'utf8' });
    assert.equal(status, 0, stdout);
  });

  test('make a chart of what helm finds no fault with', (t) => {
    if (spawnSync('helm', ['version']).error !== undefined) return t.skip('helm is not in the PATH');
    const folder = mkdtempSync(join(tmpdir(), 'passerelle-chart-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const commands = stepsOf('.github/workflows/release.yml').filter((run) => /^helm (lint|package) /.test(run));
    assert.equal(commands.length, 2);
    for (const command of commands) {
      const here = command.replace('--destination packed', `--destination ${folder}`);
      const { status, stdout, stderr } = spawnSync('bash', ['-c', here], { cwd, encoding: 'utf8' });
      assert.equal(status, 0, `${stdout}${stderr}`);
    }
    assert.deepEqual(readdirSync(folder), [`passerelle-${version}.tgz`]);
  });

  for (const workflow of WORKFLOWS)
    test(`${workflow} runs what there is, with rights that each job names, and actions that cannot be changed under it`, () => {
      const { jobs, permissions } = parse(read(workflow)) as Workflow;
      assert.ok(permissions !== undefined && Object.values(permissions).every((right) => right === 'read'));
      for (const { steps, 'timeout-minutes': limit } of Object.values(jobs)) {
        assert.equal(typeof limit, 'number');
        for (const { uses, run = '' } of steps) {
          if (uses !== undefined) assert.match(uses, /@[0-9a-f]{40}$/);
          for (const [, script = ''] of run.matchAll(/npm run (?:--\S+ )*([\w:-]+)/g))
            assert.ok(Object.hasOwn(scripts, script), script);
          for (const [path] of run.matchAll(/(?<![\w/.-])(?:\.ci|infra|k8s)\/[\w./-]*\w/g))
            assert.ok(existsSync(new URL(path, ROOT)), path);
          const { status, stderr } = spawnSync('bash', ['-n', '-c', run.replaceAll(/\$\{\{.*?\}\}/g, 'x')]);
          assert.equal(status, 0, String(stderr));
        }
      }
    });

  test('test every Node.js that is looked after', () => {
    const { jobs } = parse(read('.github/workflows/test.yml')) as Workflow;
    assert.deepEqual(jobs.test?.strategy?.matrix.node, [22, 24, 26]);
  });
});

for (const document of ['.github/CONTRIBUTING.md', '.github/SECURITY.md', '.github/pull_request_template.md'])
  test(`${document} names files and scripts that there are`, () => {
    const text = read(document);
    const paths = [...text.matchAll(/(?<![\w/.(-])(?:\.github|broker|gateway|infra|k8s|loadtest)\/[\w@./-]*/g)];
    const missing = paths
      .map(([path]) => path.replace('NAME', 'publish'))
      .filter((path) => !existsSync(new URL(path, ROOT)));
    assert.deepEqual(missing, []);
    const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name as string);
    assert.deepEqual(
      named.filter((name) => !Object.hasOwn(scripts, name)),
      [],
    );
  });

test('editors are told what the formatter wants', () => {
  const { formatter } = JSON.parse(read('biome.json')) as { formatter: Record<string, string | number> };
  const told = read('.editorconfig');
  for (const line of [
    `indent_style = ${formatter.indentStyle}`,
    `indent_size = ${formatter.indentWidth}`,
    `max_line_length = ${formatter.lineWidth}`,
  ])
    assert.ok(told.includes(`\n${line}\n`), line);
});

interface Workflow {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

interface Job {
  readonly 'timeout-minutes'?: number;
  readonly strategy?: { readonly matrix: Readonly<Record<string, unknown>> };
  readonly steps: readonly { readonly uses?: string; readonly run?: string }[];
}

function stepsOf(workflow: string): string[] {
  const { jobs } = parse(read(workflow)) as Workflow;
  return Object.values(jobs).flatMap(({ steps }) => steps.map(({ run = '' }) => run));
}

/** The program: the one in the PATH, or the one that was built here before or can be now. */
function actionlint(t: TestContext): string | undefined {
  const built = join(CACHE, 'actionlint');
  const runs = (program: string) => spawnSync(program, ['-version']).status === 0;
  const found = ['actionlint', built].find(runs);
  if (found !== undefined) return found;
  t.diagnostic(`fetches and builds ${ACTIONLINT} into ${CACHE}`);
  // biome-ignore lint/style/noProcessEnv: Go needs it as it is.
  const env = { ...process.env, GOBIN: CACHE };
  spawnSync('go', ['install', ACTIONLINT], { env, stdio: 'ignore', timeout: BUILD_LIMIT_MS });
  return runs(built) ? built : undefined;
}

function hex(integrity: string): string {
  return Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex');
}
