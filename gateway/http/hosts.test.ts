import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostCheck, parseHosts } from './hosts.ts';

function check(setting: string) {
  const hosts = parseHosts(setting);
  assert.ok(hosts.ok, setting);
  return hostCheck(hosts.value);
}

const LOOPBACK = [
  'localhost',
  'LOCALHOST:8080',
  'localhost.',
  'app.localhost:3000',
  '127.0.0.1',
  '127.8.8.8:80',
  '[::1]',
  '[::1]:8080',
];

test('hosts of this machine are always taken, with any port', () => {
  for (const allowed of [hostCheck([]), check('a.example')])
    for (const host of LOOPBACK) assert.ok(allowed(host), host);
});

test('names that only look like this machine are not', () => {
  for (const host of [
    '',
    'evil.example',
    'localhost.evil.example',
    'evillocalhost',
    '127.0.0.1.evil.example',
    '127.evil.example',
    '128.0.0.1',
    '[::2]',
    '0.0.0.0',
    'a@localhost',
    'localhost/evil',
    '127.0.0.1:80:80x',
  ])
    assert.ok(!hostCheck([])(host), host);
});

test('a list has names, addresses and domains, in whatever form they are written', () => {
  const allowed = check('GW.example, *.b.example, 192.0.2.1, [2001:DB8::1], bücher.example');
  for (const host of [
    'gw.example',
    'gw.example.',
    'GW.EXAMPLE:8443',
    'x.b.example',
    'x.y.b.example:1',
    '192.0.2.1:8080',
    '[2001:db8::1]:8080',
    'xn--bcher-kva.example',
  ])
    assert.ok(allowed(host), host);
  for (const host of [
    'b.example',
    'xb.example',
    '.b.example',
    'gw.example.evil.example',
    '192.0.2.2',
    '',
    'x.gw.example',
  ])
    assert.ok(!allowed(host), host);
});

test('* is every host, also none', () => {
  for (const host of ['evil.example', '']) assert.ok(check('*')(host));
});

test('what is no host is refused, and its place is told', () => {
  for (const wrong of [
    'http://a.example',
    'a.example:80',
    'a.example/x',
    'a b',
    '',
    '*',
    '*.',
    'a@b',
    '[::1',
    '*.*.a',
    '::1:',
  ])
    assert.match((parseHosts(`ok.example, ${wrong}`) as { error: string }).error, /^has at place 2 /, wrong);
});
