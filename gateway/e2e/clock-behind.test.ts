/** A gateway whose machine believes it is ten minutes earlier: what is kept goes by the clock of Redis all the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { WsClient } from './harness/clients.ts';
import { writeChannelsFile } from './harness/fixtures.ts';
import { call, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

const BEHIND = 'const { now } = Date; Date.now = () => now() - 600_000;';

test('a resume tells of a gap where events are past their retention, though the gateway still has them', async (t) => {
  const redis = await startStandalone();
  t.after(() => redis.stop());
  const file = writeChannelsFile();
  t.after(() => file.remove());
  const gateway = await GatewayProcess.start({
    env: {
      REDIS_URL: redis.url,
      CHANNELS_FILE: file.path,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(BEHIND)}`,
    },
  });
  t.after(() => gateway.kill());
  const subscribe = async (more: object) => {
    const client = await WsClient.open(`${gateway.url}/ws`);
    client.send({ type: 'subscribe', channel: 'brief:a', ...more });
    return { client, reply: await client.frames.find(({ type }) => type === 'subscribed' || type === 'error') };
  };
  await until('it is ready', async () => (await call(`${gateway.url}/stats`)).text.includes('"broker":{"ready":true}'));
  const { client } = await subscribe({}); // the channel is held, with what comes by it
  const first = await publish(gateway.url, 'brief:a', 1);
  const second = await publish(gateway.url, 'brief:a', 2);
  await client.frames.find(({ id }) => id === second);
  const early = await subscribe({ after: first });
  if (Date.now() - Number(second.split('-')[0]) < 3_000) assert.equal(early.reply.recovered, true);
  await until('Redis keeps them no longer', async () =>
    (await call(`${gateway.url}/api/history?channel=brief:a`)).text.includes('"events":[]'),
  );
  const late = await subscribe({ after: first });
  assert.equal(late.reply.recovered, false);
  assert.equal(late.reply.position, second);
  for (const each of [client, early.client, late.client]) each.destroy();
});
