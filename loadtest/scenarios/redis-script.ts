/**
 * What a publish with history costs Redis: the engine's own script beside one of Centrifugo's shape (a stream with numbered
 * entries, a hash with the epoch and the last number, and with a key for idempotency, a hash with the result), and
 * beside the two bare commands without any script. Pipelined alike, on 100 channels in turn.
 */
import { RedisBroker } from '../../broker/redis/engine.ts';
import { parseRedisUrl } from '../../broker/redis/url.ts';
import { SERVER_CORE } from '../lab.ts';
import { cpuSeconds, pin } from '../machine.ts';
import { payload } from '../payload.ts';
import { type Figure, figure } from '../results.ts';
import type { Run, Scenario } from '../scenario.ts';
import { PUBLISHES_PER_REDIS_SECOND } from './publish.ts';

const AT_ONCE = 64;
const CHANNELS = 100;
const SIZE = 1_000;
const HOUR = 3_600;
const CPU_SECONDS = 0.4;
const DATA = payload();

const CENTRIFUGO_SHAPE = `
if KEYS[3] then
  local known = redis.call('HMGET', KEYS[3], 'e', 's')
  if known[1] then return { known[2], known[1], '1' } end
end
local epoch = redis.call('HGET', KEYS[2], 'e')
if not epoch then
  epoch = ARGV[1]
  redis.call('HSET', KEYS[2], 'e', epoch)
end
local offset = redis.call('HINCRBY', KEYS[2], 's', 1)
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[2], offset, 'd', ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[6], '__p1:' .. offset .. ':' .. epoch .. '__' .. ARGV[5])
if KEYS[3] then
  redis.call('HSET', KEYS[3], 'e', epoch, 's', offset)
  redis.call('EXPIRE', KEYS[3], ARGV[7])
end
return { offset, epoch, '0' }
`;

type Publish = (channel: string, number: number) => Promise<unknown>;

export const REDIS_SCRIPT: Scenario = {
  name: 'redis-script',
  title: 'what a publish with history costs Redis',
  run: async (run) => {
    const parsed = parseRedisUrl(run.lab.redis.url);
    if (!parsed.ok) throw new Error(parsed.error);
    const retentionOf = () => ({ size: SIZE, retentionMs: HOUR * 1_000 });
    const broker = new RedisBroker({ target: parsed.target, retentionOf, prefix: 'own' });
    await broker.connect();
    pin(run.lab.redisPid, SERVER_CORE); // nothing else is measured now, and the client needs its own core
    try {
      const figures: Figure[] = [];
      for (const key of ['none', 'each its own']) figures.push(...(await measureKey(run, broker, key)));
      return figures;
    } finally {
      await broker.close();
    }
  },
};

async function measureKey(run: Run, broker: RedisBroker, key: string): Promise<Figure[]> {
  run.progress(`idempotency key: ${key}`);
  const keyed = key !== 'none';
  const ways: Readonly<Record<string, Publish>> = {
    gateway: (channel, number) =>
      broker.publish(channel, { name: 'message', data: DATA, ...(keyed ? { key: `k${number}` } : {}) }),
    'centrifugo shape': (channel, number) => centrifugoShape(run, channel, keyed ? number : undefined),
    ...(keyed ? {} : { 'no script': (channel: string) => bare(run, channel) }),
  };
  const rounds = new Map<string, number[]>();
  for (let round = 0; round <= Math.max(run.rounds, 3); round++)
    for (const [name, publish] of Object.entries(ways)) {
      const rate = await measure(run, publish, round * 10_000_000);
      if (round > 0) rounds.set(name, [...(rounds.get(name) ?? []), rate]);
    }
  const at = { 'idempotency key': key };
  return [...rounds].map(([name, rates]) => figure('redis-script', name, at, PUBLISHES_PER_REDIS_SECOND, rates));
}

async function measure(run: Run, publish: Publish, from: number): Promise<number> {
  const pid = run.lab.redisPid;
  const { stream } = run.lab.commands; // the engine gathers what it sends, so the others' commands go together, too
  const before = cpuSeconds(pid);
  let sent = 0;
  let used = 0;
  while (used < CPU_SECONDS) {
    for (let turn = 0; turn < 10; turn++) {
      const calls = [];
      stream.cork();
      for (let index = 0; index < AT_ONCE; index++, sent++) calls.push(publish(`load:${sent % CHANNELS}`, from + sent));
      stream.uncork();
      await Promise.all(calls);
    }
    used = cpuSeconds(pid) - before;
  }
  return sent / used;
}

function centrifugoShape(run: Run, channel: string, number: number | undefined): Promise<unknown> {
  const keys = [
    `{${channel}}:stream`,
    `{${channel}}:meta`,
    ...(number === undefined ? [] : [`{${channel}}:r:${number}`]),
  ];
  return shaped(run)(keys.length, ...keys, 'epoch', SIZE, HOUR, 24 * HOUR, DATA, `{${channel}}:events`, 300);
}

type Shaped = (...args: (string | number)[]) => Promise<unknown>;

/** The script as a command of the connection, sent by its hash. */
function shaped({ lab: { commands } }: Run): Shaped {
  if (!('centrifugoShape' in commands)) commands.defineCommand('centrifugoShape', { lua: CENTRIFUGO_SHAPE });
  const { centrifugoShape: command } = commands as unknown as { centrifugoShape: Shaped };
  return command.bind(commands);
}

async function bare({ lab: { commands } }: Run, channel: string): Promise<void> {
  await Promise.all([
    commands.xadd(`bare:${channel}`, 'MAXLEN', '~', SIZE, '*', 'e', DATA),
    commands.publish(`bare:${channel}:e`, DATA),
  ]);
}
