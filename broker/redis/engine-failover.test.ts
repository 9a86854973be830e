/** What only servers can suffer: the death of a master, and of what only that one had. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type BrokerStatus, comparePositions, type Event } from '../broker.ts';
import { retentionOf, SHORT_LIMIT_MS } from '../testing/harness.ts';
import { until } from '../testing/until.ts';
import { RedisBroker } from './engine.ts';
import { Keys } from './keys.ts';
import { targetOf } from './testing/harness.ts';
import { type RedisDeployment, type RedisServer, startCluster, startSentinel } from './testing/servers.ts';
import { shiftedClock } from './testing/shifted-clock.ts';

/** A Sentinel that was not scheduled for two seconds trusts its clock no more and starts no failover for thirty (its TILT mode). */
const FAILOVER_LIMIT_MS = 60_000;

const DEPLOYMENTS = [
  { name: 'Redis with Sentinel', start: startSentinel },
  { name: 'Redis Cluster', start: startCluster },
] as const;

for (const { name, start } of DEPLOYMENTS) {
  describe(`${name}, when a master is killed`, () => {
    let deployment: RedisDeployment;
    before(async () => {
      deployment = await start();
    });
    after(() => deployment?.stop());

    it('publishes again, tells of the interruption, and brings what is published then', async (t) => {
      const prefix = `test-${randomBytes(6).toString('hex')}`;
      const statuses: BrokerStatus[] = [];
      const broker = new RedisBroker({
        target: targetOf(deployment.url),
        retentionOf,
        prefix,
        timeoutMs: SHORT_LIMIT_MS,
        onStatus: (status) => statuses.push(status),
      });
      t.after(() => broker.close());
      const events: { channel: string; event: Event }[] = [];
      const resubscribed: string[] = [];
      broker.listen({
        event: (channel, event) => events.push({ channel, event }),
        resubscribed: (channels) => resubscribed.push(...channels),
      });
      await broker.connect();
      const channels = Array.from({ length: 12 }, (_, i) => `plain:${i}`);
      for (const channel of channels) await broker.subscribe(channel);
      const before = new Map<string, string>();
      for (const channel of channels) {
        const { id } = await broker.publish(channel, { name: 'message', data: '"before"' });
        before.set(channel, id);
      }
      await until('the first events arrive', () => events.length === channels.length);

      const keys = new Keys(prefix);
      const victim = await deployment.masterOf(keys.stream('plain:0'));
      await replicated(victim);
      const hit: string[] = [];
      for (const channel of channels)
        if ((await deployment.masterOf(keys.stream(channel))) === victim) hit.push(channel);
      await victim.kill();

      await until(
        'the interrupted channels are told',
        () => hit.every((each) => resubscribed.includes(each)),
        FAILOVER_LIMIT_MS,
      );
      for (const channel of channels) {
        let id = '';
        await until(
          'publishing works again',
          async () => {
            id = (await broker.publish(channel, { name: 'message', data: '"after"' })).id;
            return true;
          },
          FAILOVER_LIMIT_MS,
        );
        await until('the event arrives', () => events.some((each) => each.channel === channel && each.event.id === id));
        const page = await broker.readAfter(channel, before.get(channel) ?? '', 100);
        assert.equal(page.known, true);
      }
      await until('the broker is ready', () => broker.status().ready);
      // Not one for each attempt to connect.
      for (let i = 1; i < statuses.length; i += 1) assert.notEqual(statuses[i]?.ready, statuses[i - 1]?.ready);
      assert.equal(statuses.at(-1)?.ready, true);
      assert.ok(statuses.some(({ ready }) => !ready));
    });
  });
}

const BEHIND_S = 30;
const behind = shiftedClock(-BEHIND_S);
after(() => behind?.remove());

for (const { name, start } of DEPLOYMENTS) {
  it(`${name}: what is published after a failover that lost events comes above all of them, also by a clock that is behind`, {
    skip: behind === undefined && 'there is no C compiler',
  }, async (t) => {
    const deployment = await start();
    t.after(() => deployment.stop());
    const prefix = `test-${randomBytes(6).toString('hex')}`;
    const open = async () => {
      const broker = new RedisBroker({
        target: targetOf(deployment.url),
        retentionOf,
        prefix,
        timeoutMs: SHORT_LIMIT_MS,
      });
      t.after(() => broker.close());
      await broker.connect();
      return broker;
    };
    const brokers = [await open(), await open()] as const;
    const publish = async (count: number, by = brokers[0]) => {
      const ids: string[] = [];
      for (let i = 0; i < count; i++) ids.push((await by.publish('plain:a', { name: 'message', data: String(i) })).id);
      return ids;
    };
    const kept = await publish(3);
    const master = await deployment.masterOf(new Keys(prefix).stream('plain:a'));
    const replica = await replicaOf(deployment, master);
    await replica.kill();
    await replica.start([], behind?.under);
    await replicated(master);
    // The replica finds no way back to its master, and gets nothing more.
    await master.command('ACL', 'SETUSER', 'default', '-psync', '-sync');
    await master.command('CLIENT', 'KILL', 'TYPE', 'replica');
    const lost = [...(await publish(5)), ...(await publish(5, brokers[1]))];
    await master.kill();

    const stored: string[] = [];
    for (const broker of [...brokers, ...brokers])
      await until(
        'publishing works again',
        async () => stored.push(...(await publish(1, broker)), ...(await publish(1, broker))) > 0,
        FAILOVER_LIMIT_MS,
      );
    const time = await replica.command('TIME');
    assert(Array.isArray(time) && Number(time[0]) < Date.now() / 1_000 - BEHIND_S / 2, 'its clock is behind');
    const ids = [...kept, ...lost, ...stored];
    for (const [index, id] of ids.entries())
      if (index > 0) assert(comparePositions(ids[index - 1] ?? '', id) < 0, `${id} is not above all before it: ${ids}`);
    await until('reading works again', async () => (await brokers[0].heads(['plain:a'])).length === 1);
    const missed = await brokers[0].readAfter('plain:a', lost[4] ?? '', 100);
    assert.equal(missed.known, false);
    for (const id of stored)
      assert(
        missed.events.some((event) => event.id === id),
        'all that it cannot have seen',
      );
    assert.equal((await brokers[0].readAfter('plain:a', kept[2] ?? '', 100)).known, true);
  });
}

/** Replication is asynchronous: what the replica has by now survives. */
async function replicated(master: RedisServer): Promise<void> {
  await until('the replica has it all', async () => {
    const info = String(await master.command('INFO', 'replication'));
    const sent = /master_repl_offset:(\d+)/.exec(info)?.[1];
    return sent !== undefined && info.includes(`,offset=${sent},`);
  });
}

async function replicaOf({ servers }: RedisDeployment, master: RedisServer): Promise<RedisServer> {
  for (const server of servers) {
    const info = String(await server.command('INFO', 'replication'));
    if (info.includes(`master_port:${master.port}`)) return server;
  }
  throw new Error('It has no replica.');
}
