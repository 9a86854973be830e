import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keys, slotOf } from './keys.ts';
import { shardsOf } from './shards.ts';

const keys = new Keys('p');
const nameOf = (channel: string) => keys.events(channel);
const SLOTS = 16_384;

/** The map of a cluster whose nodes have the slots up to these, one after the other. */
function map(bounds: Readonly<Record<string, number>>): string[] {
  const nodes = Object.entries(bounds);
  return Array.from({ length: SLOTS }, (_none, slot) => nodes.find(([, end]) => slot < end)?.[0] ?? '');
}

test('each master has a channel of its own, which lives there', () => {
  const masters = map({ 'a:1': 5_000, 'b:1': 10_000, 'c:1': SLOTS });
  const shards = shardsOf(masters, '$c:', nameOf);
  assert.deepEqual(
    shards.map(({ name }) => name),
    ['a:1', 'b:1', 'c:1'],
  );
  for (const { name, channel } of shards) {
    assert.equal(masters[slotOf(nameOf(channel))], name);
    assert(channel.startsWith('$c:'));
  }
  assert.deepEqual(shardsOf(masters, '$c:', nameOf), shards, 'the same as long as nothing moves');
});

test('a channel whose slot has moved is replaced, and the others stay', () => {
  const masters = map({ 'a:1': 5_000, 'b:1': SLOTS });
  const [a, b] = shardsOf(masters, '$c:', nameOf);
  assert(a && b);
  const moved = [...masters];
  moved[slotOf(nameOf(a.channel))] = 'b:1';
  const [newA, newB] = shardsOf(moved, '$c:', nameOf);
  assert.notEqual(newA?.channel, a.channel);
  assert.equal(moved[slotOf(nameOf(newA?.channel ?? ''))], 'a:1');
  assert(newB && moved[slotOf(nameOf(newB.channel))] === 'b:1');
});

test('a master with few slots is found, one without any is not looked for', () => {
  const masters = map({ 'a:1': 30, 'b:1': SLOTS });
  assert.deepEqual(
    shardsOf(masters, '$c:', nameOf).map(({ name }) => name),
    ['a:1', 'b:1'],
  );
  assert.deepEqual(
    shardsOf(map({ 'b:1': SLOTS }), '$c:', nameOf).map(({ name }) => name),
    ['b:1'],
  );
});

test('of a map that is not known nothing is found', () => {
  assert.deepEqual(shardsOf([], '$c:', nameOf), []);
  assert.deepEqual(shardsOf(new Array(SLOTS).fill(undefined), '$c:', nameOf), []);
});
