import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decode, Samples } from './samples.ts';
import { axisOf } from './scale.ts';

function sample(at: number, cpu: number | undefined, gateway = 'g1') {
  return { at, gateway, figures: cpu === undefined ? {} : { cpu_usage: cpu } };
}

describe('samples', () => {
  it('leave out what could not be had, and what is unknown', () => {
    const data = { timestamp: '2030-01-01T00:00:01.000Z', gateway: 'g1', cpu_usage: 12.5, disk_used: null, other: 1 };
    assert.deepEqual(decode(JSON.stringify(data)), {
      at: Date.UTC(2030, 0, 1, 0, 0, 1),
      gateway: 'g1',
      figures: { cpu_usage: 12.5 },
    });
  });

  it('go back for as long as is asked', () => {
    const samples = new Samples(10);
    for (const at of [1, 6, 11, 16]) samples.add(sample(at, at));
    assert.deepEqual(
      samples.all.map(({ at }) => at),
      [6, 11, 16],
    );
  });

  it('are summed up without what is missing', () => {
    const samples = new Samples(100);
    assert.equal(samples.summary('cpu_usage'), undefined);
    samples.add(sample(1, 10));
    samples.add(sample(2, 40));
    samples.add(sample(3, undefined));
    samples.add(sample(4, 25));
    assert.deepEqual(samples.summary('cpu_usage'), { latest: 25, lowest: 10, mean: 25, highest: 40 });
  });

  it('begin anew with another gateway', () => {
    const samples = new Samples(100);
    samples.add(sample(1, 10));
    samples.add(sample(2, 20, 'g2'));
    assert.deepEqual(
      samples.all.map(({ gateway }) => gateway),
      ['g2'],
    );
  });
});

describe('the scale of a chart', () => {
  it('ends at a round number that nothing exceeds', () => {
    assert.deepEqual([0, 0.3, 1, 7, 42, 180, 1_100].map(axisOf), [1, 0.4, 1, 8, 60, 200, 2_000]);
  });
});
