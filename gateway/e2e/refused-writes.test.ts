/** A Redis that answers and refuses to store: what is kept can be read, what is not kept goes on, and everybody is told why. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { type RedisServer, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { call, post, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

interface Refusal {
  readonly code: string;
  begin(server: RedisServer): Promise<unknown>;
  end(server: RedisServer): Promise<unknown>;
}

const REFUSALS: readonly Refusal[] = [
  {
    code: 'OOM',
    begin: (server) => server.command('CONFIG', 'SET', 'maxmemory', 1),
    end: (server) => server.command('CONFIG', 'SET', 'maxmemory', 0),
  },
  {
    code: 'MISCONF',
    begin: async (server) => {
      const reply = await server.command('CONFIG', 'GET', 'dir');
      rmSync(Array.isArray(reply) ? String(reply[1]) : '', { recursive: true });
      await server.command('CONFIG', 'SET', 'save', '3600 1');
      await server.command('BGSAVE');
      await until('the save has failed', async () =>
        /rdb_last_bgsave_status:err/.test(String(await server.command('INFO', 'persistence'))),
      );
    },
    end: (server) => server.command('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no'),
  },
  {
    code: 'NOPERM',
    begin: (server) => server.command('ACL', 'SETUSER', 'default', '-xadd'),
    end: (server) => server.command('ACL', 'SETUSER', 'default', '+@all'),
  },
];

for (const { code, begin, end } of REFUSALS)
  test(`${code}: gateways stay in service and say why, history is read, ephemeral events go on`, async (t) => {
    const redis = await startStandalone();
    t.after(() => redis.stop());
    const [server] = redis.servers;
    assert(server !== undefined);
    const gateway = await GatewayProcess.start({
      env: { REDIS_URL: redis.url, READY_GRACE_SECONDS: '3', LOG_LEVEL: 'info' },
    });
    t.after(() => gateway.kill());
    const { url } = gateway;
    const readyz = async () => call(`${url}/readyz`);
    const degraded = async () => ((await readyz()).json as { degraded?: string[] }).degraded ?? [];
    const canaries = async () =>
      Number(/^passerelle_canary_delay_seconds_count\{[^}]*\} (\S+)$/m.exec((await call(`${url}/metrics`)).text)?.[1]);
    await until('it is ready', async () => (await readyz()).status === 200);
    const first = await publish(url, 'a', 'before');

    await begin(server);
    await until('it says so', async () => (await degraded()).some((sentence) => sentence.includes(`(${code})`)));
    assert.match(
      (await call(`${url}/metrics`)).text,
      new RegExp(`^passerelle_broker_refuses_writes\\{.*"${code}".*1$`, 'm'),
    );
    const refusal = new RegExp(`"refusal":"${code}".*Redis refuses writes`);
    await until('the log says so', () => refusal.test(gateway.log));

    const refused = await post(`${url}/api/publish`, { channel: 'a', data: 1 });
    assert.equal(refused.status, 503);
    const { error } = refused.json as { error: { code: string; message: string } };
    assert.equal(error.code, 'unavailable');
    assert.match(error.message, new RegExp(`\\(${code}\\); nothing was stored`));

    const stream = await SseClient.open(`${url}/events?channel=a&after=0-0`);
    await stream.blocks.next();
    assert.equal((await stream.blocks.next()).lastEventId, first);
    stream.destroy();
    const client = await WsClient.open(`${url}/ws`);
    client.send({ type: 'subscribe', channel: 'a', after: '0-0' });
    assert.equal((await client.frames.find(({ type }) => type === 'event')).id, first);
    client.send({ type: 'subscribe', channel: 'ephemeral:b' });
    await client.frames.find(({ type, channel }) => type === 'subscribed' && channel === 'ephemeral:b');
    assert.equal((await post(`${url}/api/publish`, { channel: 'ephemeral:b', data: 'passing' })).status, 200);
    assert.equal((await client.frames.find(({ type }) => type === 'event')).data, 'passing');

    const so = await canaries();
    await until('the grace is over twice', async () => (await canaries()) >= so + 6);
    assert.equal((await readyz()).status, 200);

    await end(server);
    await until('it is whole again', async () => (await degraded()).length === 0);
    await publish(url, 'a', 'after');
    await until('the log says so', () => /Redis takes writes again/.test(gateway.log));
    client.destroy();
  });
