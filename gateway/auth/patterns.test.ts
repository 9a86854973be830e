import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compilePatterns, ownerOf, Patterns } from './patterns.ts';

function patterns(given: readonly string[], user?: string): Patterns {
  const compiled = compilePatterns(given, user);
  assert.ok(compiled.ok, compiled.ok ? '' : compiled.error);
  return compiled.patterns;
}

function fault(given: readonly string[], user: string | undefined = 'ada'): string {
  const compiled = compilePatterns(given, user);
  assert.ok(!compiled.ok, `${given.join()} was taken`);
  return compiled.error;
}

/** What a pattern of the user `ada` opens, and what it does not. */
const TABLE: readonly { pattern: string; opens: string[]; not: string[] }[] = [
  { pattern: 'news', opens: ['news'], not: ['new', 'newss', 'news:a', 'xnews', 'News'] },
  {
    pattern: 'chat:*',
    opens: ['chat:a', 'chat:a:b', 'chat:-'],
    not: ['chat:', 'chat', 'chat2:x', 'xchat:a'],
  },
  { pattern: 'chat:*:log', opens: ['chat:a:log', 'chat:a:b:log'], not: ['chat::log', 'chat:log', 'chat:a:logs'] },
  { pattern: 'a*a', opens: ['aba', 'aaa'], not: ['aa', 'a'] },
  { pattern: '*:x', opens: ['a:x', 'a:b:x'], not: [':x', 'x', 'a:xx'] },
  { pattern: '*b*b*', opens: ['abcbd', 'bbbbb'], not: ['abcb', 'bbb', 'bb'] },
  { pattern: 'a.b', opens: ['a.b'], not: ['axb'] },
  { pattern: 'a.*', opens: ['a.b'], not: ['ab', 'axb'] },
  {
    pattern: '*',
    opens: ['a', 'chat:lobby', 'notify:all', '@ada', 'notify:@ada', 'a@bob', 'dm:room:@bob'],
    not: ['notify:@bob', '@bob', 'notify:@', 'notify:@adam', 'notify:@ada:x', 'x:@ADA'],
  },
  { pattern: 'notify:*', opens: ['notify:all', 'notify:@ada'], not: ['notify:@bob', 'notify:@ada2'] },
  { pattern: 'notify:@me', opens: ['notify:@ada'], not: ['notify:@me', 'notify:@bob', 'notify:@ada:x', 'notify:@ad'] },
  { pattern: '@me', opens: ['@ada'], not: ['@me', 'notify:@ada', '@ada:x'] },
  { pattern: '@*', opens: ['@ada', '@bob', '@github:1'], not: ['notify:@bob', '@'] },
  { pattern: '@github:*', opens: ['@github:1'], not: ['@github', '@gitlab:1', 'github:1'] },
  { pattern: '*:1', opens: ['github:1', 'a:b:1'], not: ['@github:1'] },
  { pattern: '*:@me', opens: ['notify:@ada', 'x:@ada'], not: ['notify:@bob', 'notify:@x:@ada', ':@ada'] },
  { pattern: 'notify:@bob', opens: ['notify:@bob'], not: ['notify:@ada', 'notify:@bobby'] },
  {
    pattern: 'notify:@*',
    opens: ['notify:@bob', 'notify:@ada', 'notify:@x:y'],
    not: ['notify:@', 'notify:all', 'x:@bob'],
  },
  { pattern: 'notify:@b*b', opens: ['notify:@bob', 'notify:@b:b'], not: ['notify:@bb', 'notify:@alice'] },
  { pattern: '*:@bob', opens: ['notify:@bob'], not: ['notify:@x:@bob', 'notify:@ada'] },
  { pattern: '*@bob', opens: ['x@bob', 'x:y@bob'], not: ['notify:@bob', '@bob'] },
  { pattern: '*bob', opens: ['xbob'], not: ['notify:@bob'] },
  { pattern: 'notify:@meg', opens: ['notify:@meg'], not: ['notify:@adag'] },
  { pattern: 'notify:@me-x', opens: ['notify:@me-x'], not: ['notify:@ada-x'] },
];

for (const { pattern, opens, not } of TABLE) {
  test(`${pattern} opens to ada ${opens.join(' ')} and not ${not.join(' ')}`, () => {
    const compiled = patterns([pattern], 'ada');
    for (const channel of opens) assert.equal(compiled.match(channel), true, channel);
    for (const channel of not) assert.equal(compiled.match(channel), false, channel);
  });
}

test('a list opens what any of its patterns opens, and an empty one nothing', () => {
  const some = patterns(['news', 'chat:*'], 'ada');
  assert.ok(some.match('news') && some.match('chat:x') && !some.match('x'));
  assert.ok(!patterns([], 'ada').match('news'));
});

test('for somebody who is no user no * opens a channel that belongs to one', () => {
  assert.ok(!patterns(['*']).match('notify:@ada'));
  assert.ok(patterns(['notify:@*']).match('notify:@ada'));
});

