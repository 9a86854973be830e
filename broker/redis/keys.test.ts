import assert from 'node:assert/strict';
import { it } from 'node:test';
import { noticesOf } from '../presence.ts';
import { Keys, slotOf } from './keys.ts';

it('computes the slots of the Redis Cluster specification', () => {
  assert.equal(slotOf('{123456789}'), 0x31c3);
  // By CLUSTER KEYSLOT of a real server.
  assert.equal(slotOf('p:{foo}:s'), 12182);
  assert.equal(slotOf('p:{bar}:s'), 5061);
});

it('puts all names of one channel into one slot', () => {
  const keys = new Keys('p');
  const names = [keys.stream('a:b'), keys.head('a:b'), keys.idempotency('a:b', '}{x'), keys.events('a:b')];
  assert.equal(new Set(names.map(slotOf)).size, 1);
  assert.equal(new Set(names).size, names.length);
});

it('puts what carries a channel’s notices beside the channel, under names of its own', () => {
  const keys = new Keys('p');
  const names = ['a:b', noticesOf('a:b')].flatMap((channel) => [
    keys.stream(channel),
    keys.head(channel),
    keys.idempotency(channel, 'k'),
    keys.events(channel),
  ]);
  names.push(keys.members('a:b'), keys.index('a:b'));
  assert.equal(new Set(names.map(slotOf)).size, 1);
  assert.equal(new Set(names).size, names.length);
});

it('spreads the vault over the slots, under names that nothing else has', () => {
  const keys = new Keys('p');
  const names = ['a', 'b'].map((id) => keys.vault(id));
  assert.equal(new Set(names.map(slotOf)).size, 2);
  assert.ok(!names.includes(keys.channelsOf('a')));
});

it('refuses a prefix that would break the hash tags', () => {
  for (const prefix of ['', 'a{b}', 'a b', 'ä']) assert.throws(() => new Keys(prefix), /key prefix/);
});

it('names the database in pub/sub, which knows none, but for the first', () => {
  const names = [new Keys('p'), new Keys('p', 0), new Keys('p', 1), new Keys('p', 12)].map((keys) =>
    keys.events('a:b'),
  );
  assert.deepEqual(names, ['p:{a:b}:e', 'p:{a:b}:e', 'p:{a:b}:e:1', 'p:{a:b}:e:12']);
  assert.equal(new Keys('p', 1).stream('a:b'), new Keys('p').stream('a:b'));
});
