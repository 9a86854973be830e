/** What happens in a pod where something was left out or mistyped: with the environment that the manifests give it, and a real gateway. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { startStandalone } from '../broker/redis/testing/servers.ts';
import { until } from '../broker/testing/until.ts';
import { call } from '../gateway/e2e/harness/http-client.ts';
import { GatewayProcess } from '../gateway/e2e/harness/processes.ts';
import { environmentOf } from './pod.ts';
import { rendered } from './renders.ts';

const MAIN = fileURLToPath(new URL('../gateway/main.js', import.meta.url));
const SECRET = { REDIS_URL: 'redis://127.0.0.1:1', TOKEN_SECRET: 'of thirty-two bytes, or some more' };
const LIMIT_MS = 30_000;
/** Root may read every file but for this; a pod's user is not root. */
const UNPRIVILEGED = ['/usr/bin/setpriv', '--bounding-set=-dac_override,-dac_read_search', '--'];
const NOBODY = 65_534;

/** The environment of a pod of overlays/production, with this Secret, and listening where the test can reach it. */
function podEnvironment(secret: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const objects = rendered('kustomize-production');
  const deployment = objects.find(({ kind }) => kind === 'Deployment');
  const [container] = deployment?.spec.template.spec.containers ?? [];
  const env = environmentOf(container, 'passerelle-0', (kind, name) => {
    const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
    return kind === 'Secret' && secret ? { apiVersion: 'v1', kind, metadata: { name }, stringData: secret } : found;
  });
  // What is mounted into a pod is not here.
  const { CHANNELS_FILE, REDIS_TLS_CA_FILE, ...rest } = env;
  assert(CHANNELS_FILE !== undefined && REDIS_TLS_CA_FILE !== undefined);
  return { ...rest, HOST: '127.0.0.1', PORT: '0', INTERNAL_HOST: '127.0.0.1', INTERNAL_PORT: '0' };
}

interface Ended {
  readonly code: number | null;
  readonly lines: readonly string[];
}

/** A gateway that is expected to end by itself: what a pod's log has of it. */
function run(env: Readonly<Record<string, string>>, under: readonly string[] = []): Promise<Ended> {
  const [program = '', ...args] = [...under, process.execPath, MAIN];
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, lines: log.split('\n').filter((line) => line !== '') }));
  });
}

