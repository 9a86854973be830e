/** Faults of a master with a replica, watched by Sentinels. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  killAhead,
  killAheadClockBehind,
  killInStep,
  type Pair,
  restartReplica,
  stopUntilReplaced,
} from './failover.ts';
import type { Fault } from './fault.ts';
import type { World } from './world.ts';

const FORMS = ['sentinel'] as const;

export const SENTINEL_FAULTS: readonly Fault[] = [
  {
    name: 'failover, nothing lost',
    lane: 'redis',
    forms: FORMS,
    weight: 3,
    inject: async (world) => killInStep(world, await pair(world)),
  },
  {
    name: 'failover, tail lost',
    lane: 'redis',
    forms: FORMS,
    weight: 3,
    inject: async (world, random) => killAhead(world, await pair(world), random),
  },
  {
    name: 'failover, tail lost, clock behind',
    lane: 'redis',
    forms: FORMS,
    weight: 2,
    inject: async (world, random) => killAheadClockBehind(world, await pair(world), random),
  },
  {
    name: 'master stopped, replaced and continued',
    lane: 'redis',
    forms: FORMS,
    inject: async (world) => stopUntilReplaced(world, await pair(world)),
  },
  {
    name: 'replica killed and restarted',
    lane: 'redis',
    forms: FORMS,
    inject: async (world, random) => restartReplica(await pair(world), random),
  },
  {
    name: 'Sentinel killed and restarted',
    lane: 'redis',
    forms: FORMS,
    inject: async ({ redis }, random) => {
      const sentinel = random.pick(redis.servers.slice(2));
      await sentinel.kill();
      await sleep(random.below(500));
      await sentinel.start();
      return true;
    },
  },
];

async function pair(world: World): Promise<Pair> {
  const [master] = await world.redis.masters();
  const replica = world.dataServers.find((server) => server !== master);
  if (master === undefined || replica === undefined) throw new Error('There is no master with a replica.');
  return {
    master,
    replica,
    asReplicaOf: ({ port }) => ['--replicaof', '127.0.0.1', String(port)],
    agreed: async () => {
      const sentinels = world.redis.servers.slice(2);
      const masters = await Promise.all(
        sentinels.map((sentinel) => sentinel.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')),
      );
      return masters.every((address) => Array.isArray(address) && address[1] === String(replica.port));
    },
  };
}
