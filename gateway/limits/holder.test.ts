import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holderOf } from './holder.ts';

test('addresses of one IPv6 network of 64 bits have one holder, those of the next another', () => {
  assert.equal(holderOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(holderOf('2001:db8:1:2:ffff::'), '2001:db8:1:2::/64');
  assert.equal(holderOf('2001:db8:1:3::1'), '2001:db8:1:3::/64');
});

test('an IPv4 address, a loopback address and what is no address stand for themselves', () => {
  for (const each of ['192.0.2.1', '127.0.0.1', '::1', '', 'unknown']) assert.equal(holderOf(each), each);
});
