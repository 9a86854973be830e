/** Redis servers as they are run: what a gateway says of each that it cannot use, and that it uses each that it can. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerUnavailable } from '../broker.ts';
import { retentionOf } from '../testing/harness.ts';
import { until } from '../testing/until.ts';
import { RedisBroker } from './engine.ts';
import {
  type RedisServer,
  type ServerOptions,
  startCluster,
  startSentinel,
  startStandalone,
} from './testing/servers.ts';
import { parseRedisUrl } from './url.ts';

type Test = { after(end: () => Promise<void>): void };

function open(t: Test, url: string): RedisBroker {
  const parsed = parseRedisUrl(url);
  assert.ok(parsed.ok, url);
  const broker = new RedisBroker({ target: parsed.target, retentionOf, timeoutMs: 1_000 });
  t.after(() => broker.close());
  broker.listen({ event: () => undefined, resubscribed: () => undefined });
  return broker;
}

async function standalone(t: Test, options: ServerOptions = {}): Promise<{ server: RedisServer; url: string }> {
  const { servers, url, stop } = await startStandalone(options);
  t.after(stop);
  const [server] = servers;
  assert.ok(server);
  return { server, url };
}

/** Stores and reads an event. */
async function use(broker: RedisBroker): Promise<void> {
  await until('it can be used', () => broker.status().ready);
  const { id } = await broker.publish('plain:a', { name: 'message', data: '1' });
  const { events } = await broker.readTail('plain:a', 10);
  assert.deepEqual(
    events.map((event) => event.id),
    [id],
  );
}

async function assertRefused(broker: RedisBroker, expected: RegExp): Promise<void> {
  await until('it says why', () => {
    const status = broker.status();
    return !status.ready && expected.test(status.reason);
  });
  await assert.rejects(broker.publish('plain:a', { name: 'message', data: '1' }));
}

describe('a server that can be used', () => {
  it('behind a Unix socket', async (t) => {
    const { server } = await standalone(t, { config: 'unixsocket redis.sock\n' });
    const reply = await server.command('CONFIG', 'GET', 'dir');
    const directory = Array.isArray(reply) ? String(reply[1]) : '';
    const broker = open(t, `unix://${directory}/redis.sock?db=2`);
    await use(broker);
    assert.match(String(await server.command('INFO', 'keyspace')), /^db2:/m);
  });

  it('that has renamed INFO', async (t) => {
    await use(open(t, (await standalone(t, { config: 'rename-command INFO ""\n' })).url));
  });

  for (const forbidden of [['-info', '-ping'], ['-select']])
    it(`that forbids ${forbidden.join(' and ')}`, async (t) => {
      const { server, url } = await standalone(t);
      await server.command('ACL', 'SETUSER', 'default', ...forbidden);
      await use(open(t, url));
    });

  it('with Sentinels that ask for a user and a password of their own', async (t) => {
    const { servers, url, stop } = await startSentinel();
    t.after(stop);
    for (const sentinel of servers.slice(2)) {
      await sentinel.command('ACL', 'SETUSER', 'watcher', 'on', '>s3cret', '~*', '&*', '+@all');
      await sentinel.command('ACL', 'SETUSER', 'default', 'off');
    }
    await use(open(t, `${url}?sentinelUsername=watcher&sentinelPassword=s3cret`));
  });

  it('that loads its data from disk at first', async (t) => {
    const { server, url } = await standalone(t);
    await server.command('EVAL', "for i = 1, 20000 do redis.call('SET', 'k' .. i, i) end", 0);
    await server.command('SAVE');
    await server.kill();
    const started = server.start(['--key-load-delay', '50', '--loading-process-events-interval-bytes', '1024']);
    const broker = open(t, url);
    await until('it says so', () => {
      const status = broker.status();
      return !status.ready && status.reason === 'Redis is loading its data from disk.';
    });
    await started;
    await use(broker);
  });
});

