/** What only servers can suffer: the death of a master. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { BrokerStatus, Event } from '../broker.ts';
import { retentionOf, SHORT_LIMIT_MS } from '../testing/harness.ts';
import { until } from '../testing/until.ts';
import { RedisBroker } from './engine.ts';
import { Keys } from './keys.ts';
import { targetOf } from './testing/harness.ts';
import { type RedisDeployment, startCluster, startSentinel } from './testing/servers.ts';

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
      // Replication is asynchronous: only what the replica has survives, and that shall be everything here.
      await until('the replica has it all', async () => {
        const info = String(await victim.command('INFO', 'replication'));
        const sent = /master_repl_offset:(\d+)/.exec(info)?.[1];
        return sent !== undefined && info.includes(`,offset=${sent},`);
      });
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
