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
    maxPublishBytesPerSecond: 0,
    maxUserPublishBytesPerSecond: 0,
    maxKeyPublishBytesPerSecond: 0,
    maxAddressPublishBytesPerSecond: 0,
    maxRefusals: 0,
    clock: () => time.now,
    refusals,
    ...given,
  });
  /** How many of so many publishes at once get through. */
  const through = (publisher: Publisher, count = 1_000, bytes = 1) => {
    let allowed = 0;
    for (let i = 0; i < count; i++) if (publishing.allow(publisher, bytes) === undefined) allowed++;
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
    assert.deepEqual(publishing.allow({ user: 'ada' }, 1), {
      code: 'too_many',
      error:
        'More than 10 publishes per second by this user (MAX_USER_PUBLISHES_PER_SECOND); this one was not stored, send it again in 100 ms',
      againInMs: 100,
    });
    assert.equal(publishing.allow({ user: 'bob' }, 1), undefined);
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
    const { refusals, through: ofPublisher } = limits({ maxAddressPublishesPerSecond: 10 });
    const through = ({ address }: { address: string }) => ofPublisher({ address, anyAddress: address });
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
        const waitMs = Number(/in (\d+) ms/.exec(publishing.allow(publisher, 1)?.error ?? '')?.[1]);
        time.now += waitMs;
        assert.equal(publishing.allow(publisher, 1), undefined);
        if (perConnection < perUser) assert(through({ user: 'ada' }, 500) >= 2 * (perUser - perConnection));
      }),
    );
  });
});

describe('limits on published bytes', () => {
  const KB = 1_000;

  it("let two seconds' worth through at once, then what comes back, whatever the size of each", () => {
    for (const bytes of [1, 100, KB, 10 * KB]) {
      const { time, through } = limits({ maxPublishBytesPerSecond: 100 * KB });
      const connection = 'one';
      assert.equal(through({ connection }, 500_000, bytes), (200 * KB) / bytes, `${bytes}`);
      time.now += 1_000;
      assert.equal(through({ connection }, 500_000, bytes), (100 * KB) / bytes, `${bytes}`);
      assert.equal(through({ connection: 'other' }, 1, bytes), 1, 'another connection has a bucket of its own');
    }
  });

  it('let one event through that is larger than a second is worth, and make its publisher wait for it afterwards', () => {
    const { publishing, time } = limits({ maxUserPublishBytesPerSecond: 10 * KB });
    const publisher = { user: 'ada' };
    assert.equal(publishing.allow(publisher, 1_000 * KB), undefined);
    assert.equal(publishing.allow(publisher, 1)?.againInMs, 98_001);
    assert.equal(publishing.allow(publisher, 1_000 * KB)?.againInMs, 100_000);
    time.now += 98_001;
    assert.equal(publishing.allow(publisher, 1), undefined);
  });

  it('hold over any time, and allow what they told to wait for', () => {
    const publishes = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 500 * KB }), waitMs: fc.nat(200) }), {
      maxLength: 100,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 * KB }), publishes, (perSecond, walk) => {
        const { publishing, time } = limits({ maxKeyPublishBytesPerSecond: perSecond });
        let sum = 0;
        for (const { bytes, waitMs } of walk) {
          time.now += waitMs;
          const refused = publishing.allow({ key: 'shop' }, bytes);
          if (refused !== undefined) {
            time.now += refused.againInMs ?? 0;
            assert.equal(publishing.allow({ key: 'shop' }, bytes), undefined);
          }
          // What was there at first, what came back, and the one that may be larger than both.
          assert(sum <= perSecond * (2 + time.now / 1_000) + 1);
          sum += bytes;
        }
      }),
    );
  });

  it('name the limit, its setting and when to try again, and are counted', () => {
    const { publishing, refusals } = limits({ maxUserPublishBytesPerSecond: 1_000 });
    assert.equal(publishing.allow({ user: 'ada' }, 2_000), undefined);
    assert.deepEqual(publishing.allow({ user: 'ada' }, 500), {
      code: 'too_many',
      error:
        'More than 1000 bytes of data per second by this user (MAX_USER_PUBLISH_BYTES_PER_SECOND); this one was not stored, send it again in 500 ms',
      againInMs: 500,
    });
    assert.deepEqual(refusals, { ...noRefusals(), user_bytes: 1 });
  });

  it('limit a connection, a user over all of them, a key, and an address with connections and without', () => {
    const { refusals, through } = limits({
      maxPublishBytesPerSecond: 10 * KB,
      maxUserPublishBytesPerSecond: 15 * KB,
      maxKeyPublishBytesPerSecond: 20 * KB,
      maxAddressPublishBytesPerSecond: 25 * KB,
    });
    assert.equal(through({ connection: 'one', user: 'ada' }, 1_000, KB), 20);
    assert.equal(through({ connection: 'other', user: 'ada' }, 1_000, KB), 10);
    assert.equal(through({ key: 'shop' }, 1_000, KB), 40);
    const [anyAddress, address] = ['203.0.113.7', '203.0.113.7'];
    assert.equal(through({ connection: 'c1', anyAddress }, 1_000, KB), 20);
    assert.equal(through({ connection: 'c2', anyAddress }, 1_000, KB), 20);
    assert.equal(through({ address, anyAddress }, 1_000, KB), 10);
    assert.equal(through({ connection: 'c3', anyAddress: '127.0.0.1' }, 10, KB), 10);
    const { connection_bytes, user_bytes, key_bytes, address_bytes } = refusals;
    assert.deepEqual([connection_bytes, user_bytes, key_bytes, address_bytes], [980 + 980 + 980, 990, 960, 990]);
  });

  it('take nothing for what the limit on publishes refuses, nor the other way round', () => {
    const { time, through } = limits({ maxPublishesPerSecond: 10, maxPublishBytesPerSecond: 10 * KB });
    const connection = 'one';
    assert.equal(through({ connection }, 100, 1), 20, 'by their number');
    time.now += 2_000;
    assert.equal(through({ connection }, 100, 10 * KB), 2, 'by their bytes');
    assert.equal(through({ connection }, 100, 10 * KB), 0);
    time.now += 2_000;
    assert.equal(through({ connection }, 100, KB), 20);
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
