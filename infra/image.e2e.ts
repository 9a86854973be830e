/**
 * Proves an image that has been built: two replicas of it with a root that cannot be written, no capability and little memory, beside a Redis container.
 * `npm run e2e:image -- --engine podman --image passerelle --redis docker.io/library/redis:7`. Ends with 1 where anything is not as it should be.
 *
 * It knows the image by what a container engine (podman or docker) tells of it, and by the gateway's protocol.
 */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../broker/testing/until.ts';
import { WsClient } from '../gateway/e2e/harness/clients.ts';
import { commandLine } from '../gateway/e2e/harness/command-line.ts';
import { call } from '../gateway/e2e/harness/http-client.ts';
import { Traffic } from '../gateway/e2e/harness/traffic.ts';

const options = commandLine('npm run e2e:image -- [options]', {
  engine: { about: 'podman or docker', default: 'podman' },
  image: { about: 'the image that has been built', default: 'passerelle' },
  redis: { about: 'the image of Redis, which is there or can be had', default: 'docker.io/library/redis:7' },
  memory: { about: 'what each replica may have', default: '256m' },
  subscribers: { about: 'clients that must miss nothing while one replica is stopped', default: 200 },
});

const RUN = `passerelle-${process.pid}`;
const HARDENED = ['--read-only', '--cap-drop=all', '--security-opt=no-new-privileges', '--memory', options.memory];
const folder = mkdtempSync(join(tmpdir(), 'passerelle-image-'));
const started: string[] = [];

try {
  await prove();
} finally {
  if (started.length > 0) tryEngine('rm', '--force', '--volumes', ...started);
  tryEngine('network', 'rm', '--force', RUN);
  rmSync(folder, { recursive: true });
}

async function prove(): Promise<void> {
  const [image] = JSON.parse(engine('image', 'inspect', options.image)) as { Size: number; Architecture: string }[];
  say(`${options.image}: ${Math.round((image?.Size ?? 0) / 1e6)} MB, ${image?.Architecture}`);
  refusesToStartOpen();

  // Nothing may be trimmed: whatever a subscriber missed must be there when it comes back.
  const channels = join(folder, 'channels.json');
  writeFileSync(channels, JSON.stringify({ namespaces: { load: { history: { size: 50_000, retention: '1h' } } } }));
  engine('network', 'create', RUN);
  run('redis', [], options.redis);
  const gateways = ['gateway-1', 'gateway-2'].map((name) =>
    run(name, [...HARDENED, ...gatewayOptions(name, channels)], options.image),
  );
  const urls = gateways.map(urlOf);
  for (const url of urls)
    await until(`${url} is ready`, async () => (await call(`${url}/readyz`)).status === 200, 60_000);
  for (const gateway of gateways) confined(gateway);
  await chatAcross(urls);
  await drains(gateways, urls);
  say('The image is as it should be.');
}

function gatewayOptions(name: string, channels: string): string[] {
  const env = {
    GATEWAY_ID: name,
    REDIS_URL: `redis://${RUN}-redis:6379`,
    ALLOW_ANONYMOUS: 'on',
    CHANNELS_FILE: '/etc/passerelle/channels.json',
  };
  return [
    ...['--publish', '127.0.0.1::8080', '--volume', `${channels}:/etc/passerelle/channels.json:ro`],
    ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
  ];
}

function refusesToStartOpen(): void {
  const { status, stderr, stdout } = tryEngine('run', '--rm', ...HARDENED, options.image);
  assert.equal(status, 2, stderr);
  assert.match(`${stdout}${stderr}`, /NODE_ENV=production, and there is no authentication/);
  say('Without authentication it does not start, and says why.');
}

