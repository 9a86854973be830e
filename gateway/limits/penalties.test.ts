import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FIRST_PENALTY_MS, Penalties } from './penalties.ts';

const MAX_MS = 30_000;

describe('penalties', () => {
  test('each is twice as long as the one before, up to the longest', () => {
    const penalties = new Penalties(MAX_MS);
    let nowMs = 5_000;
    const lengths = Array.from({ length: 7 }, () => {
      penalties.punish('a', nowMs);
      const waitMs = penalties.waitMs('a', nowMs);
      nowMs += waitMs;
      assert.equal(penalties.waitMs('a', nowMs), 0, 'over when it is over');
      return waitMs;
    });
    assert.deepEqual(lengths, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    assert.equal(penalties.waitMs('b', nowMs), 0, 'nobody else has to stay away');
  });

  test('one that kept away from it as long as the longest penalty begins anew', () => {
    const penalties = new Penalties(MAX_MS);
    penalties.punish('a', 0);
    penalties.punish('a', 0);
    const endMs = 2 * FIRST_PENALTY_MS;
    penalties.punish('a', endMs + MAX_MS);
    assert.equal(penalties.waitMs('a', endMs + MAX_MS), FIRST_PENALTY_MS);
  });

  test('where it is limited it stays within that', () => {
    const penalties = new Penalties(MAX_MS);
    for (let i = 0; i < 5; i++) penalties.punish('a', 0, FIRST_PENALTY_MS);
    assert.equal(penalties.waitMs('a', 0), FIRST_PENALTY_MS);
  });

  test('whoever comes when, a wait is never longer than the longest, and never grows by waiting', () => {
    const step = fc.record({ offender: fc.constantFrom('a', 'b', 'c'), afterMs: fc.nat({ max: 2 * MAX_MS }) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const penalties = new Penalties(MAX_MS);
        let nowMs = 0;
        for (const { offender, afterMs } of steps) {
          const before = penalties.waitMs(offender, nowMs);
          nowMs += afterMs;
          assert.equal(penalties.waitMs(offender, nowMs), Math.max(0, before - afterMs));
          penalties.punish(offender, nowMs);
          const waitMs = penalties.waitMs(offender, nowMs);
          assert(waitMs >= FIRST_PENALTY_MS && waitMs <= MAX_MS);
        }
      }),
    );
  });

  test('those whose time is over are forgotten, as others are punished', () => {
    const penalties = new Penalties(MAX_MS);
    for (let i = 0; i < 1_000; i++) penalties.punish(`early ${i}`, 0);
    for (let i = 0; i < 1_000; i++) penalties.punish(`late ${i}`, 10 * MAX_MS);
    assert.equal(penalties.size, 1_000);
  });
});
