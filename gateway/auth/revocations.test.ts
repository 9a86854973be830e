import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BrokerUnavailable } from '../../broker/broker.ts';
import { MemoryBroker, MemoryStore } from '../../broker/memory.ts';
import { until } from '../../broker/testing/until.ts';
import { MAX_REVOKED, REVOKED_KEPT_MS, REVOKED_TOKENS, withOwnChannels } from '../fleet/own-channels.ts';
import type { Authenticated } from './authenticator.ts';
import { Revocations } from './revocations.ts';
import { ANONYMOUS } from './rights.ts';

const HOUR_MS = 3_600_000;

function world() {
  const clock = { now: 1_800_000_000_000 };
  const now = () => clock.now;
  const store = new MemoryStore({ retentionOf: withOwnChannels(() => ({ size: 0, retentionMs: 0 })), now });
  const open = () => {
    const broker = new MemoryBroker(store);
    const told: string[] = [];
    const revocations = new Revocations({
      broker,
      now,
      onRevoked: (tokenId) => told.push(tokenId),
      onUnreadable: () => undefined,
    });
    const line = { cut: false };
    broker.listen({
      event: (_channel, event) => {
        if (!line.cut) revocations.event(event);
      },
      resubscribed: () => undefined,
    });
    return { broker, revocations, told, line };
  };
  return { clock, store, open };
}

/** Lets the embedded engine deliver what was published. */
const delivered = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

function user(tokenId: string | undefined): Authenticated {
  const identity = {
    user: 'ada',
    segment: 'ada',
    name: null,
    expiresAtMs: undefined,
    tokenId,
    subscribe: undefined,
    publish: undefined,
  };
  return { ok: true, caller: { kind: 'user', identity } };
}

const codeOf = (outcome: Authenticated) => (outcome.ok ? 'ok' : outcome.refusal.code);

test('a revoked token is known to be so on every gateway, and each is told once', async () => {
  const { open, clock } = world();
  const [a, b] = [open(), open()];
  await Promise.all([a.revocations.start(), b.revocations.start()]);
  assert.equal(await a.revocations.revoke('T1', clock.now + HOUR_MS), true);
  assert.ok(a.revocations.isRevoked('T1'), 'here at once');
  await until('the other one hears it', () => b.revocations.isRevoked('T1'));
  await a.revocations.revoke('T1', clock.now + HOUR_MS);
  await b.revocations.tend();
  await delivered();
  for (const { revocations, told } of [a, b]) {
    assert.deepEqual(told, ['T1']);
    assert.equal(revocations.isRevoked('T2'), false);
  }
});

test('a gateway that starts later knows what was revoked before', async () => {
  const { open, clock } = world();
  const a = open();
  for (let i = 0; i < 2_500; i += 1) await a.revocations.revoke(`T${i}`, clock.now + HOUR_MS);
  const late = open();
  await late.revocations.start();
  assert.equal(late.revocations.size, 2_500);
  assert.ok(late.revocations.isRevoked('T0') && late.revocations.isRevoked('T2499'));
});

test('a revocation holds until the token ends, and is forgotten then', async () => {
  const { open, clock } = world();
  const { revocations } = open();
  await revocations.start();
  await revocations.revoke('short', clock.now + 1_000);
  await revocations.revoke('longer', clock.now + 1_000);
  await revocations.revoke('longer', clock.now + 2_000);
  await revocations.revoke('longer', clock.now + 500);
  await revocations.revoke('endless', undefined);
  assert.equal(await revocations.revoke('over', clock.now - 5 * 60_000), false);
  clock.now += 1_000;
  assert.deepEqual(
    ['short', 'longer', 'endless'].map((id) => revocations.isRevoked(id)),
    [false, true, true],
  );
  await revocations.tend();
  assert.equal(revocations.size, 2);
  clock.now += REVOKED_KEPT_MS;
  await revocations.tend();
  assert.equal(revocations.size, 0);
});