describe('a pod that is not configured as it should be', () => {
  test('without its Secret says what it lacks, and ends without listening or keeping events to itself', async () => {
    const { code, lines } = await run(podEnvironment(undefined));
    assert.equal(code, 2);
    const [headline, ...faults] = lines;
    assert.equal(headline, 'Passerelle cannot start:');
    // The rules for tokens are in the ConfigMap, so that it is known that there is to be a key.
    assert.equal(faults.length, 3, faults.join('\n'));
    for (const what of ['REDIS_REQUIRED is on, and there is no REDIS_URL', 'TOKEN_ISSUER', 'TOKEN_AUDIENCE'])
      assert(
        faults.some((fault) => fault.startsWith(`  - ${what}`)),
        what,
      );
    for (const fault of faults.slice(0, 2)) assert.match(fault, /TOKEN_SECRET|REDIS_URL/);
  });

  test('with a Secret that has no key says so', async () => {
    const { code, lines } = await run({
      ...podEnvironment({ REDIS_URL: SECRET.REDIS_URL }),
      TOKEN_ISSUER: '',
      TOKEN_AUDIENCE: '',
    });
    assert.equal(code, 2);
    assert.equal(lines.length, 2, lines.join('\n'));
    assert.match(lines[1] ?? '', /^ {2}- NODE_ENV=production, and there is no authentication/);
  });

  for (const [what, url, reason] of [
    [
      'a Redis address that nobody knows',
      'redis://redis.invalid:6379',
      /ENOTFOUND redis\.invalid|EAI_AGAIN redis\.invalid/,
    ],
    ['a Redis address at which nobody listens', 'redis://127.0.0.1:1', /ECONNREFUSED 127\.0\.0\.1:1/],
  ] as const)
    test(`with ${what} is never ready, says why in one line, and lives on`, async (t) => {
      const { gateway, lines } = await startPod(t, { ...SECRET, REDIS_URL: url });
      await until('it says so', () => lines.some((line) => line.includes('Redis cannot be used')));
      const [line = ''] = lines.filter((each) => each.includes('Redis cannot be used'));
      assert.match(JSON.parse(line).reason, reason);
      // Also while Redis may be away for a moment in a pod that has reached it: this one never did.
      const internal = await gateway.internalUrl();
      const readiness: number[] = [];
      const end = performance.now() + 1_500;
      while (performance.now() < end) {
        const ready = await call(`${internal}/readyz`);
        readiness.push(ready.status);
        assert.match(ready.text, reason);
      }
      assert.deepEqual([...new Set(readiness)], [503]);
      assert.equal((await call(`${gateway.url}/healthz`)).status, 200, 'a restart would not help');
      assert(gateway.running);
      assert.equal(lines.filter((each) => each.includes('Redis cannot be used')).length, 1, lines.join('\n'));
    });

  test('with the wrong password for Redis says so, without the password, and gets ready once it is right', async (t) => {
    const redis = await startStandalone();
    t.after(() => redis.stop());
    const [server] = redis.servers;
    await server?.command('CONFIG', 'SET', 'requirepass', 'right');
    const { gateway, lines } = await startPod(t, { ...SECRET, REDIS_URL: redis.url.replace('//', '//:mistyped@') });
    await until('it says so', () =>
      lines.some((line) => /Redis cannot be used/.test(line) && /WRONGPASS|password/i.test(line)),
    );
    const internal = await gateway.internalUrl();
    assert.equal((await call(`${internal}/readyz`)).status, 503);
    assert.doesNotMatch(lines.join('\n'), /mistyped/);
    // Not by a restart of the gateway: it tries on.
    const admin = redis.url.replace('//', '//:right@');
    await setPassword(admin, 'mistyped');
    await until('it is ready', async () => (await call(`${internal}/readyz`)).status === 200);
  });

  test('with no permission to read files names each in one line, and tells nothing of what is in it', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'passerelle-pod-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'file');
    writeFileSync(path, '"SEVENTEEN"');
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(path, NOBODY, NOBODY);
    chmodSync(path, isRoot ? 0o600 : 0o000);
    const named = [
      'CHANNELS_FILE',
      'API_KEYS_FILE',
      'TOKEN_PUBLIC_KEYS',
      'TLS_CERT_FILE',
      'TLS_KEY_FILE',
      'REDIS_TLS_CA_FILE',
    ];
    const env = { ...podEnvironment({ ...SECRET, REDIS_URL: 'rediss://127.0.0.1:1' }) };
    for (const setting of named) env[setting] = path;
    const { code, lines } = await run(env, isRoot ? UNPRIVILEGED : []);
    assert.equal(code, 2, lines.join('\n'));
    assert.equal(lines.length, 1 + named.length, lines.join('\n'));
    for (const setting of named) {
      const about = lines.filter((line) => line.startsWith(`  - ${setting}`));
      assert.equal(about.length, 1, lines.join('\n'));
      assert.match(about[0] ?? '', /this process has no permission to read the file/);
    }
    assert.doesNotMatch(lines.join('\n'), /SEVENTEEN/);
  });
});

async function startPod(t: TestContext, secret: Readonly<Record<string, string>>) {
  const lines: string[] = [];
  // Shorter than what is looked at, so that it would show where a pod that never reached Redis took it for a hiccup.
  const env = { ...podEnvironment(secret), READY_GRACE_SECONDS: '1', DRAIN_WINDOW_MS: '0' };
  const gateway = await GatewayProcess.start({
    env: { ...env, LOG_LEVEL: 'info' },
    onLine: (line) => lines.push(line),
  });
  t.after(() => gateway.kill());
  return { gateway, lines };
}

async function setPassword(url: string, password: string): Promise<void> {
  const redis = new Redis(url, { lazyConnect: true });
  await redis.connect();
  await redis.config('SET', 'requirepass', password);
  redis.disconnect();
}
