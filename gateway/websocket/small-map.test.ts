import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SmallMap } from './small-map.ts';

describe('small map', () => {
  it('has what a Map has, in the same order, after whatever was done to it', () => {
    const step = fc.record({
      what: fc.constantFrom('set', 'set', 'delete', 'clear'),
      key: fc.constantFrom('a', 'b', 'c'),
      value: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const small = new SmallMap<number>();
        const map = new Map<string, number>();
        for (const { what, key, value } of steps) {
          for (const each of [small, map]) {
            if (what === 'set') each.set(key, value);
            else if (what === 'delete') each.delete(key);
            else each.clear();
          }
          assert.equal(small.size, map.size);
          assert.deepEqual([...small], [...map]);
          for (const name of ['a', 'b', 'c']) assert.equal(small.get(name), map.get(name));
        }
      }),
    );
  });

  it('takes deletions while it is gone through', () => {
    for (const keys of [['a'], ['a', 'b', 'c']]) {
      const small = new SmallMap<number>();
      for (const [index, key] of keys.entries()) small.set(key, index);
      const seen: string[] = [];
      for (const [key] of small) {
        seen.push(key);
        small.delete(key);
      }
      assert.deepEqual(seen, keys);
      assert.equal(small.size, 0);
    }
  });
});
