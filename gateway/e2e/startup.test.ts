/** How a gateway starts, and how it says why it does not: its command line, its settings, its log, and Redis that is not there yet. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startStandalone } from '../../broker/redis/testing/servers.ts';
import { ports } from '../../broker/testing/ports.ts';
import { until } from '../../broker/testing/until.ts';
import { SETTINGS } from '../settings/config.ts';
import type { Setting } from '../settings/setting.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { call, post, publish, RawStream } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));
const LIMIT_MS = 60_000;
/** Gateways that start at a time where many do. */
const STARTS = 3;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a gateway that is expected to end by itself. */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
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
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

async function listenOn(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  return address.port;
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** The faults that a start ended with. */
async function faultsOf(env: Readonly<Record<string, string>>): Promise<string[]> {
  const { code, stdout, stderr } = await run([], env);
  assert.notEqual(code, 0, stdout);
  assert.notEqual(code, null, `it did not end: ${stdout}${stderr}`);
  assert.doesNotMatch(stderr, /^\s+at /m, 'no stack trace: this is said to an operator');
  assert.doesNotMatch(stdout, /listening/);
  return stderr.split('\n').filter((line) => line.startsWith('  - '));
}

describe('the command line', () => {
  test('--help lists every setting with its default, and ends with 0', async () => {
    const { code, stdout, stderr } = await run(['--help']);
    assert.equal(code, 0, stderr);
    for (const { name, fallbackText } of Object.values(SETTINGS)) {
      const entry = stdout.slice(stdout.indexOf(`  ${name} `));
      assert(stdout.includes(`  ${name} `), name);
      assert(entry.replaceAll(/\s+/g, ' ').includes(`Default: ${fallbackText}.`), name);
    }
    assert.deepEqual((await run(['-h'])).stdout, stdout);
    assert.equal((await run(['--help'], { PORT: 'wrong' })).code, 0, 'help helps where settings are wrong, too');
  });

  test('--version names the version', async () => {
    const { code, stdout } = await run(['--version']);
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });

  test('an unknown argument is named, and nothing starts', async () => {
    for (const argument of ['--prot=8080', 'start', '-x']) {
      const { code, stdout, stderr } = await run([argument]);
      assert.notEqual(code, 0);
      assert.equal(stdout, '');
      assert(stderr.includes(JSON.stringify(argument)) && stderr.includes('--help'), stderr);
    }
  });
});

describe('settings that cannot be used', () => {
  test('are listed all at once, each by its name', async () => {
    const wrong: Record<string, string> = {
      PORT: '70000',
      HOST: 'not a host',
      REDIS_URL: 'http://localhost',
      REDIS_PREFIX: 'a b',
      LOG_LEVEL: 'loud',
      ALLOWED_ORIGINS: 'example.com',
      ECHO: 'perhaps',
      MAX_CONNECTIONS: '0',
      KEEP_ALIVE_SECONDS: '1.5',
      CHANNELS_FILE: '/no/such/file.json',
    };
    const faults = await faultsOf(wrong);
    assert.equal(faults.length, Object.keys(wrong).length, faults.join('\n'));
    for (const name of Object.keys(wrong))
      assert(
        faults.some((fault) => fault.includes(name)),
        name,
      );
  });

  test('leave nothing half-started: no port is listened on, and Redis is not called', async (t) => {
    let calls = 0;
    const redis = createServer((socket) => {
      calls++;
      socket.destroy();
    });
    t.after(() => redis.close());
    const redisPort = await listenOn(redis, 0);
    // Not one that the kernel hands out: another process could get it, and so could a connection to it as its own end.
    const port = await ports.free();
    let refused = 0;
    let ended = false;
    const looking = (async () => {
      while (!ended) {
        if (await connects(port)) assert.fail('something listened');
        refused++;
        await sleep(20);
      }
    })();
    const env = { PORT: String(port), REDIS_URL: `redis://127.0.0.1:${redisPort}`, LOG_LEVEL: 'trace' };
    const { code, stdout, stderr } = await run([], { ...env, ECHO: 'perhaps', TLS_CERT_FILE: '/nowhere' });
    ended = true;
    await looking;
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.equal(calls, 0);
    assert(refused > 1);
  });

  test('in production a gateway that asks nobody who they are does not start, unless it is told to', async (t) => {
    const [fault = '', ...others] = await faultsOf({ NODE_ENV: 'production' });
    assert.match(fault, /NODE_ENV=production.*TOKEN_SECRET.*ALLOW_ANONYMOUS=1/);
    assert.deepEqual(others, []);
    const gateway = await GatewayProcess.start({ env: { NODE_ENV: 'production', ALLOW_ANONYMOUS: '1' } });
    t.after(() => gateway.kill());
    assert.match(gateway.url, /^http:/);
  });

  test('REDIS_URL is named, and no part of it that may be secret is shown', async () => {
    for (const url of [
      'redis://:secret-password@',
      'redis://user:secret-password@host:99999',
      'redis://:secret-password@a:1,b:2',
      'http://:secret-password@host',
      'redis+sentinel://:secret-password@host:1',
    ]) {
      const [fault = '', ...others] = await faultsOf({ REDIS_URL: url });
      assert.match(fault, /REDIS_URL/);
      assert.doesNotMatch(fault, /secret-password/);
      assert.deepEqual(others, []);
    }
  });

  test('a channels file is named with what is wrong in it', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'passerelle-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'channels.json');
    assert.match((await faultsOf({ CHANNELS_FILE: path })).join(), /CHANNELS_FILE: .*channels\.json.*no such file/);
    writeFileSync(path, '{');
    assert.match((await faultsOf({ CHANNELS_FILE: path })).join(), /CHANNELS_FILE: .*channels\.json.*not JSON/);
    writeFileSync(path, '{"namespaces":{"a":{"history":{"size":-1,"retention":"soon"}},"b":{"histroy":{}}}}');
    const faults = await faultsOf({ CHANNELS_FILE: path });
    assert.equal(faults.length, 3, faults.join('\n'));
    for (const what of ['a.history.size', '"soon"', '"histroy"'])
      assert(
        faults.some((fault) => fault.includes(what)),
        what,
      );
  });

  test('a port that is taken is named, whoever has it', async (t) => {
    const server = createServer();
    t.after(() => server.close());
    const taken = await listenOn(server, 0);
    const [fault = ''] = await faultsOf({ PORT: String(taken) });
    assert(fault.includes(`127.0.0.1:${taken}`), fault);

    const gateway = await GatewayProcess.start();
    t.after(() => gateway.kill());
    const { port } = new URL(gateway.url);
    const [second = ''] = await faultsOf({ PORT: port });
    assert(second.includes(`127.0.0.1:${port}`), second);
  });

  test('an address that is not of this machine is named', async () => {
    const [fault = ''] = await faultsOf({ HOST: '192.0.2.1' });
    assert.match(fault, /192\.0\.2\.1/);
  });
});

