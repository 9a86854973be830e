import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { noRefusals } from '../limits/limits.ts';
import { Bodies, type Body } from './bodies.ts';

const LIMITS = {
  maxBodyBytes: 100,
  maxAnonymousBodyBytes: 40,
  maxBodiesBytes: 250,
  maxAddressBodiesBytes: 150,
  bodyTimeoutSeconds: 10,
};
const bytes = (length: number): ArrayBuffer => new Uint8Array(length).fill(65).buffer;

function world(limits: Partial<typeof LIMITS> = {}) {
  const refusals = noRefusals();
  const time = { now: 0 };
  const bodies = new Bodies({ ...LIMITS, ...limits, refusals, clock: () => time.now });
  const late: string[] = [];
  const begin = (address: string): Body => bodies.begin(address, ({ code }) => late.push(`${address} ${code}`));
  return { bodies, refusals, time, late, begin };
}

test('a body is what came, in order, and counts until it is let go', () => {
  const { bodies, begin } = world();
  const body = begin('192.0.2.1');
  assert.equal(body.add(Buffer.from('ab').buffer.slice(0, 0)), undefined);
  for (const part of ['ab', 'c', 'def'])
    assert.equal(body.add(new TextEncoder().encode(part).buffer as ArrayBuffer), undefined);
  assert.deepEqual([bodies.bytes, bodies.open, bodies.addresses], [6, 1, 1]);
  assert.equal(body.end().toString(), 'abcdef');
  assert.deepEqual([bodies.bytes, bodies.open], [6, 0]);
  body.letGo();
  body.letGo();
  assert.deepEqual([bodies.bytes, bodies.open, bodies.addresses], [0, 0, 0]);
});

test('one that is too large is refused, and nothing of it is kept', () => {
  const { bodies, refusals, begin } = world();
  const body = begin('192.0.2.1');
  assert.equal(body.add(bytes(100)), undefined);
  assert.equal(body.add(bytes(1))?.code, 'too_large');
  assert.equal(bodies.bytes, 0);
  assert.equal(body.add(bytes(1)), undefined, 'it takes nothing any more');
  assert.deepEqual([bodies.bytes, refusals.body_bytes], [0, 1]);
});

test('one of who shows nothing may be restricted before and after its bytes have come', () => {
  const { bodies, begin } = world();
  const before = begin('192.0.2.1');
  assert.equal(before.restrict(), undefined);
  assert.match(before.add(bytes(41))?.error ?? '', /MAX_ANONYMOUS_BODY_BYTES, which is 40/);
  const after = begin('192.0.2.1');
  after.add(bytes(41));
  assert.equal(after.restrict()?.code, 'too_large');
  assert.equal(bodies.bytes, 0);
});

test('all together, and those of one address, have a limit; loopback addresses only the first', () => {
  const { bodies, refusals, begin } = world();
  const [one, two] = [begin('2001:db8::1'), begin('2001:db8::2')]; // of one network
  one.add(bytes(100));
  assert.equal(two.add(bytes(51))?.code, 'too_many');
  const local = [begin('127.0.0.1'), begin('127.0.0.1')];
  assert.equal(local[0]?.add(bytes(100)), undefined);
  const { code, againInMs } = local[1]?.add(bytes(51)) ?? {};
  assert.deepEqual([code, againInMs], ['unavailable', 1_000]);
  assert.deepEqual([refusals.address_bodies, refusals.bodies, bodies.bytes], [1, 1, 200]);
});

test('one body that may be sent at all can be, whatever the other limits are', () => {
  const { begin } = world({ maxBodyBytes: 1_000 });
  const body = begin('192.0.2.1');
  assert.equal(body.add(bytes(1_000)), undefined);
  assert.equal(begin('192.0.2.1').add(bytes(1))?.code, 'unavailable');
});

test('one that does not end in time is ended, once, and only that', () => {
  const { bodies, refusals, time, late, begin } = world();
  begin('a').add(bytes(10));
  const ended = begin('b');
  ended.add(bytes(10));
  ended.end();
  time.now = 5_000;
  begin('c').add(bytes(10));
  time.now = 9_999;
  bodies.expire();
  assert.deepEqual(late, []);
  time.now = 10_000;
  bodies.expire();
  bodies.expire();
  assert.deepEqual([late, bodies.bytes, refusals.body_time], [['a timeout'], 20, 1]);
  time.now = 15_000;
  bodies.expire();
  assert.deepEqual(late, ['a timeout', 'c timeout']);
});

test('whatever comes and goes, what is counted is what is kept, and the limits hold', () => {
  const step = fc.record({
    body: fc.nat(7),
    act: fc.constantFrom('add', 'add', 'add', 'end', 'go', 'expire'),
    size: fc.nat(120),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { bodies, time, begin } = world();
      const kept = new Map<number, { body: Body; size: number; ended: boolean }>();
      for (const { body: number, act, size } of steps) {
        const known = kept.get(number) ?? { body: begin(`address ${number % 3}`), size: 0, ended: false };
        kept.set(number, known);
        if (act === 'add' && !known.ended) {
          if (known.body.add(bytes(size)) === undefined) known.size += size;
          else kept.delete(number);
        } else if (act === 'end' && !known.ended) {
          assert.equal(known.body.end().length, known.size);
          known.ended = true;
        } else if (act === 'go') {
          known.body.letGo();
          kept.delete(number);
        } else if (act === 'expire') {
          time.now += LIMITS.bodyTimeoutSeconds * 1_000;
          bodies.expire();
          for (const [each, { ended }] of kept) if (!ended) kept.delete(each);
        }
        const sum = [...kept.values()].reduce((total, each) => total + each.size, 0);
        assert.equal(bodies.bytes, sum);
        assert.ok(sum <= LIMITS.maxBodiesBytes);
      }
      for (const { body } of kept.values()) body.letGo();
      assert.deepEqual([bodies.bytes, bodies.open, bodies.addresses], [0, 0, 0]);
    }),
  );
});
