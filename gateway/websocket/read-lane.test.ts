import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ReadLane } from './read-lane.ts';

describe('the reads of one connection', () => {
  it('are a few at a time, in order, and none while there is no room for their answers', async () => {
    let room = true;
    const lane = new ReadLane(2, () => room);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const read = (n: number) => () =>
      new Promise<void>((resolve) => {
        begun.push(n);
        ends.push(resolve);
      });
    for (let n = 0; n < 6; n++) assert.equal(lane.offer(read(n)), true);
    assert.deepEqual(begun, [0, 1]);
    ends[0]?.();
    await delay(0);
    assert.deepEqual(begun, [0, 1, 2]);
    room = false;
    ends[1]?.();
    ends[2]?.();
    await delay(0);
    assert.deepEqual([begun, lane.waiting], [[0, 1, 2], 3]);
    room = true;
    lane.resume();
    assert.deepEqual(begun, [0, 1, 2, 3, 4]);
    lane.clear();
    ends[3]?.();
    await delay(0);
    assert.deepEqual([begun.length, lane.waiting], [5, 0]);
  });

  it('that wait are bounded', () => {
    const lane = new ReadLane(1, () => false);
    let taken = 0;
    while (lane.offer(() => Promise.resolve())) taken++;
    assert.equal(taken, 256);
  });
});
