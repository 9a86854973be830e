/** Faults of the links between clients and nginx, between gateways and Redis, and of nginx. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../gateway/e2e/harness/plan.ts';
import type { UnrulyProxy } from '../../gateway/e2e/harness/unruly-proxy.ts';
import type { Fault } from './fault.ts';

/** Which links are struck, and how many of them there were. */
interface Strike {
  readonly which: () => boolean;
  count: number;
}

/** What can be done to links. */
const TROUBLES: readonly { name: string; inject(links: UnrulyProxy, strike: Strike, random: Random): Promise<void> }[] =
  [
    {
      name: 'cut',
      inject: async (links, { which }) => links.cut(which),
    },
    {
      name: 'hung',
      inject: async (links, { which }, random) => {
        links.hang(which);
        await sleep(200 + random.below(800));
      },
    },
    {
      name: 'half-open, far end gone',
      inject: async (links, { which }, random) => {
        links.halfOpen('client', which);
        await sleep(200 + random.below(500));
      },
    },
    {
      name: 'half-open, near end gone',
      inject: async (links, { which }, random) => {
        links.halfOpen('gateway', which);
        await sleep(200 + random.below(500));
      },
    },
    {
      name: 'delayed',
      inject: async (links, strike, random) => {
        strike.count = links.links;
        const usual = links.delayMs;
        links.delay(50 + random.below(900));
        await sleep(500 + random.below(1_500));
        links.delay(usual);
      },
    },
  ];

export const LINK_FAULTS: readonly Fault[] = [
  ...TROUBLES.map(({ name, inject }): Fault => {
    return {
      name: `client links ${name}`,
      lane: 'links',
      weight: 3,
      inject: async ({ clientLinks }, random) => {
        const strike = strikeShare(random, random.pick([20, 50, 100]));
        await inject(clientLinks, strike, random);
        return strike.count > 0;
      },
    };
  }),
  // A link to Redis serves a whole gateway, so all of one gateway's links are struck.
  ...TROUBLES.map(({ name, inject }): Fault => {
    return {
      name: `Redis links ${name}`,
      lane: 'gateways',
      forms: ['standalone'],
      inject: async ({ redisLinks }, random) => {
        const strike = strikeShare(random, 100);
        await inject(random.pick(redisLinks), strike, random);
        return strike.count > 0;
      },
    };
  }),
  {
    name: 'nginx reloaded',
    lane: 'links',
    weight: 2,
    inject: async ({ nginx }) => {
      await nginx.reload();
      return true;
    },
  },
];

/** Strikes so many of a hundred links. */
function strikeShare(random: Random, share: number): Strike {
  const strike = {
    count: 0,
    which: () => {
      const struck = random.below(100) < share;
      if (struck) strike.count++;
      return struck;
    },
  };
  return strike;
}
