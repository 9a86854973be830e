import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseRedisUrl } from './url.ts';

const plain = { username: undefined, password: undefined, tls: false };

it('understands every form', () => {
  const forms: [string, unknown][] = [
    ['redis://localhost', { kind: 'standalone', address: { host: 'localhost', port: 6379 }, db: 0, ...plain }],
    [
      'rediss://u:p%40%3A%2F@redis.example:6380/3',
      {
        kind: 'standalone',
        address: { host: 'redis.example', port: 6380 },
        db: 3,
        username: 'u',
        password: 'p@:/',
        tls: true,
      },
    ],
    [
      'redis://:secret@[::1]:7000/',
      { ...plain, kind: 'standalone', address: { host: '::1', port: 7000 }, db: 0, password: 'secret' },
    ],
    [
      'redis+sentinel://a:1,b/main/2?sentinelPassword=s%20s',
      {
        kind: 'sentinel',
        sentinels: [
          { host: 'a', port: 1 },
          { host: 'b', port: 26379 },
        ],
        sentinelUsername: undefined,
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
    ['valkey://localhost', { kind: 'standalone', address: { host: 'localhost', port: 6379 }, db: 0, ...plain }],
    ['valkeys+cluster://a', { kind: 'cluster', nodes: [{ host: 'a', port: 6379 }], ...plain, tls: true }],
    [
      'redis+sentinel://a/main?sentinelUsername=u&sentinelPassword=p',
      {
        kind: 'sentinel',
        sentinels: [{ host: 'a', port: 26379 }],
        sentinelUsername: 'u',
        sentinelPassword: 'p',
        masterName: 'main',
        db: 0,
        ...plain,
      },
    ],
    [
      'unix:///run/redis/redis.sock',
      { kind: 'standalone', address: { path: '/run/redis/redis.sock' }, db: 0, ...plain },
    ],
    ['unix:/run/redis.sock', { kind: 'standalone', address: { path: '/run/redis.sock' }, db: 0, ...plain }],
    [
      'unix://u:p%40@/run/my%20redis.sock?db=3',
      {
        kind: 'standalone',
        address: { path: '/run/my redis.sock' },
        db: 3,
        ...plain,
        username: 'u',
        password: 'p@',
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
    'redis://a?password=hunter2',
    'redis+sentinel://a/main?sentinelpassword=hunter2',
    'redis+cluster://a?hunter2',
    'unix://:hunter2@',
    'unix:hunter2',
    'unix:///a?db=hunter2',
    'unix:///a?database=hunter2',
    'unix://:hunter2%@/a',
    'valkey+cluster://:hunter2@a:1/2',
  ]) {
    const parsed = parseRedisUrl(text);
    assert.equal(parsed.ok, false, text);
    if (parsed.ok) continue;
    assert.match(parsed.error, /^[A-Z].*[.]$/);
    assert.doesNotMatch(parsed.error, /hunter2/);
  }
});
