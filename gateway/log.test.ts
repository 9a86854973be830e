import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, type Logger } from './log.ts';

interface Line {
  readonly [field: string]: unknown;
}

function logInto(lines: string[], level: 'trace' | 'info' = 'trace'): Logger {
  return createLogger({ level, gateway: 'gw-1' }, { write: (line: string) => void lines.push(line) });
}

/** What one call writes, as text and as the object that it is. */
function written(log: (logger: Logger) => void): { text: string; line: Line } {
  const lines: string[] = [];
  log(logInto(lines));
  const [text = ''] = lines;
  assert.equal(lines.length, 1);
  assert.ok(text.endsWith('}\n') && text.indexOf('\n') === text.length - 1, 'one line, and all of it');
  return { text, line: JSON.parse(text) as Line };
}

test('a line is one JSON object with level, ISO time, gateway and message', () => {
  const { line } = written((log) => log.warn({ connection: 'c1', count: 3 }, 'lagging\nfor long'));
  assert.deepEqual(
    { ...line, time: 0 },
    { level: 'warn', time: 0, gateway: 'gw-1', connection: 'c1', count: 3, msg: 'lagging\nfor long' },
  );
  assert.equal(new Date(String(line.time)).toISOString(), line.time);
});

test('what is below the level is not written', () => {
  const lines: string[] = [];
  const log = logInto(lines, 'info');
  log.debug('no');
  log.info('yes');
  assert.equal(lines.length, 1);
});

test('an error comes with its stack and its causes', () => {
  const error = new Error('publish failed', { cause: new Error('socket closed') });
  for (const { line } of [written((log) => log.error(error)), written((log) => log.error({ err: error }, 'x'))]) {
    const err = line.err as { message: string; stack: string; cause: { message: string; stack: string } };
    assert.equal(err.message, 'publish failed');
    assert.match(err.stack, /log\.test/);
    assert.equal(err.cause.message, 'socket closed');
    assert.match(err.cause.stack, /log\.test/);
  }
});

test('fields that hold secrets are hidden at any depth, whatever their type', () => {
  const fields = [
    'token',
    'accessToken',
    'authorization',
    'Authorization',
    'proxy-authorization',
    'cookie',
    'set-cookie',
    'password',
    'redisPassword',
    'redisUrl',
    'REDIS_URL',
    'apiKey',
    'api_keys',
    'keys',
    'jwtSecret',
    'sec-websocket-protocol',
  ];
  for (const field of fields) {
    for (const value of ['hunter2', ['hunter2'], { id: 'hunter2' }]) {
      const places = [
        written((log) => log.info({ [field]: value }, 'm')),
        written((log) => log.info({ request: { headers: { [field]: value } } }, 'm')),
        written((log) => log.info({ list: [{ a: { b: { c: { [field]: value } } } }] }, 'm')),
        written((log) => log.child({ [field]: value }).info('m')),
      ];
      for (const { text } of places) assert.doesNotMatch(text, /hunter2/, field);
    }
  }
});

test('secrets within text are hidden, and the rest of the text is kept', () => {
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl';
  const texts = {
    'connect redis://user:hunter2@h:6379/0 failed': 'connect redis://[hidden]@h:6379/0 failed',
    'valkeys+sentinel://:hun/ter2@hunter2@a:1/main?sentinelPassword=hunter2&x=1':
      'valkeys+sentinel://[hidden]@a:1/main?sentinelPassword=[hidden]&x=1',
    'unix://u:hun/ter2@/run/redis.sock': 'unix://[hidden]@/run/redis.sock',
    'rediss+sentinel://:hun/ter2@hunter2@a:1,b:2/main': 'rediss+sentinel://[hidden]@a:1,b:2/main',
    'GET http://u:hunter2@h/x': 'GET http://[hidden]@h/x',
    '/ws?token=hunter2&after=0-0': '/ws?token=[hidden]&after=0-0',
    '/ws?after=0-0&ticket=hunter2': '/ws?after=0-0&ticket=[hidden]',
    'sent Bearer hunter2': 'sent Bearer [hidden]',
    [`offered passerelle, ${jwt}`]: 'offered passerelle, [hidden]',
    'GET http://h/events?channel=notify:@ada': 'GET http://h/events?channel=notify:@ada',
  };
  for (const [text, expected] of Object.entries(texts)) {
    assert.equal(written((log) => log.info(text)).line.msg, expected);
    assert.deepEqual(written((log) => log.info({ a: [{ text }] }, 'm')).line.a, [{ text: expected }]);
  }
});

test('an error gives away neither a URL in its message nor the arguments of the command that failed', () => {
  const cause = Object.assign(new Error('WRONGPASS'), { command: { name: 'auth', args: ['default', 'hunter2'] } });
  const error = new Error('redis://u:hunter2@h:1 refused', { cause });
  const { text, line } = written((log) => log.error({ err: error, failures: [{ cause }] }, `lost: ${error.message}`));
  assert.doesNotMatch(text, /hunter2/);
  assert.match(text, /WRONGPASS/);
  assert.equal(line.msg, 'lost: redis://[hidden]@h:1 refused');
});
