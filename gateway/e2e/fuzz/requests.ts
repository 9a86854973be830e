/**
 * HTTP conversations: requests that are HTTP but whose queries and bodies are mutated, one after the answer to the other, and
 * at the end, or alone, something that is no right HTTP. Pure.
 */
import type { Random } from '../harness/plan.ts';
import { channel, position, publication } from './commands.ts';
import { KEY, tokenOf, USERS, wrong } from './credentials.ts';
import {
  Fields,
  mutated,
  mutatedBytes,
  odd,
  oddText,
  oneLine,
  percentEncoded,
  randomBytes,
  render,
  type Tree,
} from './inputs.ts';
import { type Step, slowly, step } from './step.ts';

const MAX_REQUESTS = 24;
const STATUS = 'HTTP/1.1 ';

export function requestConversation(random: Random): Step[] {
  const kind = random.below(10);
  if (kind < 3) return [malformed(random)];
  if (kind === 3) return [step(random, Buffer.from(stream(random)))];
  const steps = Array.from({ length: 4 + random.below(MAX_REQUESTS - 4) }, () =>
    step(random, random.below(3) > 0 ? post(random) : Buffer.from(get(random)), { awaits: STATUS, mayEnd: false }),
  );
  return random.below(2) === 0 ? [...steps, malformed(random)] : steps;
}

function request(method: string, target: string, headers: readonly string[], body: Buffer | string = ''): Buffer {
  return Buffer.concat([
    Buffer.from(`${method} ${target} HTTP/1.1\r\n${['Host: gateway', ...headers].join('\r\n')}\r\n\r\n`),
    Buffer.from(body),
  ]);
}

function post(random: Random): Buffer {
  const path = random.pick(POSTS);
  const bytes = body(random, path);
  const headers = random.below(3) === 0 ? oddHeaders(random) : credentials(random);
  return request('POST', path, [`Content-Length: ${bytes.length}`, ...headers], bytes);
}

const POSTS = [
  ...['/api/publish', '/api/publish', '/api/batch', '/api/batch'],
  ...['/api/disconnect', '/api/revoke', '/api/ticket'],
];

/** Those of nobody, of a user or of a server; wrong now and then. */
function credentials(random: Random): string[] {
  const shown = random.pick([undefined, undefined, tokenOf(random.pick(USERS)), KEY, KEY, wrong(random)]);
  return shown === undefined ? [] : [`Authorization: Bearer ${shown}`];
}

function body(random: Random, path: string): Buffer {
  const right = rightBody(random, path);
  switch (random.below(6)) {
    case 0:
      return Buffer.from(render(right));
    case 1:
      return mutatedBytes(random, Buffer.from(render(right)));
    case 2:
      return random.below(2) === 0 ? randomBytes(random, random.below(100)) : Buffer.from(render(odd(random)));
    default:
      return Buffer.from(render(mutated(random, right)));
  }
}

function rightBody(random: Random, path: string): Tree {
  if (path === '/api/publish') return publication(random);
  if (path === '/api/disconnect')
    return Fields.of({ [random.pick(['user', 'connection'])]: random.pick(['nobody', 'x']) });
  if (path === '/api/revoke')
    return random.pick([
      Fields.of({ jti: `j${random.below(50)}`, expires: random.pick([1, 4_102_444_800]) }),
      Fields.of({ token: wrong(random) }),
    ]);
  if (path === '/api/ticket') return Fields.of({});
  const length = random.below(40) === 0 ? random.pick([0, 1_000, 1_001]) : 1 + random.below(5);
  return Fields.of({ publishes: Array.from({ length }, () => publication(random)) });
}

