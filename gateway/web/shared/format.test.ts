import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Format } from './format.ts';

describe('the format of a locale', () => {
  const [en, fr] = [new Format('en'), new Format('fr')];

  it('writes sizes in the largest unit of which there is one', () => {
    assert.deepEqual(
      [0, 1, 999, 1_000, 1_234_567, 5e12].map((value) => en.bytes(value)),
      ['0 bytes', '1 byte', '999 bytes', '1 kB', '1.23 MB', '5 TB'],
    );
    assert.equal(fr.bytes(1_234_567), '1,23\u202fMo');
  });

  it('writes durations in their two largest units', () => {
    assert.deepEqual(
      [0, 59, 60, 3_725, 90_000].map((value) => en.duration(value)),
      ['0 sec', '59 sec', '1 min 0 sec', '1 hr 2 min', '1 day 1 hr'],
    );
  });

  it('writes percentages, and short times more exactly', () => {
    assert.deepEqual([en.percent(12.34), en.milliseconds(1.26), en.milliseconds(126.4)], ['12.3%', '1.3 ms', '126 ms']);
    assert.equal(fr.percent(12.34), '12,3\u00a0%');
  });

  it('names the day only where it is another one', () => {
    const [now, before] = [new Date(2030, 0, 2, 12), new Date(2030, 0, 1, 23)];
    assert.equal(en.when(now, now), '12:00:00');
    assert.match(en.when(before, now), /Jan 1, 2030/);
  });
});
