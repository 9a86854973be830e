import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Colleagues } from './colleagues.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** A worker that answers each question with its own name for it, and what its supervisor would do. */
function worker(connected = true) {
  const sent: FromWorker[] = [];
  let [tell, end]: [(message: ToWorker) => void, () => void] = [() => undefined, () => undefined];
  const channel = {
    send: (message: FromWorker) => sent.push(message),
    onMessage: (hear: (message: ToWorker) => void) => {
      tell = hear;
    },
    onEnd: (hear: () => void) => {
      if (connected) end = hear;
      else hear();
    },
  };
  const colleagues = new Colleagues(channel, async (question) => `own ${question}`);
  return { colleagues, sent, tell: (message: ToWorker) => tell(message), end: () => end() };
}

describe('colleagues', () => {
  it('are asked through the supervisor, each question by itself', async () => {
    const { colleagues, sent, tell } = worker();
    const [stats, metrics] = [colleagues.ask('stats'), colleagues.ask('metrics')];
    assert.deepEqual(sent, [
      { type: 'ask', id: 0, question: 'stats' },
      { type: 'ask', id: 1, question: 'metrics' },
    ]);
    tell({ type: 'answers', id: 1, answers: ['a', null] });
    tell({ type: 'answers', id: 0, answers: ['b', 'c'] });
    assert.deepEqual(await Promise.all([stats, metrics]), [
      ['b', 'c'],
      ['a', null],
    ]);
  });

  it('are answered when they ask', async () => {
    const { sent, tell } = worker();
    tell({ type: 'question', id: 7, question: 'readiness' });
    await new Promise(setImmediate);
    assert.deepEqual(sent, [{ type: 'answer', id: 7, answer: 'own readiness' }]);
  });

  it('are none any more once the supervisor is gone: whoever waits, and whoever asks then, is answered for this one', async () => {
    const { colleagues, sent, end, tell } = worker();
    const waiting = colleagues.ask('stats');
    end();
    assert.deepEqual(await waiting, ['own stats']);
    tell({ type: 'answers', id: 0, answers: ['too late'] });
    assert.deepEqual(await colleagues.ask('readiness'), ['own readiness']);
    assert.equal(sent.length, 1);
  });

  it('are none where the supervisor was gone before', async () => {
    const { colleagues, sent } = worker(false);
    assert.deepEqual(await colleagues.ask('metrics'), ['own metrics']);
    assert.deepEqual(sent, []);
  });
});
