/** When a history reply is complete, by PROTOCOL.md, section 4. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ORIGIN } from '../broker/broker.ts';
import { MemoryBroker, MemoryStore } from '../broker/memory.ts';
import { historyFields } from './protocol.ts';

test('a history is complete only where nothing is left out and nothing that ever was in it is gone', async () => {
  const channel = 'c';
  const broker = new MemoryBroker(new MemoryStore({ retentionOf: () => ({ size: 2, retentionMs: 3_600_000 }) }));
  const ids: string[] = [];
  const ask = async (query: { after?: string; before?: string }, limit = 10) => {
    const page =
      query.after === undefined
        ? await broker.readTail(channel, limit, query.before)
        : await broker.readAfter(channel, query.after, limit);
    return historyFields({ channel, after: query.after, before: query.before }, page, 1_000).complete;
  };
  assert.equal(await ask({}), true, 'of a channel that never was');
  for (const data of ['1', '2']) ids.push((await broker.publish(channel, { name: 'message', data })).id);
  assert.deepEqual([await ask({}), await ask({}, 1), await ask({ after: ORIGIN })], [true, false, true]);
  for (const data of ['3', '4', '5']) ids.push((await broker.publish(channel, { name: 'message', data })).id);
  assert.equal(await ask({}), false, 'five published, two kept');
  assert.equal(await ask({ before: ids[3] ?? '' }), false, 'before an event whose predecessors are gone');
  assert.equal(await ask({ before: ORIGIN }), true, 'nothing ever was before the first');
  assert.deepEqual([await ask({ after: ids[2] ?? '' }), await ask({ after: ids[0] ?? '' })], [true, false]);
  assert.deepEqual([await ask({ after: ids[4] ?? '' }), await ask({ after: ORIGIN })], [true, false]);
});
