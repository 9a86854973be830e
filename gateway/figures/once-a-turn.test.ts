import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onceATurn } from './once-a-turn.ts';

function world(work: (time: number) => Promise<number>) {
  const planned: (() => void)[] = [];
  let done = 0;
  const ask = onceATurn(
    () => work(++done),
    (next) => planned.push(next),
  );
  return {
    ask,
    turn: () => {
      for (const next of planned.splice(0)) next();
    },
    done: () => done,
  };
}

test('all who ask within one turn get one result, and whoever asks later a new one', async () => {
  const { ask, turn, done } = world(async (time) => time);
  const first = [ask(), ask(), ask()];
  assert.equal(done(), 0);
  turn();
  assert.deepEqual(await Promise.all(first), [1, 1, 1]);
  const second = ask();
  turn();
  assert.equal(await second, 2);
});

test('who asks while it is being worked out gets what is worked out after that', async () => {
  const { ask, turn } = world(async (time) => time);
  const first = ask();
  turn();
  const second = ask();
  turn();
  assert.deepEqual(await Promise.all([first, second]), [1, 2]);
});

test('a failure is told to all of them, and to nobody after', async () => {
  const { ask, turn } = world(async (time) => {
    if (time === 1) throw new Error('no');
    return time;
  });
  const asked = [ask(), ask()];
  turn();
  assert.deepEqual(
    (await Promise.allSettled(asked)).map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  const again = ask();
  turn();
  assert.equal(await again, 2);
});
