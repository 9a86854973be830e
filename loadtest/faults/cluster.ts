/** Faults of a cluster. */

import { Keys, slotOf } from '../../broker/redis/keys.ts';
import type { RedisServer } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import type { Random } from '../../gateway/e2e/harness/plan.ts';
import {
  killAhead,
  killAheadClockBehind,
  killInStep,
  type Pair,
  replication,
  restartReplica,
  stopUntilReplaced,
} from './failover.ts';
import type { Fault } from './fault.ts';
import { flush } from './redis.ts';
import { CHANNELS, type World } from './world.ts';

const FORMS = ['cluster'] as const;
const WHOLE_LIMIT_MS = 60_000;
const KEYS_AT_ONCE = 50;

export const CLUSTER_FAULTS: readonly Fault[] = [
  {
    name: 'cluster master killed, nothing lost',
    lane: 'redis',
    forms: FORMS,
    weight: 3,
    inject: async (world, random) => whole(world, killInStep(world, await pair(world, random))),
  },
  {
    name: 'cluster master killed, tail lost',
    lane: 'redis',
    forms: FORMS,
    weight: 3,
    inject: async (world, random) => whole(world, killAhead(world, await pair(world, random), random)),
  },
  {
    name: 'cluster master killed, tail lost, clock behind',
    lane: 'redis',
    forms: FORMS,
    weight: 2,
    inject: async (world, random) => whole(world, killAheadClockBehind(world, await pair(world, random), random)),
  },
  {
    name: 'cluster master stopped, replaced and continued',
    lane: 'redis',
    forms: FORMS,
    inject: async (world, random) => whole(world, stopUntilReplaced(world, await pair(world, random))),
  },
  {
    name: 'cluster replica killed and restarted',
    lane: 'redis',
    forms: FORMS,
    inject: async (world, random) => whole(world, restartReplica(await pair(world, random), random)),
  },
  {
    name: 'slot moved while in use',
    lane: 'redis',
    forms: FORMS,
    weight: 4,
    inject: async (world, random) => {
      const key = new Keys('passerelle').stream(random.pick(CHANNELS));
      const source = await world.redis.masterOf(key);
      const masters = await world.redis.masters();
      const target = random.pick(masters.filter((master) => master !== source));
      await moveSlot(slotOf(key), source, target, masters);
      return true;
    },
  },
  {
    name: 'FLUSHALL of every master',
    lane: 'redis',
    forms: FORMS,
    inject: async (world) => {
      await flush(world, await world.redis.masters());
      return true;
    },
  },
];

async function pair(world: World, random: Random): Promise<Pair> {
  const masters = await world.redis.masters();
  const holding = await Promise.all(
    masters.map(async (master) => (Number(await master.command('DBSIZE')) > 0 ? [master] : [])),
  );
  const master = random.pick(holding.flat().length > 0 ? holding.flat() : masters);
  for (const replica of world.dataServers)
    if ((await replication(replica)).includes(`master_port:${master.port}\r`))
      return { master, replica, asReplicaOf: () => [], agreed: async () => true };
  throw new Error('The master has no replica.');
}

/** Resolves with the outcome once every node thinks that the cluster serves every slot. */
async function whole(world: World, fault: Promise<boolean>): Promise<boolean> {
  const outcome = await fault;
  for (const server of world.dataServers)
    await until(
      'the cluster is whole',
      async () => String(await server.command('CLUSTER', 'INFO')).includes('cluster_state:ok'),
      WHOLE_LIMIT_MS,
    );
  await until('there are three masters', async () => (await world.redis.masters()).length === 3, WHOLE_LIMIT_MS);
  return outcome;
}

async function moveSlot(
  slot: number,
  source: RedisServer,
  target: RedisServer,
  masters: readonly RedisServer[],
): Promise<void> {
  const [from, to] = await Promise.all(
    [source, target].map(async (one) => String(await one.command('CLUSTER', 'MYID'))),
  );
  if (from === undefined || to === undefined) throw new Error('A node has no id.');
  await target.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from);
  await source.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to);
  await until('the slot has moved', async () => {
    for (;;) {
      const keys = await source.command('CLUSTER', 'GETKEYSINSLOT', slot, KEYS_AT_ONCE);
      if (!Array.isArray(keys) || keys.length === 0) break;
      await source.command('MIGRATE', '127.0.0.1', target.port, '', 0, 5_000, 'KEYS', ...keys.map(String));
    }
    await target.command('CLUSTER', 'SETSLOT', slot, 'NODE', to);
    // Refused while keys have come meanwhile.
    await source.command('CLUSTER', 'SETSLOT', slot, 'NODE', to);
    return true;
  });
  for (const master of masters) await master.command('CLUSTER', 'SETSLOT', slot, 'NODE', to);
}
