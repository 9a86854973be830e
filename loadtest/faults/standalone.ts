/** Faults of a standalone Redis with its append-only file. */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisServer } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import type { Fault } from './fault.ts';
import { configured, takesWrites } from './redis.ts';
import type { World } from './world.ts';

const FORMS = ['standalone'] as const;
/** A port on which nobody listens. */
const NO_PORT = 1;

export const STANDALONE_FAULTS: readonly Fault[] = [
  {
    name: 'Redis killed and restarted with its file',
    lane: 'redis',
    forms: FORMS,
    weight: 3,
    inject: async (world, random) => {
      const server = only(world);
      await server.kill();
      await sleep(random.pick([0, 300, 1_500]));
      await server.start();
      world.idsGoAhead();
      return true;
    },
  },
  {
    name: 'Redis stopped',
    lane: 'redis',
    forms: FORMS,
    weight: 2,
    inject: async (world, random) => stopped(world, 1_200 + random.below(3_000)),
  },
  {
    name: 'Redis stopped for 30 seconds',
    lane: 'redis',
    forms: FORMS,
    weight: 0,
    inject: async (world) => stopped(world, 30_000),
  },
  {
    name: 'Redis a read-only replica',
    lane: 'redis',
    forms: FORMS,
    weight: 2,
    inject: async (world, random) => {
      const server = only(world);
      await server.command('REPLICAOF', '127.0.0.1', NO_PORT);
      const refused = !(await takesWrites(server));
      await sleep(300 + random.below(1_500));
      await server.command('REPLICAOF', 'NO', 'ONE');
      return refused;
    },
  },
  {
    name: 'disk full for the append-only file',
    lane: 'redis',
    forms: FORMS,
    weight: 2,
    inject: async (world, random) => {
      const server = only(world);
      // With `always` Redis ends itself at such an error; with this it refuses writes until it could write what it has acknowledged.
      return configured(server, { appendfsync: 'everysec' }, async () => {
        limitFiles(server, '1024');
        await until('the file can not be written', async () => (await fileStatus(server)) === 'err');
        await sleep(300 + random.below(1_500));
        limitFiles(server, 'unlimited');
        await until('the file is written again', async () => (await fileStatus(server)) === 'ok');
        return true;
      });
    },
  },
];

function only(world: World): RedisServer {
  const [server] = world.dataServers;
  if (server === undefined) throw new Error('There is no server.');
  return server;
}

async function stopped(world: World, ms: number): Promise<boolean> {
  const server = only(world);
  server.pause();
  await sleep(ms);
  server.resume();
  return true;
}

function limitFiles(server: RedisServer, bytes: string): void {
  execFileSync('prlimit', [`--fsize=${bytes}:`, '--pid', String(server.pid)]);
}

async function fileStatus(server: RedisServer): Promise<string | undefined> {
  return /aof_last_write_status:(\w+)/.exec(String(await server.command('INFO', 'persistence')))?.[1];
}
