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
    'HTTPS://a.example',
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

test('origins are taken in every form in which people write them, and compared as browsers send them', () => {
  for (const [setting, origin] of [
    ['https://A.Example', 'https://a.example'],
    ['https://a.example/', 'https://a.example'],
    ['https://a.example:443', 'https://a.example'],
    ['http://a.example:80/', 'http://a.example'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
    ['https://*.Bücher.example:443/', 'https://www.xn--bcher-kva.example'],
    ['http://[2001:DB8::1]:8080', 'http://[2001:db8::1]:8080'],
    ['capacitor://localhost', 'capacitor://localhost'],
    ['ionic://localhost/', 'ionic://localhost'],
    ['tauri://localhost', 'tauri://localhost'],
    ['chrome-extension://abcdefghijklmnopabcdefghijklmnop', 'chrome-extension://abcdefghijklmnopabcdefghijklmnop'],
    ['moz-extension://0C5A9B1E-1B1E-4F6E-9C55-0A1B2C3D4E5F', 'moz-extension://0c5a9b1e-1b1e-4f6e-9c55-0a1b2c3d4e5f'],
    ['null', 'null'],
    ['file://', 'file://'],
  ] as const)
    assert.ok(check(setting)(origin, 'gw.example'), `${setting}: ${origin}`);
});

test('a host may stand with all of its ports, for development', () => {
  const allowed = check('http://localhost:*, https://*.a.example:*, http://[::1]:*');
  for (const origin of [
    'http://localhost',
    'http://localhost:3000',
    'https://x.a.example:8443',
    'https://x.a.example',
    'http://[::1]:5173',
  ])
    assert.equal(allowed(origin, 'gw.example'), 'plain', origin);
  for (const origin of [
    'https://localhost:3000',
    'http://localhost:3000.evil.example',
    'http://localhost.evil.example:3000',
    'http://evil.example:3000',
    'http://localhost:',
    'https://a.example:8443',
  ])
    assert.ok(!allowed(origin, 'gw.example'), origin);
});

test('what no browser would send as an origin is refused, and its place is told', () => {
  for (const wrong of [
    'a.example',
    'https://a.example/path',
    'https://a.example?x',
    'https://a.example?',
    'https://a.example#',
    'https://user@a.example',
    'https://',
    'https://*',
    'https://*.com',
    'https://a.*.example',
    'https://*.*.a.example',
    'https://*.192.0.2.1',
    'http://localhost:99999',
    'http://localhost:3000:*',
    'ws://a.example',
    'wss://a.example',
    'capacitor://',
    'capacitor://local host',
    'capacitor://localhost/path',
    'javascript://x',
    '*',
    '',
  ]) {
    const parsed = parseOrigins(`https://ok.example, ${wrong}`);
    assert.ok(!parsed.ok, wrong);
    assert.match(parsed.error, /^has at place 2 /);
  }
});

test('null lets in, without credentials, only where it is named; apps only those that are named', () => {
  assert.equal(check('null')('null', 'gw.example'), 'plain');
  assert.equal(check('https://a.example')('null', 'gw.example'), false);
  const allowed = check('capacitor://localhost');
  assert.equal(allowed('capacitor://localhost', 'gw.example'), 'credentials');
  for (const origin of ['capacitor://evil', 'ionic://localhost', 'http://localhost', 'null', 'localhost'])
    assert.equal(allowed(origin, 'gw.example'), false, origin);
});

test('an empty origin is nobody’s, with and without a list', () => {
  for (const allowed of [originCheck([]), check('https://a.example, null, http://localhost:*')])
    for (const host of ['a.example', '', undefined]) assert.equal(allowed('', host), false);
});

test('a page that came without TLS is not the own one of what is reached by TLS', () => {
  const allowed = originCheck([]);
  assert.equal(allowed('https://gw.example', 'gw.example', true), 'plain');
  assert.equal(allowed('http://gw.example', 'gw.example', true), false);
  // A proxy may end the TLS of what comes without.
  assert.equal(allowed('https://gw.example', 'gw.example', false), 'plain');
  assert.equal(allowed('http://gw.example', 'gw.example', false), 'plain');
  assert.equal(allowed('https://gw.example', 'gw.example:443', true), 'plain');
  assert.equal(allowed('https://gw.example', 'gw.example:80', false), false);
  for (const origin of ['capacitor://gw.example', 'ws://gw.example', 'gw.example', '//gw.example'])
    assert.equal(allowed(origin, 'gw.example'), false, origin);
});
