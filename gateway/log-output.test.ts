import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LogOutput } from './log-output.ts';

const MAIN = fileURLToPath(new URL('main.js', import.meta.url));
const ENV = { PATH: '/usr/bin:/bin', HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'info' };

/** Ends as a gateway does that has a fault, or whose clients are gone at once: with a line, and in the same turn. */
const ENDS_WITH_A_LINE = `
  import { createProcessLogger } from ${JSON.stringify(new URL('log.js', import.meta.url).href)};
  const log = createProcessLogger({ level: 'info', gateway: 'gw-1' });
  process.on('SIGTERM', () => {
    log.info('stopping');
    log.fatal('stopped');
    process.exit(0);
  });
  setInterval(() => undefined, 1_000);
  process.stdout.write('listening on\\n');
`;

const PROGRAMS = {
  'a process that ends with a line': ['--input-type=module', '--eval', ENDS_WITH_A_LINE],
  'a gateway': [MAIN],
};

for (const [name, parameters] of Object.entries(PROGRAMS))
  test(`${name} ends by a signal, though its output has lost its reader`, { timeout: 60_000 }, async (t) => {
    const child = spawn(process.execPath, parameters, { env: ENV, stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    let text = '';
    child.stdout.setEncoding('utf8');
    for await (const chunk of child.stdout) {
      text += chunk;
      if (/listening on/.test(text)) break; // which closes the pipe
    }
    child.kill(name === 'a gateway' ? 'SIGINT' : 'SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  });

test('what waits is written whole and in order as the process ends', () => {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-log-'));
  const path = join(folder, 'log');
  const fd = openSync(path, 'a');
  const output = new LogOutput(fd);
  const lines = Array.from({ length: 1000 }, (_, at) => `${at} ${'é'.repeat(100)}\n`);
  // The first goes its own way at once, asynchronously.
  for (const line of ['', ...lines]) output.write(line);
  output.flushSync();
  assert.equal(readFileSync(path, 'utf8'), lines.join(''));
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

test('a descriptor that fails is given up, and takes no more lines', () => {
  const fd = openSync('/dev/full', 'w');
  const output = new LogOutput(fd);
  output.write('');
  output.write('a line\n');
  output.flushSync();
  output.write('another\n');
  output.flushSync();
  closeSync(fd);
});
