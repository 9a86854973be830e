import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import type { Environment } from '../settings/setting.ts';
import { readAuth } from './settings.ts';

const SECRET = 'of thirty-two bytes, or some more';
const API_KEY = 'k3y-of-the-shop-0001';
const pem = (kind: 'ed25519' | 'x25519') => {
  const { publicKey } = kind === 'ed25519' ? generateKeyPairSync(kind) : generateKeyPairSync(kind);
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
};

function read(env: Environment, files: Readonly<Record<string, string>> = {}) {
  return readAuth(env, (path) => {
    const content = files[path];
    if (content === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
    return content;
  });
}

function auth(env: Environment, files?: Readonly<Record<string, string>>) {
  const { auth, faults } = read(env, files);
  assert.deepEqual(faults, []);
  return auth;
}

test('without a key a gateway is open; with any kind of key it is not', () => {
  assert.equal(auth({}).open, true);
  assert.equal(auth({ ALLOW_ANONYMOUS: 'on', TOKEN_EXPIRY: 'optional' }).open, true);
  for (const env of [
    { TOKEN_SECRET: SECRET },
    { TOKEN_PUBLIC_KEYS: pem('ed25519') },
    { TOKEN_JWKS_URL: 'https://id.example/' },
  ]) {
    const { open, takesTokens } = auth(env);
    assert.deepEqual([open, takesTokens], [false, true]);
  }
  const keysOnly = auth({ API_KEYS: `shop:${API_KEY}` });
  assert.deepEqual([keysOnly.open, keysOnly.takesTokens], [false, false]);
});

test('all keys for tokens count together', () => {
  const { tokenKeys, jwksUrl } = auth(
    { TOKEN_SECRET: SECRET, TOKEN_PUBLIC_KEYS: 'keys.pem', TOKEN_JWKS_URL: 'https://id.example/' },
    { 'keys.pem': pem('ed25519') + pem('ed25519') },
  );
  assert.deepEqual(
    tokenKeys.map(({ algorithms: [first] }) => first),
    ['HS256', 'EdDSA', 'EdDSA'],
  );
  assert.equal(jwksUrl, 'https://id.example/');
});

test('what tokens must be is read as it is documented', () => {
  assert.deepEqual(auth({}).tokenRules, {
    issuer: undefined,
    audience: undefined,
    clockToleranceSeconds: 5,
    expiryRequired: true,
  });
  const env = {
    TOKEN_SECRET: SECRET,
    TOKEN_ISSUER: 'me',
    TOKEN_AUDIENCE: 'you',
    TOKEN_CLOCK_TOLERANCE_SECONDS: '0',
    TOKEN_EXPIRY: 'optional',
  };
  assert.deepEqual(auth(env).tokenRules, {
    issuer: 'me',
    audience: 'you',
    clockToleranceSeconds: 0,
    expiryRequired: false,
  });
});

test('API keys of the variable and of the file count together, and none may be there twice', () => {
  const env = { API_KEYS: `shop:${API_KEY}`, API_KEYS_FILE: 'keys.json' };
  const file = (keys: object) => ({ 'keys.json': JSON.stringify({ keys }) });
  const { apiKeys } = auth(env, file({ mail: { key: `${API_KEY}2`, publish: ['notify:@*'] } }));
  assert.deepEqual(
    apiKeys.map(({ name }) => name),
    ['shop', 'mail'],
  );
  for (const keys of [{ shop: { key: `${API_KEY}2` } }, { mail: { key: API_KEY } }]) {
    const { faults } = read(env, file(keys));
    assert.match(
      faults.join('\n'),
      /^API_KEYS_FILE, with API_KEYS, has (two keys of the name|one key under two names)/,
    );
  }
});

test('a key whose name was mistyped does not leave the gateway open', () => {
  const { faults } = read({ TOKEN_SECRTE: SECRET, TOKEN_ISSUER: 'me', TOKEN_AUDIENCE: 'you' });
  assert.equal(faults.length, 2);
  assert.match(faults[0] ?? '', /^TOKEN_ISSUER="me" is of no use without a key for tokens: TOKEN_SECRET,/);
});

test('files at fault are told by their setting', () => {
  const { faults } = read(
    { TOKEN_PUBLIC_KEYS: 'keys.pem', API_KEYS_FILE: 'keys.json' },
    { 'keys.pem': pem('x25519'), 'keys.json': '{"keys":{"shop":{"key":"short"}}}' },
  );
  assert.equal(faults.length, 2);
  assert.match(faults[0] ?? '', /^TOKEN_PUBLIC_KEYS .* has as key 1 a key for no algorithm/);
  assert.match(faults[1] ?? '', /^API_KEYS_FILE: "keys\.json": keys\.shop\.key must be/);
  assert.match(read({ API_KEYS_FILE: 'x.json' }).faults.join(), /^API_KEYS_FILE: "x\.json": there is no such file/);
});

test('what comes out holds no secret that could be printed', () => {
  const config = auth({ TOKEN_SECRET: SECRET, API_KEYS: `shop:${API_KEY}` });
  const printed = inspect(config, { depth: 9, showHidden: true }) + JSON.stringify(config);
  assert.doesNotMatch(printed, /thirty-two/);
  assert.doesNotMatch(printed, /k3y-of/);
});
