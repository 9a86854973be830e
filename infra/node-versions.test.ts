/** The short form of `npm run e2e:node-versions`: the README's first command, from a clean clone, whatever Node.js a machine has. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LIMIT_MS = 9 * 60_000;
/** What it ends with where the registry cannot be reached. */
const UNREACHABLE = 75;
const skip = existsSync(`${ROOT}.git`) ? false : 'there is nothing to clone';

test('Node.js 20, 22, 24 and 26 start the gateway, and older ones say what to type', { skip }, async (t) => {
  const child = spawn(process.execPath, ['infra/node-versions.mjs', '--short'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk;
    });
  await once(child, 'close');
  if (child.exitCode === UNREACHABLE) {
    t.skip(`the registry cannot be reached: ${said}`);
    return;
  }
  assert.equal(child.exitCode, 0, said);
  for (const version of ['20', '22', '24', '26'])
    assert.match(said, new RegExp(`^Node\\.js ${version}: .*"npm start":"healthy on 22\\.`, 'm'));
  t.diagnostic(said);
});
