import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type Broker, BrokerUnavailable } from '../../broker/broker.ts';
import { MemoryBroker, MemoryStore } from '../../broker/memory.ts';
import { GRACE_MS, noticesOf, type Presence } from '../../broker/presence.ts';
import { until } from '../../broker/testing/until.ts';
import type { PresenceMode } from '../settings/namespaces.ts';
import { Members, type Membership, type Person } from './members.ts';
import { ResumeTokens } from './resume-token.ts';

const ROOM = 'announce:room';
const LIST = 'list:room';
const OFF = 'off:room';
const LEASE = 'gateway.1';

const person = (connection: string, name: string | null = null, user: string | null = null): Person => ({
  connection,
  user,
  name,
  resume: '',
});

describe('the members of a gateway', () => {
  const clock = { now: 1_000_000 };
  let store: MemoryStore;
  let broker: Broker;
  let members: Members;
  /** Notices of the room, in order. */
  let told: string[];
  /** Whether the broker answers. */
  let away: boolean;
  let lease: string | undefined;

  beforeEach(async () => {
    clock.now = 1_000_000;
    store = new MemoryStore({ retentionOf: () => ({ size: 0, retentionMs: 0 }), now: () => clock.now });
    broker = new MemoryBroker(store);
    const heard: string[] = [];
    told = heard;
    broker.listen({
      event: (_channel, { name, data }) => {
        const notice = JSON.parse(Buffer.from(data).toString()) as { connection: string };
        heard.push(`${name} ${notice.connection}`);
      },
      resubscribed: () => undefined,
    });
    await broker.subscribe(noticesOf(ROOM));
    away = false;
    lease = LEASE;
    await broker.presence.renewLease(lease, 15_000);
    members = new Members({
      broker: Object.create(broker, { presence: { get: () => sometimesAway(broker.presence) } }) as Broker,
      modeOf: (channel) => channel.slice(0, channel.indexOf(':')) as PresenceMode,
      tokens: new ResumeTokens(),
      lease: () => lease,
      sureLease: () => lease,
      now: () => clock.now,
    });
    members.leaseBegan();
  });

  const sometimesAway = (presence: Presence): Presence =>
    new Proxy(presence, {
      get(target, name) {
        if (away) return () => Promise.reject(new BrokerUnavailable('away'));
        const found: unknown = Reflect.get(target, name);
        return typeof found === 'function' ? found.bind(target) : found;
      },
    });
  const listed = async (channel: string) =>
    (await broker.presence.members(channel, 100)).members.map(({ connection }) => connection).sort();
  const notices = async (...expected: string[]) => {
    await until(`told ${expected}`, () => told.length >= expected.length);
    assert.deepEqual(told, expected);
  };

  it('are entered and taken out as their connections come and go', async () => {
    members.enter(LIST, person('one'));
    members.enter(LIST, person('two'));
    members.enter(OFF, person('one'));
    assert.deepEqual(await listed(LIST), ['one', 'two']);
    assert.deepEqual(await listed(OFF), []);
    void members.broke(LIST, 'one');
    members.exit(LIST, 'two');
    await until('nobody is listed', async () => (await listed(LIST)).length === 0);
  });

  it('stay for the grace where leaving is announced, and leave at once on purpose', async () => {
    members.enter(ROOM, person('one'));
    members.enter(ROOM, person('two'));
    void members.broke(ROOM, 'one');
    members.exit(ROOM, 'two');
    await notices('joined one', 'joined two', 'left two');
    clock.now += GRACE_MS - 1;
    members.leaveDue();
    assert.deepEqual(await listed(ROOM), ['one']);
    clock.now += 1;
    members.leaveDue();
    await notices('joined one', 'joined two', 'left two', 'left one');
    assert.equal(members.leaving, 0);
  });

  it('are not all entered anew because the first lease has begun', async () => {
    members.enter(LIST, person('one'));
    assert.deepEqual(await listed(LIST), ['one']);
    await members.reenter(
      (function* () {
        yield assert.fail('nobody has to be looked at');
      })(),
    );
  });

  it('who could not be entered are entered anew, and nobody else', async () => {
    const joins: string[] = [];
    const { presence } = broker;
    const join = presence.join.bind(presence);
    presence.join = (channel, member) => {
      joins.push(member.connection);
      return join(channel, member);
    };
    const membership = (connection: string): Membership => {
      return {
        channel: LIST,
        person: person(connection),
        claim: undefined,
        nameLost: () => assert.fail('it has none'),
      };
    };
    lease = undefined;
    for (const connection of ['early', 'gone']) members.enter(LIST, person(connection));
    members.exit(LIST, 'gone');
    await members.settled();
    lease = LEASE;
    members.enter(LIST, person('late'));
    await members.reenter(['early', 'late'].map(membership));
    assert.deepEqual(joins, ['late', 'early']);
    assert.deepEqual(await listed(LIST), ['early', 'late']);
    await members.reenter(['early', 'late', 'gone'].map(membership));
    assert.equal(joins.length, 2);
    members.doubt();
    await members.reenter(['early', 'late'].map(membership));
    assert.equal(joins.length, 4, 'all, where the broker may have forgotten some');
  });

  it('who left are taken out again where the broker may have lost that, and nobody who has come back', async () => {
    for (const connection of ['gone', 'back']) {
      members.enter(LIST, person(connection));
      members.exit(LIST, connection);
    }
    await members.settled();
    members.enter(LIST, person('back'));
    // A failover has lost that they left.
    await broker.presence.join(LIST, {
      ...person('gone'),
      gateway: LEASE,
      claim: undefined,
      secret: 's',
      announce: false,
    });
    assert.deepEqual(await listed(LIST), ['back', 'gone']);
    members.doubt();
    members.leaveDue();
    await members.settled();
    assert.deepEqual(await listed(LIST), ['back']);
    assert.equal(members.leaving, 0);
    clock.now += 1;
    members.exit(LIST, 'back');
    await members.settled();
    clock.now += 60_000;
    members.doubt();
    assert.equal(members.leaving, 0, 'not those who left long ago');
  });

  it('who could not be taken out and have come back are not taken out later', async () => {
    members.enter(LIST, person('one'));
    assert.deepEqual(await listed(LIST), ['one']);
    away = true;
    members.exit(LIST, 'one');
    await members.settled();
    assert.equal(members.leaving, 1);
    away = false;
    members.enter(LIST, person('one'));
    assert.equal(members.leaving, 0);
    away = true;
    members.exit(LIST, 'one');
    members.enter(LIST, person('one')); // before that could be told
    away = false;
    members.enter(LIST, person('one'));
    await members.settled();
    clock.now += GRACE_MS;
    members.leaveDue();
    await members.settled();
    assert.deepEqual(await listed(LIST), ['one']);
  });

  it('remember those who left up to a bound', async () => {
    for (let i = 0; i < 10_010; i++) {
      members.enter(LIST, person(`${i}`));
      members.exit(LIST, `${i}`);
    }
    await members.settled();
    members.doubt();
    assert.equal(members.leaving, 10_000);
  });

  it('who go while they are being entered are not left behind', async () => {
    const { presence } = broker;
    const join = presence.join.bind(presence);
    presence.join = async (channel, member) => {
      await new Promise(setImmediate);
      return join(channel, member);
    };
    members.enter(LIST, person('one'));
    void members.broke(LIST, 'one');
    members.enter(ROOM, person('two'));
    members.exit(ROOM, 'two');
    await notices('joined two', 'left two');
    assert.deepEqual([...(await listed(LIST)), ...(await listed(ROOM))], []);
  });

  it('are not entered before the gateway has a lease, and then without being asked again', async () => {
    const waiting: Membership = {
      channel: ROOM,
      person: person('waits'),
      claim: undefined,
      nameLost: () => assert.fail(),
    };
    const begun = lease;
    lease = undefined;
    members.enter(ROOM, waiting.person);
    await assert.rejects(members.claim(ROOM, person('claims', 'Ada'), 'ada'), BrokerUnavailable);
    lease = begun;
    members.leaseBegan();
    await members.reenter([waiting]);
    assert.deepEqual(await listed(ROOM), ['waits']);
  });

  it('that could not be entered are entered later, and those that could not be taken out are taken out later', async () => {
    const staying: Membership = {
      channel: ROOM,
      person: person('stays'),
      claim: undefined,
      nameLost: () => assert.fail(),
    };
    members.enter(ROOM, person('goes'));
    await notices('joined goes');
    away = true;
    members.enter(ROOM, staying.person);
    members.exit(ROOM, 'goes');
    await until('the leave has failed', () => members.leaving === 1);
    away = false;
    await members.reenter([staying]);
    clock.now += GRACE_MS;
    members.leaveDue();
    await notices('joined goes', 'joined stays', 'left goes');
    assert.deepEqual(await listed(ROOM), ['stays']);
    await members.reenter(untouched);
  });

  it('are entered anew under another lease without a word, and none of them is removed with the old one', async () => {
    const staying: Membership = {
      channel: ROOM,
      person: person('stays', 'Ada'),
      claim: 'ada',
      nameLost: () => assert.fail(),
    };
    assert.equal(await members.claim(ROOM, staying.person, 'ada'), true);
    members.enter(ROOM, person('gone'));
    void members.broke(ROOM, 'gone');
    await notices('joined stays', 'joined gone');
    clock.now += 15_000 + GRACE_MS + 1;
    lease = 'gateway.2';
    await broker.presence.renewLease(lease, 15_000);
    members.leaseBegan();
    await members.reenter([staying]);
    await broker.presence.removeDead();
    members.leaveDue();
    await notices('joined stays', 'joined gone', 'left gone');
    assert.deepEqual(await listed(ROOM), ['stays']);
  });

  it('whose name was given away meanwhile are told', async () => {
    let lost = 0;
    const claim = 'ada';
    const staying: Membership = { channel: ROOM, person: person('stays', 'Ada'), claim, nameLost: () => lost++ };
    await members.claim(ROOM, staying.person, claim);
    clock.now += 15_000 + GRACE_MS + 1;
    lease = 'gateway.2';
    await broker.presence.renewLease(lease, 15_000);
    await broker.presence.removeDead();
    assert.equal(await members.claim(ROOM, person('thief', 'Ada'), claim), true);
    members.leaseBegan();
    await members.reenter([staying]);
    assert.equal(lost, 1);
  });

  it('are listed as users: one with two connections stands once', async () => {
    members.enter(LIST, person('one', 'Ada', 'ada'));
    members.enter(LIST, person('two', 'Ada', 'ada'));
    members.enter(LIST, person('three'));
    const { users, count, complete } = await members.list(LIST, 10);
    assert.deepEqual([count, complete], [2, true]);
    const ada = users.find(({ user }) => user === 'ada');
    assert.deepEqual([...(ada?.connections ?? [])].sort(), ['one', 'two']);
    const short = await members.list(LIST, 1);
    assert.deepEqual([short.users.length, short.count, short.complete], [1, 2, false]);
  });

  it('of a gateway that leaves stay for the grace, with their names free for who comes back', async () => {
    await members.claim(ROOM, person('one', 'Ada'), 'ada');
    members.enter(LIST, person('two', 'Bob'));
    void members.broke(ROOM, 'one');
    void members.broke(LIST, 'two');
    await members.settled();
    assert.deepEqual(await listed(LIST), []);
    await broker.presence.endLease(LEASE);
    await broker.presence.renewLease('other', 15_000);
    const elsewhere = { ...person('two', 'Ada'), gateway: 'other', claim: 'ada', secret: 's', announce: true };
    assert.equal(await broker.presence.join(ROOM, elsewhere), true);
    clock.now += GRACE_MS + 1;
    await broker.presence.removeDead();
    await notices('joined one');
  });
});

/** Memberships that nobody is to ask for. */
const untouched: Iterable<Membership> = {
  [Symbol.iterator]: () => assert.fail('nothing is to be entered anew'),
};
