import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadNamespaces } from '../settings/namespaces.ts';
import { type ApiKey, readApiKeys } from './api-keys.ts';
import { compilePatterns } from './patterns.ts';
import { ANONYMOUS, type Caller, Rights } from './rights.ts';
import { ACTIONS, type Action } from './rules.ts';
import { segmentOf } from './users.ts';

const FILE = {
  namespaces: {
    everyone: { rights: { subscribe: 'everyone', publish: 'everyone', history: 'everyone', presence: 'everyone' } },
    users: { rights: { subscribe: 'users', publish: 'users' } },
    self: { rights: { subscribe: 'self', publish: 'self' } },
    keys: { rights: { subscribe: 'keys', publish: 'keys' } },
  },
};

function rights(open = false): Rights {
  const loaded = loadNamespaces('channels.json', () => JSON.stringify(FILE));
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.faults.join());
  return new Rights(loaded.namespaces, open);
}

function patterns(list: readonly string[] | undefined, user: string) {
  if (list === undefined) return undefined;
  const compiled = compilePatterns(list, user);
  assert.ok(compiled.ok);
  return compiled.patterns;
}

function user(name: string, lists: { subscribe?: string[]; publish?: string[] } = {}): Caller {
  const identity = {
    user: name,
    segment: segmentOf(name),
    name: null,
    expiresAtMs: undefined,
    tokenId: undefined,
    subscribe: patterns(lists.subscribe, name),
    publish: patterns(lists.publish, name),
  };
  return { kind: 'user', identity };
}

function key(lists: object = {}): Caller {
  const read = readApiKeys('keys.json', () => JSON.stringify({ keys: { shop: { key: 'k'.repeat(16), ...lists } } }));
  assert.ok(read.ok);
  const [only]: readonly ApiKey[] = read.content;
  assert.ok(only);
  return { kind: 'key', key: only };
}

const all = rights();
const may = (caller: Caller, action: Action, channel: string) => all.refuse(caller, action, channel) === undefined;
const ada = user('ada');

test('a rule admits whom it names, and whoever a narrower one admits', () => {
  // Anonymous, a user, the user to whom it belongs, a server.
  const admitted = {
    'everyone:a': [true, true, true, true],
    'users:a': [false, true, true, true],
    'self:a': [false, false, false, true],
    'self:@ada': [false, false, true, true],
    'keys:a': [false, false, false, true],
    'keys:@ada': [false, false, false, true],
    'everyone:@ada': [false, false, true, true],
    'users:@ada': [false, false, true, true],
  };
  for (const [channel, expected] of Object.entries(admitted))
    for (const action of ACTIONS) {
      const callers = [ANONYMOUS, user('bob'), ada, key()];
      assert.deepEqual(
        callers.map((caller) => may(caller, action, channel)),
        expected,
        `${action} ${channel}`,
      );
    }
});

test('as built in, everyone reads, users publish, chat is among users, and servers notify', () => {
  const callers = [ANONYMOUS, ada, key()];
  const table: [Action, string, boolean[]][] = [
    ['subscribe', 'events', [true, true, true]],
    ['publish', 'events', [false, true, true]],
    ['history', 'unheard-of:x', [true, true, true]],
    ['presence', 'unheard-of:x', [false, true, true]],
    ['publish', 'ephemeral:x', [false, true, true]],
    ['subscribe', 'chat:lobby', [false, true, true]],
    ['publish', 'chat:lobby', [false, true, true]],
    ['subscribe', 'notify:all', [true, true, true]],
    ['publish', 'notify:all', [false, false, true]],
    ['subscribe', 'notify:@ada', [false, true, true]],
    ['history', 'notify:@ada', [false, true, true]],
    ['subscribe', 'notify:@bob', [false, false, true]],
    ['history', 'notify:@bob', [false, false, true]],
    ['publish', 'notify:@ada', [false, false, true]],
    ['subscribe', '@ada', [false, true, true]],
    ['publish', 'inbox:@bob', [false, false, true]],
  ];
  for (const [action, channel, expected] of table)
    assert.deepEqual(
      callers.map((caller) => may(caller, action, channel)),
      expected,
      `${action} ${channel}`,
    );
});

