import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Random } from '../e2e/harness/plan.ts';
import { mostDue, PACE_STEP_MS, Pace } from './pace.ts';

/** Sources of random numbers, those that only give the least or the most among them. */
const randoms = fc.oneof(
  fc.constant(() => 0),
  fc.constant(() => 1 - Number.EPSILON),
  fc.integer().map((seed) => {
    const random = new Random(seed);
    return () => random.below(2 ** 32) / 2 ** 32;
  }),
);
const counts = fc.integer({ min: 0, max: 10_000 });
const windows = fc.integer({ min: 1, max: 20_000 });

/** The moments at which each is due, where `due` is called after these times. */
function moments(pace: Pace, elapsed: Iterable<number>): { at: number; due: number }[] {
  const calls: { at: number; due: number }[] = [];
  let at = 0;
  for (const ms of elapsed) {
    at += ms;
    calls.push({ at, due: pace.due(ms) });
    if (pace.done) break;
  }
  return calls;
}

/** Endless unless told how many. */
function* steps(most = Number.POSITIVE_INFINITY): Generator<number> {
  for (let step = 0; step < most; step++) yield PACE_STEP_MS;
}

function sum(calls: readonly { due: number }[]): number {
  return calls.reduce((total, { due }) => total + due, 0);
}

test('all are due within the window, each once', () => {
  fc.assert(
    fc.property(counts, windows, randoms, (count, windowMs, random) => {
      const pace = new Pace({ count, windowMs, random });
      const calls = moments(pace, steps(Math.ceil(windowMs / PACE_STEP_MS)));
      assert.equal(sum(calls), count);
      assert(pace.done);
      assert.equal(pace.due(60_000), 0, 'nothing is due twice');
    }),
    { examples: [[9_839, 14_220, () => 1 - Number.EPSILON]] },
  );
});

test('at every moment about as many are due as that part of the window is worth', () => {
  fc.assert(
    fc.property(counts, windows, randoms, (count, windowMs, random) => {
      const calls = moments(new Pace({ count, windowMs, random }), steps());
      let total = 0;
      for (const { at, due } of calls) {
        total += due;
        const share = (count * Math.min(at, windowMs)) / windowMs;
        assert(Math.abs(total - share) <= 1 + 1e-6 * count, `${total} of ${count} after ${at} of ${windowMs} ms`);
      }
    }),
  );
});

test('never are more due at once than bounded, however long the process was held up, and all are in the end', () => {
  const delays = fc.array(fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 20_000 })));
  fc.assert(
    fc.property(counts, windows, randoms, delays, (count, windowMs, random, held) => {
      const pace = new Pace({ count, windowMs, random });
      const most = mostDue({ count, windowMs });
      assert(most <= Math.ceil((2 * PACE_STEP_MS * count) / windowMs) + 1);
      const calls = [...moments(pace, held), ...moments(pace, steps())];
      for (const { due } of calls) assert(due <= most, `${due} at once`);
      assert.equal(sum(calls), count);
    }),
  );
});

test('who was held up for a while is back in time, at no more than twice the pace', () => {
  const [count, windowMs, heldUpMs] = [10_000, 10_000, 2_000];
  const pace = new Pace({ count, windowMs, random: Math.random });
  const calls = moments(pace, [heldUpMs, ...steps(windowMs / PACE_STEP_MS)]);
  assert.equal(sum(calls), count);
  assert((calls.at(-1)?.at ?? 0) <= windowMs, 'the window is kept');
});

test('two gateways do not keep the same moments, nor does one at its next end', () => {
  const drawn = () => {
    const pace = new Pace({ count: 200, windowMs: 20_000, random: Math.random });
    return moments(pace, steps()).map(({ due }) => due);
  };
  assert.notDeepEqual(drawn(), drawn());
});

test('without a window all are due at once', () => {
  const pace = new Pace({ count: 15_000, windowMs: 0, random: Math.random });
  assert.equal(pace.due(0), 15_000);
  assert.equal(mostDue({ count: 15_000, windowMs: 0 }), 15_000);
});

test('without connections nothing is waited for', () => {
  assert(new Pace({ count: 0, windowMs: 10_000, random: Math.random }).done);
});