test('nobody whose token was revoked is let in, whatever was shown', async () => {
  const { open, clock } = world();
  const { revocations } = open();
  await revocations.start();
  await revocations.revoke('T1', clock.now + HOUR_MS);
  const refused: Authenticated = { ok: false, refusal: { code: 'unauthorized', error: '' }, expired: true };
  const anonymous: Authenticated = { ok: true, caller: ANONYMOUS };
  for (const each of [refused, anonymous, user('T2'), user(undefined)]) assert.equal(revocations.admit(each), each);
  assert.equal(codeOf(revocations.admit(user('T1'))), 'unauthorized');
});

test('it says so while it knows nothing yet, and makes that good', async () => {
  const { open, clock } = world();
  await open().revocations.revoke('T1', clock.now + HOUR_MS);
  const { revocations, broker } = open();
  const readAfter = broker.readAfter.bind(broker);
  const away = open().broker;
  await away.close();
  broker.readAfter = away.readAfter.bind(away);
  await assert.rejects(revocations.start(), { name: 'BrokerUnavailable' });
  assert.equal(revocations.ready, false);
  assert.equal(codeOf(revocations.admit(user('T1'))), 'unavailable');
  assert.equal(codeOf(revocations.admit(user(undefined))), 'ok', 'what has no id cannot be revoked');

  broker.readAfter = readAfter;
  await revocations.tend();
  assert.equal(revocations.ready, true);
  assert.equal(codeOf(revocations.admit(user('T1'))), 'unauthorized');
  assert.equal(codeOf(revocations.admit(user('T2'))), 'ok');

  broker.readAfter = away.readAfter.bind(away);
  await assert.rejects(revocations.tend(), { name: 'BrokerUnavailable' });
  assert.equal(codeOf(revocations.admit(user('T2'))), 'ok', 'an outage later on turns nobody away');
});

test('what was missed is read after an interruption, and as soon as an event shows that one is missing', async () => {
  const { open, clock } = world();
  const [a, b] = [open(), open()];
  await b.revocations.start();
  b.line.cut = true;
  await a.revocations.revoke('T1', clock.now + HOUR_MS);
  await delivered();
  assert.equal(b.revocations.isRevoked('T1'), false);
  b.line.cut = false;
  b.revocations.resubscribed();
  await until('it has read', () => b.revocations.isRevoked('T1'));

  b.line.cut = true;
  await a.revocations.revoke('T2', clock.now + HOUR_MS);
  await delivered();
  b.line.cut = false;
  await a.revocations.revoke('T3', clock.now + HOUR_MS);
  await until('it has read', () => b.revocations.isRevoked('T2'));
});

test('after a failover that lost its last events it knows all that is stored since', async () => {
  const { open, clock, store } = world();
  const [a, b] = [open(), open()];
  await b.revocations.start();
  clock.now += 10;
  await a.revocations.revoke('T1', clock.now + HOUR_MS);
  await b.revocations.tend();
  store.channels.delete(REVOKED_TOKENS);
  clock.now -= 5; // the new master's clock is behind
  b.line.cut = true;
  await a.revocations.revoke('T2', clock.now + HOUR_MS);
  await delivered();
  await b.revocations.tend();
  assert.ok(b.revocations.isRevoked('T1') && b.revocations.isRevoked('T2'));
});

test('what another version revokes in another form is passed over', async () => {
  const { open, clock } = world();
  const { revocations, broker } = open();
  await broker.publish(REVOKED_TOKENS, { name: 'revoked', data: '{"user":"ada"}' });
  await revocations.revoke('T1', clock.now + HOUR_MS);
  await revocations.start();
  assert.equal(revocations.size, 1);
});

