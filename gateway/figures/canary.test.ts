import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerUnavailable, type Event, type Shard } from '../../broker/broker.ts';
import { Canary } from './canary.ts';
import { Health } from './health.ts';
import type { RefusedWrites } from './storage-probe.ts';

const GRACE_MS = 10_000;

/** A broker whose shards can fail in every way, each event at once where it arrives. */
function world(...names: string[]) {
  const shards = new Map<string, { channel: (prefix: string) => string; works: boolean }>();
  const add = (name: string) => shards.set(name, { channel: (prefix) => `${prefix}${name}`, works: true });
  for (const name of names) add(name);
  const subscribed = new Set<string>();
  const returned: [string, number][] = [];
  const state = { now: 0, away: false, draining: false, delayMs: 0 };
  const storage = { refused: [] as RefusedWrites[], unreadable: undefined as string | undefined };
  const here = async () => {
    if (state.away) throw new BrokerUnavailable('away');
  };
  const broker = {
    shards: (prefix: string): Shard[] => [...shards].map(([name, { channel }]) => ({ name, channel: channel(prefix) })),
    subscribe: async (channel: string) => {
      await here();
      subscribed.add(channel);
    },
    unsubscribe: async (channel: string) => void subscribed.delete(channel),
    publish: async (channel: string, { data }: { data: string }) => {
      await here();
      const shard = [...shards.values()].find((each) => each.channel('$canary:id:') === channel);
      if (shard?.works !== true || !subscribed.has(channel)) return { id: '', duplicate: false };
      state.now += state.delayMs;
      canary.event(channel, { id: '', prev: '', name: 'canary', data: Buffer.from(data) } satisfies Event);
      return { id: '', duplicate: false };
    },
    status: () =>
      state.away ? ({ ready: false, sinceMs: 0, reason: 'It is away.' } as const) : ({ ready: true } as const),
  };
  const canary: Canary = new Canary({
    broker,
    id: 'id',
    clock: () => state.now,
    onReturn: (shard, delayMs) => returned.push([shard, delayMs]),
  });
  const drain = {
    get begun() {
      return state.draining;
    },
  };
  const health = new Health({
    drain,
    broker,
    canary,
    storage: { refusedWrites: () => storage.refused, unreadable: () => storage.unreadable },
    graceMs: GRACE_MS,
  });
  /** One second, in which a canary is sent. */
  const second = async () => {
    canary.send();
    await new Promise(setImmediate);
    state.now += 1_000;
  };
  const seconds = async (count: number) => {
    for (let passed = 0; passed < count; passed++) await second();
  };
  const set = (name: string, works: boolean) => {
    const shard = shards.get(name);
    if (shard !== undefined) shard.works = works;
  };
  return { state, storage, shards, add, set, subscribed, returned, canary, health, seconds };
}

describe('a canary', () => {
  it('comes back from each shard every second, and its delay is told', async () => {
    const { state, returned, canary, seconds } = world('a', 'b');
    state.delayMs = 3;
    await seconds(4);
    assert.deepEqual(
      returned.filter(([shard]) => shard === 'a').map(([, ms]) => ms),
      [3, 3, 3, 3],
    );
    assert.equal(returned.filter(([shard]) => shard === 'b').length, 4);
    for (const { silentMs } of canary.silences()) assert(silentMs <= 1_003, String(silentMs));
  });

  it('follows a shard whose channel moves, and forgets one that is gone', async () => {
    const { shards, subscribed, returned, canary, seconds } = world('a', 'b');
    await seconds(2);
    shards.set('a', { channel: (prefix) => `${prefix}elsewhere`, works: true });
    shards.delete('b');
    returned.length = 0;
    await seconds(2);
    assert.deepEqual([...subscribed], ['$canary:id:elsewhere']);
    assert.deepEqual(
      returned.map(([shard]) => shard),
      ['a', 'a'],
    );
    assert.deepEqual(
      canary.silences().map(({ shard }) => shard),
      ['a'],
    );
  });

  it('keeps the shards that it knows while the broker does not know them', async () => {
    const { shards, canary, seconds } = world('a');
    await seconds(1);
    shards.clear();
    await seconds(5);
    assert.deepEqual(
      canary.silences().map(({ shard, silentMs }) => [shard, silentMs]),
      [['a', 6_000]],
    );
  });

  it('that cannot be read is none', async () => {
    const { canary, returned, seconds } = world('a');
    await seconds(1);
    returned.length = 0;
    canary.event('$canary:id:a', { id: '', prev: '', name: 'canary', data: Buffer.from('x') });
    assert.deepEqual(returned, []);
  });
});

describe('a gateway', () => {
  it('is not ready before the first event has come through Redis', async () => {
    const { state, health, seconds } = world('a');
    state.away = true;
    await seconds(3);
    assert.deepEqual(health.readiness(), { ready: false, reason: 'Redis cannot be used: It is away.' });
    state.away = false;
    assert.deepEqual(health.readiness(), { ready: false, reason: 'No event has come through Redis yet. away' });
    await seconds(1);
    assert.deepEqual(health.readiness(), { ready: true, degraded: [] });
  });

  it('stays ready for the grace when Redis goes away, and is ready again when it is back', async () => {
    const { state, health, seconds } = world('a');
    await seconds(1);
    state.away = true;
    await seconds(9);
    assert.equal(health.readiness().ready, true);
    await seconds(1);
    assert.deepEqual(health.readiness(), { ready: false, reason: 'Redis cannot be used: It is away.' });
    state.away = false;
    await seconds(1);
    assert.equal(health.readiness().ready, true);
  });

  it('is not ready where Redis answers every call and brings no events', async () => {
    const { set, health, seconds } = world('a');
    await seconds(1);
    set('a', false);
    await seconds(10);
    assert.deepEqual(health.readiness(), { ready: false, reason: 'No event has come through Redis for 11 seconds.' });
  });

  it('stays ready, and says what is wrong, where one shard of several fails', async () => {
    const { set, health, seconds } = world('a', 'b', 'c');
    await seconds(1);
    set('b', false);
    await seconds(11);
    assert.deepEqual(health.readiness(), {
      ready: true,
      degraded: ['No event has come through the shard b for 12 seconds.'],
    });
    set('a', false);
    set('c', false);
    await seconds(11);
    assert.equal(health.readiness().ready, false);
  });

  it('is not taken for silent because the name of its only shard changed in a failover', async () => {
    const { shards, add, health, seconds } = world('old');
    await seconds(1);
    shards.delete('old');
    add('new');
    assert.equal(health.readiness().ready, true);
    await seconds(1);
    assert.deepEqual(health.readiness(), { ready: true, degraded: [] });
  });

  it('stays ready where writes are refused, and says which shard refuses them and why', async () => {
    const { storage, health, seconds } = world('a');
    await seconds(1);
    storage.refused = [{ shard: 'a', refusal: 'OOM' }];
    assert.deepEqual(health.readiness(), {
      ready: true,
      degraded: ['Redis refuses writes on the shard a, as its memory is full (OOM).'],
    });
  });

  it('is not ready where events come and nothing that is kept can be read', async () => {
    const { storage, health, seconds } = world('a');
    await seconds(1);
    storage.unreadable = 'Redis failed the call: NOPERM.';
    assert.deepEqual(health.readiness(), {
      ready: false,
      reason: 'What is kept in Redis cannot be read: Redis failed the call: NOPERM.',
    });
  });

  it('that drains is not ready', async () => {
    const { state, health, seconds } = world('a');
    await seconds(1);
    state.draining = true;
    assert.deepEqual(health.readiness(), { ready: false, reason: 'The gateway is draining.' });
  });
});
