import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answeredProtocol, type Credential, type CredentialSources, findCredential } from './credentials.ts';

interface Request {
  readonly authorization?: string;
  readonly query?: string;
  readonly protocols?: string;
}

function sources({ authorization = '', query = '', protocols = '' }: Request): CredentialSources {
  return { authorization, query: new URLSearchParams(query), protocols };
}

function found(request: Request): Credential | undefined {
  const outcome = findCredential(sources(request));
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.refusal.error);
  return outcome.credential;
}

function refused(request: Request): string {
  const outcome = findCredential(sources(request));
  assert.ok(!outcome.ok, 'was taken');
  assert.equal(outcome.refusal.code, 'unauthorized');
  assert.doesNotMatch(outcome.refusal.error, /s3cr3t/);
  return outcome.refusal.error;
}

test('a request that shows nothing is found to show nothing', () => {
  assert.equal(found({}), undefined);
  assert.equal(found({ query: 'channel=a', protocols: 'passerelle' }), undefined);
  assert.equal(found({ protocols: 'graphql-ws, mqtt' }), undefined);
});

test('a header shows a token or an API key, whatever the case of its scheme', () => {
  for (const authorization of ['Bearer a.b-c_d', 'bearer a.b-c_d', 'BEARER  a.b-c_d '])
    assert.deepEqual(found({ authorization }), { kind: 'bearer', text: 'a.b-c_d' });
  assert.equal(found({ authorization: 'Bearer ab+/~==' })?.text, 'ab+/~==');
});

test('what a proxy in front has asked for is not ours', () => {
  for (const authorization of ['Basic czNjcjN0', 'Digest username="a", uri="/"', 'Negotiate YII='])
    assert.equal(found({ authorization }), undefined, authorization);
  assert.equal(found({ authorization: 'Basic czNjcjN0', query: 'token=a' })?.text, 'a');
});

test('a URL shows a token or a ticket', () => {
  assert.deepEqual(found({ query: 'channel=a&token=a.b.c' }), { kind: 'token', text: 'a.b.c' });
  assert.deepEqual(found({ query: 'ticket=V1StGXR8_Z5jdHi6B-myT' }), { kind: 'ticket', text: 'V1StGXR8_Z5jdHi6B-myT' });
});

test('a token is what is offered beside the subprotocol', () => {
  for (const protocols of ['passerelle, a.b.c', 'passerelle,a.b.c', 'a.b.c, passerelle', 'passerelle, a.b.c,'])
    assert.deepEqual(found({ protocols }), { kind: 'token', text: 'a.b.c' }, protocols);
});

test('the subprotocol is answered where it is offered, and a token never', () => {
  const answers = {
    '': undefined,
    passerelle: 'passerelle',
    'passerelle, s3cr3t': 'passerelle',
    's3cr3t,passerelle': 'passerelle',
    'passerelle, a, b': 'passerelle',
    passerelle2: undefined,
    'graphql-ws': undefined,
  };
  for (const [offered, answer] of Object.entries(answers)) assert.equal(answeredProtocol(offered), answer, offered);
});

test('what is malformed is refused, and not taken for nothing', () => {
  for (const authorization of [
    's3cr3t',
    'Bearer',
    'Bearer ',
    'Token s3cr3t',
    'Bearer s3cr3t s3cr3t',
    'Bearer s3cr3t,',
    'Bearer "s3cr3t"',
    'Bearer:s3cr3t',
  ])
    assert.match(refused({ authorization }), /Authorization header/, authorization);
  for (const query of ['token=', 'token=s3cr3t%20', 'token=%22', 'token', 'token=undefined!'])
    assert.match(refused({ query }), /"token" in the URL/, query);
  for (const query of ['ticket=', 'ticket=a.b', `ticket=${'x'.repeat(129)}`])
    assert.match(refused({ query }), /"ticket" in the URL/, query);
  for (const protocols of ['passerelle, s3cr3t, other', 'passerelle, "s3cr3t"'])
    assert.match(refused({ protocols }), /subprotocol/, protocols);
});

test('the same token shown twice counts once, by the header where that is one of the places', () => {
  assert.deepEqual(found({ query: 'token=a&token=a', protocols: 'passerelle, a' }), { kind: 'token', text: 'a' });
  assert.deepEqual(found({ authorization: 'Bearer a', query: 'token=a' }), { kind: 'bearer', text: 'a' });
});

test('two different ones are refused', () => {
  for (const request of [
    { authorization: 'Bearer a', query: 'token=b' },
    { authorization: 'Bearer a', protocols: 'passerelle, b' },
    { query: 'token=a&token=b' },
    { query: 'token=a', protocols: 'passerelle, b' },
    { query: 'token=a&ticket=b' },
    { query: 'token=a&ticket=a' },
    { query: 'ticket=a&ticket=b' },
  ])
    assert.match(refused(request), /two different/, JSON.stringify(request));
});
