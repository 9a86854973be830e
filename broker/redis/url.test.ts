import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseRedisUrl } from './url.ts';

const plain = { username: undefined, password: undefined, tls: false };

it('understands every form', () => {
  const forms: [string, unknown][] = [
    ['redis://localhost', { kind: 'standalone', node: { host: 'localhost', port: 6379 }, db: 0, ...plain }],
    [
      'rediss://u:p%40%3A%2F@redis.example:6380/3',
      {
        kind: 'standalone',
        node: { host: 'redis.example', port: 6380 },
        db: 3,
        username: 'u',
        password: 'p@:/',
        tls: true,
      },
    ],
    [
      'redis://:secret@[::1]:7000/',
      { ...plain, kind: 'standalone', node: { host: '::1', port: 7000 }, db: 0, password: 'secret' },
    ],
    [
      'redis+sentinel://a:1,b/main/2?sentinelPassword=s%20s',
      {
        kind: 'sentinel',
        sentinels: [
          { host: 'a', port: 1 },
          { host: 'b', port: 26379 },
        ],
        sentinelPassword: 's s',
        masterName: 'main',
        db: 2,
        ...plain,
      },
    ],
    [
      'rediss+cluster://u:p@a:7000,b:7001',
      {
        kind: 'cluster',
        nodes: [
          { host: 'a', port: 7000 },
          { host: 'b', port: 7001 },
        ],
        username: 'u',
        password: 'p',
        tls: true,
      },
    ],
  ];
  for (const [text, target] of forms) assert.deepEqual(parseRedisUrl(text), { ok: true, target }, text);
});

it('refuses everything else in a sentence that repeats no secret', () => {
  for (const text of [
    '',
    'hunter2',
    'http://:hunter2@host',
    'redis://:hunter2@',
    'redis://:hunter2@host:99999',
    'redis://:hunter2@host:0',
    'redis://:hunter2@host/one',
    'redis://:hunter2@host/1/2',
    'redis://:hunter2%@host',
    'redis://:hunter2@a:1,b:2',
    'redis://:hunter2@a b',
    'redis://:hunter2/@host',
    'redis+sentinel://:hunter2@a:1',
    'redis+cluster://:hunter2@a:1/2',
  ]) {
    const parsed = parseRedisUrl(text);
    assert.equal(parsed.ok, false, text);
    if (parsed.ok) continue;
    assert.match(parsed.error, /^[A-Z].*[.]$/);
    assert.doesNotMatch(parsed.error, /hunter2/);
  }
});
