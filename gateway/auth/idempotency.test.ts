import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseApiKeys } from './api-keys.ts';
import { scopedKey } from './idempotency.ts';
import { ANONYMOUS, type Caller } from './rights.ts';
import { segmentOf } from './users.ts';

function user(name: string | null): Caller {
  const segment = name === null ? undefined : segmentOf(name);
  const nothing = { name: null, expiresAtMs: undefined, tokenId: undefined, subscribe: undefined, publish: undefined };
  return { kind: 'user', identity: { user: name, segment, ...nothing } };
}

function servers(): readonly Caller[] {
  const parsed = parseApiKeys('ada:k3y-of-the-shop-0001,shop:k3y-of-the-shop-0002');
  assert.ok(parsed.ok);
  return parsed.value.map((key) => ({ kind: 'key', key }));
}

function keyOf(...asked: Parameters<typeof scopedKey>): string {
  const scoped = scopedKey(...asked);
  assert.ok(scoped.ok);
  return scoped.key;
}

test('keys of two publishers never meet, whatever they are called', () => {
  const publishers = [
    ANONYMOUS,
    user('ada'),
    user('ada x'),
    user('x ada'),
    user('auth0|ada'),
    user('key/ada'),
    ...servers(),
  ];
  const keys = ['x', 'x x', 'ada x', ' x', '/x', 'user/ada x'];
  const stored = publishers.flatMap((publisher) => keys.map((key) => keyOf(publisher, key)));
  const shared = keys.map((key) => keyOf(ANONYMOUS, key, 'channel', true));
  assert.equal(new Set([...stored, ...shared]).size, stored.length + shared.length);
});

test('all that are nobody are one publisher, with a token or without', () => {
  assert.equal(keyOf(user(null), 'x'), keyOf(ANONYMOUS, 'x'));
});

test('only servers share their keys, or everybody where there is no authentication', () => {
  const [one, two] = servers();
  assert.ok(one && two);
  assert.equal(keyOf(one, 'x', 'channel'), keyOf(two, 'x', 'channel'));
  for (const caller of [user('ada'), user(null), ANONYMOUS]) {
    const refused = scopedKey(caller, 'x', 'channel');
    assert.ok(!refused.ok);
    assert.equal(refused.refusal.code, 'forbidden');
    assert.equal(keyOf(caller, 'x', 'channel', true), keyOf(one, 'x', 'channel'));
  }
});
