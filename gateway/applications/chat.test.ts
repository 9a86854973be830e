/** People who enter a room of the embedded engine, and leave it: what they are called, and what the room knows of who is sent elsewhere. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Broker, BrokerUnavailable } from '../../broker/broker.ts';
import { MemoryBroker, MemoryStore } from '../../broker/memory.ts';
import type { Joining } from '../../broker/presence.ts';
import { ANONYMOUS } from '../auth/rights.ts';
import { Tally } from '../figures/tally.ts';
import { Hub } from '../hub/hub.ts';
import { OWN_READS } from '../hub/read-queue.ts';
import { readQueue } from '../hub/testing/read-queue.ts';
import { Members } from '../presence/members.ts';
import { ResumeTokens } from '../presence/resume-token.ts';
import { afterwards, Outbox } from '../websocket/outbox.ts';
import type { SessionContext } from '../websocket/session.ts';
import { Feeds } from '../websocket/socket-feed.ts';
import type { Outlet } from '../websocket/socket-session.ts';
import { ChatSession } from './chat.ts';

const CHANNEL = 'chat:room';
const LIMITS = { ringEvents: 4, ringBytes: 1 << 20, historyPage: 3, historyRetryMs: 1 };
const RETENTION = { size: 10, retentionMs: 3_600_000 };

/** Long enough for whatever is not held back. */
async function rest(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise(setImmediate);
}

/** What is held back until the test says how it ends. */
class Held {
  readonly ended: Promise<void>;
  through: () => void = () => undefined;
  fail: () => void = () => undefined;

  constructor() {
    this.ended = new Promise((resolve, reject) => {
      this.through = resolve;
      this.fail = () => reject(new BrokerUnavailable('away'));
    });
  }
}

/** One who asks for Bob's name in the room by this gateway, whose joins, parts and sleep are held back as the test says; and another gateway. */
function world({ join, part, sleep, taken }: { join?: Held; part?: Held; sleep?: Held; taken?: boolean }) {
  const broker = new MemoryBroker(new MemoryStore({ retentionOf: () => RETENTION }));
  const { presence } = broker;
  const asked: (string | null)[] = [];
  const parted: string[] = [];
  const slow = new Proxy(presence, {
    get(target, call: keyof typeof presence) {
      if (call === 'join')
        return async (channel: string, member: Joining) => {
          asked.push(member.name);
          await join?.ended;
          return target.join(channel, member);
        };
      if (call === 'part')
        return async (channel: string, connection: string) => {
          parted.push(connection);
          await part?.ended;
          return target.part(channel, connection);
        };
      return target[call].bind(target);
    },
  });
  const tally = new Tally();
  const hub = new Hub(broker, () => RETENTION, LIMITS, readQueue(), Date.now);
  broker.listen(hub);
  const resumeTokens = new ResumeTokens();
  const members = new Members({
    broker: Object.create(broker, { presence: { value: slow } }) as Broker,
    modeOf: () => 'announce',
    tokens: resumeTokens,
    lease: () => 'here',
    sureLease: () => 'here',
    now: Date.now,
  });
  const context = {
    hub,
    members,
    tally,
    resumeTokens,
    outbox: new Outbox(afterwards),
    feeds: new Feeds({ hub, tally, cast: () => undefined, askAfterBytes: 1 << 20 }),
    rights: { refuse: () => undefined },
    operations: { mayReplay: async () => undefined, askerFor: () => OWN_READS },
    random: Math.random,
    sleep: async () => sleep?.ended,
    gatewayId: 'here',
    now: Date.now,
  } as unknown as SessionContext;
  const sent: string[] = [];
  const outlet: Outlet = {
    full: false,
    send: (frames) => sent.push(...frames.map(String)) > 0,
    sendBinary: () => undefined,
    join: () => undefined,
    leave: () => undefined,
    close: () => undefined,
    fail: assert.fail,
  };
  const query = new URLSearchParams({ room: 'room', username: 'Bob' });
  const session = new ChatSession({ connection: 'bob', caller: ANONYMOUS, query, address: '::1' }, context, outlet);
  const elsewhere = { user: null, name: 'Bob', claim: 'bob', gateway: 'there', secret: 's', announce: true };
  if (taken) void presence.join(CHANNEL, { ...elsewhere, connection: 'before' });
  session.start();

  const leave = () => {
    const taken = { known: false };
    void session.takeLeave().then(() => {
      taken.known = true;
    });
    return taken;
  };
  const comesBack = () => presence.join(CHANNEL, { ...elsewhere, connection: 'after' });
  const otherBreaks = () => presence.part(CHANNEL, 'before');
  return { session, sent, asked, parted, members, leave, comesBack, otherBreaks };
}

