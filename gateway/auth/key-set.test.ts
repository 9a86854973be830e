import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { KeySet } from './key-set.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function jwk(kid: string | undefined): object {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  return kid === undefined ? key : { ...key, kid };
}

/** A real issuer: serves what `answer` writes, and counts how often it was asked. */
async function issuer(t: TestContext) {
  const state = { fetches: 0, answer: serving([]) };
  const server: Server = createServer((_request, response) => {
    state.fetches++;
    state.answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const time = { ms: 1_000_000 };
  const failures: Error[] = [];
  const set = new KeySet({
    url: `http://127.0.0.1:${port}/jwks`,
    now: () => time.ms,
    onFailure: (error) => failures.push(error),
  });
  const find = async (id?: string) => (await set.find('ES256', id))?.map((key) => key.id);
  return { state, time, failures, set, find };
}

function serving(keys: readonly unknown[]): (response: ServerResponse) => void {
  return (response) => response.end(JSON.stringify({ keys }));
}

function status(code: number, headers = {}): (response: ServerResponse) => void {
  return (response) => response.writeHead(code, headers).end('{"keys":[]}');
}

test('the set is fetched once, however many ask at once and after', async (t) => {
  const { state, find, time } = await issuer(t);
  state.answer = serving([jwk('a'), jwk('b'), jwk(undefined), { kty: 'oct' }]);
  assert.deepEqual(await Promise.all([find('a'), find('b'), find('a')]), [['a'], ['b'], ['a']]);
  assert.deepEqual(await find(), ['a', 'b', undefined]);
  time.ms += 9 * MINUTE;
  assert.deepEqual(await find('b'), ['b']);
  assert.equal(state.fetches, 1);
});

test('only keys of the algorithm are found', async (t) => {
  const { state, set } = await issuer(t);
  state.answer = serving([jwk('a')]);
  assert.deepEqual(await set.find('RS256', 'a'), []);
  assert.deepEqual(await set.find('HS256', undefined), []);
});

test('an unknown key has the set fetched again, but not more often than every 30 seconds', async (t) => {
  const { state, find, time } = await issuer(t);
  state.answer = serving([jwk('old')]);
  assert.deepEqual(await find('old'), ['old']);
  state.answer = serving([jwk('new'), jwk('old')]);
  assert.deepEqual(await find('new'), []);
  assert.equal(state.fetches, 1);
  time.ms += 30_000;
  assert.deepEqual(await Promise.all([find('new'), find('new'), find('unheard-of')]), [['new'], ['new'], []]);
  assert.equal(state.fetches, 2);
  for (let i = 0; i < 20; i++) assert.deepEqual(await find(`made-up-${i}`), []);
  assert.equal(state.fetches, 2);
});

test('a key that was taken out is not found any more after ten minutes', async (t) => {
  const { state, find, time } = await issuer(t);
  state.answer = serving([jwk('a'), jwk('b')]);
  await find('a');
  state.answer = serving([jwk('b')]);
  time.ms += 10 * MINUTE + 1;
  assert.deepEqual(await find('a'), []);
  assert.deepEqual(await find('b'), ['b']);
  assert.equal(state.fetches, 2);
});

test('a set that could never be fetched is unavailable, and is tried again after 5 seconds', async (t) => {
  const { state, find, time, failures } = await issuer(t);
  state.answer = status(503);
  assert.deepEqual(await Promise.all([find('a'), find('a')]), [undefined, undefined]);
  assert.equal(await find('a'), undefined);
  assert.equal(state.fetches, 1);
  assert.equal(failures.length, 1);
  assert.match(String(failures[0]?.cause), /503/);
  state.answer = serving([jwk('a')]);
  time.ms += 5_000;
  assert.deepEqual(await find('a'), ['a']);
});

test('a set that cannot be fetched again is used for a day, and what is not in it is unavailable', async (t) => {
  const { state, find, time } = await issuer(t);
  state.answer = serving([jwk('a')]);
  await find('a');
  state.answer = status(500);
  time.ms += 23 * HOUR;
  assert.deepEqual(await find('a'), ['a']);
  assert.equal(await find('b'), undefined);
  time.ms += HOUR + 1;
  assert.equal(await find('a'), undefined);
  state.answer = serving([jwk('a')]);
  time.ms += 5_000;
  assert.deepEqual(await find('a'), ['a']);
});

test('answers that are no key set are failures', async (t) => {
  const { state, find, time, failures } = await issuer(t);
  const answers: ((response: ServerResponse) => void)[] = [
    status(404),
    status(302, { location: '/elsewhere' }),
    (response) => response.end('<html>'),
    (response) => response.end('[]'),
    (response) => response.end('{"keys":{}}'),
    (response) => response.end(JSON.stringify({ keys: new Array(101).fill({}) })),
    (response) => response.end(`{"keys":[],"x":"${'x'.repeat(300_000)}"}`),
    (response) => response.destroy(),
  ];
  for (const answer of answers) {
    state.answer = answer;
    time.ms += 5_000;
    assert.equal(await find('a'), undefined);
  }
  assert.equal(state.fetches, answers.length);
  assert.equal(failures.length, answers.length);
});
