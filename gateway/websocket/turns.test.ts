import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Taker, type TurnOptions, Turns } from './turns.ts';

const OPTIONS = {
  framesAtOnce: 3,
  bytesAtOnce: 1_000,
  framesATurn: 4,
  bytesATurn: 30_000,
  maxInboxBytes: 10_000,
  maxWaitingBytes: 15_000,
} satisfies Partial<TurnOptions>;

function world(options: Partial<TurnOptions> = {}) {
  const planned: (() => void)[] = [];
  /** What was taken, of all connections, in order. */
  const taken: string[] = [];
  const turns = new Turns({ ...OPTIONS, later: (next) => planned.push(next), ...options });
  const offered = new Map<Taker, number>();
  return {
    turns,
    taken,
    taker(name: string, onTake: () => void = () => undefined): Taker {
      return {
        take: (bytes) => {
          taken.push(`${name}${new DataView(bytes).getUint16(0)}`);
          onTake();
        },
      };
    },
    /** The next frame of `taker`, numbered from 0. */
    offer(taker: Taker, size = 10): boolean {
      const number = offered.get(taker) ?? 0;
      const bytes = new ArrayBuffer(size);
      new DataView(bytes).setUint16(0, number);
      const accepted = turns.offer(taker, bytes, false);
      if (accepted) offered.set(taker, number + 1);
      new DataView(bytes).setUint16(0, 9_999); // the server uses its buffer again
      return accepted;
    },
    /** Others have had their turn. False where nothing was left to do. */
    turn(): boolean {
      const now = planned.splice(0);
      for (const next of now) next();
      return now.length > 0;
    },
  };
}

describe('turns', () => {
  test('a turn takes no more than so many bytes, of all connections, and each has its turn', () => {
    const options = {
      bytesATurn: 10_000,
      bytesAtOnce: 1_000_000,
      maxInboxBytes: 1_000_000,
      maxWaitingBytes: 1_000_000,
    };
    const { taker, offer, turn, taken } = world(options);
    const takers = ['a', 'b', 'c', 'd'].map((name) => taker(name));
    // Two of them are as much as may be taken at once.
    for (const each of takers) for (let i = 0; i < 3; i++) offer(each, 6_000);
    assert.deepEqual(taken.splice(0), ['a0', 'a1']);
    offer(taker('s'), 100);
    assert.deepEqual(taken.splice(0), ['s0'], 'a small frame need not wait for the large ones of others');
    const eachTurn: string[][] = [];
    while (turn()) if (taken.length > 0) eachTurn.push(taken.splice(0));
    assert.deepEqual(eachTurn, [
      ['a2', 'b0'],
      ['c0', 'd0'],
      ['b1', 'c1'],
      ['d1', 'b2'],
      ['c2', 'd2'],
    ]);
  });

  test('a few frames are taken at once, and more in later turns, in between those of others', () => {
    const { taker, offer, turn, taken } = world();
    const [a, b] = [taker('a'), taker('b')];
    for (let i = 0; i < 6; i++) offer(a);
    for (let i = 0; i < 4; i++) offer(b);
    assert.deepEqual(taken, ['a0', 'a1', 'a2', 'b0', 'b1', 'b2']);
    turn();
    assert.deepEqual(taken.slice(6), ['a3', 'a4', 'b3']);
    while (turn());
    assert.deepEqual(taken.slice(9), ['a5']);
  });

  test('large frames count by their size', () => {
    const { taker, offer, taken } = world();
    const a = taker('a');
    for (let i = 0; i < 3; i++) offer(a, 600);
    assert.deepEqual(taken, ['a0', 'a1']);
  });

  test('in the next turn a connection may have frames taken at once again', () => {
    const { taker, offer, turn, taken } = world();
    const a = taker('a');
    for (let i = 0; i < 3; i++) offer(a);
    turn();
    offer(a);
    assert.deepEqual(taken, ['a0', 'a1', 'a2', 'a3']);
  });

  test('no more waits than may, of one connection and of all', () => {
    const { turns, taker, offer } = world({ framesAtOnce: 0 });
    const [a, b, c] = [taker('a'), taker('b'), taker('c')];
    const fill = (each: Taker) => {
      while (offer(each, 1_000));
      return turns.waitingBytes;
    };
    const ofOne = fill(a);
    assert(ofOne <= 10_000 && ofOne > 8_000, `${ofOne}`);
    const ofTwo = fill(b);
    assert(ofTwo <= 15_000 && ofTwo > 13_000, `${ofTwo}`);
    assert.equal(fill(c), ofTwo);
  });

  test('what a connection sent before it left is taken, and what it sent before it was ended is not', () => {
    const { turns, taker, offer, turn, taken } = world({ framesAtOnce: 1 });
    const [left, ended] = [taker('left'), taker('ended')];
    for (const each of [left, ended]) for (let i = 0; i < 3; i++) offer(each);
    let finished = false;
    turns.finish(left, () => {
      finished = true;
      taken.push('end');
    });
    turns.drop(ended);
    assert.equal(finished, false);
    while (turn());
    assert.deepEqual(taken, ['left0', 'ended0', 'left1', 'left2', 'end']);
    assert.equal(turns.waitingBytes, 0);
    turns.finish(left, () => taken.push('at once'));
    assert.equal(taken.at(-1), 'at once');
  });

  test('one that is ended by a frame has no further one taken', () => {
    const { turns, taker, offer, turn, taken } = world({ framesAtOnce: 0 });
    const a = taker('a', () => turns.drop(a));
    for (let i = 0; i < 3; i++) offer(a);
    while (turn());
    assert.deepEqual([taken, turns.waitingBytes], [['a0'], 0]);
  });

  test('whatever comes when, each frame is taken once, in the order of its connection, and nobody waits for all of another', () => {
    const step = fc.record({ who: fc.nat(2), frames: fc.nat(12), turn: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { turns, taker, offer, turn, taken } = world({ maxInboxBytes: 1e9, maxWaitingBytes: 1e9 });
        const takers = ['a', 'b', 'c'].map((name) => taker(name));
        const offered = [0, 0, 0];
        for (const { who, frames, turn: others } of steps) {
          const before = taken.length;
          for (let i = 0; i < frames; i++) offer(takers[who] as Taker);
          offered[who] = (offered[who] ?? 0) + frames;
          assert(taken.length - before <= OPTIONS.framesAtOnce);
          const taking = taken.length;
          if (others) turn();
          assert(taken.length - taking <= OPTIONS.framesATurn);
        }
        while (turn());
        for (const [who, name] of ['a', 'b', 'c'].entries()) {
          const own = taken.filter((each) => each.startsWith(name));
          assert.deepEqual(
            own,
            Array.from({ length: offered[who] ?? 0 }, (_, i) => `${name}${i}`),
          );
        }
        assert.equal(turns.waitingBytes, 0);
      }),
    );
  });
});
