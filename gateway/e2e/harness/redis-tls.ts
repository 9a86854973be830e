/** Two gateways and a Redis that they reach by TLS: what is published on one arrives on the other. */
import assert from 'node:assert/strict';
import type { RedisDeployment, RedisTls, ServerOptions } from '../../../broker/redis/testing/servers.ts';
import { until } from '../../../broker/testing/until.ts';
import { SseClient } from './clients.ts';
import { call, publish } from './http-client.ts';
import { GatewayProcess } from './processes.ts';

const CHANNELS = ['a', 'b', 'c', 'd'];

export async function publishThrough(
  test: { after(end: () => Promise<unknown>): void },
  tls: RedisTls,
  start: (options: ServerOptions) => Promise<RedisDeployment>,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const redis = await start({ tls });
  test.after(() => redis.stop());
  assert.match(redis.url, /^rediss/);
  const env = { REDIS_URL: redis.url, REDIS_TLS_CA_FILE: tls.certFile, ...more };
  const [a, b] = await Promise.all([GatewayProcess.start({ env }), GatewayProcess.start({ env })]);
  test.after(() => Promise.all([a.kill(), b.kill()]));
  for (const { url } of [a, b]) await until('it is ready', async () => (await call(`${url}/readyz`)).status === 200);
  for (const channel of CHANNELS) {
    const stream = await SseClient.open(`${b.url}/events?channel=${channel}`);
    await stream.blocks.next();
    const id = await publish(a.url, channel, 1);
    assert.equal((await stream.blocks.next()).lastEventId, id);
    stream.destroy();
  }
}
