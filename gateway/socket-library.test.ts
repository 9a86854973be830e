/**
 * The socket library from either package. What stands for upstream's is made here: modules of the shape of its releases, around the binary that is installed. They
 * are no release of upstream's.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('..', import.meta.url));
const INSTALLED = fileURLToPath(new URL('../../node_modules/uWebSockets.js/', import.meta.url));
const BINARY = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;

/** As upstream's releases have it: the binary at the root, loaded by a function whose exports no lexer can see. */
const UWS = `module.exports = (() => {
  try {
    return require('./uws_' + process.platform + '_' + process.arch + '_' + process.versions.modules + '.node');
  } catch (e) {
    throw new Error('This version of uWS.js is not compatible:\\n\\n' + e.toString());
  }
})();
`;
const WRAPPER = `import uws from './uws.js';
export default uws;
export const { App, SSLApp, LIBUS_LISTEN_EXCLUSIVE_PORT, us_listen_socket_close, us_socket_local_port } = uws;
export const { DISABLED, SHARED_COMPRESSOR, SHARED_DECOMPRESSOR } = uws;
`;
const SHAPES = {
  'what the lock file pins': undefined,
  'CommonJS alone': { 'package.json': '{ "name": "uWebSockets.js", "main": "uws.js" }', 'uws.js': UWS },
  'CommonJS with a wrapper for imports': {
    'package.json':
      '{ "name": "uWebSockets.js", "main": "uws.js", "exports": { "import": "./ESM_wrapper.mjs", "require": "./uws.js" } }',
    'uws.js': UWS,
    'ESM_wrapper.mjs': WRAPPER,
  },
};

/** Serves one request by what the module exports, and prints the answer and whatever is missing. */
const PROGRAM = `import * as library from './socket-library.js';
const missing = Object.keys(library).filter((name) => library[name] === undefined);
const app = library.App().get('/', (response) => response.end('served'));
app.listen('127.0.0.1', 0, library.LIBUS_LISTEN_EXCLUSIVE_PORT, async (socket) => {
  const answer = await fetch('http://127.0.0.1:' + library.us_socket_local_port(socket));
  console.log(JSON.stringify({ answer: await answer.text(), missing }));
  library.us_listen_socket_close(socket);
  process.exit();
});
`;

describe('the socket library', () => {
  for (const [shape, files] of Object.entries(SHAPES))
    test(`serves where the package is ${shape}`, (t) => {
      const folder = project(t, files);
      const printed = execFileSync(process.execPath, ['program.js'], { cwd: folder, encoding: 'utf8' });
      assert.deepEqual(JSON.parse(printed), { answer: 'served', missing: [] });
    });

  test('is loaded by one file', () => {
    const loading = readdirSync(DIST, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.js') && !file.includes('socket-library.test'))
      .filter((file) => /^(import|export)\b[^;]*'uWebSockets\.js'/m.test(readFileSync(join(DIST, file), 'utf8')));
    assert.deepEqual(loading, [join('gateway', 'socket-library.js')]);
  });
});

function project(t: TestContext, files: Readonly<Record<string, string>> | undefined): string {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-library-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'node_modules'));
  const library = join(folder, 'node_modules', 'uWebSockets.js');
  if (files === undefined) symlinkSync(INSTALLED, library);
  else {
    mkdirSync(library);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(library, name), text);
    cpSync(join(INSTALLED, 'dist', 'bin', BINARY), join(library, BINARY));
  }
  cpSync(join(DIST, 'gateway', 'socket-library.js'), join(folder, 'socket-library.js'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'program.js'), PROGRAM);
  return folder;
}
