/** A gateway that leaves: what its clients, its proxy and the other gateways see of it, and in which order. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { mostDue, PACE_STEP_MS } from '../drain/pace.ts';
import { type Closed, SseClient, WsClient } from './harness/clients.ts';
import { call, post, publish, RawStream } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { RawSocket } from './harness/raw-socket.ts';
import { startTwoGateways } from './harness/two-gateways.ts';

const SETTLE_MS = 300;
const WINDOW_MS = 1_500;
const TIMES = { DRAIN_SETTLE_MS: String(SETTLE_MS), DRAIN_WINDOW_MS: String(WINDOW_MS) };
/** Longer than any test. */
const LONG = { DRAIN_SETTLE_MS: '250000', SHUTDOWN_TIMEOUT_SECONDS: '600' };

/** One line of the gateway's log. */
interface Line {
  readonly msg: string;
  readonly time: string;
}

test('until the news has spread it says that it leaves, and serves everybody as before', async (t) => {
  const gateway = await started(t, { env: LONG });
  const { url } = gateway;
  const kept = await RawSocket.open(url);
  kept.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n');
  await kept.matching(/^HTTP\/1\.1 200 (?![\s\S]*Connection: close)[\s\S]*ready/);
  const stream = await SseClient.open(`${url}/events?channel=a`);
  await stream.blocks.next();

  gateway.signal('SIGTERM');
  await until('it says so', async () => {
    const { status, text } = await call(`${url}/readyz`);
    return status === 503 && /draining/.test(text);
  });
  assert.equal((await call(`${url}/healthz`)).status, 200);
  const late = await WsClient.open(`${url}/ws`);
  assert.equal((await late.frames.next()).type, 'welcome');
  await publish(url, 'a', 'still here');
  assert.equal((await stream.blocks.next()).data, '"still here"');
  kept.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await kept.matching(/HTTP\/1\.1 200 OK[\s\S]*HTTP\/1\.1 200 OK[\s\S]*Connection: close/);
  late.destroy();
  stream.destroy();
});

test('clients of every kind are sent away one by one, and the process ends with 0', async (t) => {
  const lines: Line[] = [];
  const onLine = (line: string) => {
    if (line.startsWith('{')) lines.push(JSON.parse(line) as Line);
  };
  const gateway = await started(t, { env: { ...TIMES, LOG_LEVEL: 'debug' }, onLine });
  const { url } = gateway;
  const paths = ['/ws', '/ws', '/ws', '/chat', '/notifications'].flatMap((path) => Array<string>(8).fill(path));
  const sockets = await Promise.all(paths.map((path) => WsClient.open(url + path)));
  const streams = await Promise.all(Array.from({ length: 30 }, () => SseClient.open(`${url}/events?channel=a`)));
  const viewers = await Promise.all(Array.from({ length: 5 }, () => RawStream.open(`${url}/monitoring`)));
  const idle = await RawSocket.open(url);
  idle.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n');
  await idle.matching(/ready/);

  gateway.signal('SIGTERM');
  for (const { code } of await Promise.all(sockets.map(({ closed }) => closed))) assert.equal(code, 1012);
  const told = sockets.map(({ frames }) => frames.all.at(-1));
  for (const frame of told) assert.equal(frame?.type, 'reconnect');
  assert(new Set(told.map((frame) => frame?.after)).size > 5, 'they are not all told the same time');
  await Promise.all(streams.map(({ closed }) => closed));
  assert(new Set(streams.map(({ retryMs }) => retryMs)).size > 5, 'nor are streams');
  for (const viewer of viewers) {
    await until('the stream ends', () => viewer.ended);
    assert.match(viewer.text, /\n\nretry: \d+\n\n$/);
  }
  assert.equal(await gateway.exited(), 0);
  await idle.closed();
  await assert.rejects(call(`${url}/readyz`), { code: 'ECONNREFUSED' });

  const at = (line: Line | undefined) => Date.parse(line?.time ?? '');
  const begun = at(lines.find(({ msg }) => msg === 'stopping'));
  const closed = lines.filter(({ msg }) => msg === 'connection closed').map(at);
  assert.equal(closed.length, sockets.length + streams.length + viewers.length);
  assert((closed[0] ?? 0) - begun >= SETTLE_MS - 1, 'nobody is sent away before it has settled');
  // However busy this machine is, steps come one after the other, and none closes more than its share.
  const most = mostDue({ count: closed.length, windowMs: WINDOW_MS });
  for (const from of closed) {
    const within = closed.filter((time) => time >= from && time < from + 5 * (PACE_STEP_MS - 1)).length;
    assert(within <= 6 * most, `${within} connections were closed within a tenth of a second`);
  }
});

