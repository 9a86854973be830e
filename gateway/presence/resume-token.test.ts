import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResumeTokens } from './resume-token.ts';

const CONNECTION = 'V1StGXR8_Z5jdHi6B-myT';

test('a token says which connection it is of, with the secret of that one, to every gateway', () => {
  const [ours, theirs] = [new ResumeTokens(), new ResumeTokens()];
  const parsed = theirs.parse(ours.issue(CONNECTION));
  assert.deepEqual(parsed, { connection: CONNECTION, secret: ours.secretOf(CONNECTION) });
});

test('only the gateway that issued a token can make its secret, and each connection has another', () => {
  const [ours, theirs] = [new ResumeTokens(), new ResumeTokens()];
  assert.equal(ours.secretOf(CONNECTION), ours.secretOf(CONNECTION));
  assert.notEqual(ours.secretOf(CONNECTION), theirs.secretOf(CONNECTION));
  assert.notEqual(ours.secretOf(CONNECTION), ours.secretOf('another'));
});

test('what is no token says nothing', () => {
  const tokens = new ResumeTokens();
  for (const text of [
    '',
    '.',
    CONNECTION,
    `${CONNECTION}.`,
    `${CONNECTION}.short`,
    `${tokens.issue(CONNECTION)}x`,
    `a b.${'x'.repeat(22)}`,
  ])
    assert.equal(tokens.parse(text), undefined, text);
});