test("a token's list decides alone, whether the rule is wider or narrower", () => {
  const listed = user('ada', { subscribe: ['keys:*', 'notify:@me'], publish: ['keys:a'] });
  assert.ok(may(listed, 'subscribe', 'keys:a') && may(listed, 'history', 'keys:a') && may(listed, 'publish', 'keys:a'));
  assert.ok(may(listed, 'subscribe', 'notify:@ada'));
  for (const channel of ['everyone:a', 'users:a', 'notify:all', '@ada']) {
    assert.ok(!may(listed, 'subscribe', channel), channel);
    assert.ok(!may(listed, 'history', channel), channel);
    assert.ok(!may(listed, 'publish', channel), channel);
  }
});

test('one list leaves the other action to the rules, and an empty one allows nothing', () => {
  const reader = user('ada', { subscribe: [] });
  for (const action of ['subscribe', 'history', 'presence'] as const)
    assert.ok(!may(reader, action, 'everyone:a'), action);
  assert.ok(may(reader, 'publish', 'users:a'));
  const silent = user('ada', { publish: [] });
  assert.ok(may(silent, 'subscribe', 'users:a') && !may(silent, 'publish', 'everyone:a'));
});

test('who is there is seen where both the list and the rule allow it', () => {
  const listed = user('ada', { subscribe: ['keys:*', 'users:a'] });
  assert.ok(may(listed, 'presence', 'users:a'));
  assert.ok(!may(listed, 'presence', 'users:b'));
  assert.ok(!may(listed, 'presence', 'keys:a'));
});

test("no wildcard opens another user's channel, and a pattern that names it does", () => {
  const wild = user('ada', { subscribe: ['*'], publish: ['*', 'notify:*'] });
  for (const action of ['subscribe', 'history', 'publish'] as const) {
    assert.ok(may(wild, action, 'notify:@ada'), action);
    assert.ok(!may(wild, action, 'notify:@bob'), action);
  }
  const named = user('ada', { subscribe: ['notify:@bob'], publish: ['notify:@*'] });
  assert.ok(may(named, 'subscribe', 'notify:@bob') && !may(named, 'subscribe', 'notify:@eve'));
  assert.ok(may(named, 'publish', 'notify:@bob') && may(named, 'publish', 'notify:@eve'));
});

test('an API key does what its lists say, in all namespaces, and manages where it may', () => {
  const notifier = key({ publish: ['notify:@*', 'notify:all'] });
  assert.ok(may(notifier, 'publish', 'notify:@ada') && may(notifier, 'publish', 'notify:all'));
  assert.ok(!may(notifier, 'publish', 'everyone:a') && !may(notifier, 'subscribe', 'notify:all'));
  assert.match(all.refuse(notifier, 'publish', 'everyone:a')?.error ?? '', /this API key does not allow it/);
  assert.equal(all.refuseManaging(notifier)?.code, 'forbidden');
  assert.equal(all.refuseManaging(key()), undefined);
  for (const caller of [ANONYMOUS, ada]) assert.equal(all.refuseManaging(caller)?.code, 'forbidden');
});

test('where no authentication is configured everybody may do everything', () => {
  const open = rights(true);
  for (const channel of ['keys:a', 'notify:@ada', 'chat:x'])
    for (const action of ACTIONS) assert.equal(open.refuse(ANONYMOUS, action, channel), undefined);
  assert.equal(open.refuseManaging(ANONYMOUS), undefined);
});

test('a refusal is a sentence about what was asked and why not', () => {
  const told = (caller: Caller, action: Action, channel: string) => all.refuse(caller, action, channel);
  assert.deepEqual(told(ANONYMOUS, 'publish', 'chat:lobby'), {
    code: 'forbidden',
    error: 'You may not publish to chat:lobby: only users with a token may',
  });
  assert.match(
    told(ada, 'subscribe', 'notify:@bob')?.error ?? '',
    /subscribe to notify:@bob: it belongs to another user$/,
  );
  assert.match(told(ada, 'publish', 'notify:all')?.error ?? '', /only servers with an API key may$/);
  assert.match(told(ada, 'publish', 'self:a')?.error ?? '', /only the user to whom a channel belongs may$/);
  assert.match(
    told(user('ada', { subscribe: [] }), 'history', 'a')?.error ?? '',
    /history of a: your token does not allow it$/,
  );
});