describe('each setting, where it is wrong, stops the start with code 2 and is named:', { concurrency: STARTS }, () => {
  // Whoever tried to listen all the same would say that this port is taken.
  const server = createServer();
  let taken: number;
  before(async () => {
    taken = await listenOn(server, 0);
  });
  after(() => server.close());

  for (const setting of Object.values(SETTINGS)) {
    test(setting.name, async () => {
      const env = { PORT: String(taken), LOG_LEVEL: 'trace', [setting.name]: wrongValueOf(setting) };
      const { code, stdout, stderr } = await run([], env);
      assert.equal(code, 2, stderr);
      assert.equal(stdout, '');
      const faults = stderr.split('\n').filter((line) => line.startsWith('  - '));
      assert.deepEqual(
        faults.map((fault) => /^ {2}- (\w+)/.exec(fault)?.[1]),
        [setting.name],
        stderr,
      );
      assert.doesNotMatch(stderr, /^\s+at /m);
    });
  }

  /** The first of these that the setting does not take; a file that is not there, where it takes every text for a path. */
  function wrongValueOf(setting: Setting<unknown>): string {
    const wrong = ['perhaps', 'with a \u0007 bell'].find((value) => !setting.parse(value).ok);
    return wrong ?? '/no/such/file';
  }
});

