import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LoadedNamespaces, loadNamespaces, namespaceOf, parseDurationMs, retentionOf } from './namespaces.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function load(content: unknown): LoadedNamespaces {
  return loadNamespaces('channels.json', () => (typeof content === 'string' ? content : JSON.stringify(content)));
}

function retentions(content?: unknown) {
  const loaded = content === undefined ? loadNamespaces(undefined) : load(content);
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.faults.join('\n'));
  return retentionOf(loaded.namespaces);
}

function faultsIn(content: unknown): string {
  const loaded = load(content);
  assert.ok(!loaded.ok, 'was taken');
  return loaded.faults.join('\n');
}

function failing(code: string): LoadedNamespaces {
  return loadNamespaces('channels.json', () => {
    throw Object.assign(new Error(`${code}: failed`), { code });
  });
}

test('the built-in namespaces need no file', () => {
  const of = retentions();
  assert.deepEqual(of('events'), { size: 1_000, retentionMs: HOUR });
  assert.deepEqual(of('events:a'), { size: 1_000, retentionMs: HOUR });
  assert.deepEqual(of('chat:lobby'), { size: 10_000, retentionMs: 7 * DAY });
  assert.deepEqual(of('notify:@ada'), { size: 1_000, retentionMs: 30 * DAY });
  assert.equal(of('ephemeral:cursor').size, 0);
});

test('a namespace is what stands before the first colon', () => {
  const of = retentions({ namespaces: { a: { history: { size: 1 } }, 'a.b': { history: { size: 2 } } } });
  assert.equal(of('a:b:c').size, 1);
  assert.equal(of('a.b:c').size, 2);
});

test('a channel without a namespace, or of one that nobody configured, has the rules of default', () => {
  const of = retentions({ namespaces: { default: { history: { size: 7 } }, a: { history: { size: 1 } } } });
  for (const channel of ['a', 'ab:c', ':a', 'unheard-of:x', '__proto__:x', 'constructor:x']) {
    assert.equal(of(channel).size, 7, channel);
  }
});

test('a file overrides field by field; a new namespace takes the rest from default, wherever that stands', () => {
  const of = retentions({
    namespaces: {
      prices: { history: { size: 100 } },
      chat: { history: { retention: '1d' } },
      empty: {},
      default: { history: { retention: '10m' } },
    },
  });
  assert.deepEqual(of('prices:x'), { size: 100, retentionMs: 600_000 });
  assert.deepEqual(of('chat:x'), { size: 10_000, retentionMs: DAY });
  assert.deepEqual(of('empty:x'), { size: 1_000, retentionMs: 600_000 });
});

test('every channel of a namespace is given the same object, which cannot be changed', () => {
  const of = retentions();
  assert.equal(of('chat:a'), of('chat:b'));
  assert.throws(() => Object.assign(of('chat:a'), { size: 1 }), TypeError);
  const loaded = loadNamespaces(undefined);
  assert.ok(loaded.ok);
  assert.equal(namespaceOf(loaded.namespaces, 'nobody:x').name, 'default');
});

test('a bound of bytes that default has goes for the namespaces of the file that have none, and for no other', () => {
  const of = retentions({
    namespaces: {
      default: { history: { maxBytes: '64MB' } },
      small: { history: { size: 5 } },
      own: { history: { maxBytes: '2GB' } },
    },
  });
  const bytes = ['x', 'small:x', 'own:x', 'unknown:x', 'events:x', 'chat:x'].map((channel) => of(channel).maxBytes);
  assert.deepEqual(bytes, [64 * 2 ** 20, 64 * 2 ** 20, 2 ** 31, 64 * 2 ** 20, undefined, undefined]);
});

test('durations have a unit', () => {
  const durations = { '500ms': 500, '30s': 30_000, '10m': 600_000, '1h': HOUR, '7d': 7 * DAY };
  for (const [text, ms] of Object.entries(durations)) assert.equal(parseDurationMs(text), ms, text);
  for (const text of ['', '10', '10 m', '1.5h', '-1s', '1H', '1w', 'h', '1h30m']) {
    assert.equal(parseDurationMs(text), undefined, text);
  }
});

test('sizes and retentions are bounded, both ends included', () => {
  const one = (history: unknown) => ({ namespaces: { a: { history } } });
  assert.deepEqual(retentions(one({ size: 1_000_000, retention: '365d' }))('a:x'), {
    size: 1e6,
    retentionMs: 365 * DAY,
  });
  assert.deepEqual(retentions(one({ size: 0, retention: '100ms' }))('a:x'), { size: 0, retentionMs: 100 });
  for (const size of [-1, 1_000_001, 1.5, '10', null]) {
    assert.match(faultsIn(one({ size })), /namespaces\.a\.history\.size must/, String(size));
  }
  assert.deepEqual(retentions(one({ maxBytes: '1KB' }))('a:x'), { size: 1_000, retentionMs: HOUR, maxBytes: 1_024 });
  assert.equal(retentions(one({ maxBytes: '1024GB' }))('a:x').maxBytes, 2 ** 40);
  for (const maxBytes of ['1023B', '1025GB', '64 MB', '64M', '1.5MB', 1_000_000, null]) {
    assert.match(faultsIn(one({ maxBytes })), /namespaces\.a\.history\.maxBytes (is|must)/, String(maxBytes));
  }
  for (const retention of ['99ms', '366d', '10 minutes', 600, null]) {
    assert.match(faultsIn(one({ retention })), /namespaces\.a\.history\.retention (is|must)/, String(retention));
  }
});

