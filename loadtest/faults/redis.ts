/** Faults of a Redis server that any form can suffer. Each strikes one server that takes writes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Keys } from '../../broker/redis/keys.ts';
import type { RedisServer } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import type { Random } from '../../gateway/e2e/harness/plan.ts';
import type { Fault } from './fault.ts';
import { CHANNELS, REDIS_TIMEOUT_MS, type World } from './world.ts';

const KEYS = new Keys('passerelle');
/** Of one event in a burst that overruns a subscriber's buffer. */
const BIG_BYTES = 45_000;
const BUFFER_BYTES = 32_768;

export const REDIS_FAULTS: readonly Fault[] = [
  {
    name: 'Redis stopped for a moment',
    lane: 'redis',
    weight: 2,
    inject: async (world, random) => {
      const master = await aMaster(world, random);
      master.pause();
      // Shorter than what others give it up after.
      await sleep(50 + random.below(300));
      master.resume();
      return true;
    },
  },
  {
    // What asks whether it lives is answered, so nobody replaces it. All that was asked meanwhile is done when it is over, also what was given up.
    name: 'writes stalled for longer than REDIS_TIMEOUT_MS',
    lane: 'redis',
    weight: 3,
    inject: async (world, random) => {
      const master = await aMaster(world, random);
      const ms = REDIS_TIMEOUT_MS + 200 + random.below(2_500);
      await master.command('CLIENT', 'PAUSE', ms, 'WRITE');
      await sleep(ms);
      return true;
    },
  },
  {
    name: 'pub/sub connections killed',
    lane: 'redis',
    weight: 3,
    inject: async (world, random) => {
      const master = await aMaster(world, random);
      return Number(await master.command('CLIENT', 'KILL', 'TYPE', 'pubsub')) > 0;
    },
  },
  {
    name: 'command connections killed',
    lane: 'redis',
    weight: 3,
    inject: async (world, random) => {
      const master = await aMaster(world, random);
      return Number(await master.command('CLIENT', 'KILL', 'TYPE', 'normal')) > 0;
    },
  },
  {
    name: 'subscriber output buffer overrun',
    lane: 'redis',
    weight: 2,
    inject: async (world, random) => {
      const channel = random.pick(CHANNELS);
      const master = await world.redis.masterOf(KEYS.stream(channel));
      const before = await subscribers(master);
      return configured(master, { 'client-output-buffer-limit': `pubsub ${BUFFER_BYTES} 0 0` }, async () => {
        want(world, random, channel);
        const overrun = async () => {
          const now = await subscribers(master);
          return before.some((id) => !now.includes(id));
        };
        return until('a subscriber is cut off', overrun, 5_000).then(
          () => true,
          () => false,
        );
      });
    },
  },
  {
    name: 'FLUSHALL',
    lane: 'redis',
    weight: 2,
    inject: async (world, random) => {
      await flush(world, world.form === 'cluster' ? [await aMaster(world, random)] : await world.redis.masters());
      return true;
    },
  },
  {
    name: 'script cache flushed',
    lane: 'redis',
    weight: 2,
    inject: async (world) => {
      for (const master of await world.redis.masters()) await master.command('SCRIPT', 'FLUSH', 'SYNC');
      return true;
    },
  },
  {
    name: 'Redis out of memory (noeviction)',
    lane: 'redis',
    weight: 2,
    inject: async (world, random) => {
      const master = await aMaster(world, random);
      return refusingWrites(master, { maxmemory: '1', 'maxmemory-policy': 'noeviction' }, random);
    },
  },
  {
    name: 'too few replicas to write',
    lane: 'redis',
    weight: 2,
    inject: async (world, random) => {
      return refusingWrites(await aMaster(world, random), { 'min-replicas-to-write': '9' }, random);
    },
  },
  {
    name: "a channel's stream evicted",
    lane: 'redis',
    inject: async (world, random) => evict(world, random, 'stream'),
  },
  {
    name: "a channel's last id evicted",
    lane: 'redis',
    inject: async (world, random) => evict(world, random, 'head'),
  },
  {
    // As a process's clock can't be moved alone, the last id is moved instead: the channel is then what a step of the clock leaves it.
    name: 'clock of Redis behind the last id',
    lane: 'redis',
    weight: 2,
    inject: async (world, random) => {
      const stream = KEYS.stream(random.pick(CHANNELS));
      const server = await world.redis.masterOf(stream);
      const ahead = Date.now() + 500 + random.below(2_000);
      const moved = await server.command('XSETID', stream, `${ahead}-0`).then(
        () => true,
        () => false, // no stream just now
      );
      // Other faults say by the clock what may be lost.
      while (moved && Date.now() <= ahead) await sleep(20);
      return moved;
    },
  },
];

