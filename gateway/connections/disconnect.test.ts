import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLOSE, type Refusal } from '../protocol.ts';
import { disconnect, type Endable } from './disconnect.ts';

function open() {
  const ended: { id: string; refusal: Refusal }[] = [];
  const connections = new Set<Endable>();
  const add = (id: string, user: string | null, tokenId?: string) => {
    const connection: Endable = {
      id,
      user,
      tokenId,
      end(refusal) {
        ended.push({ id, refusal });
        connections.delete(connection);
      },
    };
    connections.add(connection);
  };
  add('1', 'ada', 'T1');
  add('2', 'ada', 'T2');
  add('3', 'adam', 'T1');
  add('4', null);
  return { connections, ended, ids: () => ended.map(({ id }) => id) };
}

test('ends all connections of a user, and nobody else', () => {
  const { connections, ids } = open();
  assert.equal(disconnect(connections, { user: 'ada' }), 2);
  assert.deepEqual(ids(), ['1', '2']);
  assert.equal(disconnect(connections, { user: 'ada' }), 0);
  assert.equal(disconnect(connections, { user: 'null' }), 0, 'nobody is called so');
});

test('ends one connection, also of somebody anonymous', () => {
  const { connections, ids } = open();
  assert.equal(disconnect(connections, { connection: '4' }), 1);
  assert.equal(disconnect(connections, { connection: 'ada' }), 0);
  assert.deepEqual(ids(), ['4']);
});

test('ends those that live by a token, and says that it was revoked', () => {
  const { connections, ended, ids } = open();
  assert.equal(disconnect(connections, { token: 'T1' }), 2);
  assert.deepEqual(ids(), ['1', '3']);
  for (const { refusal } of ended) {
    assert.equal(refusal.code, 'unauthorized');
    assert.match(refusal.error, /revoked/);
  }
});

test('tells each that it may come back with a fresh token only', () => {
  const { connections, ended } = open();
  disconnect(connections, { user: 'ada' });
  for (const { refusal } of ended) {
    assert.equal(refusal.code, 'unauthorized');
    assert.match(refusal.error, /ended by an administrator/);
  }
  assert.equal(CLOSE.unauthorized, 4401);
});
