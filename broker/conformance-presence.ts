/**
 * The part of the suite that holds every engine to `presence.ts`: one test for each of its promises. `conformance.ts` runs it.
 *
 * Time passes here only where a promise is about time; elsewhere the dead are so at once, by a grace of nothing.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { noticesOf } from './presence.ts';
import { fresh, message, numbers } from './testing/events.ts';
import type { Harness } from './testing/harness.ts';
import {
  asPrevious,
  byConnection,
  joining,
  LONG_LEASE_MS,
  listOf,
  memberOf,
  type OpenGateway,
  openSide,
  type Side,
  told,
} from './testing/presence.ts';
import { PresenceRun, presenceStep } from './testing/presence-course.ts';
import { until } from './testing/until.ts';

const BRIEF_LEASE_MS = 300;
const NO_GRACE_MS = 0;
/** Long enough that a slow machine still comes back within it. */
const SHORT_GRACE_MS = 2_000;

export function presenceConformance(harness: () => Harness, open: OpenGateway): void {
  /** Two gateways and a channel whose notices the first one hears. */
  const scene = async (graceMs?: number): Promise<{ one: Side; two: Side; channel: string }> => {
    const [one, two] = [await openSide(open, graceMs), await openSide(open, graceMs)];
    const channel = fresh('plain');
    await one.broker.subscribe(noticesOf(channel));
    return { one, two, channel };
  };

  describe('leases', () => {
    it('lists the gateways whose lease holds, and never lets one that ended hold again', async () => {
      const { presence } = (await open()).broker;
      const [a, b, c] = [fresh('gw'), fresh('gw'), fresh('gw')];
      const begun = [
        presence.renewLease(a, LONG_LEASE_MS),
        presence.renewLease(b, BRIEF_LEASE_MS),
        presence.renewLease(c, LONG_LEASE_MS),
      ];
      assert.deepEqual(await Promise.all(begun), [false, false, false]);
      assert.equal(await presence.renewLease(a, LONG_LEASE_MS), true);
      const mine = async () => (await presence.gateways()).filter((each) => [a, b, c].includes(each)).sort();
      assert.ok((await mine()).includes(c));
      await until('the short lease ends', async () => !(await mine()).includes(b));
      assert.deepEqual(await mine(), [a, c].sort());
      await presence.endLease(c);
      assert.deepEqual(await mine(), [a]);
      for (const ended of [b, c, b]) assert.equal(await presence.renewLease(ended, LONG_LEASE_MS), false);
      assert.deepEqual(await mine(), [a]);
    });

    it('holds for as long as it was last renewed', async () => {
      const { presence } = (await open()).broker;
      const gateway = fresh('gw');
      await presence.renewLease(gateway, LONG_LEASE_MS);
      assert.equal(await presence.renewLease(gateway, BRIEF_LEASE_MS), true);
      await until('it ends', async () => !(await presence.gateways()).includes(gateway));
    });

    it('begins no lease by ending it', async () => {
      const { presence } = (await open()).broker;
      const gateway = fresh('gw');
      await presence.endLease(gateway);
      assert.equal(await presence.renewLease(gateway, LONG_LEASE_MS), false);
      assert.equal(await presence.renewLease(gateway, LONG_LEASE_MS), true);
    });
  });

  describe('members', () => {
    it('are told of as they come and go, and leave nothing behind', async () => {
      const { one, two, channel } = await scene();
      const [a, b] = [joining(one, { user: 'ann', name: 'Ann' }), joining(two)];
      assert.deepEqual(await listOf(one, channel), []);
      assert.equal(await one.presence.join(channel, a), true);
      assert.equal(await two.presence.join(channel, b), true);
      for (const side of [one, two])
        assert.deepEqual(await listOf(side, channel), byConnection([memberOf(a), memberOf(b)]));
      await one.presence.leave(channel, a.connection);
      assert.deepEqual(await listOf(two, channel), [memberOf(b)]);
      await two.presence.leave(channel, b.connection);
      await two.presence.leave(channel, b.connection);
      assert.deepEqual(await told(one, channel), [
        ['joined', a.connection, 'ann', 'Ann'],
        ['joined', b.connection, null, null],
        ['left', a.connection, 'ann', 'Ann'],
        ['left', b.connection, null, null],
      ]);
      await one.broker.unsubscribe(noticesOf(channel));
      for (const word of [channel, one.gateway, two.gateway]) assert.deepEqual(await harness().traces(word), []);
    });

    it('are of whatever users identity providers have, each told apart', async () => {
      const { one, two, channel } = await scene();
      const users = [
        'auth0|7',
        'auth0:7C7',
        'null',
        '"',
        '\\',
        'a\nb',
        '\n1\n1',
        '\0',
        '\u2028',
        'Zoë',
        'Zoe\u0308',
        '\u{1f600}',
        ' ',
      ];
      const members = users.map((user, index) => joining(index % 2 === 0 ? one : two, { user, name: user }));
      for (const [index, member] of members.entries())
        assert.equal(await (index % 2 === 0 ? one : two).presence.join(channel, member), true);
      assert.deepEqual(await listOf(two, channel), byConnection(members.map(memberOf)));
      for (const { connection } of members) await one.presence.leave(channel, connection);
      assert.deepEqual(
        await told(one, channel),
        ['joined', 'left'].flatMap((notice) =>
          members.map(({ connection }, i) => [notice, connection, users[i], users[i]]),
        ),
      );
      assert.deepEqual(await harness().traces(channel), []);
    });

    it('are one user on several connections: joined with the first, left with the last', async () => {
      const { one, two, channel } = await scene();
      const ann = { user: 'ann', name: 'Ann' };
      const [a, b, c] = [joining(one, ann), joining(two, ann), joining(two, ann)];
      await one.presence.join(channel, a);
      await two.presence.join(channel, b);
      await two.presence.join(channel, c);
      assert.equal((await listOf(one, channel)).length, 3);
      for (const { connection } of [a, c, b]) await one.presence.leave(channel, connection);
      const expected = [
        ['joined', a.connection, 'ann', 'Ann'],
        ['left', b.connection, 'ann', 'Ann'],
      ];
      assert.deepEqual(await told(one, channel), expected);
    });

    it('are not told of where that is not wanted', async () => {
      const { one, channel } = await scene();
      const [a, b] = [joining(one, { user: 'ann', announce: false }), joining(one, { user: 'ann', name: 'Ann' })];
      await one.presence.join(channel, a);
      await one.presence.rename(channel, a.connection, 'x', 'x');
      assert.deepEqual(await told(one, channel), []);
      // Whoever is told of is so from joined to left, whatever other connections there are.
      await one.presence.join(channel, b);
      await one.presence.leave(channel, b.connection);
      await one.presence.leave(channel, a.connection);
      const expected = [
        ['joined', b.connection, 'ann', 'Ann'],
        ['left', b.connection, 'ann', 'Ann'],
      ];
      assert.deepEqual(await told(one, channel), expected);
    });

    it('come and go for others where the client that comes back is not told of as before', async () => {
      const { one, two, channel } = await scene();
      const a = joining(one);
      const b = joining(two, { announce: false, ...asPrevious(a) });
      const c = joining(one, asPrevious(b));
      for (const each of [a, b, c]) assert.equal(await one.presence.join(channel, each), true);
      assert.deepEqual(await listOf(one, channel), [memberOf(c)]);
      const expected = [
        ['joined', a.connection, null, null],
        ['left', a.connection, null, null],
        ['joined', c.connection, null, null],
      ];
      assert.deepEqual(await told(one, channel), expected);
    });

    it('may be entered again, in silence, and also under another gateway', async () => {
      const { one, two, channel } = await scene();
      const a = joining(one, { name: 'Ann', claim: 'ann' });
      await one.presence.join(channel, a);
      await one.presence.part(channel, a.connection);
      const again = { ...a, name: 'Anna', claim: 'anna', gateway: two.gateway };
      assert.equal(await one.presence.join(channel, again), true);
      assert.deepEqual(await listOf(one, channel), [memberOf(again)]);
      // The old claim is free, and the new one is that of a member who is there.
      const b = joining(two, { claim: 'ann' });
      assert.equal(await two.presence.join(channel, b), true);
      assert.equal(await two.presence.join(channel, joining(two, { claim: 'anna' })), false);
      // A refused entry changes nothing.
      assert.equal(await one.presence.join(channel, { ...again, claim: 'ann' }), false);
      assert.deepEqual(await listOf(one, channel), byConnection([memberOf(again), memberOf(b)]));
      const expected = [
        ['joined', a.connection, null, 'Ann'],
        ['joined', b.connection, null, null],
      ];
      assert.deepEqual(await told(one, channel), expected);
    });

    it('keep channels apart', async () => {
      const { one, channel } = await scene();
      const a = joining(one, { user: 'ann', claim: 'ann' });
      await one.presence.join(fresh('plain'), a);
      await one.presence.join(channel, { ...a, user: 'bob' });
      assert.deepEqual(await told(one, channel), [['joined', a.connection, 'bob', null]]);
      await one.presence.leave(fresh('plain'), a.connection);
      assert.equal((await listOf(one, channel)).length, 1);
    });

    it('carry any text unharmed', async () => {
      const { one, two, channel } = await scene();
      const texts = [
        'é ü 漢字 🙂',
        '"quoted" \\back\\ /slash/',
        "{braces} [] {} '",
        'a\nb\r\nc\td\u0000e',
        '\u2028\u2029',
        '%s %d - $1 * + ( \u007f',
        '',
        '\ud83d alone',
        'null',
        'x'.repeat(1_000),
      ];
      const members = texts.map((text) =>
        joining(two, { connection: `${fresh('c')} ${text}`, user: text, name: text, claim: text, secret: text }),
      );
      for (const each of members) assert.equal(await two.presence.join(channel, each), true);
      assert.deepEqual(await listOf(one, channel), byConnection(members.map(memberOf)));
      for (const each of members) {
        assert.equal(await one.presence.join(channel, joining(one, { claim: each.claim })), false);
        const moved = joining(one, { user: each.user, name: `${each.name}!`, claim: each.claim, ...asPrevious(each) });
        assert.equal(await one.presence.join(channel, moved), true);
        assert.equal(await one.presence.rename(channel, moved.connection, each.name ?? '', `${each.claim}!`), true);
        await one.presence.leave(channel, moved.connection);
        assert.deepEqual((await told(one, channel)).slice(-3), [
          ['renamed', moved.connection, each.user, `${each.name}!`, each.name],
          ['renamed', moved.connection, each.user, each.name, `${each.name}!`],
          ['left', moved.connection, each.user, each.name],
        ]);
      }
      assert.deepEqual(await listOf(one, channel), []);
    });

    it('may be many, of whom as many are listed as asked for', async () => {
      const { one, two, channel } = await scene();
      const many = numbers(1_000).map((n) => joining(Number(n) % 2 ? one : two, { user: `u${n}`, name: n, claim: n }));
      // A hundred at a time: a slow machine is to answer each within the time limit.
      for (let from = 0; from < many.length; from += 100)
        await Promise.all(many.slice(from, from + 100).map((each) => one.presence.join(channel, each)));
      assert.deepEqual(await listOf(two, channel), byConnection(many.map(memberOf)));
      const all = new Map(many.map((each) => [each.connection, memberOf(each)]));
      for (const limit of [0, 1, 10, 999]) {
        const { members, more } = await two.presence.members(channel, limit);
        assert.deepEqual([members.length, new Set(members.map(({ connection }) => connection)).size], [limit, limit]);
        assert.equal(more, true);
        for (const each of members) assert.deepEqual(each, all.get(each.connection));
      }
      assert.equal((await two.presence.members(channel, 1_000)).more, false);
      const bounded = await two.presence.members(channel, 1_000, 10_000);
      assert.ok(
        bounded.members.length > 20 && bounded.members.length < 200,
        `${bounded.members.length} in 10,000 bytes`,
      );
      assert.equal(bounded.more, true);
      const { members: first, more } = await two.presence.members(channel, 1_000, 1);
      assert.deepEqual([first.length, more], [1, true], 'one is listed in any case');
      for (let from = 0; from < many.length; from += 100)
        await Promise.all(
          many.slice(from, from + 100).map(({ connection }) => two.presence.leave(channel, connection)),
        );
      assert.equal((await told(one, channel)).length, 2_000);
      assert.deepEqual((await one.presence.members(channel, 0)).more, false);
    });

    it('are told of in the order of the changes, also between gateways', async () => {
      const { one, two, channel } = await scene();
      const members = numbers(60).map((n) => joining(Number(n) % 2 ? one : two, { name: n }));
      for (const each of members) await (each.gateway === one.gateway ? one : two).presence.join(channel, each);
      for (const each of members)
        await (each.gateway === one.gateway ? two : one).presence.leave(channel, each.connection);
      const expected = ['joined', 'left'].flatMap((what) =>
        members.map(({ connection, name }) => [what, connection, null, name]),
      );
      assert.deepEqual(await told(one, channel), expected);
    });

    it('work also after the engine forgot its scripts', async (t) => {
      const { one, channel } = await scene();
      const { forgetScripts } = harness();
      if (forgetScripts === undefined) return t.skip('this engine has no scripts');
      const a = joining(one, { claim: 'a' });
      const calls: (() => Promise<unknown>)[] = [
        () => one.presence.join(channel, a),
        () => one.presence.part(channel, a.connection),
        () => one.presence.rename(channel, a.connection, 'b', 'b'),
        () => one.presence.renewLease(one.gateway, LONG_LEASE_MS),
        () => one.presence.members(channel, 1).then(({ members }) => members.length === 1),
        () => one.presence.gateways().then((gateways) => gateways.includes(one.gateway)),
        () => one.presence.leave(channel, a.connection),
        () => one.presence.endLease(one.gateway),
        () => one.presence.removeDead().then((count) => count >= 0), // other tests leave gateways behind that die
      ];
      for (const call of calls) {
        await forgetScripts();
        assert.notEqual(await call(), false);
      }
      assert.equal((await told(one, channel)).length, 3);
    });
  });

  describe('the channel of notices', () => {
    it('is ephemeral wherever the channel lives, and carries what is published to it', async () => {
      const { one, two, channel } = await scene();
      const carrier = noticesOf(channel);
      const a = joining(two);
      await two.presence.join(channel, a);
      assert.deepEqual(await two.broker.publish(carrier, { ...message(1), key: 'k' }), { id: '', duplicate: false });
      assert.deepEqual(await two.broker.publish(carrier, { ...message(2), key: 'k' }), { id: '', duplicate: true });
      // Neither the channel nor its keys are touched.
      assert.equal((await two.broker.publish(channel, { ...message(3), key: 'k' })).duplicate, false);
      await two.presence.leave(channel, a.connection);
      await until('all arrives', () => one.heard.of(carrier).length === 3);
      assert.deepEqual(
        one.heard.of(carrier).map(({ name }) => name),
        ['joined', 'message', 'left'],
      );
      assert.deepEqual((await two.broker.readTail(carrier, 10)).events, []);
      assert.equal(one.heard.of(channel).length, 0);
    });
  });

  describe('a member whose connection broke', () => {
    it('comes back by another gateway in silence, also when the first gateway gives it up afterwards', async () => {
      const { one, two, channel } = await scene();
      for (const user of [null, 'ann']) {
        const a = joining(one, { user, name: 'Ann', claim: 'ann' });
        await one.presence.join(channel, a);
        await one.presence.part(channel, a.connection);
        assert.deepEqual(await listOf(two, channel), [memberOf(a)]);
        const b = joining(two, { user, name: 'Ann', claim: 'ann', ...asPrevious(a) });
        assert.equal(await two.presence.join(channel, b), true);
        await one.presence.leave(channel, a.connection);
        assert.deepEqual(await listOf(one, channel), [memberOf(b)]);
        assert.deepEqual(await harness().traces(one.gateway), []);
        // The claim came along, and does not die with the old connection.
        assert.equal(await one.presence.join(channel, joining(one, { claim: 'ann' })), false);
        const c = joining(one, { user, name: 'Anna', claim: 'ann', ...asPrevious(b) });
        assert.equal(await one.presence.join(channel, c), true);
        await one.presence.leave(channel, c.connection);
        assert.deepEqual((await told(one, channel)).slice(-3), [
          ['joined', a.connection, user, 'Ann'],
          ['renamed', c.connection, user, 'Anna', 'Ann'],
          ['left', c.connection, user, 'Anna'],
        ]);
      }
    });

    it('has its place taken by nobody who does not know its secret', async () => {
      const { one, two, channel } = await scene();
      const a = joining(one, { user: 'ann', claim: 'ann' });
      await one.presence.join(channel, a);
      await one.presence.part(channel, a.connection);
      const previous = { connection: a.connection, secret: 'guessed' };
      const b = joining(two, { name: 'B', previous });
      assert.equal(await two.presence.join(channel, joining(two, { claim: 'ann', previous })), false);
      assert.equal(await two.presence.join(channel, b), true);
      assert.deepEqual(await listOf(one, channel), byConnection([memberOf(a), memberOf(b)]));
      await one.presence.leave(channel, a.connection);
      assert.deepEqual(
        (await told(one, channel)).map(([what, connection]) => [what, connection]),
        [
          ['joined', a.connection],
          ['joined', b.connection],
          ['left', a.connection],
        ],
      );
    });

    it('has left if it comes back as another user', async () => {
      const { one, two, channel } = await scene();
      const a = joining(one, { name: 'guest', claim: 'ann' });
      const b = joining(two, { user: 'ann', name: 'Ann', claim: 'ann', ...asPrevious(a) });
      await one.presence.join(channel, a);
      assert.equal(await two.presence.join(channel, b), true);
      const expected = [
        ['joined', a.connection, null, 'guest'],
        ['left', a.connection, null, 'guest'],
        ['joined', b.connection, 'ann', 'Ann'],
      ];
      assert.deepEqual(await told(one, channel), expected);
    });

    it('has left if it does not come back', async () => {
      const { one, channel } = await scene();
      const a = joining(one, { user: 'ann' });
      await one.presence.join(channel, a);
      await one.presence.part(channel, a.connection);
      await one.presence.leave(channel, a.connection);
      await one.presence.part(channel, a.connection);
      assert.deepEqual(await listOf(one, channel), []);
      assert.deepEqual((await told(one, channel)).at(-1), ['left', a.connection, 'ann', null]);
    });
  });

  describe('a claim', () => {
    it('is its holder’s until it leaves', async () => {
      const { one, two, channel } = await scene();
      for (const user of [null, 'ann']) {
        const a = joining(one, { user, claim: 'n' });
        assert.equal(await one.presence.join(channel, a), true);
        for (const other of [null, 'bob'])
          assert.equal(await two.presence.join(channel, joining(two, { user: other, claim: 'n' })), false);
        assert.equal((await listOf(one, channel)).length, 1);
        await one.presence.leave(channel, a.connection);
      }
      assert.equal(await two.presence.join(channel, joining(two, { claim: 'n' })), true);
      assert.equal((await told(one, channel)).length, 5);
    });

    it('goes to whoever comes while its anonymous holder is away, and with it the place', async () => {
      const { one, two, channel } = await scene();
      const a = joining(one, { name: 'N', claim: 'n' });
      await one.presence.join(channel, a);
      await one.presence.part(channel, a.connection);
      const b = joining(two, { name: 'n', claim: 'n' });
      assert.equal(await two.presence.join(channel, b), true);
      await one.presence.leave(channel, a.connection);
      assert.deepEqual(await listOf(one, channel), [memberOf(b)]);
      await two.presence.part(channel, b.connection);
      // A user is somebody else, whom nobody was told of.
      const c = joining(one, { user: 'cid', name: 'N', claim: 'n' });
      assert.equal(await one.presence.join(channel, c), true);
      const expected = [
        ['joined', a.connection, null, 'N'],
        ['renamed', b.connection, null, 'n', 'N'],
        ['left', b.connection, null, 'n'],
        ['joined', c.connection, 'cid', 'N'],
      ];
      assert.deepEqual(await told(one, channel), expected);
    });

    it('of a user who is away goes to nobody else', async () => {
      const { one, two, channel } = await scene();
      const a = joining(one, { user: 'ann', claim: 'n' });
      await one.presence.join(channel, a);
      await one.presence.part(channel, a.connection);
      for (const user of [null, 'bob'])
        assert.equal(await two.presence.join(channel, joining(two, { user, claim: 'n' })), false);
      const b = joining(two, { user: 'ann', claim: 'n' });
      assert.equal(await two.presence.join(channel, b), true);
      await one.presence.leave(channel, a.connection);
      assert.equal(await one.presence.join(channel, joining(one, { claim: 'n' })), false);
      assert.deepEqual(await told(one, channel), [['joined', a.connection, 'ann', null]]);
    });

    it('may be had by all connections of a user, until the last one leaves', async () => {
      const { one, two, channel } = await scene();
      const [a, b] = [joining(one, { user: 'ann', claim: 'n' }), joining(two, { user: 'ann', claim: 'n' })];
      assert.equal(await one.presence.join(channel, a), true);
      assert.equal(await two.presence.join(channel, b), true);
      await one.presence.leave(channel, a.connection);
      assert.equal(await one.presence.join(channel, joining(one, { claim: 'n' })), false);
      await two.presence.leave(channel, b.connection);
      assert.equal(await one.presence.join(channel, joining(one, { claim: 'n' })), true);
    });

    it('is given once, however many ask at once', async () => {
      const { one, two, channel } = await scene();
      const asking = numbers(50).map((n) => joining(Number(n) % 2 ? one : two, { name: n, claim: 'n' }));
      const results = await Promise.all(
        asking.map((each) => (each.gateway === one.gateway ? one : two).presence.join(channel, each)),
      );
      const [winner, ...others] = asking.filter((_, i) => results[i]);
      assert.ok(winner);
      assert.equal(others.length, 0);
      assert.deepEqual(await listOf(one, channel), [memberOf(winner)]);
      assert.deepEqual(await told(one, channel), [['joined', winner.connection, null, winner.name]]);
      await (winner.gateway === one.gateway ? one : two).presence.leave(channel, winner.connection);
      // Those who were refused left nothing behind either.
      for (const word of [one.gateway, two.gateway]) assert.deepEqual(await harness().traces(word), []);
    });
  });

  describe('rename', () => {
    it('gives a name and a claim, and frees the old one', async () => {
      const { one, two, channel } = await scene();
      const a = joining(one, { name: 'A', claim: 'a' });
      await one.presence.join(channel, a);
      assert.equal(await two.presence.rename(channel, a.connection, 'B', 'b'), true);
      assert.deepEqual(await listOf(one, channel), [memberOf({ ...a, name: 'B' })]);
      const b = joining(two, { name: 'A', claim: 'a' });
      assert.equal(await two.presence.join(channel, b), true);
      assert.equal(await two.presence.rename(channel, b.connection, 'B', 'b'), false);
      // To keep one's own claim is fine, and no change of name is no news.
      assert.equal(await two.presence.rename(channel, b.connection, 'a', 'a'), true);
      assert.equal(await two.presence.rename(channel, b.connection, 'a', 'a'), true);
      assert.equal(await two.presence.rename(channel, fresh('c'), 'C', 'c'), false);
      const expected = [
        ['joined', a.connection, null, 'A'],
        ['renamed', a.connection, null, 'B', 'A'],
        ['joined', b.connection, null, 'A'],
        ['renamed', b.connection, null, 'a', 'A'],
      ];
      assert.deepEqual(await told(one, channel), expected);
    });

    it('takes the claim of an anonymous one who is away, who has left then', async () => {
      const { one, two, channel } = await scene();
      const [a, b] = [joining(one, { name: 'A', claim: 'a' }), joining(two, { name: 'B', claim: 'b' })];
      await one.presence.join(channel, a);
      await two.presence.join(channel, b);
      await one.presence.part(channel, a.connection);
      assert.equal(await two.presence.rename(channel, b.connection, 'A', 'a'), true);
      assert.deepEqual((await told(one, channel)).slice(2), [
        ['left', a.connection, null, 'A'],
        ['renamed', b.connection, null, 'A', 'B'],
      ]);
      assert.equal((await listOf(one, channel)).length, 1);
    });

    it('gives a claim once, however many ask at once', async () => {
      const { one, two, channel } = await scene();
      const members = numbers(20).map((n) => joining(one, { name: n, claim: n }));
      await Promise.all(members.map((each) => one.presence.join(channel, each)));
      const results = await Promise.all(
        members.map(({ connection }, i) => (i % 2 ? one : two).presence.rename(channel, connection, 'N', 'n')),
      );
      assert.equal(results.filter((result) => result).length, 1);
      assert.equal((await told(one, channel)).length, 21);
      assert.equal((await listOf(one, channel)).filter(({ name }) => name === 'N').length, 1);
    });
  });

  describe('the members of a dead gateway', () => {
    it('vanish from the list, and have left once, whoever removes them', async () => {
      const { one, two, channel } = await scene(NO_GRACE_MS);
      const dead = await openSide(open, NO_GRACE_MS);
      await one.presence.removeDead();
      const others = numbers(20).map(() => fresh('plain'));
      const gone = numbers(30).map((n) => joining(dead, { name: n, claim: n }));
      const [here, there] = [joining(one, { user: 'ann' }), joining(dead, { user: 'ann' })];
      const only = joining(dead, { user: 'bob' });
      const quiet = joining(dead, { announce: false });
      for (const each of [...gone, here, there, only, quiet]) await dead.presence.join(channel, each);
      for (const other of others) await dead.presence.join(other, joining(dead));
      const before = (await told(one, channel)).length;
      await dead.presence.endLease(dead.gateway);
      assert.deepEqual(await listOf(two, channel), [memberOf(here)]);
      const removers = [one, two, dead, one, two];
      const counts = await Promise.all(removers.map(({ presence }) => presence.removeDead()));
      assert.equal(
        counts.reduce((sum, count) => sum + count),
        1,
      );
      for (const { presence } of removers) assert.equal(await presence.removeDead(), 0);
      assert.deepEqual(await listOf(two, channel), [memberOf(here)]);
      const left = (await told(one, channel)).slice(before);
      assert.ok(left.every(([what]) => what === 'left'));
      assert.deepEqual(
        left.map(([, connection]) => connection).sort(),
        [...gone, only].map(({ connection }) => connection).sort(),
      );
      // Their claims are free, and neither they nor the gateway left anything behind.
      assert.equal(await one.presence.join(channel, joining(one, { claim: '7' })), true);
      for (const word of [...others, dead.gateway]) assert.deepEqual(await harness().traces(word), []);
      assert.equal(await dead.presence.renewLease(dead.gateway, LONG_LEASE_MS), false);
      assert.equal(await dead.presence.renewLease(dead.gateway, LONG_LEASE_MS), true);
    });

    it('are not told of if they came back elsewhere, or were entered under another gateway', async () => {
      const { one, two, channel } = await scene(NO_GRACE_MS);
      const [a, b] = [joining(two, { name: 'A', claim: 'a' }), joining(two, { name: 'B', claim: 'b' })];
      for (const each of [a, b]) await two.presence.join(channel, each);
      await two.presence.endLease(two.gateway);
      const back = joining(one, { name: 'A', claim: 'a', ...asPrevious(a) });
      assert.equal(await one.presence.join(channel, back), true);
      const renamed = fresh('gw');
      await two.presence.renewLease(renamed, LONG_LEASE_MS);
      assert.equal(await two.presence.join(channel, { ...b, gateway: renamed }), true);
      await until('the gateway is gone', async () => (await one.presence.removeDead()) > 0);
      assert.deepEqual(
        await listOf(one, channel),
        byConnection([memberOf(back), { ...memberOf(b), gateway: renamed }]),
      );
      assert.equal((await told(one, channel)).length, 2);
    });

    it('are those of a lease that ran out, and stay for the grace', async () => {
      const { one, two, channel } = await scene(SHORT_GRACE_MS);
      const [stale, ended] = [fresh('gw'), fresh('gw')];
      await two.presence.renewLease(ended, LONG_LEASE_MS);
      const [a, b] = [joining({ gateway: stale }), joining({ gateway: ended })];
      await two.presence.join(channel, b);
      const begunAt = performance.now();
      await two.presence.renewLease(stale, BRIEF_LEASE_MS);
      await two.presence.join(channel, a);
      await until('it runs out', async () => !(await one.presence.gateways()).includes(stale));
      const endedAt = performance.now();
      await two.presence.endLease(ended);
      const [list, count] = [await listOf(one, channel), await one.presence.removeDead()];
      // On a machine that stood still in between there is nothing to see: the grace may be over since the lease ran out.
      if (performance.now() - begunAt < SHORT_GRACE_MS)
        assert.deepEqual([list, count], [byConnection([memberOf(a), memberOf(b)]), 0]);
      const leaves = async () => (await told(one, channel)).filter(([what]) => what === 'left');
      // Not until the list is empty: whose grace is over is in no list before it is removed.
      await until('both are removed', async () => {
        await Promise.all([one, two].map(({ presence }) => presence.removeDead()));
        return (await leaves()).length >= 2;
      });
      assert.ok(performance.now() - endedAt >= SHORT_GRACE_MS - BRIEF_LEASE_MS);
      assert.deepEqual(await listOf(one, channel), []);
      const left = (await leaves()).map(([, connection]) => connection);
      assert.deepEqual(left.sort(), [a.connection, b.connection].sort());
    });

    it('are none where a gateway has no lease: it lists nobody', async () => {
      const { one, channel } = await scene();
      const a = joining({ gateway: fresh('gw') });
      await one.presence.join(channel, a);
      assert.deepEqual(await listOf(one, channel), []);
      await one.presence.leave(channel, a.connection);
    });
  });

  it('tells and lists exactly who is there, whatever happens', async () => {
    const sides = [
      await openSide(open, NO_GRACE_MS),
      await openSide(open, NO_GRACE_MS),
      await openSide(open, NO_GRACE_MS),
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(presenceStep, { maxLength: 30 }), async (steps) => {
        const run = await PresenceRun.begin(sides, fresh('plain'));
        for (const step of steps) await run.take(step);
        await run.end();
        assert.deepEqual(await harness().traces(run.channel), []);
      }),
      { numRuns: 40 },
    );
  });
}
