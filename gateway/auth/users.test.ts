import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CHANNEL } from '../protocol.ts';
import { SUBJECTS } from './testing/subjects.ts';
import { segmentOf, userSchema } from './users.ts';

function userFrom(sub: unknown): string {
  return userSchema('It').parse(sub);
}

for (const { provider, sub, segment } of SUBJECTS)
  test(`a user as of ${provider} stands in channels as ${segment}`, () => {
    assert.equal(segmentOf(userFrom(sub)), segment);
    assert.match(`notify:@${segment}`, CHANNEL);
  });

const plain = fc.stringMatching(/^[A-Za-z0-9_.@-][A-Za-z0-9_.:@-]{0,118}$/);
/** Texts near the edges: the marks of escapes and digests, digits of escapes, characters that are escaped. */
const tricky = fc.string({
  unit: fc.constantFrom(':', '|', '7', 'C', '%', '-', 's', 'é', '\u{1f600}'),
  minLength: 1,
  maxLength: 60,
});
const anybody = fc.oneof(plain, tricky, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }));

test('a plain name stands as it always did', () => {
  fc.assert(fc.property(plain, (user) => assert.equal(segmentOf(user), user)));
});

test('every user has a channel of notifications, and no two have the same', () => {
  fc.assert(
    fc.property(anybody, anybody, (a, b) => {
      assert.match(`notify:@${segmentOf(a)}`, CHANNEL);
      assert.equal(segmentOf(a) === segmentOf(b), a === b);
      // Somebody who is called as another stands in channels is somebody else.
      if (segmentOf(a) !== a) assert.notEqual(segmentOf(segmentOf(a)), segmentOf(a));
    }),
    { numRuns: 5_000 },
  );
});

test('what is escaped can be read back', () => {
  fc.assert(
    fc.property(anybody, (user) => {
      const segment = segmentOf(user);
      if (!segment.startsWith(':') || segment.startsWith('::sha256-')) return;
      assert.equal(decodeURIComponent(segment.slice(1).replaceAll(':', '%')), user);
    }),
    { numRuns: 2_000 },
  );
});

test('what is no user is refused with a sentence that says what a user is', () => {
  const faults: readonly (readonly [unknown, RegExp])[] = [
    ['', /^It must be 1 to 512 characters$/],
    ['x'.repeat(513), /^It must be 1 to 512 characters$/],
    ['a\ud800b', /^It has half of a surrogate pair/],
    [2 ** 53, /^It is a number that a double cannot hold exactly; give it as text$/],
    [0.5, /^It is a number/],
    [null, /^It must be text or a whole number$/],
    [['ada'], /^It must be text or a whole number$/],
  ];
  for (const [given, message] of faults) {
    const parsed = userSchema('It').safeParse(given);
    assert.ok(!parsed.success, String(given));
    assert.match(parsed.error.issues[0]?.message ?? '', message);
  }
});
