/** What a gateway says of itself while Redis is away, and what it goes on doing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCluster, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { call, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

const ENV = { READY_GRACE_SECONDS: '3' };

test('it is not ready when no event comes through Redis, but alive, and keeps who is connected', async (t) => {
  const redis = await startStandalone();
  t.after(() => redis.stop());
  const gateway = await GatewayProcess.start({ env: { ...ENV, REDIS_URL: redis.url } });
  t.after(() => gateway.kill());
  const { url } = gateway;
  const ready = async () => (await call(`${url}/readyz`)).status;
  const metric = async (name: string) =>
    Number(new RegExp(`^passerelle_${name}\\{[^}]*\\} (\\S+)$`, 'm').exec((await call(`${url}/metrics`)).text)?.[1]);
  await until('it is ready', async () => (await ready()) === 200);
  await until('canaries come back', async () => (await metric('canary_delay_seconds_count')) >= 2);
  await until('its metrics say so', async () => (await metric('ready')) === 1);
  const client = await WsClient.open(`${url}/ws`);
  client.send({ type: 'subscribe', channel: 'a' });
  await client.frames.find(({ type }) => type === 'subscribed');
  const stream = await SseClient.open(`${url}/events?channel=a`);
  await stream.blocks.next();

  for (const server of redis.servers) server.pause();
  await until('it is not ready', async () => (await ready()) === 503);
  assert.equal((await call(`${url}/healthz`)).status, 200);
  assert.equal(await metric('ready'), 0);
  assert((await metric('canary_silence_seconds')) >= 3, 'not at the first hiccup');
  client.send({ type: 'ping', ref: 'still here' });
  await client.frames.find(({ type, ref }) => type === 'pong' && ref === 'still here');

  for (const server of redis.servers) server.resume();
  await until('it is ready again', async () => (await ready()) === 200);
  const id = await publish(url, 'a', 'back');
  assert.equal((await client.frames.find(({ type }) => type === 'event')).id, id);
  assert.equal((await stream.blocks.next()).lastEventId, id);
  client.destroy();
  stream.destroy();
});

test('on a cluster it stays ready and says which shard is gone', async (t) => {
  const redis = await startCluster();
  t.after(() => redis.stop());
  const gateway = await GatewayProcess.start({ env: { ...ENV, REDIS_URL: redis.url } });
  t.after(() => gateway.kill());
  const { url } = gateway;
  const readyz = async () => (await call(`${url}/readyz`)).json as { status: string; degraded?: string[] };
  const shards = async () => {
    const { text } = await call(`${url}/metrics`);
    return [...text.matchAll(/^passerelle_canary_delay_seconds_count\{.*shard="([^"]+)"/gm)].map(([, shard]) => shard);
  };
  const masters = await redis.masters();
  const names = masters.map(({ port }) => `127.0.0.1:${port}`);
  await until('a canary came back from each shard', async () => (await shards()).length === masters.length);
  assert.deepEqual((await shards()).sort(), names.sort());
  await until('it is ready, and nothing is wrong', async () => JSON.stringify(await readyz()) === '{"status":"ready"}');

  // Or all of them refuse, as the cluster is not whole, and all are told of.
  for (const server of masters) await server.command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no');
  const [gone] = masters;
  // Without its replica nobody takes its place.
  const replicas = redis.servers.filter((server) => !masters.includes(server));
  for (const replica of replicas) await replica.stop();
  await gone?.kill();
  await until('it is ready and says what is wrong', async () => {
    const { status, degraded } = await readyz();
    const told = new RegExp(`the shard 127\\.0\\.0\\.1:${gone?.port} `);
    return status === 'ready' && degraded?.length === 1 && told.test(degraded[0] ?? '');
  });
});
