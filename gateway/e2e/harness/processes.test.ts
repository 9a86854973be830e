import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { GatewayProcess } from './processes.ts';

/** A stand-in for the gateway's main module. */
function program(t: { after(fn: () => void): void }, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'main.mjs');
  writeFileSync(path, text);
  return path;
}

const LISTENS = `console.log('{"level":30}'); console.log('Passerelle is listening on http://127.0.0.1:' + process.env.WANTED);`;

test('the URL comes from the line that tells it, and SIGTERM ends it', async (t) => {
  const main = program(t, `process.on('SIGTERM', () => process.exit(7)); ${LISTENS} setInterval(() => {}, 1000)`);
  const gateway = await GatewayProcess.start({ main, env: { WANTED: '4711' } });
  assert.equal(gateway.url, 'http://127.0.0.1:4711');
  assert.equal(gateway.running, true);
  assert.equal(await gateway.stop(), 7);
  assert.equal(gateway.running, false);
});

test('one that does not end when asked is killed', async (t) => {
  const main = program(t, `process.on('SIGTERM', () => {}); ${LISTENS} setInterval(() => {}, 1000)`);
  const gateway = await GatewayProcess.start({ main, env: { WANTED: '1' } });
  assert.equal(await gateway.stop(100), null);
});

test('one that ends at once fails the start with what it wrote', async (t) => {
  const main = program(t, `console.error('PORT is not a number'); process.exit(1)`);
  await assert.rejects(GatewayProcess.start({ main }), /PORT is not a number/);
});

test('one that never listens fails the start and is gone', async (t) => {
  const main = program(t, 'setInterval(() => {}, 1000)');
  // A shell says which process it is, and becomes the program: it has said so long before Node.js has started.
  const under = ['/bin/sh', '-c', 'echo $$; exec "$@"', 'sh'];
  const failure = await GatewayProcess.start({ main, under, startLimitMs: 1_000 }).catch((error: Error) => error);
  assert(failure instanceof Error);
  const pid = Number(/^(\d+)$/m.exec(failure.message)?.[1]);
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});
