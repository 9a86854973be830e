import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Event, Position } from '../../broker/broker.ts';
import { Ring } from './ring.ts';

const event = (id: Position, prev: Position): Event => ({ id, prev, name: 'message', data: Buffer.from('1') });
/** Events 1-0 to n-0, each after the one before. */
const chain = (from: number, to: number): Event[] =>
  Array.from({ length: to - from + 1 }, (_, i) => event(`${from + i}-0`, `${from + i - 1}-0`));

function ringOf(from: number, to: number, capacity = 100): Ring {
  const ring = new Ring('room', capacity, `${from - 1}-0`);
  for (const each of chain(from, to)) ring.append(each);
  return ring;
}

const ids = (ring: Ring): Position[] => Array.from({ length: ring.length }, (_, i) => ring.at(ring.firstSeq + i).id);

describe('ring', () => {
  it('appends what names its head as predecessor, knows what it holds, and sees a hole in anything else', () => {
    const ring = ringOf(5, 7);
    assert.equal(ring.accept(event('6-0', '5-0')), 'known');
    assert.equal(ring.accept(event('7-0', '6-0')), 'known');
    assert.equal(ring.accept(event('9-0', '8-0')), 'hole');
    assert.equal(ring.accept(event('3-0', '2-0')), 'hole', 'too old to be known: the history must say');
    assert.equal(ring.accept(event('6-5', '6-0')), 'hole', 'a fork, whose id lies among those it has');
    assert.equal(ring.accept(event('7-0', '5-0')), 'hole', 'another event under an id that was lost and given anew');
    assert.equal(ring.accept(event('8-0', '7-0')), 'next');
    assert.deepEqual(ids(ring), ['5-0', '6-0', '7-0', '8-0']);
  });

  it('takes every event of an ephemeral channel', () => {
    const ring = new Ring('ephemeral:room', 2, '');
    for (let i = 0; i < 3; i++) assert.equal(ring.accept(event('', '')), 'next');
    assert.equal(ring.length, 3);
  });

  it('finds the number after a position from the one before its oldest event on, and of no other', () => {
    const ring = ringOf(5, 7);
    assert.equal(ring.seqAfter('4-0'), ring.firstSeq);
    assert.equal(ring.seqAfter('6-0'), ring.firstSeq + 2);
    assert.equal(ring.seqAfter('7-0'), ring.nextSeq);
    for (const unknown of ['3-0', '0-0', '8-0', '6-1']) assert.equal(ring.seqAfter(unknown), undefined);
  });

  it('keeps numbers when it drops the oldest, by count and by bytes, and never drops the newest', () => {
    const ring = ringOf(1, 10, 4);
    const seq = ring.seqAfter('8-0');
    ring.trim(Number.POSITIVE_INFINITY);
    assert.deepEqual(ids(ring), ['7-0', '8-0', '9-0', '10-0']);
    assert.equal(ring.start, '6-0');
    assert.equal(ring.seqAfter('8-0'), seq);
    ring.trim(0);
    assert.deepEqual(ids(ring), ['10-0']);
    assert.equal(ring.bytes, ring.at(ring.firstSeq).size);
  });

  it('grows backwards by what leads up to it without a hole, and keeps numbers then, too', () => {
    const ring = ringOf(5, 6);
    const seq = ring.seqAfter('5-0');
    ring.prepend(chain(1, 3));
    assert.deepEqual(ids(ring), ['5-0', '6-0'], 'event 4 is missing between');
    ring.prepend(chain(2, 6));
    assert.deepEqual(ids(ring), ['2-0', '3-0', '4-0', '5-0', '6-0']);
    assert.equal(ring.start, '1-0');
    assert.equal(ring.seqAfter('5-0'), seq);
  });

  it('gives no number a second meaning when it is rewound or reset', () => {
    const ring = ringOf(1, 4);
    const before = ring.nextSeq;
    ring.rewind('2-0');
    assert.deepEqual(ids(ring), ['1-0', '2-0']);
    assert.ok(ring.firstSeq > before);
    assert.equal(ring.accept(event('9-0', '2-0')), 'next');
    const again = ring.nextSeq;
    ring.reset('20-0');
    assert.equal(ring.length, 0);
    assert.equal(ring.bytes, 0);
    assert.equal(ring.head, '20-0');
    assert.ok(ring.firstSeq > again);
  });

  it('makes one run for all who stand at the same place, until there is more', () => {
    const ring = ringOf(1, 3);
    const run = ring.runFrom(ring.firstSeq + 1);
    assert.deepEqual(
      run.events.map(({ id }) => id),
      ['2-0', '3-0'],
    );
    assert.equal(ring.runFrom(ring.firstSeq + 1), run);
    ring.append(event('4-0', '3-0'));
    assert.equal(ring.runFrom(ring.firstSeq + 1).events.length, 3);
  });
});
