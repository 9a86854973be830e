import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { type ApiKey, ApiKeys, keyAllows, keyManages, parseApiKeys, readApiKeys, repetitionIn } from './api-keys.ts';
import { ACTIONS } from './rules.ts';

const KEY = 'k3y-of-the-shop-0001';
const OTHER = 'k3y-of-the-mail-0002';
const sha256 = (key: string) => createHash('sha256').update(key).digest('hex');

function parsed(given: string): ApiKeys {
  const keys = parseApiKeys(given);
  assert.ok(keys.ok, keys.ok ? '' : keys.error);
  return new ApiKeys(keys.value);
}

function read(content: unknown) {
  return readApiKeys('keys.json', () => (typeof content === 'string' ? content : JSON.stringify(content)));
}

function keyFrom(entry: object): ApiKey {
  const keys = read({ keys: { shop: { key: KEY, ...entry } } });
  assert.ok(keys.ok, keys.ok ? '' : keys.faults.join('\n'));
  const [key] = keys.content;
  assert.ok(key);
  return key;
}

function faultsIn(content: unknown): string {
  const keys = read(content);
  assert.ok(!keys.ok, 'was taken');
  return keys.faults.join('\n');
}

test('a presented key is found by itself, plain or hashed in the setting, and by nothing near it', () => {
  for (const setting of [`shop:${KEY}, mail:${OTHER}`, `shop:sha256:${sha256(KEY)},mail:sha256:${sha256(OTHER)}`]) {
    const keys = parsed(setting);
    assert.equal(keys.size, 2);
    assert.equal(keys.find(KEY)?.name, 'shop');
    assert.equal(keys.find(OTHER)?.name, 'mail');
    for (const wrong of [
      '',
      KEY.slice(1),
      `${KEY}x`,
      KEY.toUpperCase(),
      'shop',
      `shop:${KEY}`,
      sha256(KEY),
      `sha256:${sha256(KEY)}`,
    ])
      assert.equal(keys.find(wrong), undefined, wrong);
  }
});

test('a key is kept as its digest only', () => {
  const keys = parseApiKeys(`shop:${KEY}`);
  assert.ok(keys.ok);
  assert.ok(!JSON.stringify(keys.value).includes(KEY));
  assert.equal(keys.value[0]?.digest.toString('hex'), sha256(KEY));
});

test('a setting with an entry that is no key names its place, and shows nothing of it', () => {
  const wrong = {
    [`${KEY}`]: /place 1 .* name/,
    [`shop:${KEY},${OTHER}`]: /place 2 .* name/,
    [`:${KEY}`]: /place 1 .* name/,
    [`a b:${KEY}`]: /place 1 .* name/,
    'shop:too-short': /place 1 .* no key/,
    [`shop:${KEY} ${KEY}`]: /place 1 .* no key/,
    [`shop:${'k'.repeat(513)}`]: /place 1 .* no key/,
    'shop:sha256:abcdef': /place 1 .* no key/,
    [`shop:sha256:${sha256(KEY).toUpperCase()}`]: /place 1 .* no key/,
    [`shop:${KEY},`]: /place 2 .* name/,
    [`shop:${KEY},shop:${OTHER}`]: /two keys of the name shop/,
    [`shop:${KEY},mail:sha256:${sha256(KEY)}`]: /one key under two names, shop and mail/,
  };
  for (const [setting, error] of Object.entries(wrong)) {
    const keys = parseApiKeys(setting);
    assert.ok(!keys.ok, setting);
    assert.match(keys.error, error);
    assert.ok(!keys.error.includes(KEY) && !keys.error.includes(OTHER));
  }
});

test('keys of two sources are checked together', () => {
  const a = parseApiKeys(`shop:${KEY}`);
  const b = parseApiKeys(`mail:${KEY}`);
  assert.ok(a.ok && b.ok);
  assert.match(repetitionIn([...a.value, ...b.value]) ?? '', /shop and mail/);
});

test('a key without lists may do everything, also in channels that belong to users', () => {
  const key = keyFrom({});
  for (const action of ACTIONS) assert.ok(keyAllows(key, action, 'notify:@ada'));
  assert.ok(keyManages(key));
});

test('a key with a list may do what is listed and nothing else', () => {
  const key = keyFrom({ publish: ['orders:*', 'notify:@*'], subscribe: [] });
  assert.ok(keyAllows(key, 'publish', 'orders:7'));
  assert.ok(keyAllows(key, 'publish', 'notify:@ada'));
  assert.ok(!keyAllows(key, 'publish', 'orders:@ada'));
  for (const action of ['subscribe', 'history', 'presence'] as const)
    assert.ok(!keyAllows(key, action, 'orders:7'), action);
  assert.ok(!keyManages(key));
  const manager = keyFrom({ manage: true });
  assert.ok(keyManages(manager) && !keyAllows(manager, 'publish', 'orders:7'));
});

test('a hashed key in a file is found by the key', () => {
  assert.equal(new ApiKeys([keyFrom({ key: `sha256:${sha256(OTHER)}` })]).find(OTHER)?.name, 'shop');
});

test('every fault of a file is told by its place, and none shows a key', () => {
  const entry = {
    key: 'short',
    publish: 'orders:*',
    histroy: [],
    history: ['a b'],
    presence: [7],
    subscribe: ['notify:@me'],
    manage: 1,
  };
  const faults = faultsIn({ keys: { shop: entry } });
  for (const fault of [
    /keys\.shop\.key must be 16 to 512/,
    /keys\.shop\.publish must be a list of channel patterns/,
    /keys\.shop has the unknown field "histroy"; known: key, subscribe, publish, history, presence, manage/,
    /keys\.shop\.history has at place 1 what is no pattern/,
    /keys\.shop\.presence\.0 must be a pattern in quotes/,
    /keys\.shop\.subscribe has at place 1 .* @me/,
    /keys\.shop\.manage must be true or false/,
  ])
    assert.match(faults, fault);
  assert.doesNotMatch(faults, /short/);
  assert.match(faultsIn({ keys: { shop: {} } }), /keys\.shop\.key must be 16/);
  assert.match(faultsIn({ keys: { shop: KEY } }), /keys\.shop must be an object/);
  assert.match(faultsIn({ keys: { [`${KEY}!`]: { key: KEY } } }), /^"keys\.json": a name in keys is no name of a key/);
  assert.equal(faultsIn(`{"keys":{"shop":{"key":"${KEY}"`), '"keys.json": is not JSON.');
  for (const content of [{ keys: { shop: KEY } }, { keys: { [`${KEY}!`]: { key: KEY } } }, `{"keys":"${KEY}`])
    assert.ok(!faultsIn(content).includes(KEY));
});
