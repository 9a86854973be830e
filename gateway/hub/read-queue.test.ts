import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerUnavailable } from '../../broker/broker.ts';
import { until } from '../../broker/testing/until.ts';
import { type Asker, AskerGone, OWN_READS, ReadQueue, type ReadQueueOptions } from './read-queue.ts';

const OPTIONS: ReadQueueOptions = {
  maxReads: 2,
  maxReadsPerHolder: 2,
  maxBytes: 100,
  maxWaiting: 1_000,
  timeoutMs: 60_000,
  clock: () => performance.now(),
};

/** A queue whose reads end when told to, in the order in which they began. */
function scene(changed: Partial<ReadQueueOptions> = {}) {
  const queue = new ReadQueue({ ...OPTIONS, ...changed });
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const ask = (name: string, { holder = name, bytes = 1, gone }: Partial<Asker> & { readonly bytes?: number } = {}) => {
    const read = () =>
      new Promise<string>((resolve) => {
        begun.push(name);
        ends.push(() => resolve(name));
      });
    const asked = queue.run({ holder, gone }, bytes, read);
    asked.catch(() => undefined);
    return asked;
  };
  const end = async () => {
    ends.shift()?.();
    await delay(0);
  };
  return { queue, begun, ask, end };
}

describe('reads', () => {
  it('are as many at once as may be, and of as many bytes', async () => {
    const { queue, begun, ask, end } = scene({ maxReads: 3 });
    void ask('a', { bytes: 60 });
    void ask('b', { bytes: 40 });
    void ask('c', { bytes: 1 });
    assert.deepEqual(begun, ['a', 'b']);
    assert.deepEqual([queue.running, queue.runningBytes, queue.waiting], [2, 100, 1]);
    void ask('d', { bytes: 1_000 });
    await end();
    assert.deepEqual(begun, ['a', 'b', 'c']);
    await end();
    assert.deepEqual(begun, ['a', 'b', 'c'], 'more than there may be waits until it is alone');
    await end();
    assert.deepEqual(begun, ['a', 'b', 'c', 'd']);
    await end();
    assert.deepEqual([queue.running, queue.runningBytes, queue.waiting], [0, 0, 0]);
  });

  it('take turns by holder, whoever asks the most', async () => {
    const { begun, ask, end } = scene({ maxReads: 1 });
    for (let i = 0; i < 50; i++) void ask(`many${i}`, { holder: 'many' });
    void ask('one');
    void ask('two');
    for (let i = 0; i < 4; i++) await end();
    assert.deepEqual(begun, ['many0', 'many1', 'one', 'two', 'many2']);
  });

  it('of one holder are never more than it may have, though there is room', async () => {
    const { begun, ask, end } = scene({ maxReads: 10, maxReadsPerHolder: 2 });
    for (let i = 0; i < 5; i++) void ask(`many${i}`, { holder: 'many' });
    void ask('one');
    assert.deepEqual(begun, ['many0', 'many1', 'one']);
    await end();
    assert.deepEqual(begun, ['many0', 'many1', 'one', 'many2']);
  });

  it("of the gateway's own have every second turn, and do not keep out the others", async () => {
    const { begun, ask, end } = scene({ maxReads: 1 });
    void ask('first');
    for (let i = 0; i < 3; i++) void ask(`own${i}`, OWN_READS);
    for (const name of ['a', 'b', 'c']) void ask(name);
    for (let i = 0; i < 7; i++) await end();
    assert.deepEqual(begun, ['first', 'own0', 'a', 'own1', 'b', 'own2', 'c']);
  });

  it('are not done for who is gone', async () => {
    const { queue, begun, ask, end } = scene({ maxReads: 1 });
    let gone = false;
    void ask('first');
    const asked = ask('gone', { gone: () => gone });
    const other = ask('other');
    gone = true;
    await end();
    await assert.rejects(asked, AskerGone);
    assert.deepEqual(begun, ['first', 'other']);
    await end();
    assert.equal(await other, 'other');
    assert.equal(queue.dropped, 1);
  });

  it('are given up when their time is over, waiting or not, and hold their place until they are settled', async () => {
    let now = 0;
    const { queue, begun, ask, end } = scene({ maxReads: 1, timeoutMs: 20, clock: () => now });
    const running = ask('running');
    const waiting = ask('waiting');
    now = 1_000;
    await until('both are given up', () => queue.refused === 2);
    await assert.rejects(running, BrokerUnavailable);
    await assert.rejects(waiting, BrokerUnavailable);
    assert.deepEqual([queue.running, queue.waiting, queue.refused], [1, 0, 2]);
    const next = ask('next');
    assert.deepEqual(begun, ['running']);
    await end();
    await end();
    assert.equal(await next, 'next');
    await until('all is settled', () => queue.running === 0);
  });

  it('are refused at once where too many wait', async () => {
    const { queue, ask } = scene({ maxReads: 1, maxWaiting: 2 });
    for (const name of ['running', 'waits', 'waits, too']) void ask(name);
    await assert.rejects(ask('too many'), BrokerUnavailable);
    assert.equal(queue.waiting, 2);
  });

  it('make room also where they fail', async () => {
    const { queue } = scene({ maxReads: 1 });
    await assert.rejects(
      queue.run(OWN_READS, 1, () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(await queue.run(OWN_READS, 1, async () => 'yes'), 'yes');
  });
});
