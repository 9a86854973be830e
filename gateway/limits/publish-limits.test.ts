import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { noRefusals } from './limits.ts';
import { type Publisher, PublishLimits } from './publish-limits.ts';

function limits(given: Partial<ConstructorParameters<typeof PublishLimits>[0]> = {}) {
  const time = { now: 0 };
  const refusals = noRefusals();
  const publishing = new PublishLimits({
    maxFramesPerSecond: 0,
    maxPublishesPerSecond: 0,
    maxUserPublishesPerSecond: 0,
    maxKeyPublishesPerSecond: 0,
    maxAddressPublishesPerSecond: 0,
    maxRefusals: 0,
    clock: () => time.now,
    refusals,
    ...given,
  });
  /** How many of so many publishes at once get through. */
  const through = (publisher: Publisher, count = 1_000) => {
    let allowed = 0;
    for (let i = 0; i < count; i++) if (publishing.allow(publisher) === undefined) allowed++;
    return allowed;
  };
  return { publishing, refusals, time, through };
}

describe('the limit of frames', () => {
  it("lets two seconds' worth through at once, and then says which limit it is", () => {
    const { publishing, refusals, time } = limits({ maxFramesPerSecond: 10 });
    const connection = 'one';
    for (let i = 0; i < 20; i++) assert.equal(publishing.frame(connection), undefined);
    const refusal = publishing.frame(connection);
    assert.equal(refusal?.code, 'too_many');
    assert.match(refusal?.error ?? '', /10 frames per second.*MAX_FRAMES_PER_SECOND/);
    assert.equal(refusals.frames, 1);
    time.now += 100;
    assert.equal(publishing.frame(connection), undefined);
    assert.equal(publishing.frame('other'), undefined, 'another connection has its own');
  });

  it('lets everything through where it is 0', () => {
    const { publishing } = limits();
    const connection = 'one';
    for (let i = 0; i < 10_000; i++) assert.equal(publishing.frame(connection), undefined);
  });
});

describe('publish limits', () => {
  it('let everything through where they are 0', () => {
    const { publishing, refusals, through } = limits();
    const connection = 'one';
    assert.equal(through({ connection, user: 'ada', key: 'shop' }), 1_000);
    for (let i = 0; i < 10_000; i++) assert.equal(publishing.strike(connection), false);
    assert.deepEqual(refusals, noRefusals());
  });

  it("let two seconds' worth through at once, then what comes back", () => {
    const { time, through } = limits({ maxPublishesPerSecond: 10 });
    const connection = 'one';
    assert.equal(through({ connection }), 20);
    time.now += 1_000;
    assert.equal(through({ connection }), 10);
    assert.equal(through({ connection: 'other' }), 20, 'another connection has a bucket of its own');
  });

  it('name the limit, its setting and when to try again, and are counted', () => {
    const { publishing, refusals, through } = limits({ maxUserPublishesPerSecond: 10 });
    assert.equal(through({ user: 'ada' }, 20), 20);
    assert.deepEqual(publishing.allow({ user: 'ada' }), {
      code: 'too_many',
      error:
        'More than 10 publishes per second by this user (MAX_USER_PUBLISHES_PER_SECOND); this one was not stored, send it again in 100 ms',
      againInMs: 100,
    });
    assert.equal(publishing.allow({ user: 'bob' }), undefined);
    assert.deepEqual(refusals, { ...noRefusals(), user_publishes: 1 });
  });

  it('limit a user over all connections, and a key for itself', () => {
    const { refusals, through } = limits({
      maxPublishesPerSecond: 10,
      maxUserPublishesPerSecond: 15,
      maxKeyPublishesPerSecond: 20,
    });
    const user = 'shop';
    assert.equal(through({ connection: 'one', user }), 20);
    assert.equal(through({ connection: 'other', user }), 10);
    assert.equal(through({ user }), 0);
    assert.equal(through({ key: 'shop' }), 40);
    const { connection_publishes, user_publishes, key_publishes } = refusals;
    assert.deepEqual([connection_publishes, user_publishes, key_publishes], [980, 1_990, 960]);
  });

  it('limit an address, of IPv6 its network, and no loopback address', () => {
    const { refusals, through } = limits({ maxAddressPublishesPerSecond: 10 });
    assert.equal(through({ address: '203.0.113.7' }), 20);
    assert.equal(through({ address: '203.0.113.8' }), 20);
    assert.equal(through({ address: '2001:db8:0:1::a' }), 20);
    assert.equal(through({ address: '2001:db8:0:1:ffff::b' }), 0);
    assert.equal(through({ address: '2001:db8:0:2::a' }), 20);
    assert.deepEqual(refusals, { ...noRefusals(), address_publishes: 3 * 980 + 980 + 1_000 });
    for (const address of ['127.0.0.1', '127.8.9.10', '::1']) assert.equal(through({ address }), 1_000, address);
  });

  it('tell the longest wait where several are met, and take nothing for what they refuse', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }), (perConnection, perUser) => {
        const { publishing, time, through } = limits({
          maxPublishesPerSecond: perConnection,
          maxUserPublishesPerSecond: perUser,
        });
        const connection = 'one';
        const publisher = { connection, user: 'ada' };
        assert.equal(through(publisher, 500), 2 * Math.min(perConnection, perUser));
        const waitMs = Number(/in (\d+) ms/.exec(publishing.allow(publisher)?.error ?? '')?.[1]);
        time.now += waitMs;
        assert.equal(publishing.allow(publisher), undefined);
        if (perConnection < perUser) assert(through({ user: 'ada' }, 500) >= 2 * (perUser - perConnection));
      }),
    );
  });
});

describe('strikes', () => {
  it('close a connection that goes on regardless, and only that', () => {
    const { publishing, refusals, time } = limits({ maxRefusals: 100 });
    const connection = 'one';
    for (let i = 0; i < 100; i++) assert.equal(publishing.strike(connection), false);
    assert.equal(publishing.strike(connection), true);
    assert.equal(publishing.strike('other'), false);
    assert.equal(refusals.strikes, 1);
    time.now += 1_000;
    for (let i = 0; i < 10; i++) assert.equal(publishing.strike(connection), false, 'a tenth is forgiven');
    assert.equal(publishing.strike(connection), true);
  });

  it('never close a connection with a tenth of them every second', () => {
    const { publishing, time } = limits({ maxRefusals: 100 });
    const connection = 'one';
    for (let second = 0; second < 1_000; second++) {
      time.now = second * 1_000;
      for (let i = 0; i < 10; i++) assert.equal(publishing.strike(connection), false);
    }
  });
});