/** A query of which any part may be odd. */
function query(random: Random, names: readonly string[]): string {
  const pairs = Array.from({ length: random.below(4) }, () => {
    const name = random.below(8) === 0 ? oddText(random) : random.pick(names);
    const value = random.pick([channel(random), position(random), `${random.below(2_000)}`, oddText(random)]);
    return `${encoded(random, name)}=${encoded(random, value)}`;
  });
  // The whole head may have 16 KiB; what is beyond is among the malformed.
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`.slice(0, 6_000);
}

/** Percent-encoded mostly, else as it is but for what would end the request line. */
function encoded(random: Random, text: string): string {
  if (random.below(8) > 0) return percentEncoded(text);
  return text.replace(/[\s\p{Cc}]/gu, '+');
}

function get(random: Random): string {
  const path = random.pick(['/api/history', '/api/history', '/api/presence', '/api/channels', '/api/nothing', '/', '/ws', '/chat',
    '/stats', '/healthz', '/readyz', '/toString', '/__proto__', '/..%2f..%2fetc/passwd', '/%00', '//', '/api/publish']); // biome-ignore format: a list
  const where = `${path}${query(random, ['channel', 'after', 'before', 'limit', 'prefix', 'token', 'ticket', '__proto__'])}`;
  const method = random.below(6) === 0 ? random.pick(['OPTIONS', 'PUT', 'DELETE', 'PATCH', 'TRACE']) : 'GET';
  return request(method, where, random.below(2) === 0 ? oddHeaders(random) : credentials(random)).toString();
}

function oddHeaders(random: Random): string[] {
  if (random.below(3) > 0) return [];
  const value = () => oneLine(oddText(random));
  return [
    random.pick([
      () => `Origin: ${random.pick(['null', 'http://evil.example', 'http://gateway', value()])}`,
      () => `Accept: ${random.pick(['text/event-stream', 'application/json', value()])}`,
      () => `Authorization: ${random.pick([`Bearer ${wrong(random)}`, 'Bearer', `Bearer ${value()}`, value()])}`,
      () => `X-Forwarded-For: ${random.pick(['1.2.3.4', '::1, 5', value()])}`,
      () => `If-None-Match: ${value()}`,
      () => `Content-Type: ${value()}`,
      () => `Cookie: ${value()}`,
    ])(),
  ];
}

/** A stream that is opened, or refused, and left at once. */
function stream(random: Random): string {
  const headers = random.below(2) === 0 ? oddHeaders(random) : credentials(random);
  if (random.below(3) === 0) headers.push(`Last-Event-ID: ${oneLine(oddText(random))}`);
  if (random.below(2) === 0) headers.push('Accept: text/event-stream');
  const path = random.below(4) === 0 ? '/monitoring' : '/events';
  const where = `${path}${query(random, ['channel', 'channel', 'after', 'tail', 'lastEventId', 'Last-Event-ID', 'envelope', 'token', 'ticket', 'channels', 'topic[]', '_'])}`;
  return request(random.below(10) === 0 ? random.pick(['OPTIONS', 'HEAD']) : 'GET', where, headers).toString();
}

/** What is no right HTTP, or not all of it. */
function malformed(random: Random): Step {
  const { bytes, inputs, answered } = malformedBytes(random);
  const made = step(random, bytes, { inputs, awaits: answered ? '' : undefined });
  return random.below(15) === 0 ? slowly(random, made) : made;
}

interface Malformed {
  readonly bytes: Buffer;
  readonly inputs: number;
  /** Whether an answer, or an end, is to be expected soon. */
  readonly answered: boolean;
}

function malformedBytes(random: Random): Malformed {
  const one = (bytes: Buffer | string, answered = true): Malformed => ({
    bytes: Buffer.from(bytes),
    inputs: 1,
    answered,
  });
  const json = render(publication(random));
  const publish = (headers: readonly string[], content: Buffer | string) =>
    request('POST', '/api/publish', headers, content);
  switch (random.below(13)) {
    case 0:
      return one(random.pick(LINES));
    case 1:
      return one(mutatedBytes(random, random.below(2) === 0 ? post(random) : Buffer.from(get(random))), false);
    case 2:
      return one(randomBytes(random, 1 + random.below(600)), false);
    case 3: // a flood of headers, some of them beyond what is read
      return one(
        request(
          'GET',
          '/healthz',
          Array.from({ length: random.pick([10, 49, 50, 51, 100, 1_000]) }, (_, i) => `X-${i}: ${i}`),
        ),
      );
    case 4:
      return one(
        request('GET', `/${'a'.repeat(random.pick([4_000, 16_384, 70_000]))}`, [
          `X: ${'y'.repeat(random.below(40_000))}`,
        ]),
      );
    case 5:
      return one(
        publish([`Content-Length: ${json.length}`, `Content-Length: ${random.pick([0, 1, json.length, 1e9])}`], json),
        false,
      );
    case 6:
      return one(publish([`Content-Length: ${random.pick(COUNTS)}`], json), false);
    case 7:
      return one(
        publish(
          ['Transfer-Encoding: chunked', ...(random.below(4) === 0 ? ['Content-Length: 3'] : [])],
          chunked(random, json),
        ),
        false,
      );
    case 8: // all of a request but its end
      return one(post(random).subarray(0, -1 - random.below(20)), false);
    case 9: {
      const many = Array.from({ length: 2 + random.below(8) }, () =>
        random.below(2) === 0 ? post(random) : Buffer.from(get(random)),
      );
      return { bytes: Buffer.concat(many), inputs: many.length, answered: true };
    }
    case 10:
      return one(publish([random.pick(HEADERS)], json), false);
    case 11: // more than MAX_BODY_BYTES, now and then
      return one(
        publish(['Content-Length: 1100000'], random.below(20) === 0 ? Buffer.alloc(1_100_000, 32) : json),
        false,
      );
    default: // the preamble that some proxies send, right and wrong
      return one(
        Buffer.concat([
          Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
          randomBytes(random, random.below(60)),
          Buffer.from(get(random)),
        ]),
        false,
      );
  }
}

function chunked(random: Random, json: string): string {
  const size = json.length.toString(16);
  return random.pick([
    `${size}\r\n${json}\r\n0\r\n\r\n`,
    `${size};a=b\r\n${json}\r\n0\r\nTrailer: x\r\n\r\n`,
    `${size}\r\n${json}`,
    `-1\r\n${json}\r\n0\r\n\r\n`,
    `ffffffffffffffff\r\n${json}\r\n0\r\n\r\n`,
    `fffffff\r\n${json}\r\n`,
    `zz\r\n${json}\r\n0\r\n\r\n`,
    `${size}\n${json}\n0\n\n`,
    '0\r\n\r\n',
    `${[...json].map((c) => `1\r\n${c}\r\n`).join('')}0\r\n\r\n`,
    `1\r\n${json}\r\n0\r\n\r\n`,
    '\r\n\r\n',
  ]);
}

const COUNTS = [
  '-1',
  '0',
  '1',
  '5',
  '1e3',
  '0x10',
  '+5',
  ' 5',
  '5 5',
  '',
  'NaN',
  '2147483648',
  '4294967296',
  '18446744073709551615',
  '99999999999999999999999',
];

const LINES = [
  ...[
    '\r\n\r\n\r\n',
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET / HTTP/1.0\r\n\r\n',
    'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
  ],
  ...[
    'GET  / HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET / HTTP/1.1\nHost: x\n\n',
    'GET /\tx HTTP/1.1\r\nHost: x\r\n\r\n',
    ' GET / HTTP/1.1\r\n\r\n',
  ],
  ...[
    'GET http://gateway/healthz HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET http:// HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET * HTTP/1.1\r\nHost: x\r\n\r\n',
  ],
  ...[
    'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
    'CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ],
  ...[
    'get / HTTP/1.1\r\nHost: x\r\n\r\n',
    'G\u0000T / HTTP/1.1\r\nHost: x\r\n\r\n',
    `${'A'.repeat(5_000)} / HTTP/1.1\r\nHost: x\r\n\r\n`,
  ],
  ...[
    'HEAD / HTTP/1.1\r\nHost: x\r\n\r\n',
    'HEAD /api/history HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET ?a HTTP/1.1\r\nHost: x\r\n\r\n',
  ],
  ...[
    'GET / HTTP/1.1\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'GET / HTTP/1.1\r\nHost:\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n',
    'GET /ws HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    'GET / HTTP/1.1\r\n: x\r\n\r\n',
  ],
  ...[
    'GET / HTTP/1.1\r\nHost : x\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n',
    'GET / HTTP/1.1\r\nnocolon\r\n\r\n',
    '\u0016\u0003\u0001\u0002',
  ],
];

const HEADERS = [
  ...[
    'Transfer-Encoding: gzip',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding: \u000bchunked',
  ],
  ...[
    'Expect: 100-continue\r\nContent-Length: 5',
    'Expect: x',
    'Upgrade: h2c\r\nConnection: Upgrade',
    'Connection: close',
    'Connection: keep-alive, x',
  ],
  ...[
    'Upgrade: websocket\r\nConnection: Upgrade',
    'Content-Length',
    'Content-Length:5',
    'Content-Encoding: gzip\r\nContent-Length: 3',
    'Content-Length: 3\r\nContent-Length: 30',
    'Host: y\r\nContent-Length: 0',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'Expect: 100-Continue\r\nContent-Length: 5',
    'TE: trailers',
  ],
];
