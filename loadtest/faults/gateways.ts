/** Faults of one gateway: killed, stopped, out of memory, drained. */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../broker/testing/until.ts';
import type { Fault } from './fault.ts';

const OUT_OF_MEMORY_LIMIT_MS = 10_000;

export const GATEWAY_FAULTS: readonly Fault[] = [
  {
    name: 'gateway killed',
    lane: 'gateways',
    weight: 3,
    inject: async (world, random) => {
      const gateway = random.pick(world.gateways);
      await gateway.end('SIGKILL');
      await sleep(100 + random.below(500));
      await gateway.start();
      return true;
    },
  },
  {
    name: 'gateway stopped and continued',
    lane: 'gateways',
    weight: 3,
    inject: async (world, random) => {
      const { pid } = random.pick(world.gateways);
      process.kill(pid, 'SIGSTOP');
      // Up to beyond the time after which clients and Redis give it up.
      await sleep(random.pick([200, 800, 2_000, 4_500]));
      process.kill(pid, 'SIGCONT');
      return true;
    },
  },
  {
    name: 'gateway out of memory',
    lane: 'gateways',
    inject: async (world, random) => {
      const gateway = random.pick(world.gateways);
      // No further page: the next allocation that needs one fails.
      execFileSync('prlimit', ['--as=4096', '--pid', String(gateway.pid)]);
      await until('it ends', () => !gateway.running, OUT_OF_MEMORY_LIMIT_MS).catch(() => undefined);
      const died = !gateway.running;
      await gateway.end('SIGKILL');
      await gateway.start();
      return died;
    },
  },
  {
    name: 'gateway drained and restarted',
    lane: 'gateways',
    inject: async (world, random) => {
      const gateway = random.pick(world.gateways);
      await gateway.end('SIGTERM');
      await gateway.start();
      return true;
    },
  },
];
