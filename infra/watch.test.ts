/** The inner loop, in a copy of the project: what comes of a change while it watches. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../broker/testing/until.ts';
import { call } from '../gateway/e2e/harness/http-client.ts';
import { copyOfProject } from './testing/project.ts';

/** Starts it in a copy, which it gives along with what has been said so far; ends it with the test. */
function watching(t: TestContext, ...args: string[]) {
  let child: ChildProcess | undefined;
  // First: it must have ended before its folder is removed.
  t.after(async () => {
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  });
  const folder = copyOfProject(t);
  child = spawn(process.execPath, ['infra/watch.mjs', ...args], {
    cwd: folder,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      said += chunk;
    });
  return { folder, said: () => said };
}

const count = (text: string, what: RegExp) => text.match(what)?.length ?? 0;

test('test:watch runs the tests named at once and after each change, and then tells what is wrong with types', async (t) => {
  const { folder, said } = watching(t, 'test', 'hub/ring');
  await until('they pass', () => /Passed \d+ ms/.test(said()));
  await until('types are checked', () => /Types: no faults/.test(said()));
  assert.match(said(), /Running 1 test file,/);

  const ring = join(folder, 'gateway/hub/ring.ts');
  const source = readFileSync(ring, 'utf8');
  appendFileSync(ring, "\nthrow new Error('a change that is seen');\n");
  await until('they fail', () => /a change that is seen[\s\S]*FAILED \d+ ms/.test(said()));
  writeFileSync(ring, `${source}\nexport const WRONG: number = 'text';\n`);
  await until('they pass again', () => count(said(), /Passed \d+ ms/g) === 2);
  await until('the type is told', () => /ring\.ts.*TS2322/.test(said()));
  writeFileSync(ring, `${source}\nexport const = 1;\n`);
  await until('what cannot be built is told', () => /ring\.ts.*TS1134[\s\S]*Not built/.test(said()));
  for (const [line] of said().matchAll(/^(Passed|FAILED) .*$/gm)) t.diagnostic(line);
});

test('dev starts the gateway anew with what has changed, and not for a test', async (t) => {
  const { folder, said } = watching(t, 'dev');
  const urls = () => [...said().matchAll(/is listening on (\S+)/g)].map(([, url = '']) => url);
  await until('it listens', () => urls().length === 1);
  appendFileSync(join(folder, 'gateway/bounds.test.ts'), '\n');
  const page = join(folder, 'gateway/web/echo.html');
  writeFileSync(page, `${readFileSync(page, 'utf8')}\n<p>changed</p>\n`);
  await until('another listens', () => urls().length === 2);
  assert.match((await call(`${urls()[1]}/echo.html`)).text, /<p>changed<\/p>/);
  await assert.rejects(call(`${urls()[0]}/healthz`), 'the one before it has ended');
});
