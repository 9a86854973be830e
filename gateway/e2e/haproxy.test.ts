/** The HAProxy configuration that is handed out, in a real HAProxy: what clients, publishers and strangers get through it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type RedisDeployment, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { HaproxyProcess, noHaproxy, type Served } from './harness/haproxy.ts';
import { call, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { RawSocket } from './harness/raw-socket.ts';

const ENV = { TRUSTED_PROXIES: '1', INTERNAL_PORT: '0', ALLOWED_HOSTS: '' };

async function served(gateway: GatewayProcess): Promise<Served> {
  return { url: gateway.url, internalUrl: await gateway.internalUrl() };
}

describe('behind HAProxy', { skip: noHaproxy() ?? false }, () => {
  let redis: RedisDeployment;
  let gateways: readonly GatewayProcess[] = [];
  let haproxy: HaproxyProcess;
  before(async () => {
    redis = await startStandalone();
    const env = { ...ENV, REDIS_URL: redis.url, DRAIN_SETTLE_MS: '4000' };
    gateways = await Promise.all([1, 2].map(() => GatewayProcess.start({ env })));
    haproxy = await HaproxyProcess.start(await Promise.all(gateways.map(served)));
    await until('gateways are ready', async () => (await call(`${haproxy.url}/healthz`)).status === 200);
  });
  after(async () => {
    await haproxy?.stop();
    await Promise.all(gateways.map((gateway) => gateway.kill()));
    await redis?.stop();
  });

  test('streams and WebSockets get every event, and are reached by what is published', async () => {
    const socket = await WsClient.open(`${haproxy.url}/ws`);
    socket.send({ type: 'subscribe', channel: 'news' });
    await socket.frames.find(({ type }) => type === 'subscribed');
    const stream = await SseClient.open(`${haproxy.url}/events?channel=news`);
    await stream.blocks.next();
    for (let count = 0; count < 5; count++) {
      const id = await publish(haproxy.url, 'news', count);
      assert.equal((await socket.frames.find(({ type }) => type === 'event')).id, id);
      assert.equal((await stream.blocks.next()).lastEventId, id);
    }
    socket.destroy();
    stream.destroy();
  });

  test('a page of the own host may connect, by the scheme that it has, and no other', async () => {
    const { host } = new URL(haproxy.url);
    const asked = (origin: string) =>
      call(`${haproxy.url}/api/publish`, { method: 'POST', headers: { origin }, body: { channel: 'a', data: 1 } });
    assert.equal((await asked(`http://${host}`)).status, 200);
    assert.equal((await asked('http://evil.example')).status, 403);
  });

  test('a connection to HAProxy takes one request after the other', async () => {
    const socket = await RawSocket.open(haproxy.url);
    for (let count = 1; count <= 3; count++) {
      socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await until('it is answered', () => socket.received.split('"ok"').length === count + 1);
    }
    assert.equal(socket.ended, false);
    socket.destroy();
  });

  test('figures are not passed on', async () => {
    for (const path of ['/metrics', '/stats', '/readyz'])
      assert.equal((await call(`${haproxy.url}${path}`)).status, 404, path);
  });

  test('requests by HTTP/1.0, with two lengths, or in pieces are what they should be', async () => {
    for (const [pieces, expected] of [
      [['GET /healthz HTTP/1.0\r\n\r\n'], 200],
      [['GET / HTTP/1.0\r\n\r\n'], 505],
      [['POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'], 400],
      [['GET /heal', 'thz HTTP', '/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'], 200],
    ] as const) {
      const socket = await RawSocket.open(haproxy.url);
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 20)); // or all may come as one
      }
      await socket.matching(/\r\n\r\n/);
      assert.match(socket.received, new RegExp(`^HTTP/1\\.[01] ${expected} `), pieces.join('|'));
      socket.destroy();
    }
  });

  test('a gateway that drains is sent nobody, and when none is left streams are told to come back', async () => {
    const [leaving, staying] = gateways;
    assert(leaving !== undefined && staying !== undefined);
    leaving.signal('SIGTERM');
    let failures = 0;
    let isGone = false;
    void leaving.exited().then(() => {
      isGone = true;
    });
    while (!isGone) if ((await call(`${haproxy.url}/healthz`)).status !== 200) failures++;
    assert.equal(failures, 0);
    await staying.kill();
    await until('HAProxy knows', async () => (await call(`${haproxy.url}/healthz`)).status === 503);
    const { text, headers } = await call(`${haproxy.url}/healthz`);
    assert.match(text, /"unavailable"/);
    assert.equal(headers['retry-after'], '2');
    const stream = await call(`${haproxy.url}/events?channel=a`, {
      headers: { accept: 'text/event-stream', origin: 'https://a.example' },
    });
    assert.equal(stream.status, 200);
    assert.match(stream.text, /^retry: \d{4}\n\n$/);
    assert.equal(stream.headers['access-control-allow-origin'], 'https://a.example');
  });
});
