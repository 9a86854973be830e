/** The client as whoever installs the package gets it: by its name, built and minified, with its types. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { it } from 'node:test';
import { Passerelle, PasserelleError, ReconnectingSocket, type State, type Subscription } from 'passerelle/client';
import { WebSocket } from 'ws';

it('can be imported by the name of the package, with types for browsers and for ws', () => {
  const states: State[] = [];
  const client = new Passerelle({ url: 'http://127.0.0.1:1', WebSocket, state: (state) => states.push(state) });
  const subscription: Subscription = client.subscribe('a', { event: ({ id, data }) => [id.length, data] });
  assert.equal(subscription.position, undefined);
  assert.throws(() => client.subscribe('a'), PasserelleError);
  client.close();
  assert.deepEqual(states, ['connecting', 'closed']);
  const socket = new ReconnectingSocket({ url: () => 'http://127.0.0.1:1/chat', message: () => undefined, WebSocket });
  assert.equal(socket.state, 'closed');
});

/** An application's own module, for a compiler that is as strict as they come. */
const APPLICATION = `
import { type ChannelEvent, Passerelle, PasserelleError, type State } from 'passerelle/client';
const states: State[] = [];
const client = new Passerelle({ url: 'http://127.0.0.1:1', WebSocket: class {} as never, state: (state) => states.push(state) });
client.subscribe('a', { event: ({ id }: ChannelEvent) => id.length });
// @ts-expect-error: nothing is taken for a channel but text
const wrong = () => client.subscribe(7);
client.close();
console.log(JSON.stringify([states.at(-1), wrong.name, PasserelleError.name.length > 0]));
`;

it('can be packed, and used by an application that has nothing else of the gateway', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-package-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const installed = join(folder, 'node_modules/passerelle');
  mkdirSync(installed, { recursive: true });
  const packed = execFileSync('npm', ['pack', resolve('dist/gateway/client-package'), '--silent'], { cwd: folder });
  execFileSync('tar', ['-xf', join(folder, String(packed).trim()), '-C', installed, '--strip-components=1']);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'app.ts'), APPLICATION);
  for (const [module, resolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ]) {
    const options = ['--strict', '--target', 'es2022', '--lib', 'es2022,dom', '--types', ''];
    const how = ['--module', String(module), '--moduleResolution', String(resolution), '--skipLibCheck', 'false'];
    execFileSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), ...options, ...how, 'app.ts'], {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const said = execFileSync(process.execPath, ['app.js'], { cwd: folder });
    assert.deepEqual(JSON.parse(String(said)), ['closed', 'wrong', true]);
  }
});
