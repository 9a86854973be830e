import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerUnavailable, type Event } from '../../broker/broker.ts';
import { MemoryBroker, MemoryStore } from '../../broker/memory.ts';
import { GRACE_MS } from '../../broker/presence.ts';
import { until } from '../../broker/testing/until.ts';
import { Fleet, LEASE_RENEWAL_MS } from './fleet.ts';

const LEASE_MS = 15_000;

function world() {
  const clock = { now: 1_000_000 };
  let ids = 0;
  const store = new MemoryStore({ retentionOf: () => ({ size: 0, retentionMs: 0 }), now: () => clock.now });
  const open = (gatewayId: string, answer: string) => {
    const broker = new MemoryBroker(store);
    const fleet = new Fleet({
      broker,
      gatewayId,
      newId: () => `n${++ids}`,
      now: () => clock.now,
      clock: () => clock.now,
      onUnreadable: () => undefined,
      answerer: (ask) => (ask.kind === 'channels' ? `${answer} ${ask.prefix}` : null),
    });
    broker.listen({
      event: (channel: string, event: Event) => fleet.event(channel, event),
      resubscribed: () => undefined,
    });
    return { broker, fleet };
  };
  return { clock, store, open };
}

describe('the fleet', () => {
  it('asks every gateway that lives, itself too', async () => {
    const { open } = world();
    const [a, b] = [open('a', 'from a'), open('b', 'from b')];
    await a.fleet.renew();
    await b.fleet.renew();
    const { answers, missing } = await a.fleet.ask({ kind: 'channels', prefix: 'what' });
    assert.deepEqual([...answers].sort(), ['from a what', 'from b what']);
    assert.deepEqual(missing, []);
  });

  it('answers at once that it does not know what is asked, and counts as missing then', async () => {
    const { open } = world();
    const [a, b] = [open('a', 'from a'), open('b', 'from b')];
    await a.fleet.renew();
    await b.fleet.renew();
    const { answers, missing } = await a.fleet.ask({ kind: 'disconnect', user: 'ada' });
    assert.deepEqual(answers, []);
    assert.deepEqual([...missing].sort(), [a.fleet.lease, b.fleet.lease].sort());

    const answered: string[] = [];
    const event = a.fleet.event.bind(a.fleet);
    a.fleet.event = (channel, given) => {
      if (channel.endsWith(`:${a.fleet.lease}`)) answered.push(Buffer.from(given.data).toString());
      event(channel, given);
    };
    const newer = { id: 'n', from: a.fleet.lease, ask: { kind: 'restart' } };
    await a.broker.publish('$fleetfleet', { name: 'fleet', data: JSON.stringify(newer) });
    await until('both have answered', () => answered.length === 2);
    for (const text of answered) assert.equal(JSON.parse(text).answer, null);
  });

  it('tells of a new lease the first time, and after one that has ended, and not while it holds', async () => {
    const { open, clock, store } = world();
    const { fleet, broker } = open('a', '');
    assert.equal(await fleet.renew(), true);
    const first = fleet.lease;
    clock.now += LEASE_MS - 1;
    assert.equal(await fleet.renew(), false);
    assert.equal(fleet.lease, first);
    clock.now += LEASE_MS;
    assert.equal(await fleet.renew(), true);
    assert.notEqual(fleet.lease, first);
    assert.match(fleet.lease ?? '', /^a\./);
    assert.deepEqual(await broker.presence.gateways(), [fleet.lease]);
    store.sweep();
    assert.deepEqual(
      (await fleet.ask({ kind: 'channels', prefix: 'x' })).answers,
      [' x'],
      'it is reached under the new name',
    );
  });

  it('is sure of a lease only as long as that holds by its own clock, from when it asked for it', async () => {
    const { open, clock } = world();
    const { fleet, broker } = open('a', '');
    assert.equal(fleet.sureLease, undefined);
    await fleet.renew();
    assert.equal(fleet.sureLease, fleet.lease);
    clock.now += LEASE_MS - 1;
    assert.equal(fleet.sureLease, fleet.lease);
    clock.now += 1;
    assert.equal(fleet.sureLease, undefined, 'though nobody has told it that the lease has ended');
    assert.notEqual(fleet.lease, undefined);
    await fleet.renew();
    assert.equal(fleet.sureLease, fleet.lease, 'under another name');
    const { presence } = broker;
    const renew = presence.renewLease.bind(presence);
    presence.renewLease = async (gateway, leaseMs) => {
      const held = await renew(gateway, leaseMs);
      clock.now += LEASE_MS; // the answer is late
      return held;
    };
    await fleet.renew();
    assert.equal(fleet.sureLease, undefined);
  });

  it('takes another name where the beginning of its lease is in doubt', async () => {
    const { open, clock } = world();
    const { fleet, broker } = open('a', '');
    const { presence } = broker;
    const renew = presence.renewLease.bind(presence);
    presence.renewLease = async (gateway, leaseMs) => {
      await renew(gateway, leaseMs);
      throw new BrokerUnavailable('the answer was lost');
    };
    await assert.rejects(fleet.renew(), BrokerUnavailable);
    assert.equal(fleet.lease, undefined);
    const [doubtful] = await presence.gateways();
    presence.renewLease = renew;
    clock.now += LEASE_MS;
    assert.equal(await fleet.renew(), true);
    assert.notEqual(fleet.lease, doubtful);
    assert.equal(await fleet.renew(), false);
  });

  it('does not remove the dead before the others had the time to say that they live', async () => {
    const { open, clock } = world();
    const [a, b] = [open('a', ''), open('b', '')];
    await a.fleet.renew();
    await b.fleet.renew();
    const dead = b.fleet.lease;
    // Redis is away for a minute: both leases end.
    clock.now += 60_000;
    await a.fleet.renew();
    let removed = 0;
    const { presence } = a.broker;
    const removeDead = presence.removeDead.bind(presence);
    presence.removeDead = async () => {
      const gateways = await removeDead();
      removed += gateways;
      return gateways;
    };
    await a.fleet.removeDead();
    assert.equal(removed, 0);
    await b.fleet.renew();
    assert.notEqual(b.fleet.lease, dead);
    clock.now += 2 * LEASE_RENEWAL_MS;
    await a.fleet.removeDead();
    assert.equal(removed, 2, 'the two old leases, which hold nobody any more');
    clock.now += LEASE_MS + GRACE_MS;
  });
});
