import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { afterwards, Outbox } from './outbox.ts';

function world() {
  const planned: (() => void)[] = [];
  const written: string[] = [];
  return {
    outbox: new Outbox((flush) => planned.push(flush)),
    planned,
    written,
    sender: (name: string, also?: () => void) => ({
      flush() {
        written.push(name);
        also?.();
      },
    }),
    endTurn() {
      for (const flush of planned.splice(0)) flush();
    },
  };
}

describe('the outbox', () => {
  it('has each write once nothing more comes about, in the order in which they came', () => {
    const { outbox, planned, written, sender, endTurn } = world();
    for (const name of ['a', 'b', 'c']) outbox.add(sender(name));
    assert.deepEqual([planned.length, written.length], [1, 0]);
    endTurn();
    assert.deepEqual(written, ['a', 'b', 'c']);
    endTurn();
    assert.equal(written.length, 3);
  });

  it('leaves what comes about while others write for another time', () => {
    const { outbox, written, sender, endTurn } = world();
    const late = sender('late');
    outbox.add(sender('a', () => outbox.add(late)));
    outbox.add(sender('b'));
    endTurn();
    assert.deepEqual(written, ['a', 'b']);
    endTurn();
    assert.deepEqual(written, ['a', 'b', 'late']);
  });

  it('writes after all that follows from one thing without waiting, and before the next thing', async () => {
    const story: string[] = [];
    const outbox = new Outbox(afterwards);
    const answer = async (steps: number) => {
      for (let step = 0; step < steps; step++) await undefined;
      story.push(`answered after ${steps}`);
      if (steps === 1) outbox.add({ flush: () => story.push('written') });
    };
    setImmediate(() => void Promise.all([answer(1), answer(30)]));
    setImmediate(() => story.push('closed'));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    assert.deepEqual(story, ['answered after 1', 'answered after 30', 'written', 'closed']);
  });
});
