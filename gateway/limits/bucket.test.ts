import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Bucket, KeyedBucketPairs, KeyedBuckets } from './bucket.ts';

const rates = fc.record({
  perSecond: fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.double({ min: 0.01, max: 1_000, noNaN: true })),
  burst: fc.integer({ min: 1, max: 200 }),
});
/** When it is asked for tokens, as steps in time. */
const steps = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 5_000, noNaN: true })), { maxLength: 300 });
const starts = fc.constantFrom(0, 12.345, 1e9);

describe('bucket', () => {
  it('gives its burst at once, then one token as soon as one is back', () => {
    for (const now of [0, 1e9]) {
      const bucket = new Bucket({ perSecond: 10, burst: 3 });
      assert.deepEqual(
        [1, 2, 3, 4].map(() => bucket.take(now)),
        [true, true, true, false],
      );
      assert.equal(Math.round(bucket.waitMs(now)), 100);
      assert.equal(bucket.take(now + 99), false);
      assert.equal(bucket.take(now + 100), true);
      assert.equal(bucket.take(now + 100), false);
      assert.equal(bucket.waitMs(now + 10_000), 0);
    }
  });

  it('never gives more than its burst and what came back, over any time', () => {
    fc.assert(
      fc.property(rates, starts, steps, (rate, start, walk) => {
        const bucket = new Bucket(rate);
        const taken: number[] = [];
        let now = start;
        for (const step of walk) {
          now += step;
          if (bucket.take(now)) taken.push(now);
        }
        for (const [i, from] of taken.entries())
          for (let j = i; j < taken.length; j += 7) {
            const seconds = ((taken[j] ?? 0) - from) / 1_000;
            assert(j - i + 1 <= rate.burst + rate.perSecond * seconds + 0.01);
          }
      }),
      { numRuns: 200 },
    );
  });

  it('has a token after the wait that it told, and not just before', () => {
    fc.assert(
      fc.property(rates, starts, fc.integer({ min: 1, max: 200 }), (rate, now, asked) => {
        const bucket = new Bucket(rate);
        for (let i = 0; i < asked; i++) bucket.take(now);
        const wait = bucket.waitMs(now);
        assert.equal(wait === 0, asked < rate.burst);
        if (wait > 0.01) assert.equal(bucket.take(now + wait * 0.99), false);
        assert.equal(bucket.take(now + wait), true);
      }),
    );
  });
});

describe('tokens of a bucket', () => {
  it('may be taken several at a time, and more than the burst of a full one only', () => {
    const bucket = new Bucket({ perSecond: 10, burst: 3 });
    assert.equal(bucket.take(0, 2), true);
    assert.equal(bucket.take(0, 2), false);
    assert.equal(Math.round(bucket.waitMs(0, 2)), 100);
    assert.equal(bucket.take(0, 1), true);
    assert.equal(bucket.take(299, 50), false, 'not full');
    assert.equal(bucket.take(300, 50), true);
    assert.equal(Math.round(bucket.waitMs(300)), 4_800, 'those beyond the burst are missing now');
    assert.equal(bucket.take(5_100), true);
  });

  it('cost as much one by one as together', () => {
    fc.assert(
      fc.property(rates, starts, fc.integer({ min: 1, max: 50 }), (rate, now, count) => {
        const [one, together] = [new Bucket(rate), new Bucket(rate)];
        const tokens = Math.min(count, rate.burst);
        for (let i = 0; i < tokens; i++) assert.equal(one.take(now), true);
        assert.equal(together.take(now, tokens), true);
        assert(Math.abs(one.waitMs(now) - together.waitMs(now)) < 1e-3 * (1_000 / rate.perSecond) + 1e-5);
      }),
    );
  });
});

describe('keyed buckets', () => {
  it('are each what a bucket of their own would be', () => {
    const asks = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 400 })), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(rates, asks, (rate, walk) => {
        const keyed = new KeyedBuckets(rate, 3);
        const apart = new Map(['a', 'b', 'c'].map((key) => [key, new Bucket(rate)]));
        let now = 0;
        for (const [key, step] of walk) {
          now += step;
          assert.equal(keyed.waitMs(key, now), apart.get(key)?.waitMs(now));
          assert.equal(keyed.take(key, now), apart.get(key)?.take(now));
        }
      }),
    );
  });

  it('forget those that are full again', () => {
    const keyed = new KeyedBuckets({ perSecond: 10, burst: 5 }, 10_000);
    for (let i = 0; i < 1_000; i++) keyed.take(`user ${i}`, i);
    assert(keyed.size <= 102, `${keyed.size}`); // those of the last 100 ms
    for (let i = 0; i < 102; i++) keyed.take('late', 100_000 + i * 1_000);
    assert.equal(keyed.size, 1);
  });

  it('are never more than their bound: beyond it the one used longest ago is full again', () => {
    const keyed = new KeyedBuckets({ perSecond: 1, burst: 1 }, 3);
    for (const key of ['a', 'b', 'c']) assert.equal(keyed.take(key, 0), true);
    assert.equal(keyed.take('a', 1), false);
    assert.equal(keyed.take('d', 1), true);
    assert.equal(keyed.size, 3);
    assert.equal(keyed.take('c', 2), false);
    assert.equal(keyed.take('a', 2), true);
    for (let i = 0; i < 1_000; i++) {
      keyed.take(`new ${i}`, 3);
      assert.equal(keyed.size, 3);
    }
  });
});

describe('keyed pairs of buckets', () => {
  const asks = fc.array(
    fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1, max: 300 })),
    { maxLength: 200 },
  );

  it('are each what two buckets of their own would be, of which one may be missing', () => {
    const maybe = fc.option(rates, { nil: undefined });
    fc.assert(
      fc.property(maybe, maybe, asks, (first, second, walk) => {
        const pairs = new KeyedBucketPairs(first, second, 3);
        const bucketsOf = (rate: typeof first) =>
          new Map(['a', 'b', 'c'].map((key) => [key, rate && new Bucket(rate)]));
        const [firsts, seconds] = [bucketsOf(first), bucketsOf(second)];
        let now = 0;
        for (const [key, step, tokens] of walk) {
          now += step;
          const pair = pairs.find(key);
          const [one, other] = [firsts.get(key), seconds.get(key)];
          const waits = [pairs.firstWaitMs(pair, now, 1), pairs.secondWaitMs(pair, now, tokens)];
          assert.deepEqual(waits, [one?.waitMs(now) ?? 0, other?.waitMs(now, tokens) ?? 0]);
          if (waits.some((ms) => ms > 0)) continue;
          pairs.take(key, now, 1, tokens);
          one?.take(now);
          other?.take(now, tokens);
        }
      }),
    );
  });

  it('are forgotten once both are full again, and are never more than their bound', () => {
    const pairs = new KeyedBucketPairs({ perSecond: 1_000, burst: 5 }, { perSecond: 10, burst: 5 }, 10_000);
    for (let i = 0; i < 1_000; i++) pairs.take(`user ${i}`, i, 1, 1);
    assert(pairs.size <= 102, `${pairs.size}`); // those of the last 100 ms
    for (let i = 0; i < 102; i++) pairs.take('late', 100_000 + i * 1_000, 1, 1);
    assert.equal(pairs.size, 1);
    const few = new KeyedBucketPairs({ perSecond: 1, burst: 1 }, undefined, 3);
    for (let i = 0; i < 1_000; i++) {
      few.take(`new ${i}`, 3, 1, 1);
      assert(few.size <= 3);
    }
  });
});
