import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUsername } from './username.ts';

function nameOf(given: string): string {
  const parsed = parseUsername(given);
  assert.ok(parsed.ok, parsed.ok ? '' : `${JSON.stringify(given)}: ${parsed.error}`);
  return parsed.name;
}

function claimOf(given: string): string {
  const parsed = parseUsername(given);
  assert.ok(parsed.ok, parsed.ok ? '' : `${JSON.stringify(given)}: ${parsed.error}`);
  return parsed.claim;
}

function refused(given: string, why: RegExp): void {
  const parsed = parseUsername(given);
  assert.ok(!parsed.ok, `${JSON.stringify(given)} was taken`);
  assert.match(parsed.error, why);
}

test('1 to 20 characters as a person sees them', () => {
  for (const name of [
    'a',
    'x'.repeat(20),
    '👩‍👩‍👧‍👦'.repeat(20),
    '🏴󠁧󠁢󠁥󠁮󠁧󠁿'.repeat(3),
    '❤️',
    '👍🏽',
    'é'.repeat(20),
    'गुरु',
    'محمد',
    'می‌خواهم',
    '王小明',
  ])
    assert.equal(nameOf(name), name.normalize('NFC'));
  assert.equal([...nameOf('e\u0301'.repeat(20))].length, 20);
  refused('x'.repeat(21), /has 21 characters/);
  refused('👩‍👩‍👧‍👦'.repeat(21), /has 21 characters/);
  refused('x'.repeat(10_000), /too long/);
  refused(`a${'\u0301'.repeat(1_000)}`, /too long/);
});

test('a name is trimmed, and must not be empty', () => {
  assert.equal(nameOf('  Ada Lovelace\t'), 'Ada Lovelace');
  for (const empty of ['', ' ', '\t\n', '\u3000']) refused(empty, /is empty/);
});

test('control characters and line breaks are refused', () => {
  for (const name of [
    'a\u0000b',
    'a\nb',
    'a\rb',
    'a\u0007',
    'a\u001b[31mb',
    'a\u2028b',
    'a\u2029b',
    'a\u0085b',
    'a\ud800b',
    'a\ufffeb',
    'a\ue000b',
  ])
    refused(name, /control character/);
});

test('marks that turn the direction of text, or that cannot be seen, are refused', () => {
  for (const name of [
    'a\u202eb',
    'a\u200fb',
    'a\u2066b\u2069',
    'a\u200bb',
    'a\ufeffb',
    'a\u00adb',
    'a\u2060b',
    '\u3164',
    '\u2800',
    'a\u{e0041}',
  ])
    refused(name, /cannot be seen or that turns/);
  refused('\u0301', /nothing that can be seen/);
});

test('names that differ in case, width, compatibility form or hidden joiners only are the same', () => {
  const same = [
    ['Bob', 'BOB', 'bob', 'Ｂｏｂ', 'b\u200cob'],
    ['é', 'e\u0301', 'É'],
    ['ﬁn', 'fin', 'FIN'],
    ['a  b', 'a b', 'a\u00a0b'],
  ];
  for (const [first = '', ...others] of same)
    for (const other of others) assert.equal(claimOf(other), claimOf(first), other);
  assert.notEqual(claimOf('bob'), claimOf('b0b'));
  assert.notEqual(claimOf('👍🏽'), claimOf('👍'));
});

test('markup is a name like any other', () => {
  assert.equal(nameOf('<b>"x"&amp;</b>'), '<b>"x"&amp;</b>');
  assert.equal(nameOf('__proto__'), '__proto__');
});
