import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ORIGIN, type Position } from '../../broker/broker.ts';
import { MemoryBroker, MemoryStore } from '../../broker/memory.ts';
import { OWN_READS } from '../hub/read-queue.ts';
import { readQueue } from '../hub/testing/read-queue.ts';
import { NotificationHistory } from './notification-history.ts';

const ALL = 'notify:all';
const OWN = 'notify:@ada';
const CHANNELS = [ALL, OWN];

/** The history over a memory whose reads of whole channels are counted, and which knows the heads of both channels, or does not. */
function world({ held = true, size = 1_000 } = {}) {
  let now = 1_700_000_000_000;
  const store = new MemoryStore({ retentionOf: () => ({ size, retentionMs: 3_600_000 }), now: () => ++now });
  const memory = new MemoryBroker(store);
  const reads = { count: 0 };
  const readTail = memory.readTail.bind(memory);
  memory.readTail = async (channel, limit, before) => {
    reads.count++;
    const page = await readTail(channel, limit, before);
    await new Promise(setImmediate); // what is published now is not in it any more
    return page;
  };
  const history = new NotificationHistory({
    broker: memory,
    headOf: (channel) => (held ? store.head(channel) : undefined),
    maxBytes: 10_000,
    reads: readQueue(),
  });
  const notify = (channel: string, title: string): Position =>
    store.publish(channel, { name: 'notification', data: JSON.stringify({ title }) }).id;
  const heads = () => CHANNELS.map((channel) => store.head(channel));
  return { history, notify, reads, heads };
}

describe('the history of notifications', () => {
  it('has the last ten of both channels in the order of their ids, and where each goes on', async () => {
    const { history, notify, heads } = world();
    for (let n = 0; n < 14; n++) notify(n % 2 === 0 ? ALL : OWN, `t${n}`);
    const { notifications, positions, gaps } = await history.latest(CHANNELS, OWN_READS);
    assert.equal(notifications.length, 10);
    assert.deepEqual(
      new Set(notifications.map(({ title }) => title)),
      new Set(Array.from({ length: 10 }, (_, i) => `t${i + 4}`)),
    );
    assert.deepEqual(positions, heads());
    assert.deepEqual(gaps, []);
  });

  it('is read once for all who ask while nothing is new', async () => {
    const { history, notify, reads, heads } = world();
    notify(ALL, 'one');
    await Promise.all(Array.from({ length: 50 }, () => history.unread(CHANNELS, ORIGIN, heads(), OWN_READS)));
    await history.latest(CHANNELS, OWN_READS);
    assert.equal(reads.count, CHANNELS.length);
    notify(ALL, 'two');
    assert.equal(await history.unread(CHANNELS, ORIGIN, heads(), OWN_READS), 2);
    assert.equal(reads.count, CHANNELS.length + 1);
  });

  it('is read a few times, not once for each who asks, where nobody listens to its channels yet', async () => {
    const { history, notify, reads, heads } = world({ held: false });
    notify(ALL, 'one');
    const counts = await Promise.all(
      Array.from({ length: 200 }, () => history.unread(CHANNELS, ORIGIN, heads(), OWN_READS)),
    );
    assert.deepEqual(new Set(counts), new Set([1]));
    assert.ok(reads.count <= 2 * CHANNELS.length, `${reads.count} reads`);
  });

  it('counts what has come before the question, also for one of several who ask at once', async () => {
    const { history, notify, heads } = world();
    notify(OWN, 'one');
    await history.unread(CHANNELS, ORIGIN, heads(), OWN_READS);
    notify(OWN, 'two');
    const asked = [1, 2, 3].map(() => history.unread(CHANNELS, ORIGIN, heads(), OWN_READS));
    notify(OWN, 'three');
    const later = history.unread(CHANNELS, ORIGIN, heads(), OWN_READS);
    assert.deepEqual(await Promise.all(asked), [2, 2, 2]);
    assert.equal(await later, 3);
  });

  it('counts the last 1,000 also where they are many pages, and shows the last ten of them', async () => {
    const { history, notify, heads } = world({ size: 2_000 });
    for (let n = 0; n < 1_200; n++) notify(ALL, `${n}`.padStart(1_000, ' '));
    assert.equal(await history.unread([ALL], ORIGIN, heads(), OWN_READS), 1_000);
    const { notifications } = await history.latest([ALL], OWN_READS);
    assert.deepEqual(
      notifications.map(({ title }) => Number(title)),
      Array.from({ length: 10 }, (_, n) => 1_190 + n),
    );
  });

  it('counts only what lies after the mark and up to the position', async () => {
    const { history, notify } = world();
    const ids = Array.from({ length: 5 }, (_, n) => notify(ALL, `t${n}`));
    assert.equal(await history.unread([ALL], ids[1] ?? '', [ids[3] ?? ''], OWN_READS), 2);
    assert.equal(await history.unread([ALL], ids[4] ?? '', [ids[4] ?? ''], OWN_READS), 0);
  });

  it('leaves for later what does not fit, so that nothing comes out of order', async () => {
    const { history, notify } = world();
    const titles = Array.from({ length: 30 }, (_, n) => `${n}`.padStart(1_000, ' '));
    for (const [n, title] of titles.entries()) notify(n % 3 === 0 ? ALL : OWN, title);
    const got: string[] = [];
    let after = CHANNELS.map(() => ORIGIN);
    for (let rounds = 0; got.length < 30 && rounds < 20; rounds++) {
      const { notifications, positions, gaps } = await history.after(CHANNELS, { each: after }, OWN_READS);
      assert.deepEqual(gaps, []);
      got.push(...notifications.map(({ title }) => title));
      after = [...positions];
    }
    assert.equal(got.length, 30);
    assert.equal(new Set(got).size, 30);
  });

  it('tells a gap where something after a position is gone, and none for an id of the other channel', async () => {
    const { history, notify, heads } = world({ size: 2 });
    const first = notify(ALL, '1');
    for (const title of ['2', '3', '4']) notify(ALL, title);
    const lost = await history.after(CHANNELS, { each: [first, ORIGIN] }, OWN_READS);
    assert.deepEqual(
      lost.gaps.map(({ channel, after }) => [channel, after]),
      [[ALL, first]],
    );
    assert.deepEqual(
      lost.notifications.map(({ title }) => title),
      ['3', '4'],
    );
    const own = notify(OWN, '5');
    const since = await history.after(CHANNELS, { all: own }, OWN_READS);
    assert.deepEqual(since.gaps, []);
    assert.deepEqual(since.positions, heads());
  });
});
