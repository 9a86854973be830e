import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnreadAnswers } from './unread-answers.ts';

test('answers that are not read are bounded, of one address to a quarter of all', () => {
  const unread = new UnreadAnswers(1_000);
  const taken = unread.add('203.0.113.7', 250);
  assert.equal(unread.isFull('203.0.113.7'), true);
  assert.equal(unread.isFull('203.0.113.8'), false);
  unread.add('2001:db8::1', 750);
  assert.equal(unread.isFull('203.0.113.8'), true);
  taken();
  assert.deepEqual([unread.bytes, unread.isFull('203.0.113.7'), unread.isFull('2001:db8::2')], [750, false, true]);
});
