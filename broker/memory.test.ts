import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HEAD_EXTRA_LIFETIME_MS, KEY_LIFETIME_MS, ORIGIN } from './broker.ts';
import { conformance } from './conformance.ts';
import { MemoryBroker, MemoryStore } from './memory.ts';
import { memoryHarness } from './testing/harness.ts';

conformance('the embedded engine', async () => memoryHarness());

const RETENTION_MS = 60_000;

function withClock(): { broker: MemoryBroker; store: MemoryStore; clock: { now: number } } {
  const clock = { now: 1_000_000 };
  const store = new MemoryStore({
    retentionOf: () => ({ size: 100, retentionMs: RETENTION_MS }),
    now: () => clock.now,
  });
  return { broker: new MemoryBroker(store), store, clock };
}

const message = { name: 'message', data: '1' };

it('gives growing ids when the clock stands still and when it steps back', async (t) => {
  const { broker, clock } = withClock();
  t.after(() => broker.close());
  const ids: string[] = [];
  for (const now of [1_000_000, 1_000_000, 900_000, 1_000_001, 1_000_001]) {
    clock.now = now;
    ids.push((await broker.publish('a', message)).id);
  }
  assert.deepEqual(ids, ['1000000-0', '1000000-1', '1000000-2', '1000001-0', '1000001-1']);
});

it('remembers a key for its lifetime and no longer', async (t) => {
  const { broker, clock } = withClock();
  t.after(() => broker.close());
  const keyed = { ...message, key: 'k' };
  await broker.publish('a', keyed);
  clock.now += KEY_LIFETIME_MS - 1;
  assert.equal((await broker.publish('a', keyed)).duplicate, true);
  clock.now += 1;
  assert.equal((await broker.publish('a', keyed)).duplicate, false);
});

it('remembers a last id beyond the history for its lifetime and no longer', async (t) => {
  const { broker, clock } = withClock();
  t.after(() => broker.close());
  const { id } = await broker.publish('a', message);
  clock.now += RETENTION_MS + HEAD_EXTRA_LIFETIME_MS - 1;
  assert.deepEqual(await broker.heads(['a']), [id]);
  clock.now += 1;
  assert.deepEqual(await broker.heads(['a']), [ORIGIN]);
});

it('keeps nothing of channels and keys that have run out', async (t) => {
  const { broker, store, clock } = withClock();
  t.after(() => broker.close());
  for (let i = 0; i < 100; i += 1) await broker.publish(`c${i}`, { ...message, key: `k${i}` });
  assert.equal(store.channels.size, 100);
  clock.now += RETENTION_MS + HEAD_EXTRA_LIFETIME_MS;
  store.sweep();
  assert.equal(store.channels.size, 0);
});
