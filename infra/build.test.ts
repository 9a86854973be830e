/** What a build does to what runs from dist/ meanwhile, in a copy of the project. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { startStandalone } from '../broker/redis/testing/servers.ts';
import { until } from '../broker/testing/until.ts';
import { call } from '../gateway/e2e/harness/http-client.ts';
import { GatewayProcess } from '../gateway/e2e/harness/processes.ts';
import { copyOfProject } from './testing/project.ts';

const run = promisify(execFile);

/** A build, and its exit code once it has ended. */
function build(folder: string): { readonly ended: Promise<number | null>; readonly said: () => string } {
  const child = spawn(process.execPath, ['infra/build.mjs'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk;
    });
  return { ended: once(child, 'close').then(() => child.exitCode), said: () => said };
}

const workersOf = async (pid: number) =>
  (await run('pgrep', ['-P', String(pid)])).stdout.trim().split('\n').map(Number);

describe('a build', () => {
  test('takes nothing from a gateway that runs: it answers, starts workers anew, and others start beside it', async (t) => {
    const redis = await startStandalone();
    t.after(() => redis.stop());
    const folder = copyOfProject(t);
    const main = join(folder, 'dist/gateway/main.js');
    const gateway = await GatewayProcess.start({ main, env: { WORKERS: '2', REDIS_URL: redis.url } });
    t.after(() => gateway.kill());
    const { ended, said } = build(folder);
    let building = true;
    void ended.then(() => {
      building = false;
    });

    const [worker = 0] = await workersOf(gateway.pid);
    process.kill(worker, 'SIGKILL');
    await until('it is gone', async () => !(await workersOf(gateway.pid)).includes(worker));
    let starts = 0;
    while (building) {
      assert.equal((await call(`${gateway.url}/healthz`)).status, 200);
      assert.equal((await call(`${gateway.url}/events.html`)).status, 200);
      // It reads every module that there is.
      await run(process.execPath, [main, '--version']);
      starts++;
    }
    assert.equal(await ended, 0, said());
    assert(starts > 1, 'others started while it was built');
    await until('the killed worker has a successor', async () => {
      const workers = await workersOf(gateway.pid);
      return workers.length === 2 && !workers.includes(worker);
    });
    assert(gateway.running);
    assert.equal(await gateway.stop(), 0);
  });

  test('replaces what is different, leaves alone what is not, and removes what has no source', async (t) => {
    const folder = copyOfProject(t);
    const built = (file: string) => join(folder, 'dist', file);
    const before = statSync(built('gateway/main.js')).mtimeMs;
    appendFileSync(join(folder, 'gateway/bounds.ts'), '\nexport const ADDED = 1;\n');
    writeFileSync(built('gateway/gone.test.js'), '');
    cpSync(built('k8s'), built('gone'), { recursive: true });
    const { ended, said } = build(folder);
    assert.equal(await ended, 0, said());
    assert.match(readFileSync(built('gateway/bounds.js'), 'utf8'), /ADDED/);
    assert.equal(statSync(built('gateway/main.js')).mtimeMs, before);
    assert.deepEqual([existsSync(built('gateway/gone.test.js')), existsSync(built('gone'))], [false, false]);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('.dist-')),
      [],
    );
  });

  test('needs nothing of the one before it', async (t) => {
    const folder = copyOfProject(t);
    rmSync(join(folder, 'dist'), { recursive: true });
    const { ended, said } = build(folder);
    assert.equal(await ended, 0, said());
    assert((await run(process.execPath, ['dist/gateway/main.js', '--help'], { cwd: folder })).stdout.includes('PORT'));
  });

  test('that fails says why, and leaves what was built before it', async (t) => {
    const folder = copyOfProject(t);
    const files = () => readdirSync(join(folder, 'dist'), { recursive: true }).sort();
    const before = files();
    appendFileSync(join(folder, 'gateway/bounds.ts'), "\nexport const WRONG: number = 'text';\n");
    const { ended, said } = build(folder);
    assert.equal(await ended, 1);
    assert.match(said(), /gateway\/bounds\.ts.*TS2322/);
    assert.deepEqual(files(), before);
    assert.doesNotMatch(readFileSync(join(folder, 'dist/gateway/bounds.js'), 'utf8'), /WRONG/);
  });
});
