/** What a gateway says where it cannot listen: in one sentence what is wrong, and what to set instead. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));
const SETPRIV = '/usr/bin/setpriv';
const NOBODY = ['--reuid', '65534', '--clear-groups', '--no-new-privs', '--bounding-set=-all'];
const LIMIT_MS = 60_000;
/** With workers another part of it looks for the port; nothing of Redis is called before that is found. */
const WORKERS = { WORKERS: '2', REDIS_URL: 'redis://127.0.0.1:1' };

/** The sentence that a start ends with, which is all that it says. */
async function sentenceOf(env: Readonly<Record<string, string>>, under: readonly string[] = []): Promise<string> {
  const [program = '', ...args] = [...under, process.execPath, MAIN];
  const child = spawn(program, args, {
    env: { PATH: '/usr/bin:/bin', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  await once(child, 'close');
  assert.equal(child.exitCode, 2, stdout + stderr);
  assert.equal(stdout, '');
  const [, sentence = ''] = /^Passerelle cannot start:\n {2}- (.*\.)\n$/.exec(stderr) ?? [];
  assert.notEqual(sentence, '', `one sentence: ${stderr}`);
  return sentence;
}

async function takenPort(t: TestContext): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return port;
}

for (const [name, env] of [
  ['one process', {}],
  ['workers', WORKERS],
] as const)
  describe(`with ${name}`, () => {
    test('a port that is taken: another one is to be set', async (t) => {
      const port = await takenPort(t);
      assert.match(
        await sentenceOf({ ...env, PORT: String(port) }),
        new RegExp(
          `^Cannot listen on 127\\.0\\.0\\.1:${port}: another program has this port: .* such as PORT=\\d+\\.$`,
        ),
      );
    });

    test("an address that is not this machine's: its own are to be set", async () => {
      for (const [HOST, shown] of [
        ['192.0.2.1', '192.0.2.1'],
        ['2001:db8::1', '[2001:db8::1]'],
      ] as const) {
        const sentence = await sentenceOf({ ...env, HOST, PORT: '8080' });
        assert(
          sentence.startsWith(`Cannot listen on ${shown}:8080: this machine does not have the address: `),
          sentence,
        );
        assert.match(sentence, /HOST=127\.0\.0\.1.*HOST=0\.0\.0\.0/);
      }
    });

    test('a host name that nobody knows: it is to be corrected', async () => {
      const sentence = await sentenceOf({ ...env, HOST: 'gateway.invalid', PORT: '8080' });
      assert.match(
        sentence,
        /^Cannot listen on gateway\.invalid:8080: no address is known for the name: correct HOST, or /,
      );
    });

    const isRoot = process.getuid?.() === 0;
    const skip = canOpenLowPorts() || (isRoot && !existsSync(SETPRIV) ? 'setpriv is needed to be another user' : false);
    test('a port below 1024 that the user may not have: a higher one is to be set', { skip }, async () => {
      const sentence = await sentenceOf({ ...env, PORT: '81' }, isRoot ? [SETPRIV, ...NOBODY] : []);
      assert.match(
        sentence,
        /^Cannot listen on 127\.0\.0\.1:81: this user may not use ports below 1024: .* PORT=8080, /,
      );
    });
  });

test('the internal port says the same by its own settings', async (t) => {
  const port = await takenPort(t);
  assert.match(
    await sentenceOf({ INTERNAL_PORT: String(port) }),
    /\(INTERNAL_PORT\): another program has this port: .* such as INTERNAL_PORT=\d+\.$/,
  );
  assert.match(
    await sentenceOf({ INTERNAL_PORT: String(port), INTERNAL_HOST: '192.0.2.1' }),
    /\(INTERNAL_PORT\): this machine does not have the address: .* INTERNAL_HOST=0\.0\.0\.0/,
  );
});

/** Why nobody is refused a low port here; false where they are. */
function canOpenLowPorts(): string | false {
  const file = '/proc/sys/net/ipv4/ip_unprivileged_port_start';
  if (!existsSync(file)) return 'only Linux says who may have which port';
  return Number(readFileSync(file, 'utf8')) > 81 ? false : 'this system lets everybody have every port';
}
