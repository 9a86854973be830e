/** How a master is brought to be replaced by its replica, with what it had not sent to it lost or not. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Keys } from '../../broker/redis/keys.ts';
import type { RedisServer } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import type { Random } from '../../gateway/e2e/harness/plan.ts';
import { CHANNELS, type World } from './world.ts';

/** A Sentinel that was not scheduled for two seconds starts no failover for thirty. */
const FAILOVER_LIMIT_MS = 90_000;
/** Publishes wait for so long at most, and then say that their outcome is unknown. */
const PAUSE_MS = 6_000;
/** How far the clock is behind: longer than a failover takes. */
const AHEAD_MS = 12_000;

export interface Pair {
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** With what arguments one of them is started again, so that it is a replica of the other. */
  asReplicaOf(other: RedisServer): readonly string[];
  /** Whether all who decide on it know the replica as the master: only then may the old one come back without undoing that. */
  agreed(): Promise<boolean>;
}

/** The master is killed when its replica has everything: Redis loses nothing. */
export async function killInStep(world: World, pair: Pair): Promise<boolean> {
  const { master, replica, asReplicaOf } = pair;
  await inStep(replica);
  await master.command('CLIENT', 'PAUSE', PAUSE_MS, 'WRITE');
  const equal = async () => (await offset(replica)) === (await offset(master));
  const whole = await until('the replica has everything', equal, PAUSE_MS / 2).then(
    () => true,
    () => false,
  );
  if (!whole) {
    await master.command('CLIENT', 'UNPAUSE');
    return false;
  }
  await master.kill();
  await replaced(world, pair);
  await master.start(asReplicaOf(replica));
  await inStep(master);
  return true;
}

/**
 * The same as `killAhead`, with the clock of the new master behind that of the old one: it hands out ids that the lost tail had. What matters of clocks is
 * only how they stand to a channel's last id, so that id is moved ahead on both, while they are in step, instead of a clock: then both number their
 * events from there on, until their clocks have come as far.
 */
export async function killAheadClockBehind(world: World, pair: Pair, random: Random): Promise<boolean> {
  const { master, replica } = pair;
  await inStep(replica);
  const ahead = Date.now() + AHEAD_MS;
  let moved = 0;
  for (const channel of CHANNELS) {
    const stream = new Keys('passerelle').stream(channel);
    if ((await world.redis.masterOf(stream)) !== master) continue;
    const took = await master.command('XSETID', stream, `${ahead}-0`).then(
      () => 1,
      () => 0, // no stream just now
    );
    moved += took;
  }
  const equal = async () => (await offset(replica)) === (await offset(master));
  await until('the replica knows of it', equal, PAUSE_MS).catch(() => undefined); // it is written to all the time: as good as it gets
  world.idsGoAhead(AHEAD_MS + 1_000);
  const lost = await killAhead(world, pair, random);
  // Other faults say by the clock what may be lost.
  while (Date.now() <= ahead) await sleep(20);
  return lost && moved > 0;
}

/** The master is killed after its replica got nothing for a while: what was acknowledged in that time is lost. */
export async function killAhead(world: World, pair: Pair, random: Random): Promise<boolean> {
  const { master, replica, asReplicaOf } = pair;
  const from = Date.now() - 1;
  // The replica finds no way back to it.
  await master.command('ACL', 'SETUSER', 'default', '-psync', '-sync');
  await master.command('CLIENT', 'KILL', 'TYPE', 'replica');
  await sleep(200 + random.below(800));
  const ahead = Number(await offset(master)) > Number(await offset(replica));
  await master.kill();
  world.lose(from);
  await replaced(world, pair);
  await master.start(asReplicaOf(replica));
  await inStep(master);
  return ahead;
}

/** The master is stopped until it was replaced, and then goes on as if nothing had been. What it then acknowledges is lost. */
export async function stopUntilReplaced(world: World, pair: Pair): Promise<boolean> {
  const { master } = pair;
  const from = Date.now() - 100;
  master.pause();
  await replaced(world, pair);
  master.resume();
  await inStep(master);
  world.lose(from);
  return true;
}

export async function restartReplica({ master, replica, asReplicaOf }: Pair, random: Random): Promise<boolean> {
  await replica.kill();
  await sleep(random.below(500));
  await replica.start(asReplicaOf(master));
  await inStep(replica);
  return true;
}

async function replaced(world: World, { replica, agreed }: Pair): Promise<void> {
  if (world.switches !== undefined) world.switches.meant++;
  const holds = async () => (await replication(replica)).includes('role:master') && (await agreed());
  await until('the replica has taken over', holds, FAILOVER_LIMIT_MS);
  world.idsGoAhead();
}

async function inStep(server: RedisServer): Promise<void> {
  const holds = async () => (await replication(server)).includes('master_link_status:up');
  await until('the old master is a replica in step', holds, FAILOVER_LIMIT_MS).catch(async (cause: unknown) => {
    throw new Error(`It is none: ${await replication(server).catch(String)}`, { cause });
  });
}

/** How much of the replication stream a master has written, or a replica has read. */
async function offset(server: RedisServer): Promise<string | undefined> {
  const text = await replication(server);
  return (
    /^(?:slave_repl|slave_read_repl)_offset:(\d+)/m.exec(text)?.[1] ?? /^master_repl_offset:(\d+)/m.exec(text)?.[1]
  );
}

export async function replication(server: RedisServer): Promise<string> {
  return String(await server.command('INFO', 'replication'));
}
