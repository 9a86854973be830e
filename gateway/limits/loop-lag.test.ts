import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../broker/testing/until.ts';
import { LoopLag } from './loop-lag.ts';

describe('event-loop lag', () => {
  function sampled() {
    const time = { now: 5_000 };
    const lag = new LoopLag(() => time.now);
    lag.sample();
    /** So many samples, each late by so much. */
    const late = (ms: number, times: number) => {
      for (let i = 0; i < times; i++) {
        time.now += 100 + ms;
        lag.sample();
      }
      return Math.round(lag.read());
    };
    return { time, lag, late };
  }

  it('is none before the first sample, and while samples come in time', () => {
    const { late } = sampled();
    assert.equal(new LoopLag(() => 1e9).read(), 0);
    assert.equal(late(0, 10), 0);
  });

  it('comes to what it stays at, and counts a single pause for a part and for a moment', () => {
    const { late } = sampled();
    assert.equal(late(300, 1), 100);
    assert(late(0, 10) <= 2);
    assert(late(300, 20) > 299);
  });

  it('counts in full while the loop does not turn', () => {
    const { time, lag } = sampled();
    time.now += 100 + 700;
    assert.equal(lag.read(), 700);
  });

  it('is measured while it is started', async (t) => {
    const lag = new LoopLag(() => performance.now());
    const { stop } = lag.start();
    t.after(stop);
    await delay(150);
    const end = performance.now() + 600;
    while (performance.now() < end);
    assert(lag.read() >= 300, `${lag.read()} ms`);
    await until('it is forgotten', () => lag.read() < 300);
  });
});