test('an unknown field is a fault that names its path and what is known there', () => {
  assert.match(
    faultsIn({ namespaces: {}, channels: {} }),
    /the top level has the unknown field "channels"; known: namespaces/,
  );
  assert.match(faultsIn({ namespaces: { a: { histroy: {} } } }), /namespaces\.a has .* "histroy"; known: history/);
  assert.match(
    faultsIn({ namespaces: { a: { history: { ttl: '1h' } } } }),
    /namespaces\.a\.history has .* "ttl"; known: size, retention, maxBytes/,
  );
});

test('a name that no channel can have is a fault', () => {
  for (const name of ['', 'a:', 'a b', 'é', '@a', 'x'.repeat(128)]) {
    assert.match(faultsIn({ namespaces: { [name]: {} } }), /is no name of a namespace/, name);
  }
  assert.match(faultsIn('{"namespaces":{"__proto__":{}}}'), /__proto__/);
});

test('a file of another shape is a fault, and all faults are told together', () => {
  assert.match(faultsIn([]), /top level must be an object/);
  assert.match(faultsIn({}), /namespaces must be an object/);
  assert.match(faultsIn({ namespaces: { a: 5 } }), /namespaces\.a must be an object/);
  assert.equal(
    faultsIn({ x: 1, namespaces: { a: { y: 1 }, b: { history: { size: -1, retention: 'z' } } } }).split('\n').length,
    4,
  );
});

test('a file that cannot be read or is not JSON is told with its path', () => {
  assert.match(faultsIn('{"namespaces":'), /^"channels\.json": is not JSON: /);
  for (const [code, words] of Object.entries({
    ENOENT: 'no such file',
    EACCES: 'no permission',
    EISDIR: 'a folder',
    EIO: 'EIO',
  })) {
    const loaded = failing(code);
    assert.ok(!loaded.ok);
    assert.match(loaded.faults.join(), new RegExp(`^"channels\\.json": .*${words}`));
  }
});

function rights(name: string, content?: unknown) {
  const loaded = content === undefined ? loadNamespaces(undefined) : load(content);
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.faults.join('\n'));
  return namespaceOf(loaded.namespaces, `${name}:x`).rights;
}

test('who may do what is built in, and a file overrides it rule by rule', () => {
  const open = { subscribe: 'everyone', publish: 'users', history: 'everyone', presence: 'users' };
  assert.deepEqual(rights('prices'), open);
  assert.deepEqual(rights('notify'), { ...open, publish: 'keys' });
  assert.deepEqual(rights('chat'), { subscribe: 'users', publish: 'users', history: 'users', presence: 'users' });
  const file = {
    namespaces: { prices: { rights: { publish: 'keys' } }, default: { rights: { presence: 'everyone' } } },
  };
  assert.deepEqual(rights('prices', file), { ...open, publish: 'keys', presence: 'everyone' });
});

test('a namespace closed to subscribers is closed to the other ways of reading, unless the file says otherwise', () => {
  const of = (given: unknown) => rights('a', { namespaces: { a: { rights: given } } });
  const closed = { subscribe: 'keys', publish: 'users', history: 'keys', presence: 'keys' };
  assert.deepEqual(of({ subscribe: 'keys' }), closed);
  assert.deepEqual(of({ subscribe: 'keys', history: 'users' }), { ...closed, history: 'users' });
  assert.deepEqual(of({ subscribe: 'self', presence: 'users' }).presence, 'users');
  assert.deepEqual(rights('chat', { namespaces: { chat: { rights: { subscribe: 'everyone' } } } }), {
    subscribe: 'everyone',
    publish: 'users',
    history: 'everyone',
    presence: 'users',
  });
});

test('rules that are none are faults', () => {
  const of = (given: unknown) => faultsIn({ namespaces: { a: { rights: given } } });
  assert.match(
    of({ publish: 'all' }),
    /namespaces\.a\.rights\.publish must be one of "everyone", "users", "self", "keys"/,
  );
  assert.match(
    of({ read: 'users' }),
    /namespaces\.a\.rights has .* "read"; known: subscribe, publish, history, presence/,
  );
  assert.match(of('users'), /namespaces\.a\.rights must be an object/);
});
