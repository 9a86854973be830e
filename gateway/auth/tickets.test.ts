import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nanoid } from 'nanoid';
import { MemoryBroker, MemoryStore } from '../../broker/memory.ts';
import { findCredential } from './credentials.ts';
import { compilePatterns } from './patterns.ts';
import { TICKET_LIFETIME_MS, Tickets } from './tickets.ts';
import type { Identity } from './tokens.ts';

function world() {
  const clock = { now: 1_800_000_000_000 };
  const store = new MemoryStore({ retentionOf: () => ({ size: 0, retentionMs: 0 }), now: () => clock.now });
  const brokers = [new MemoryBroker(store), new MemoryBroker(store)] as const;
  const [a, b] = brokers.map(({ vault }) => new Tickets({ vault, newTicket: nanoid, now: () => clock.now }));
  assert.ok(a && b);
  return { clock, store, brokers, a, b };
}

function patterns(list: readonly string[]) {
  const compiled = compilePatterns(list, 'ada');
  assert.ok(compiled.ok);
  return compiled.patterns;
}

function ada(given: Partial<Identity> = {}): Identity {
  return {
    user: 'ada',
    segment: 'ada',
    name: null,
    expiresAtMs: undefined,
    tokenId: undefined,
    subscribe: undefined,
    publish: undefined,
    ...given,
  };
}

async function refusal(tickets: Tickets, ticket: string) {
  const outcome = await tickets.redeem(ticket);
  assert.ok(!outcome.ok, 'was let in');
  return { ...outcome.refusal, expired: outcome.expired };
}

test('a ticket brings back whom it was handed out to, with all rights, on another gateway', async () => {
  const { a, b, clock } = world();
  const identity = ada({
    name: 'Ada',
    expiresAtMs: clock.now + 3_600_000,
    tokenId: 'T1',
    subscribe: patterns(['notify:@me', 'chat:*']),
    publish: patterns([]),
  });
  const { ticket, expiresInMs } = await a.issue(identity);
  assert.equal(expiresInMs, TICKET_LIFETIME_MS);
  const outcome = await b.redeem(ticket);
  assert.ok(outcome.ok && outcome.caller.kind === 'user');
  const { subscribe, publish, ...rest } = outcome.caller.identity;
  assert.equal(outcome.caller.byTicket, true);
  assert.deepEqual(rest, {
    user: 'ada',
    segment: 'ada',
    name: 'Ada',
    expiresAtMs: identity.expiresAtMs,
    tokenId: 'T1',
  });
  assert.ok(subscribe?.match('notify:@ada') && subscribe.match('chat:a') && !subscribe.match('notify:@bob'));
  assert.equal(publish?.match('chat:a'), false, 'an empty list allows nothing still');
});

test('a ticket brings back a user whose name needs escaping, and somebody who is none', async () => {
  const { a, b } = world();
  for (const [user, segment] of [
    ['auth0|7', ':auth0:7C7'],
    [null, undefined],
  ] as const) {
    const { ticket } = await a.issue(ada({ user, segment, subscribe: patterns(['news']) }));
    const outcome = await b.redeem(ticket);
    assert.ok(outcome.ok && outcome.caller.kind === 'user');
    assert.deepEqual([outcome.caller.identity.user, outcome.caller.identity.segment], [user, segment]);
  }
});

test('what a token left to the namespaces is left to them still', async () => {
  const { a } = world();
  const outcome = await a.redeem((await a.issue(ada())).ticket);
  assert.ok(outcome.ok && outcome.caller.kind === 'user');
  assert.deepEqual(outcome.caller.identity, ada());
});

test('a ticket lets one in, once', async () => {
  const { a, b } = world();
  const { ticket } = await a.issue(ada());
  const outcomes = await Promise.all([a, b, a, b].map((tickets) => tickets.redeem(ticket)));
  assert.equal(outcomes.filter(({ ok }) => ok).length, 1);
  const { code, error, expired } = await refusal(b, ticket);
  assert.deepEqual([code, expired], ['unauthorized', false]);
  assert.match(error, /used before, is older than 30 seconds, or was never handed out/);
});

test('a ticket that is too old, or never was, lets nobody in', async () => {
  const { a, clock } = world();
  const { ticket } = await a.issue(ada());
  clock.now += TICKET_LIFETIME_MS;
  for (const each of [ticket, 'guessed']) assert.equal((await refusal(a, each)).code, 'unauthorized');
});

test('a ticket holds no longer than the token for which it was handed out', async () => {
  const { a, clock, brokers } = world();
  const { ticket, expiresInMs } = await a.issue(ada({ expiresAtMs: clock.now + 5_000 }));
  assert.equal(expiresInMs, 5_000);
  // A vault whose clock is behind still has it.
  const [{ vault }] = brokers;
  const behind = { put: vault.put.bind(vault), take: vault.take.bind(vault) };
  const later = new Tickets({ vault: behind, newTicket: nanoid, now: () => clock.now + 5_000 });
  const { code, expired } = await refusal(later, ticket);
  assert.deepEqual([code, expired], ['unauthorized', true]);
});

test('what is kept does not show the ticket', async () => {
  const { a, store } = world();
  const { ticket } = await a.issue(ada());
  const [id = '', ...others] = store.vault.ids();
  assert.equal(others.length, 0);
  assert.ok(!id.includes(ticket));
  assert.ok(!store.vault.take(id)?.includes(ticket));
});

test('what a gateway of another version keeps in another form is not known', async () => {
  const { a, brokers, store } = world();
  const { ticket } = await a.issue(ada());
  const [id = ''] = store.vault.ids();
  await brokers[0].vault.put(id, '{"subject":"ada"}', 1_000);
  assert.equal((await refusal(a, ticket)).code, 'unauthorized');
});

test('while the vault is away nobody is let in, and nobody is called unauthorized', async () => {
  const { a, b, brokers } = world();
  const { ticket } = await a.issue(ada());
  await brokers[1].close();
  assert.equal((await refusal(b, ticket)).code, 'unavailable');
  await assert.rejects(b.issue(ada()), { name: 'BrokerUnavailable' });
});

test('a ticket can be shown where one is looked for', async () => {
  const { a } = world();
  const { ticket } = await a.issue(ada());
  const query = new URLSearchParams({ ticket });
  assert.deepEqual(findCredential({ authorization: '', query, protocols: '' }), {
    ok: true,
    credential: { kind: 'ticket', text: ticket },
  });
});
