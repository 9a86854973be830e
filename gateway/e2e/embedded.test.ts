/** Gateways in a process that is not theirs: this one. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import type { Gateway } from '../server/handle.ts';
import { Certificates } from './harness/certificates.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { embeddedGateway, listenedAt } from './harness/embedded.ts';
import { call, publish } from './harness/http-client.ts';

test('a gateway in this process serves WebSocket and SSE, and sends its clients away when it drains', async (t) => {
  const gateway = embeddedGateway();
  t.after(() => gateway.close());
  const url = await listenedAt(gateway);
  const socket = await WsClient.open(`${url}/ws`);
  assert.equal((await socket.frames.next()).type, 'welcome');
  socket.send({ type: 'subscribe', channel: 'a' });
  assert.equal((await socket.frames.next()).type, 'subscribed');
  const stream = await SseClient.open(`${url}/events?channel=a`);
  await stream.blocks.next();
  assert.equal(gateway.connections, 2);

  await publish(url, 'a', 'hello');
  assert.equal((await socket.frames.next()).data, 'hello');
  assert.equal((await stream.blocks.next()).data, '"hello"');

  assert.equal(await gateway.drain(), 'drained');
  assert.equal(gateway.connections, 0);
  assert.equal((await socket.closed).code, 1012);
  await assert.rejects(fetch(`${url}/healthz`));
});

test('two gateways in one process know nothing of each other', async (t) => {
  const [one, other] = [embeddedGateway({ GATEWAY_ID: 'one' }), embeddedGateway({ GATEWAY_ID: 'other' })];
  t.after(() => Promise.all([one.close(), other.close()]));
  const [here, there] = await Promise.all([listenedAt(one), listenedAt(other)]);
  assert.notEqual(here, there);
  const socket = await WsClient.open(`${there}/ws`);
  assert.equal((await socket.frames.next()).type, 'welcome');
  await publish(here, 'a', 1);
  for (const [url, gateway, published, connections] of [
    [here, 'one', 1, 0],
    [there, 'other', 0, 1],
  ] as const) {
    const stats = JSON.parse((await call(`${url}/stats`)).text) as Record<string, unknown>;
    assert.equal(stats.gateway, gateway);
    assert.equal(stats.events_published, published);
    assert.equal(stats.active_connections, connections);
    assert.equal((await call(`${url}/metrics`)).status, 200);
  }

  await one.close();
  await assert.rejects(fetch(`${here}/healthz`));
  socket.send({ type: 'subscribe', channel: 'b' });
  assert.equal((await socket.frames.next()).type, 'subscribed');
  assert.equal((await call(`${there}/readyz`)).status, 200);
});

test('the second call of listen is an error, and the gateway goes on', async (t) => {
  const gateway = embeddedGateway({ INTERNAL_PORT: '0' });
  t.after(() => gateway.close());
  const first = listenedAt(gateway);
  assert.equal((await gateway.listen()).ok, false, 'while the first is under way');
  const url = await first;
  const again = await gateway.listen();
  assert.ok(!again.ok);
  assert.match(again.error, /listens already/);
  assert.equal((await call(`${url}/healthz`)).status, 200);
});

test('a port that is taken is an error, and once it is free the same gateway takes it', async (t) => {
  const taken = createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  assert.ok(address !== null && typeof address === 'object');
  const gateway = embeddedGateway({ PORT: String(address.port) });
  t.after(() => gateway.close());
  const refused = await gateway.listen();
  assert.ok(!refused.ok);
  assert.match(refused.error, new RegExp(`127\\.0\\.0\\.1:${address.port}`));

  taken.close();
  await once(taken, 'close');
  assert.equal((await call(`${await listenedAt(gateway)}/healthz`)).status, 200);
});

test('a gateway that was closed or drained does not listen any more, and can be ended again', async () => {
  for (const end of ['close', 'drain'] as const) {
    const gateway = embeddedGateway();
    await gateway[end]();
    const refused = await gateway.listen();
    assert.ok(!refused.ok, end);
    assert.match(refused.error, /has ended/);
    await gateway.close();
    await gateway.drain();
  }
});

test('a gateway that is drained or closed while it begins to listen does not', async () => {
  for (const end of ['close', 'drain'] as const) {
    const gateway = embeddedGateway({ INTERNAL_PORT: '0' });
    const listening = gateway.listen();
    await gateway[end]();
    const refused = await listening;
    assert.ok(!refused.ok, end);
    assert.match(refused.error, /has ended/);
  }
});

test('closing it ends a drain that is under way', async () => {
  const gateway = embeddedGateway({ DRAIN_SETTLE_MS: '250000', SHUTDOWN_TIMEOUT_SECONDS: '600' });
  const url = await listenedAt(gateway);
  const socket = await WsClient.open(`${url}/ws`);
  assert.equal((await socket.frames.next()).type, 'welcome');
  const drained = gateway.drain();
  await gateway.close();
  assert.equal(await drained, 'cut');
  await socket.closed;
  assert.equal(gateway.connections, 0);
});

test('a drain that takes too long ends at its deadline', async (t) => {
  const redis = await startStandalone();
  t.after(() => redis.stop());
  const slow = { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '60000', SHUTDOWN_TIMEOUT_SECONDS: '1', LOG_LEVEL: 'silent' };
  const gateway = embeddedGateway(slow);
  t.after(() => gateway.close());
  const url = await listenedAt(gateway);
  await until('it is ready', async () => (await call(`${url}/api/channels`)).status === 200);
  redis.servers[0]?.pause(); // it cannot take its leave of Redis
  assert.equal(await gateway.drain(), 'cut');
});

test('it leaves the handlers of its process alone', async () => {
  const counts = () =>
    ['SIGTERM', 'SIGINT', 'unhandledRejection', 'uncaughtException', 'exit', 'message'].map((event) =>
      process.listenerCount(event),
    );
  const before = counts();
  const gateway = embeddedGateway();
  await listenedAt(gateway);
  assert.deepEqual(counts(), before);
  await gateway.close();
});

/** What is awaited is an end: without this limit a test that fails would not end either. */
const ENDS = { timeout: 30_000 };
const PROGRAM = fileURLToPath(new URL('./harness/embedded-end.js', import.meta.url));