describe('a server that cannot be used says why, with what to do', () => {
  it('that has no such database', async (t) => {
    const { server, url } = await standalone(t);
    await assertRefused(open(t, `${url}/99`), /refuses the database 99 that REDIS_URL names .*out of range/);
    assert.equal(await server.command('DBSIZE'), 0);
  });

  it('that is a replica, until it is the master', async (t) => {
    const { url } = await standalone(t);
    const port = new URL(url).port;
    const replica = await standalone(t, { config: `replicaof 127.0.0.1 ${port}\n` });
    const broker = open(t, replica.url);
    await assertRefused(broker, /leads to a replica, which takes no writes: name its master/);
    await replica.server.command('REPLICAOF', 'NO', 'ONE');
    await use(broker);
  });

  it('that is a replica and forbids INFO', async (t) => {
    const { url } = await standalone(t);
    const port = new URL(url).port;
    const config = `replicaof 127.0.0.1 ${port}\nrename-command INFO ""\n`;
    await assertRefused(open(t, (await standalone(t, { config })).url), /leads to a replica/);
  });

  it('that is a node of a cluster', async (t) => {
    const cluster = await startCluster();
    t.after(() => cluster.stop());
    const [first] = cluster.servers;
    await assertRefused(open(t, `redis://127.0.0.1:${first?.port}`), /node of a Redis Cluster: use redis\+cluster:/);
  });

  it('that is a Sentinel', async (t) => {
    const deployment = await startSentinel();
    t.after(() => deployment.stop());
    const sentinel = deployment.servers.at(-1);
    await assertRefused(open(t, `redis://127.0.0.1:${sentinel?.port}`), /leads to a Sentinel: use redis\+sentinel:/);
  });

  it('that is no cluster, where a cluster is named', async (t) => {
    const { url } = await standalone(t);
    await assertRefused(
      open(t, url.replace('redis:', 'redis+cluster:')),
      /names a Redis Cluster, and the server there is none: use redis:/,
    );
  });
});

describe('a user that lacks a permission', () => {
  it('to subscribe: the engine is not ready, and says which', async (t) => {
    const { server, url } = await standalone(t);
    await server.command('ACL', 'SETUSER', 'default', 'resetchannels');
    const broker = open(t, url);
    await until('it is there', () => broker.status().ready);
    const subscribed = assert.rejects(broker.subscribe('plain:a'), BrokerUnavailable);
    await assertRefused(broker, /^NOPERM .*channel/);
    await subscribed;
    await server.command('ACL', 'SETUSER', 'default', 'allchannels');
    await broker.subscribe('plain:a');
    assert.deepEqual(broker.status(), { ready: true });
  });

  for (const forbidden of ['-evalsha', '-xadd', '%R~*'])
    it(`to publish (${forbidden}): it is told as refused, and as nothing done`, async (t) => {
      const { server, url } = await standalone(t);
      const broker = open(t, url);
      await use(broker);
      await server.command('ACL', 'SETUSER', 'default', ...(forbidden.startsWith('-') ? [] : ['resetkeys']), forbidden);
      await assert.rejects(broker.publish('plain:a', { name: 'message', data: '2' }), { refusal: 'NOPERM' });
      assert.equal((await server.command('XLEN', 'passerelle:{plain:a}:s').catch(() => 1)) ?? 1, 1);
    });
});

describe('a cluster', () => {
  it('of one node, which does not know its own address', async (t) => {
    const { server, url } = await standalone(t, { config: 'cluster-enabled yes\n' });
    await server.command('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
    await until('it is whole', async () => /cluster_state:ok/.test(String(await server.command('CLUSTER', 'INFO'))));
    await use(open(t, url.replace('redis:', 'redis+cluster:')));
  });

  for (const type of ['unknown-endpoint', 'hostname'] as const)
    it(`that answers with ${type === 'hostname' ? 'an unknown host' : 'no host'}: the one that was asked`, async (t) => {
      const { server, url } = await standalone(t, {
        config: `cluster-enabled yes\ncluster-preferred-endpoint-type ${type}\n`,
      });
      await server.command('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
      await until('it is whole', async () => /cluster_state:ok/.test(String(await server.command('CLUSTER', 'INFO'))));
      await use(open(t, url.replace('redis:', 'redis+cluster:')));
    });
});