test('what is no pattern is refused with its place and the reason, and is not quoted', () => {
  assert.match(fault(['a', '']), /at place 2 .* empty/);
  assert.match(fault(['x'.repeat(129)]), /longer than 128/);
  for (const pattern of ['a b', 'é', 'a?', '(a+)+$', '[a]', 'a\n', '$fleet', 'a#', '%', 'a,b'])
    assert.match(fault([pattern]), /may have .* only/, pattern);
  assert.match(fault(['secret**']), /\*\*/);
  assert.doesNotMatch(fault(['secret**']), /secret/);
  for (const pattern of ['@me:x', '@me*', 'a:@me*', 'a:@me:b', 'a:@me:@me'])
    assert.match(fault([pattern]), /@me/, pattern);
  assert.match(fault(new Array(101).fill('a')), /more than 100/);
  assert.ok(patterns(new Array(100).fill('x'.repeat(128))).match('x'.repeat(128)));
});

test('@me is for users only', () => {
  const compiled = compilePatterns(['notify:@me'], undefined);
  assert.ok(!compiled.ok);
  assert.match(compiled.error, /@me/);
});

test('a channel belongs to the user whom its name, or its name after the namespace, begins with', () => {
  const owners = {
    'notify:@ada': 'ada',
    '@ada': 'ada',
    'a:@b:c': 'b:c',
    'a:@': '',
    'a:b:@c': undefined,
    '@a:b': 'a:b',
    '@github:1': 'github:1',
    '@a:@b': 'a:@b',
    ':@a': 'a',
  };
  for (const [channel, owner] of Object.entries(owners)) assert.equal(ownerOf(channel), owner, channel);
});

/** Tries every way to fit the pattern. The character `at` of the name may be taken by the pattern's own at `pinned` only. */
function naive(pattern: string, name: string, at = -1, pinned = -1): boolean {
  const fits = (p: number, n: number): boolean => {
    if (p === pattern.length || n === name.length) return p === pattern.length && n === name.length;
    if (pattern[p] !== '*') return pattern[p] === name[n] && (n === at) === (p === pinned) && fits(p + 1, n + 1);
    return n !== at && (fits(p + 1, n + 1) || fits(p, n + 1));
  };
  return fits(0, 0);
}

function model(pattern: string, channel: string, user: string): boolean {
  const name = channel.startsWith('@') ? 0 : channel.indexOf(':') + 1;
  const mine = channel.slice(name) === `@${user}`;
  if (channel[name] !== '@' || mine) return naive(pattern, channel);
  const pinned = pattern.startsWith('@') ? 0 : pattern.indexOf(':') + 1;
  return pattern[pinned] === '@' && naive(pattern, channel, name, pinned);
}

const letters = (...from: string[]) => fc.string({ unit: fc.constantFrom(...from), minLength: 1, maxLength: 12 });
const channels = letters('a', 'b', ':', '@', '.');
const globs = letters('a', 'b', ':', '@', '.', '*').filter((pattern) => !pattern.includes('**'));

test('a pattern opens exactly what trying every way finds', () => {
  fc.assert(
    fc.property(globs, channels, letters('a', 'b'), (pattern, channel, user) => {
      assert.equal(patterns([pattern], user).match(channel), model(pattern, channel, user));
    }),
    { numRuns: 5_000 },
  );
});

test('a channel made from a pattern is opened by it, where no * has made it belong to another', () => {
  fc.assert(
    fc.property(globs, letters('a', 'b', '.'), (pattern, filling) => {
      assert.ok(patterns([pattern], 'nobody').match(pattern.replaceAll('*', filling)));
    }),
    { numRuns: 2_000 },
  );
});

test('a list without an @ opens no channel of another user', () => {
  const lists = fc.array(
    globs.filter((pattern) => !pattern.includes('@')),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(lists, letters('a', '.'), letters('a', 'b', ':', '@'), (list, namespace, owner) => {
      assert.ok(!patterns(list, 'ada').match(`${namespace}:@${owner}`));
    }),
    { numRuns: 2_000 },
  );
});

test('the worst of patterns and channels is matched at once', () => {
  const worst = patterns(new Array(100).fill('*a'.repeat(63)), 'ada');
  const channel = `${'a'.repeat(127)}b`;
  const start = process.cpuUsage();
  for (let i = 0; i < 100; i++) worst.match(channel);
  assert.ok(process.cpuUsage(start).user < 2_000_000);
});

test('a list can be made again of its sources, whoever the user is', () => {
  const given = ['notify:@me', '@me', 'chat:*', '*:@me', 'notify:@b*', `${'x'.repeat(124)}:@me`];
  for (const user of ['ada', 'me', 'me:x', 'u'.repeat(119)]) {
    const compiled = patterns(given, user);
    const again = new Patterns(compiled.sources, user);
    const channels = [`notify:@${user}`, `@${user}`, 'notify:@bob', 'notify:@ad', 'chat:a', 'chat:@bob', 'x'];
    for (const channel of channels) assert.equal(again.match(channel), compiled.match(channel), `${user} ${channel}`);
    assert.deepEqual(again.sources, compiled.sources);
  }
});