for (const how of ['close', 'drain', 'unheard'])
  for (const engine of ['memory', 'redis'])
    test(`nothing keeps a process alive whose gateway has ended (${how}, ${engine})`, ENDS, async (t) => {
      const redis = engine === 'redis' ? await startStandalone() : undefined;
      t.after(() => redis?.stop());
      // A wait for Redis that outlived the gateway would be a long one.
      await endsByItself(t, how, redis === undefined ? {} : { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '60000' });
    });

for (const how of ['close', 'drain'])
  test(`nor with TLS and an internal port (${how})`, ENDS, async (t) => {
    const certificates = new Certificates();
    t.after(() => certificates.remove());
    const { certFile, keyFile } = certificates.make('embedded');
    await endsByItself(t, how, { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, INTERNAL_PORT: '0' });
  });

/** Runs the program, and holds it to its end. */
async function endsByItself(t: TestContext, how: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const child = spawn(process.execPath, [PROGRAM, how, JSON.stringify(settings)], {
    env: { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' }, // its clients need not trust the certificate
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 0, output);
  assert.match(output, /ended/);
}

test('nothing keeps a gateway in memory that has ended', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const ended: WeakRef<Gateway>[] = [];
  for (const end of ['close', 'drain'] as const) ended.push(await servedAndEnded(end));
  await until('they are freed', () => {
    collect();
    return ended.every((gateway) => gateway.deref() === undefined);
  });
});

/** A gateway that has had clients. */
async function servedAndEnded(end: 'close' | 'drain'): Promise<WeakRef<Gateway>> {
  const gateway = embeddedGateway();
  const url = await listenedAt(gateway);
  const socket = await WsClient.open(`${url}/ws`);
  await socket.frames.next();
  socket.send({ type: 'subscribe', channel: 'a' });
  await socket.frames.next();
  const stream = await SseClient.open(`${url}/events?channel=a`);
  await stream.blocks.next();
  await publish(url, 'a', 1);
  assert.equal((await call(`${url}/metrics`)).status, 200);
  await gateway[end]();
  return new WeakRef(gateway);
}