describe('who is in a room and is sent elsewhere', () => {
  it('has taken leave only once the room knows, and then gets the name elsewhere', async () => {
    const part = new Held();
    const { leave, comesBack } = world({ part });
    await rest();
    const taken = leave();
    await rest();
    assert.equal(taken.known, false);
    assert.equal(await comesBack(), false);
    part.through();
    await rest();
    assert.equal(taken.known, true);
    assert.equal(await comesBack(), true);
  });

  it('is waited for while still entering', async () => {
    const join = new Held();
    const { sent, leave, comesBack } = world({ join });
    await rest();
    const taken = leave();
    await rest();
    assert.equal(taken.known, false);
    join.through();
    await rest();
    assert.equal(taken.known, true);
    assert.match(sent.join(), /"welcome"/);
    assert.equal(await comesBack(), true);
  });

  it('goes all the same where the room cannot be told, or cannot be entered', async () => {
    for (const what of ['part', 'join'] as const) {
      const held = new Held();
      const { leave } = world({ [what]: held });
      await rest();
      const taken = leave();
      held.fail();
      await rest();
      assert.equal(taken.known, true, what);
    }
  });

  it('is told of as gone once, whether the connection ends by then or after, and is not entered anew meanwhile', async () => {
    for (const early of [true, false]) {
      const part = new Held();
      const { session, parted, members, leave } = world({ part });
      await rest();
      assert.equal([...session.memberships()].length, 1);
      const taken = leave();
      await rest();
      assert.deepEqual([...session.memberships()], []);
      if (early) session.close();
      part.through();
      await rest();
      if (!early) session.close();
      assert.equal(taken.known, true);
      assert.deepEqual(parted, ['bob']);
      assert.equal(members.leaving, 1);
    }
  });

  it('and whose connection ends while still entering is told of as gone as well', async () => {
    const join = new Held();
    const { session, parted, leave, comesBack } = world({ join });
    await rest();
    const taken = leave();
    session.close();
    join.through();
    await rest();
    assert.equal(taken.known, true);
    assert.deepEqual(parted, ['bob']);
    assert.equal(await comesBack(), true);
  });
});

describe('who asks in the URL for a name that is taken', () => {
  const entering = async () => {
    const sleep = new Held();
    const parts = world({ sleep, taken: true });
    await rest();
    assert.deepEqual([parts.sent, parts.asked], [[], ['Bob']]);
    return { ...parts, sleep };
  };

  it('gets it where the news that it is free was only late', async () => {
    const { sent, asked, sleep, otherBreaks } = await entering();
    await otherBreaks();
    sleep.through();
    await rest();
    assert.match(String(sent), /"welcome".*"username":"Bob"/);
    assert.doesNotMatch(String(sent), /name_taken/);
    assert.deepEqual(asked, ['Bob', 'Bob']);
  });

  it('gets another one, and is told why, where it still is', async () => {
    const { sent, asked, sleep } = await entering();
    sleep.through();
    await rest();
    assert.match(String(sent), /"welcome".*"username":"User\d{4}".*name_taken/);
    assert.equal(asked.length, 3);
  });

  it('gets none that has gone meanwhile', async () => {
    const { session, asked, sleep } = await entering();
    session.close();
    sleep.through();
    await rest();
    assert.deepEqual(asked, ['Bob']);
  });
});