test('it remembers so many and no more, the latest', async () => {
  const { open, clock } = world();
  const { revocations } = open();
  await revocations.revoke('ended', clock.now + 1);
  await revocations.revoke('first', clock.now + HOUR_MS);
  clock.now += 1;
  for (let i = 0; i < MAX_REVOKED; i += 1) await revocations.revoke(`T${i}`, clock.now + HOUR_MS);
  assert.equal(revocations.size, MAX_REVOKED);
  assert.equal(revocations.isRevoked('first'), false);
  assert.ok(revocations.isRevoked('T0') && revocations.isRevoked(`T${MAX_REVOKED - 1}`));
});

const action = fc.oneof(
  fc.record({ kind: fc.constant('revoke' as const), by: fc.nat(1), id: fc.nat(5), forMs: fc.nat(3_000) }),
  fc.record({ kind: fc.constant('cut' as const), cut: fc.boolean() }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(1_000) }),
  fc.constant({ kind: 'deliver' as const }),
  fc.constant({ kind: 'resubscribed' as const }),
);

test('whatever is missed and whenever, after the next look all gateways know the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 30 }), async (actions) => {
      const { open, clock } = world();
      const [a, b] = [open(), open()];
      await Promise.all([a.revocations.start(), b.revocations.start()]);
      const expected = new Map<string, number>();
      for (const each of actions) {
        if (each.kind === 'revoke') {
          const [id, untilMs] = [`T${each.id}`, clock.now + each.forMs];
          await (each.by === 0 ? a : b).revocations.revoke(id, untilMs);
          expected.set(id, Math.max(expected.get(id) ?? 0, untilMs));
        } else if (each.kind === 'cut') b.line.cut = each.cut;
        else if (each.kind === 'wait') clock.now += each.ms;
        else if (each.kind === 'deliver') await delivered();
        else b.revocations.resubscribed();
      }
      const late = open();
      await Promise.all([a.revocations.tend(), b.revocations.tend(), late.revocations.start()]);
      for (const [id, untilMs] of expected)
        for (const { revocations } of [a, b, late]) assert.equal(revocations.isRevoked(id), untilMs > clock.now);
    }),
    { numRuns: 200 },
  );
});

test('what Redis lost is stored again by gateways that know, once however many they are, for those that start later', async () => {
  const { store, open } = world();
  const [a, b] = [open(), open()];
  await a.revocations.start();
  await b.revocations.start();
  for (const token of ['t1', 't2', 't3']) await a.revocations.revoke(token, undefined);
  await delivered();
  store.channels.clear(); // as a Redis without persistence that was started anew
  await b.revocations.revoke('t4', undefined); // a channel that begins anew is no whole one either
  await delivered();
  await Promise.all([a.revocations.tend(), b.revocations.tend()]);
  await delivered();
  const late = open();
  await late.revocations.start();
  for (const token of ['t1', 't2', 't3', 't4']) assert.equal(late.revocations.isRevoked(token), true, token);
  assert.equal(store.channels.get(REVOKED_TOKENS)?.stream?.events.length, 4);
});

test('what could not be stored again is tried again', async () => {
  const { store, open } = world();
  const { broker, revocations } = open();
  await revocations.start();
  await revocations.revoke('t1', undefined);
  await delivered();
  store.channels.clear();
  const publish = broker.publish.bind(broker);
  broker.publish = () => Promise.reject(new BrokerUnavailable('away'));
  await assert.rejects(revocations.tend(), BrokerUnavailable);
  broker.publish = publish;
  await revocations.tend();
  const late = open();
  await late.revocations.start();
  assert.equal(late.revocations.isRevoked('t1'), true);
});

test('a gateway whose clock is ahead revokes for those by whose clocks the token still holds', async () => {
  const { clock, open, store } = world();
  const here = open();
  await here.revocations.start();
  const endsMs = clock.now + 60_000;
  clock.now += 2 * 60_000; // a minute too late by this clock
  assert.equal(await here.revocations.revoke('t1', endsMs), true);
  assert.equal(store.channels.get(REVOKED_TOKENS)?.stream?.events.length, 1);
  clock.now = endsMs - 1;
  const right = open();
  await right.revocations.start();
  assert.equal(right.revocations.isRevoked('t1'), true);
});