test('what is asked is answered before it ends', async (t) => {
  const redis = await startStandalone();
  t.after(() => redis.stop());
  const gateway = await started(t, { env: { REDIS_URL: redis.url } });
  await until('it is ready', async () => (await call(`${gateway.url}/api/channels`)).status === 200);
  redis.servers[0]?.pause();
  const received = async () =>
    ((await call(`${gateway.url}/stats`)).json as { messages_received: number }).messages_received;
  const before = await received();
  let looks = 0;
  const answer = post(`${gateway.url}/api/publish`, { channel: 'a', data: 1 });
  // Each look is itself a request.
  await until('the request is there', async () => (await received()) === before + ++looks + 1);
  gateway.signal('SIGTERM');
  await until('it listens no more', () =>
    call(`${gateway.url}/healthz`).then(
      () => false,
      () => true,
    ),
  );
  redis.servers[0]?.resume();
  assert.equal((await answer).status, 200);
  assert.equal(await gateway.exited(), 0);
});

test('whoever was in a channel there is a ghost to nobody', async (t) => {
  const { a, another, stop } = await startTwoGateways();
  t.after(stop);
  const leaving = await another();
  t.after(() => leaving.kill());
  const streams = await Promise.all(
    Array.from({ length: 20 }, () => SseClient.open(`${leaving.url}/events?channel=a`)),
  );
  const listed = async () => ((await call(`${a.url}/api/presence?channel=a`)).json as { count: number }).count;
  await until('all are listed', async () => (await listed()) === streams.length);
  assert.equal(await leaving.stop(), 0);
  assert.equal(await listed(), 0);
});

for (const second of ['SIGTERM', 'SIGINT'] as const) {
  test(`a ${second} after the first SIGTERM ends it at once`, async (t) => {
    const gateway = await started(t, { env: LONG });
    const client = await WsClient.open(`${gateway.url}/ws`);
    gateway.signal('SIGTERM');
    await until('it drains', async () => (await call(`${gateway.url}/readyz`)).status === 503);
    gateway.signal(second);
    assert.equal(await gateway.exited(), 1);
    assert.equal((await client.closed).code, 1006);
  });
}

test('SIGINT comes from somebody who waits: there is no settling, and all are told at once', async (t) => {
  const gateway = await started(t, { env: LONG });
  const clients = await Promise.all(Array.from({ length: 20 }, () => WsClient.open(`${gateway.url}/ws`)));
  gateway.signal('SIGINT');
  const closes: Closed[] = await Promise.all(clients.map(({ closed }) => closed));
  for (const { code } of closes) assert.equal(code, 1012);
  assert.equal(await gateway.exited(), 0);
});

test('the deadline ends it, whatever is left to do', async (t) => {
  const redis = await startStandalone();
  t.after(() => redis.stop());
  const gateway = await started(t, {
    env: { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '60000', SHUTDOWN_TIMEOUT_SECONDS: '1' },
  });
  await until('it is ready', async () => (await call(`${gateway.url}/api/channels`)).status === 200);
  redis.servers[0]?.pause(); // it cannot take its leave of Redis
  gateway.signal('SIGTERM');
  assert.equal(await gateway.exited(), 1);
  assert.match(gateway.log, /could not stop in time/);
});

async function started(t: TestContext, options: Parameters<typeof GatewayProcess.start>[0]): Promise<GatewayProcess> {
  const gateway = await GatewayProcess.start(options);
  t.after(() => gateway.kill());
  return gateway;
}