export async function aMaster(world: World, random: Random): Promise<RedisServer> {
  return random.pick(await world.redis.masters());
}

/** Deletes half of what a channel is, as Redis does with a policy that evicts. */
async function evict(world: World, random: Random, half: 'stream' | 'head'): Promise<boolean> {
  const channel = random.pick(CHANNELS);
  const key = KEYS[half](channel);
  const server = await world.redis.masterOf(key);
  const found = Number(await server.command('DEL', key)) > 0;
  if (half === 'stream') world.lose(0, [channel]);
  return found;
}

/** Empties servers. What was stored until now in the channels that are theirs may be lost. */
export async function flush(world: World, servers: readonly RedisServer[]): Promise<void> {
  const channels: string[] = [];
  for (const channel of CHANNELS) {
    const master = await world.redis.masterOf(KEYS.stream(channel)).catch(() => undefined); // not known just now
    if (master === undefined || servers.includes(master)) channels.push(channel);
  }
  for (const server of servers) await server.command('FLUSHALL');
  world.lose(0, channels);
}

/** Runs with settings of a server changed, and puts them back. */
export async function configured<Result>(
  server: RedisServer,
  settings: Readonly<Record<string, string>>,
  run: () => Promise<Result>,
): Promise<Result> {
  const before: [string, string][] = [];
  for (const [name, value] of Object.entries(settings)) {
    const reply = await server.command('CONFIG', 'GET', name);
    before.push([name, Array.isArray(reply) ? String(reply[1]) : '']);
    await server.command('CONFIG', 'SET', name, value);
  }
  try {
    return await run();
  } finally {
    for (const [name, value] of before.reverse()) await server.command('CONFIG', 'SET', name, value);
  }
}

/** Has a server refuse writes for a while by its settings. False where it took one all the same. */
async function refusingWrites(
  server: RedisServer,
  settings: Readonly<Record<string, string>>,
  random: Random,
): Promise<boolean> {
  return configured(server, settings, async () => {
    const refused = !(await takesWrites(server));
    await sleep(300 + random.below(2_000));
    return refused;
  });
}

/** Whether a server would take a publish. */
export async function takesWrites(server: RedisServer): Promise<boolean> {
  // By its first line Redis takes it for one that writes.
  const script = "#!lua\nreturn redis.call('PING')";
  return server.command('EVAL', script, 0).then(
    () => true,
    () => false,
  );
}

/** Has large events published to a channel, in one go. */
function want(world: World, random: Random, channel: string): void {
  const name = `large-${random.below(2 ** 31)}`;
  const publishes = Array.from({ length: 4 }, (_none, index) => {
    const key = `${name}-${index}`;
    return { channel, key, data: JSON.stringify({ key, text: 'x'.repeat(BIG_BYTES) }), repeated: false };
  });
  world.wanted.push({ route: 'batch', gateway: 0, publishes });
}

/** The ids of the connections that are subscribed. */
async function subscribers(server: RedisServer): Promise<string[]> {
  const list = String(await server.command('CLIENT', 'LIST', 'TYPE', 'pubsub'));
  return [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => id ?? '');
}
