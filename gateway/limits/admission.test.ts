import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Admission, type AdmissionOptions, type Place, type TurnedAway } from './admission.ts';
import { noRefusals } from './limits.ts';

function admission(given: Partial<AdmissionOptions> = {}) {
  const state = { now: 0, lagMs: 0, chance: 0.5 };
  const refusals = noRefusals();
  const admitting = new Admission({
    maxConnections: 1_000_000,
    maxConnectionsPerAddress: 0,
    maxConnectionsPerUser: 0,
    maxConnectsPerSecond: 0,
    maxEventLoopLagMs: 0,
    maxPenaltySeconds: 0,
    lagMs: () => state.lagMs,
    clock: () => state.now,
    random: () => state.chance,
    refusals,
    ...given,
  });
  const place = (address = '192.0.2.1', user?: string): Place => {
    const verdict = admitting.admit(address, user);
    assert.ok(verdict.admitted, 'was turned away');
    return verdict.place;
  };
  const turnedAway = (address = '192.0.2.1', user?: string): TurnedAway => {
    const verdict = admitting.admit(address, user);
    assert.ok(!verdict.admitted, 'was admitted');
    return verdict;
  };
  return { admitting, refusals, state, place, turnedAway };
}

describe('admission', () => {
  it('gives as many places as there are, and a released one again', () => {
    const { admitting, refusals, place, turnedAway } = admission({ maxConnections: 2 });
    const first = place();
    place();
    const { how, code, refusal, comeBackAfterMs } = turnedAway();
    assert.deepEqual([how, code, refusal], ['full', 1013, { code: 'server_full', error: 'Server full' }]);
    assert.equal(comeBackAfterMs, 10_000);
    admitting.release(first);
    assert.equal(admitting.size, 1);
    place();
    turnedAway();
    assert.deepEqual(refusals, { ...noRefusals(), connections: 2 });
  });

  it('gives an address so many, but not this machine', () => {
    const { refusals, place, turnedAway } = admission({ maxConnectionsPerAddress: 2 });
    for (let i = 0; i < 2; i++) place('192.0.2.1');
    const { code, refusal } = turnedAway('192.0.2.1');
    assert.deepEqual([code, refusal.code], [1013, 'server_full']);
    assert.match(refusal.error, /has 2 connections .*\(MAX_CONNECTIONS_PER_ADDRESS\)$/);
    place('192.0.2.2');
    for (const address of ['127.0.0.1', '127.1.2.3', '::1']) for (let i = 0; i < 5; i++) place(address);
    for (const address of ['127.evil.example', '2001:db8::1', ''])
      assert.deepEqual([place(address), place(address), turnedAway(address).limit].at(-1), 'address');
    assert.equal(refusals.address, 4);
  });

  it('gives a user so many, over all addresses, but not nobody', () => {
    const { refusals, place, turnedAway } = admission({ maxConnectionsPerUser: 2 });
    place('192.0.2.1', 'ada');
    place('192.0.2.2', 'ada');
    const { code, refusal } = turnedAway('192.0.2.3', 'ada');
    assert.deepEqual([code, refusal.code], [4429, 'too_many']);
    assert.match(refusal.error, /MAX_CONNECTIONS_PER_USER/);
    place('192.0.2.3', 'bob');
    for (let i = 0; i < 5; i++) place();
    assert.equal(refusals.user, 1);
  });

  it('sends those who come while the process is behind to other moments, unless that is off', () => {
    const { refusals, state, place, turnedAway } = admission({ maxEventLoopLagMs: 200 });
    state.lagMs = 200;
    place();
    state.lagMs = 201;
    state.chance = 0;
    const { how, code, comeBackAfterMs } = turnedAway();
    assert.deepEqual([how, code, comeBackAfterMs], ['later', 1013, 1_000]);
    state.chance = 0.99;
    assert.equal(turnedAway().comeBackAfterMs, 4_960);
    assert.equal(refusals.event_loop_lag, 2);
    const without = admission();
    without.state.lagMs = 1e6;
    without.place();
  });

  it('takes so many per second, and sends the others one after the other to the time to come', () => {
    const { refusals, state, place, turnedAway } = admission({ maxConnectsPerSecond: 100 });
    state.chance = 0;
    for (let i = 0; i < 100; i++) place();
    const { how, code, limit } = turnedAway();
    assert.deepEqual([how, code, limit], ['later', 1013, 'connects']);
    const waits = Array.from({ length: 300 }, () => turnedAway().comeBackAfterMs);
    assert.deepEqual(
      waits,
      waits.map((_, i) => 510 + i * 10),
    );
    state.now = 20;
    place();
    place();
    assert.equal(turnedAway().comeBackAfterMs, 510 + 300 * 10 - 20);
    assert.equal(refusals.connects, 302);
  });

  it('sends nobody farther away than a minute, and then to no single moment', () => {
    const { state, place, turnedAway } = admission({ maxConnectsPerSecond: 1 });
    for (let i = 0; i < 10; i++) place();
    let waits = new Set<number>();
    for (let i = 0; i < 1_000; i++) {
      state.chance = i / 1_000;
      waits.add(turnedAway().comeBackAfterMs);
    }
    assert(Math.max(...waits) <= 60_500);
    waits = new Set([...waits].filter((ms) => ms >= 30_000));
    assert(waits.size > 900, `${waits.size}`);
  });

  it('takes no token and no place for whom it turns away', () => {
    const { admitting, place, turnedAway } = admission({ maxConnectsPerSecond: 10, maxConnectionsPerUser: 1 });
    place('192.0.2.1', 'ada');
    for (let i = 0; i < 100; i++) turnedAway('192.0.2.1', 'ada');
    assert.equal(admitting.size, 1);
    for (let i = 0; i < 9; i++) place();
    assert.equal(turnedAway().limit, 'connects');
  });

  it('keeps away whom it punished: the user, or else the address, and nobody else, for longer each time', () => {
    const { admitting, refusals, state, place, turnedAway } = admission({ maxPenaltySeconds: 30 });
    const open = place('192.0.2.1', 'ada');
    admitting.punish(open);
    const { how, limit, code, comeBackAfterMs } = turnedAway('192.0.2.9', 'ada');
    assert.deepEqual(
      { how, limit, code, comeBackAfterMs },
      { how: 'later', limit: 'penalties', code: 1013, comeBackAfterMs: 1_000 },
    );
    assert.equal(admitting.size, 1, 'what is open stays');
    const anonymous = place('192.0.2.1');
    admitting.punish(anonymous);
    assert.equal(turnedAway('192.0.2.1').limit, 'penalties');
    place('192.0.2.1', 'bob');
    place('192.0.2.2');
    assert.equal(refusals.penalties, 2);

    state.now = 1_000;
    admitting.punish(place('192.0.2.1'));
    state.now = 2_999;
    assert.equal(turnedAway('192.0.2.1').comeBackAfterMs, 1);
    state.now = 3_000;
    place('192.0.2.1');
  });

  it('counts IPv6 addresses by their network of 64 bits', () => {
    const { place, turnedAway } = admission({ maxConnectionsPerAddress: 2 });
    place('2001:db8::1');
    place('2001:db8::2');
    assert.equal(turnedAway('2001:db8::3').limit, 'address');
    place('2001:db8:0:1::1');
  });

  it('keeps a loopback address away for a second at most, as it may be that of everybody', () => {
    const { admitting, state, place, turnedAway } = admission({ maxPenaltySeconds: 30 });
    for (const each of ['127.0.0.1', '::1']) {
      const places = Array.from({ length: 5 }, () => place(each));
      for (const one of places) admitting.punish(one);
      assert.equal(turnedAway(each).comeBackAfterMs, 1_000);
    }
    state.now = 1_000;
    place('127.0.0.1');
  });

  it('counts what is open, under any order of opens and closes', () => {
    const step = fc.record({
      address: fc.constantFrom('192.0.2.1', '192.0.2.2', '127.0.0.1'),
      user: fc.constantFrom(undefined, 'ada', 'bob'),
      close: fc.option(fc.nat(40), { nil: undefined }),
      waitMs: fc.nat(300),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { admitting, state } = admission({
          maxConnections: 12,
          maxConnectionsPerAddress: 5,
          maxConnectionsPerUser: 4,
          maxConnectsPerSecond: 10,
        });
        const open: Place[] = [];
        for (const { address, user, close, waitMs } of steps) {
          state.now += waitMs;
          const [closed] = close === undefined ? [] : open.splice(close % (open.length || 1), 1);
          if (closed !== undefined) admitting.release(closed);
          const verdict = close === undefined ? admitting.admit(address, user) : undefined;
          if (verdict?.admitted) open.push(verdict.place);

          const expected = {
            addresses: tallied(open.map((each) => each.address.name)),
            users: tallied(open.flatMap((each) => each.user?.name ?? [])),
          };
          assert.equal(admitting.size, open.length);
          assert.deepEqual(admitting.counts, expected);
          assert(open.length <= 12);
          for (const [each, count] of expected.addresses) assert(each === '127.0.0.1' || count <= 5);
          for (const count of expected.users.values()) assert(count <= 4);
        }
        for (const each of open) admitting.release(each);
        assert.deepEqual([admitting.size, admitting.counts.addresses.size, admitting.counts.users.size], [0, 0, 0]);
      }),
    );
  });
});

function tallied(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}