/** Process 1 is the gateway itself, nobody's root, without capabilities, and cannot write; the health check finds it well. */
function confined(container: string): void {
  const status = engine('exec', container, 'cat', '/proc/1/status');
  assert.match(engine('exec', container, 'cat', '/proc/1/cmdline'), /^node\0/);
  assert.match(status, /^Uid:\s+1000\s+1000\s+1000\s+1000$/m);
  for (const set of ['CapEff', 'CapPrm', 'CapBnd']) assert.match(status, new RegExp(`^${set}:\\s+0+$`, 'm'));
  assert.match(status, /^NoNewPrivs:\s+1$/m);
  for (const path of ['/app/written', '/written', '/home/node/written', '/etc/written']) {
    const written = tryEngine('exec', container, 'touch', path);
    assert.notEqual(written.status, 0, path);
    assert.match(written.stderr, /[Rr]ead-only file system/, path);
  }
  engine('exec', container, 'node', 'infra/healthcheck.mjs');
  const wrong = tryEngine('exec', '--env', 'PORT=1', container, 'node', 'infra/healthcheck.mjs');
  assert.match(wrong.stderr, /The gateway is not well: .*ECONNREFUSED/);
  assert.notEqual(wrong.status, 0);
  assert.notEqual(tryEngine('exec', container, 'npm', '--version').status, 0, 'there is no npm');
  say(
    `${container}: process 1 is node as user 1000, without capabilities, on a root that cannot be written; it is well.`,
  );
}

async function chatAcross(urls: readonly string[]): Promise<void> {
  const clients = await Promise.all(
    urls.map((url, index) => WsClient.open(`${url}/chat?room=image&username=P${index}`)),
  );
  for (const client of clients) await client.frames.find(({ type }) => type === 'welcome');
  for (const [index, client] of clients.entries()) client.send({ type: 'message', content: `from ${index}` });
  for (const client of clients)
    for (const index of clients.keys())
      await client.frames.find(({ type, content }) => type === 'message' && content === `from ${index}`);
  for (const client of clients) client.destroy();
  say('What is said in a chat at one replica is heard at both.');
}

/** One replica is stopped, started again, and then the other, under traffic: nobody may miss anything. */
async function drains(gateways: readonly string[], urls: readonly string[]): Promise<void> {
  let all = urls;
  let up = urls;
  const traffic = await Traffic.start({
    seed: process.pid,
    urls: () => up,
    subscribers: options.subscribers,
    channels: 10,
    eventsPerSecond: 100,
    mostEvents: 20_000,
  });
  try {
    for (const [index, gateway] of gateways.entries()) {
      const before = { published: traffic.published, reconnects: traffic.reconnects };
      await until('events flow', () => traffic.published > before.published + 100, 60_000);
      up = all.filter((_url, other) => other !== index);
      await promisify(execFile)(options.engine, ['stop', '--time', '60', gateway]);
      const code = engine('inspect', '--format', '{{.State.ExitCode}}', gateway).trim();
      assert.equal(code, '0', tryEngine('logs', gateway).stdout);
      say(
        `${gateway}: stopped by SIGTERM with code 0; ${traffic.reconnects - before.reconnects} clients went elsewhere.`,
      );
      engine('start', gateway);
      const url = urlOf(gateway);
      await until('it is back', async () => (await call(`${url}/readyz`)).status === 200, 60_000);
      all = gateways.map(urlOf);
      up = all;
    }
    const { violations, complaints, ...counts } = await traffic.finish();
    say(
      Object.entries(counts)
        .map(([name, count]) => `${name} ${count}`)
        .join(', '),
    );
    assert.deepEqual(violations, []);
    assert.deepEqual(complaints, []);
    say('Nothing was lost, nothing came twice.');
  } finally {
    await traffic.stop();
  }
}

function run(name: string, more: readonly string[], image: string): string {
  const container = `${RUN}-${name}`;
  started.push(container);
  engine('run', '--detach', '--name', container, '--network', RUN, ...more, image);
  return container;
}

function urlOf(container: string): string {
  const address = engine('port', container, '8080/tcp').trim().split('\n')[0];
  return `http://${address}`;
}

function engine(...args: string[]): string {
  const { status, stdout, stderr } = tryEngine(...args);
  assert.equal(status, 0, `${options.engine} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function tryEngine(...args: string[]) {
  return spawnSync(options.engine, args, { encoding: 'utf8' });
}

function say(line: string): void {
  console.log(line);
}
