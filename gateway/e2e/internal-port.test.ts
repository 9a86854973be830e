/** What operators and their tools ask, on the port that is theirs: real gateways, of one process and of several. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { WsClient } from './harness/clients.ts';
import { call } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { RawSocket } from './harness/raw-socket.ts';

const ON = { INTERNAL_PORT: '0' };
const OPERATORS_ONLY = ['/readyz', '/metrics', '/stats'];
const HEALTH_CHECK = fileURLToPath(new URL('../../../infra/healthcheck.mjs', import.meta.url));

describe('the internal port', () => {
  test('answers what operators ask, which the public port then does not', async (t) => {
    const gateway = await GatewayProcess.start({ env: ON });
    t.after(() => gateway.kill());
    const internal = await gateway.internalUrl();
    await until('it is ready', async () => (await call(`${internal}/readyz`)).status === 200);
    for (const path of ['/healthz', ...OPERATORS_ONLY])
      assert.equal((await call(`${internal}${path}`)).status, 200, path);
    assert.match((await call(`${internal}/metrics`)).text, /^passerelle_ready\{[^}]*\} 1$/m);
    assert.equal((await call(`${internal}/metrics`, { method: 'HEAD' })).text, '');
    assert.equal((await call(`${internal}/metrics`, { method: 'POST', body: '{}' })).status, 405);
    assert.equal((await call(`${internal}/api/channels`)).status, 404);

    assert.equal((await call(`${gateway.url}/healthz`)).status, 200, 'load balancers ask the port that they use');
    for (const path of OPERATORS_ONLY) {
      const { status, text } = await call(`${gateway.url}${path}`);
      assert.equal(status, 404, path);
      assert.match(text, /INTERNAL_PORT/);
    }
  });

  test('answers for this machine only, unless it is there for others', async (t) => {
    const gateway = await GatewayProcess.start({ env: ON });
    const open = await GatewayProcess.start({ env: { ...ON, INTERNAL_HOST: '0.0.0.0' } });
    t.after(() => Promise.all([gateway.kill(), open.kill()]));
    const asked = async (of: GatewayProcess, host: string) => {
      const internal = (await of.internalUrl()).replace('0.0.0.0', '127.0.0.1');
      return (await call(`${internal}/metrics`, { headers: { host } })).status;
    };
    for (const host of ['localhost:9080', '127.0.0.1', '[::1]']) assert.equal(await asked(gateway, host), 200, host);
    assert.equal(await asked(gateway, 'evil.example'), 403);
    assert.equal(await asked(open, 'gateway-1:9080'), 200);
  });

  test('answers HTTP/1.0, without a Host', async (t) => {
    const gateway = await GatewayProcess.start({ env: ON });
    t.after(() => gateway.kill());
    for (const [request, status] of [
      ['GET /readyz HTTP/1.0\r\n\r\n', 200],
      ['OPTIONS / HTTP/1.0\r\n\r\n', 404],
      ['HEAD /healthz HTTP/1.0\r\nConnection: close\r\n\r\n', 200],
    ] as const) {
      const socket = await RawSocket.open(await gateway.internalUrl());
      socket.write(request);
      await socket.closed();
      assert.match(socket.received, new RegExp(`^HTTP/1\\.[01] ${status} `), request);
      socket.destroy();
    }
  });

  test('tells that the gateway drains, until the end, also once nobody can connect any more', async (t) => {
    const env = { ...ON, DRAIN_SETTLE_MS: '0', DRAIN_WINDOW_MS: '3000' };
    const gateway = await GatewayProcess.start({ env });
    t.after(() => gateway.kill());
    const internal = await gateway.internalUrl();
    const client = await WsClient.open(`${gateway.url}/ws`);
    await client.frames.find(({ type }) => type === 'welcome');
    gateway.signal('SIGTERM');
    await until('the public port is closed', () =>
      call(`${gateway.url}/healthz`).then(
        () => false,
        () => true,
      ),
    );
    assert(gateway.running, 'it still has a connection');
    const { status, text } = await call(`${internal}/readyz`);
    assert.equal(status, 503);
    assert.match(text, /draining/);
    assert.equal((await call(`${internal}/healthz`)).status, 200);
    assert.match((await call(`${internal}/metrics`)).text, /^passerelle_ready\{[^}]*\} 0$/m);
    assert.equal(await gateway.exited(), 0);
    client.destroy();
  });

  test('is one for all workers, and their supervisor has it', async (t) => {
    const redis = await startStandalone();
    t.after(() => redis.stop());
    const env = { ...ON, REDIS_URL: redis.url, WORKERS: '2', GATEWAY_ID: 'shop', DRAIN_WINDOW_MS: '2000' };
    const gateway = await GatewayProcess.start({ env });
    t.after(() => gateway.kill());
    const internal = await gateway.internalUrl();
    await until('both are ready', async () => (await call(`${internal}/readyz`)).status === 200);
    assert.equal((await call(`${internal}/healthz`)).status, 200);
    const { headers, text } = await call(`${internal}/metrics`);
    assert.match(headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
    for (const name of ['shop-1', 'shop-2'])
      assert.match(text, new RegExp(`^passerelle_ready\\{gateway="${name}"\\} 1$`, 'm'));
    const { workers } = (await call(`${internal}/stats`)).json as { workers: unknown[] };
    assert.equal(workers.length, 2);
    for (const path of OPERATORS_ONLY) assert.equal((await call(`${gateway.url}${path}`)).status, 404, path);

    const client = await WsClient.open(`${gateway.url}/ws`);
    await client.frames.find(({ type }) => type === 'welcome');
    gateway.signal('SIGTERM');
    await until('it says that it drains', async () => (await call(`${internal}/readyz`)).status === 503);
    assert.equal(await gateway.exited(), 0);
    client.destroy();
  });

  test('that is taken stops the start with a sentence', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
    const address = taken.address();
    assert(typeof address === 'object' && address !== null);
    const env = { INTERNAL_PORT: String(address.port) };
    await assert.rejects(GatewayProcess.start({ env }), /Cannot listen on 127\.0\.0\.1:\d+ \(INTERNAL_PORT\)/);
  });

  test('is what the health check of the image asks', async (t) => {
    const gateway = await GatewayProcess.start({ env: ON });
    t.after(() => gateway.kill());
    const { port } = new URL(await gateway.internalUrl());
    // The public port is nobody's.
    const env = { PORT: '1', INTERNAL_PORT: port };
    const check = () => spawnSync(process.execPath, [HEALTH_CHECK], { env, encoding: 'utf8' });
    const well = check();
    assert.equal(well.status, 0, well.stderr);
    await gateway.kill();
    assert.equal(check().status, 1);
  });
});