describe('Redis away at the start', () => {
  test('the gateway says so, answers what it can, and works as soon as Redis comes', async (t) => {
    const redis = await startStandalone();
    t.after(() => redis.stop());
    const [server] = redis.servers;
    assert(server !== undefined);
    await server.kill();
    const gateway = await GatewayProcess.start({
      env: { REDIS_URL: redis.url, READY_GRACE_SECONDS: '0', REDIS_TIMEOUT_MS: '1000', LOG_LEVEL: 'info' },
    });
    t.after(() => gateway.kill());
    const { url } = gateway;

    await until('the log says that Redis is missing', () => /Redis cannot be used/.test(gateway.log));
    await until('it is not ready', async () => (await call(`${url}/readyz`)).status === 503);
    const { reason } = (await call(`${url}/readyz`)).json as { reason: unknown };
    assert.match(String(reason), /Redis .*(ECONNREFUSED|reached)/);
    assert.equal((await call(`${url}/healthz`)).status, 200);
    assert.equal((await call(`${url}/stats`)).status, 200);
    assert.match((await call(`${url}/metrics`)).text, /^passerelle_broker_ready\{[^}]*\} 0$/m);

    const client = await WsClient.open(`${url}/ws`);
    assert.equal((await client.frames.next()).type, 'welcome');
    const requests = [
      { type: 'subscribe', channel: 'a' },
      { type: 'subscribe', channel: 'b', after: '0-0' },
      { type: 'publish', channel: 'a', data: 1 },
      { type: 'history', channel: 'a' },
    ];
    for (const [ref, request] of requests.entries()) client.send({ ...request, ref });
    const replied = (ref: number) => client.frames.all.find((frame) => frame.ref === ref);
    for (const [ref, request] of requests.entries()) {
      await until('it is answered', () => replied(ref) !== undefined);
      assert.deepEqual([replied(ref)?.type, replied(ref)?.code], ['error', 'unavailable'], JSON.stringify(request));
    }
    client.send({ type: 'ping', ref: 'ping' });
    await client.frames.find(({ type }) => type === 'pong');

    const publishing = await post(`${url}/api/publish`, { channel: 'a', data: 1 });
    assert.equal(publishing.status, 503);
    const stream = await RawStream.open(`${url}/events?channel=a`);
    assert.equal(stream.status, 200);
    await until('the stream ends', () => stream.ended);
    assert.match(stream.text, /^retry: \d+\n\n$/);
    const plain = await call(`${url}/events?channel=a`);
    assert.equal(plain.status, 503);
    assert.match(String(plain.headers['retry-after']), /^\d+$/);

    await server.start();
    await until('it is ready', async () => (await call(`${url}/readyz`)).status === 200);
    await until('the log says that Redis came', () => /Redis is ready/.test(gateway.log));
    client.send({ type: 'subscribe', channel: 'a', ref: 'now' });
    assert.equal((await client.frames.find(({ ref }) => ref === 'now')).type, 'subscribed');
    const events = await SseClient.open(`${url}/events?channel=a`);
    await events.blocks.next();
    const id = await publish(url, 'a', 'here');
    assert.equal((await client.frames.next()).id, id);
    assert.equal((await events.blocks.next()).lastEventId, id);
    events.destroy();
    client.destroy();
    assert.doesNotMatch(gateway.log, /"level":"(error|fatal)"/);
  });

  test('SIGTERM ends a gateway that never reached Redis, too', async (t) => {
    const gateway = await GatewayProcess.start({ env: { REDIS_URL: 'redis://127.0.0.1:1', REDIS_TIMEOUT_MS: '300' } });
    t.after(() => gateway.kill());
    assert.equal(await gateway.stop(), 0);
  });

  test('a password that is wrong is told as that, and not shown', async (t) => {
    const redis = await startStandalone();
    t.after(() => redis.stop());
    const withPassword = redis.url.replace('redis://', 'redis://:wrong-secret@');
    await redis.servers[0]?.command('CONFIG', 'SET', 'requirepass', 'right-secret');
    const gateway = await GatewayProcess.start({
      env: { REDIS_URL: withPassword, READY_GRACE_SECONDS: '0', LOG_LEVEL: 'debug' },
    });
    t.after(() => gateway.kill());
    await until('readyz tells of the password', async () => {
      return /WRONGPASS|NOAUTH|password/i.test((await call(`${gateway.url}/readyz`)).text);
    });
    assert.doesNotMatch(gateway.log, /wrong-secret/);
  });
});
