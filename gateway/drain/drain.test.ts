import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Drain, type DrainTimes } from './drain.ts';
import { mostDue, PACE_STEP_MS } from './pace.ts';

/** A gateway with so many connections, and what happens to them by a clock that only `sleep` moves. Each takes leave in the same way. */
function draining(count: number, times: DrainTimes, takeLeave = (): Promise<void> | undefined => undefined) {
  const story: string[] = [];
  const closedAt: number[] = [];
  const open = new Set(Array.from({ length: count }, (_none, index) => index));
  let now = 1_000;
  const connections = {
    get size() {
      return open.size;
    },
    stopTaking: () => story.push(`${now - 1_000} takes no more`),
    inRandomOrder: () =>
      [...open].map((index) => ({
        takeLeave,
        closeGoingAway: () => {
          if (open.delete(index)) closedAt.push(now - 1_000);
        },
      })),
  };
  const drain = new Drain({
    connections: connections as unknown as ConstructorParameters<typeof Drain>[0]['connections'],
    stopListening: () => story.push(`${now - 1_000} listens no more`),
    clock: () => now,
    random: Math.random,
    sleep: async (ms) => {
      now += ms;
    },
  });
  return { drain, story, closedAt, open, run: () => drain.run(times) };
}

test('it settles, takes no more, and closes all within the window', async () => {
  const { drain, story, closedAt, run } = draining(1_000, { settleMs: 3_000, windowMs: 5_000, patienceMs: 0 });
  assert.equal(drain.begun, false);
  const done = run();
  assert.equal(drain.begun, true);
  await done;
  assert.deepEqual(story, ['3000 listens no more', '3000 takes no more']);
  assert.equal(closedAt.length, 1_000);
  assert((closedAt[0] ?? 0) >= 3_000 && (closedAt.at(-1) ?? 0) <= 8_000 + PACE_STEP_MS);
  for (let from = 3_000; from < 8_000; from += 500) {
    const closed = closedAt.filter((at) => at > from && at <= from + 500).length;
    assert(closed >= 90 && closed <= 110, `${closed} after ${from} ms`);
  }
});

test('it is over as soon as the last client has gone by itself', async () => {
  const { open, closedAt, run } = draining(2, { settleMs: 100, windowMs: 3_600_000, patienceMs: 0 });
  const done = run();
  open.clear();
  await done;
  assert.deepEqual(closedAt, []);
});

test('without times it closes all at once', async () => {
  const { closedAt, story, run } = draining(500, { settleMs: 0, windowMs: 0, patienceMs: 0 });
  const done = run();
  assert.equal(closedAt.length, 500, 'within the same turn');
  await done;
  assert.deepEqual(story, ['0 listens no more', '0 takes no more']);
});

test('of whom the others must know is sent away after that, and holds up nobody else', async () => {
  const [known, woken] = [hold(), hold()];
  const closed: string[] = [];
  const connection = (name: string, leave: Promise<void> | undefined) => ({
    takeLeave: () => leave,
    closeGoingAway: () => closed.push(name),
  });
  const open = [connection('in a room', known.promise), connection('in none', undefined)];
  const connections = {
    get size() {
      return open.length - closed.length;
    },
    stopTaking: () => undefined,
    inRandomOrder: () => open,
  };
  const drain = new Drain({
    connections: connections as unknown as ConstructorParameters<typeof Drain>[0]['connections'],
    stopListening: () => undefined,
    clock: () => 0,
    random: Math.random,
    sleep: () => woken.promise,
  });
  const done = drain.run({ settleMs: 0, windowMs: 0, patienceMs: 1_000 });
  await new Promise(setImmediate);
  assert.deepEqual(closed, ['in none']);
  known.release();
  await done;
  assert.deepEqual(closed, ['in none', 'in a room']);
});

test('where nobody can be told it is late by its patience at most, and at no moment closes more than its share', async () => {
  const times = { settleMs: 0, windowMs: 5_000, patienceMs: 1_000 };
  const { closedAt, run } = draining(1_000, times, () => new Promise(() => undefined));
  await run();
  assert.equal(closedAt.length, 1_000);
  assert((closedAt.at(-1) ?? 0) <= times.windowMs + times.patienceMs + 3 * PACE_STEP_MS, `${closedAt.at(-1)}`);
  const most = mostDue({ count: 1_000, windowMs: times.windowMs });
  for (const moment of new Set(closedAt)) {
    const closed = closedAt.filter((at) => at === moment).length;
    assert(closed <= most, `${closed} at ${moment} ms`);
  }
});

/** A promise that is kept when the test says so. */
function hold(): { readonly promise: Promise<void>; readonly release: () => void } {
  let release = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { promise, release };
}
