import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Admission, corsHeaders, originCheck, parseOrigins } from './origin.ts';

function check(setting: string) {
  const origins = parseOrigins(setting);
  assert.ok(origins.ok, setting);
  return originCheck(origins.value);
}

test('without a list only pages of the host itself are allowed, and what sends no origin', () => {
  const allowed = originCheck([]);
  assert.ok(allowed(undefined, 'a.example'));
  assert.ok(allowed('https://a.example', 'a.example'));
  assert.ok(allowed('http://localhost:8080', 'LOCALHOST:8080'));
  for (const origin of ['https://b.example', 'https://a.example:8443', 'https://x.a.example', 'null', ''])
    assert.ok(!allowed(origin, 'a.example'), origin);
  assert.ok(!allowed('https://a.example', undefined));
});

test('an origin of the list is allowed exactly as it stands there', () => {
  const allowed = check('https://a.example, http://localhost:3000');
  for (const origin of ['https://a.example', 'http://localhost:3000']) assert.ok(allowed(origin, 'gw.example'), origin);
  for (const origin of [
    'http://a.example',
    'https://a.example:444',
    'https://x.a.example',
    'https://a.example.evil.example',
    'https://A.example',
    'http://localhost',
  ])
    assert.ok(!allowed(origin, 'gw.example'), origin);
});

test('a wildcard allows subdomains at any depth, of the same scheme and port, and not the domain itself', () => {
  const allowed = check('https://*.a.example, http://*.localhost:3000');
  for (const origin of [
    'https://x.a.example',
    'https://x.y.a.example',
    'https://xn--bcher-kva.a.example',
    'http://x.localhost:3000',
  ])
    assert.ok(allowed(origin, 'gw.example'), origin);
  for (const origin of [
    'https://a.example',
    'http://x.a.example',
    'https://x.a.example:8443',
    'https://xa.example',
    'https://evil-a.example',
    'https://x.a.example.evil.example',
    'https://evil.example/.a.example',
    'https://evil.example#.a.example',
    'https://evil.example:80@x.a.example',
    'https://.a.example',
    'https://x..a.example',
    'https://*.a.example',
    'http://x.localhost',
    'http://localhost:3000',
    'null',
  ])
    assert.ok(!allowed(origin, 'gw.example'), origin);
});

test('a wildcard may have a port', () => {
  const allowed = check('https://*.a.example:8443');
  assert.ok(allowed('https://x.a.example:8443', 'gw.example'));
  assert.ok(!allowed('https://x.a.example', 'gw.example'));
});

test('* allows every origin', () => {
  for (const origin of ['https://a.example', 'null', undefined]) assert.ok(check('*')(origin, undefined));
});

test('credentials are for origins that the list names only, not for what a * stands for nor for the own host', () => {
  const allowed = check('https://a.example, https://*.b.example');
  assert.equal(allowed('https://a.example', 'gw.example'), 'credentials');
  assert.equal(allowed('https://x.b.example', 'gw.example'), 'plain');
  assert.equal(allowed('https://gw.example', 'gw.example'), 'plain');
  assert.equal(check('*')('https://a.example', 'gw.example'), 'plain');
  const names = (origin: string | undefined, admission: Admission) =>
    corsHeaders(origin, admission).map(([name]) => name);
  assert.ok(names('https://a.example', 'credentials').includes('Access-Control-Allow-Credentials'));
  assert.deepEqual(names('https://a.example', 'plain'), ['Access-Control-Allow-Origin', 'Vary']);
  assert.deepEqual(names('https://a.example', false), []);
  assert.deepEqual(names(undefined, 'plain'), []);
});
