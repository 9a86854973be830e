import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { keyFromJwk, parsePublicKeys, parseSecret } from './keys.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const weak = generateKeyPairSync('rsa', { modulusLength: 1_024 });
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' });
const k256 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
const ed25519 = generateKeyPairSync('ed25519');
const x25519 = generateKeyPairSync('x25519');

type Pair = Pick<typeof rsa, 'publicKey' | 'privateKey'>;
const pem = ({ publicKey }: Pair): string => publicKey.export({ type: 'spki', format: 'pem' }).toString();
const privatePem = ({ privateKey }: Pair): string => privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const jwk = ({ publicKey }: Pair) => publicKey.export({ format: 'jwk' });

function fault(given: string): string {
  const keys = parsePublicKeys(given);
  assert.ok(!keys.ok, 'was taken');
  assert.doesNotMatch(keys.error, /MII|MC4|BEGIN/);
  return keys.error;
}

test('a secret has 32 bytes at least, however many characters these are', () => {
  assert.ok(parseSecret('x'.repeat(32)).ok);
  assert.ok(parseSecret('é'.repeat(16)).ok);
  for (const [bytes, algorithms] of [
    [32, 'HS256'],
    [47, 'HS256'],
    [48, 'HS256 HS384'],
    [63, 'HS256 HS384'],
    [64, 'HS256 HS384 HS512'],
  ] as const) {
    const parsed = parseSecret('x'.repeat(bytes));
    assert.equal(parsed.ok && parsed.value.algorithms.join(' '), algorithms, `${bytes} bytes`);
  }
  const short = parseSecret('s3cret'.repeat(5));
  assert.ok(!short.ok);
  assert.match(short.error, /^has 30 bytes, and at least 32/);
  assert.doesNotMatch(short.error, /s3cret/);
});

test('a public key is no secret', () => {
  const parsed = parseSecret(pem(rsa));
  assert.ok(!parsed.ok);
  assert.match(parsed.error, /TOKEN_PUBLIC_KEYS/);
});

test('the algorithms of a public key follow from the key', () => {
  const parsed = parsePublicKeys(`${pem(rsa)}\n${pem(p256)}${pem(p384)}${pem(p521)}${pem(ed25519)}`);
  assert.ok(parsed.ok);
  assert.deepEqual(
    parsed.value.map(({ algorithms, id }) => [algorithms.join(' '), id]),
    [
      ['RS256 RS384 RS512 PS256 PS384 PS512', undefined],
      ['ES256', undefined],
      ['ES384', undefined],
      ['ES512', undefined],
      ['EdDSA Ed25519', undefined],
    ],
  );
  const pkcs1 = rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  assert.ok(parsePublicKeys(pkcs1).ok);
});

test('what is no key that can be used is refused with the reason', () => {
  assert.match(fault(''), /no key in PEM form/);
  assert.match(fault('MIIBIjANBgkq'), /no key in PEM form/);
  assert.match(fault(`${pem(rsa)} and more`), /besides/);
  assert.match(fault(pem(rsa).replace('-----END', '-----ENDE')), /no key in PEM form/);
  assert.match(fault(pem(rsa) + privatePem(p256)), /as key 2 a private key/);
  assert.match(fault(pem(weak)), /1024 bits, and at least 2048/);
  assert.match(fault(pem(k256)), /P-256, P-384 and P-521/);
  assert.match(fault(pem(x25519)), /no algorithm of/);
  assert.match(fault(pem(rsa).replace(/\n[\s\S]*\n-----END/, '\nAAAA\n-----END')), /as key 1 what is no public key/);
  assert.match(fault(pem(p256).repeat(17)), /more than 16/);
});

test('a key of a set is taken with its id, for the algorithm that follows from it', () => {
  for (const [pair, algorithm] of [
    [rsa, 'RS256'],
    [rsa, 'RS512'],
    [rsa, 'PS256'],
    [p256, 'ES256'],
    [p384, 'ES384'],
    [p521, 'ES512'],
    [ed25519, 'EdDSA'],
  ] as const) {
    const key = keyFromJwk({ ...jwk(pair), kid: 'k1', use: 'sig', alg: algorithm, x5c: ['ignored'] });
    assert.deepEqual([key?.algorithms[0], key?.id, key?.key.type], [algorithm, 'k1', 'public']);
    assert.equal(key?.algorithms.length, pair === ed25519 ? 2 : 1, 'and for no other one');
  }
  assert.equal(keyFromJwk(jwk(rsa))?.id, undefined);
  assert.equal(keyFromJwk({ ...jwk(ed25519), alg: 'Ed25519', key_ops: ['verify'] })?.algorithms[0], 'EdDSA');
  assert.equal(keyFromJwk(jwk(rsa))?.algorithms.length, 6, 'one that does not say takes all of its type');
});

test('a key of a set that is for something else, or that is none, is left out', () => {
  const wrong: Record<string, unknown> = {
    'for encryption': { ...jwk(rsa), use: 'enc' },
    'for signing': { ...jwk(rsa), key_ops: ['sign'] },
    'for encryption with RSA': { ...jwk(rsa), alg: 'RSA-OAEP-256' },
    'an algorithm of another curve': { ...jwk(p256), alg: 'ES384' },
    'an algorithm of another key': { ...jwk(rsa), alg: 'HS256' },
    'a shared secret': { kty: 'oct', k: Buffer.alloc(32).toString('base64url'), alg: 'HS256' },
    'a private key': p256.privateKey.export({ format: 'jwk' }),
    'too short': jwk(weak),
    'another curve': jwk(k256),
    'no point of the curve': { ...jwk(p256), x: jwk(p256).y },
    'no number': { ...jwk(rsa), n: '' },
    'a name only': { kty: 'RSA' },
    text: 'RSA',
    nothing: null,
  };
  for (const [what, given] of Object.entries(wrong)) assert.equal(keyFromJwk(given), undefined, what);
});
