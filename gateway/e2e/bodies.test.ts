/** The bodies of requests: how much of them a gateway holds, of whom and for how long, and what must be in them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { until } from '../../broker/testing/until.ts';
import { call, post } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { RawSocket } from './harness/raw-socket.ts';

const MIB = 1_048_576;
const CHUNK = 100_000;
const KEY = 'shop:0123456789abcdef0123456789abcdef';
const BEARER = { authorization: `Bearer ${KEY.split(':')[1]}` };

/** A request whose body never ends. */
async function begin(url: string, bytes: number, headers = ''): Promise<RawSocket> {
  const socket = await RawSocket.open(url);
  socket.write(`POST /api/publish HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: ${MIB}\r\n\r\n`);
  socket.write('x'.repeat(bytes));
  return socket;
}

async function metric(url: string, name: string): Promise<number> {
  const { text } = await call(`${url}/metrics`);
  return Number(new RegExp(`^passerelle_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
}

describe('bodies that never end', () => {
  test('are held up to a limit for all together, and what they held is free once they are gone', async (t) => {
    const gateway = await GatewayProcess.start({ env: { MAX_BODIES_BYTES: String(MIB) } });
    t.after(() => gateway.kill());
    const sockets = await Promise.all(Array.from({ length: 20 }, () => begin(gateway.url, CHUNK)));
    const answered = () => sockets.filter(({ received }) => received.includes('\r\n\r\n'));
    await until('those that are too much are told', () => answered().length >= 10);
    for (const { received } of answered())
      assert.match(received, /^HTTP\/1\.1 503 [\s\S]*Retry-After: 1[\s\S]*"unavailable".*MAX_BODIES_BYTES/i);
    const held = await metric(gateway.url, 'request_body_bytes');
    assert(held > 0 && held <= MIB, `${held}`);
    assert((await metric(gateway.url, 'request_bodies')) >= 1);
    for (const socket of sockets) socket.destroy();
    await until('nothing is held', async () => (await metric(gateway.url, 'request_body_bytes')) === 0);
    assert.equal(await metric(gateway.url, 'request_bodies'), 0);
    assert.equal((await post(`${gateway.url}/api/publish`, { channel: 'a', data: 1 })).status, 200);
  });

  test('are held up to a limit for one address, beside which others are served', async (t) => {
    const env = {
      TRUSTED_PROXIES: '1',
      MAX_BODY_BYTES: String(2 * CHUNK),
      MAX_ADDRESS_BODIES_BYTES: String(3 * CHUNK),
    };
    const gateway = await GatewayProcess.start({ env });
    t.after(() => gateway.kill());
    const from = (address: string) => `X-Forwarded-For: ${address}\r\n`;
    const sockets = await Promise.all(Array.from({ length: 6 }, () => begin(gateway.url, CHUNK, from('192.0.2.1'))));
    const answered = () => sockets.filter(({ received }) => received.includes('\r\n\r\n'));
    await until('those that are too much are told', () => answered().length >= 3);
    for (const { received } of answered())
      assert.match(received, /^HTTP\/1\.1 429 [\s\S]*"too_many".*MAX_ADDRESS_BODIES_BYTES/);
    const large = { channel: 'a', data: 'x'.repeat(60_000) };
    assert.equal((await post(`${gateway.url}/api/publish`, large, { 'x-forwarded-for': '192.0.2.2' })).status, 200);
    for (const socket of sockets) socket.destroy();
    await until('the address may send again', async () => {
      const { status } = await post(`${gateway.url}/api/publish`, large, { 'x-forwarded-for': '192.0.2.1' });
      return status === 200;
    });
  });

  test('end after a while, by a sentence', async (t) => {
    const gateway = await GatewayProcess.start({ env: { BODY_TIMEOUT_SECONDS: '1' } });
    t.after(() => gateway.kill());
    const socket = await begin(gateway.url, 10);
    await socket.closed();
    assert.match(
      socket.received,
      /^HTTP\/1\.1 408 [\s\S]*Connection: close[\s\S]*"timeout".*BODY_TIMEOUT_SECONDS, which is 1/i,
    );
    assert.equal(await metric(gateway.url, 'request_body_bytes'), 0);
  });

  test('do not keep a gateway from leaving', async (t) => {
    const gateway = await GatewayProcess.start();
    t.after(() => gateway.kill());
    const socket = await begin(gateway.url, 10);
    await until('it has begun', async () => (await metric(gateway.url, 'request_bodies')) === 1);
    assert.equal(await gateway.stop(), 0);
    socket.destroy();
  });
});

describe('the body of a stranger, where somebody may show who they are', () => {
  let gateway: GatewayProcess;
  let strict: GatewayProcess;
  before(async () => {
    const env = { API_KEYS: KEY, MAX_ANONYMOUS_BODY_BYTES: '2000' };
    gateway = await GatewayProcess.start({ env: { ...env, ALLOW_ANONYMOUS: 'on' } });
    strict = await GatewayProcess.start({ env });
  });
  after(async () => {
    await gateway.kill();
    await strict.kill();
  });

  test('is not waited for: who it is, or is not, is said at once', async () => {
    for (const headers of ['', 'Authorization: Bearer no-such-key-as-this-one-is\r\n', 'Authorization: Basic x\r\n']) {
      const socket = await begin(strict.url, 10, headers);
      await socket.matching(/^HTTP\/1\.1 401 [\s\S]*Connection: close[\s\S]*"unauthorized"/i);
      socket.destroy();
    }
    assert.equal(await metric(strict.url, 'request_body_bytes'), 0);
  });

  test('may be small only', async () => {
    const socket = await begin(gateway.url, 2_001);
    await socket.matching(/^HTTP\/1\.1 413 [\s\S]*"too_large".*MAX_ANONYMOUS_BODY_BYTES, which is 2000/);
    socket.destroy();
    const large = { publishes: Array.from({ length: 100 }, () => ({ channel: 'chat:a', data: 'x'.repeat(100) })) };
    assert.equal((await post(`${gateway.url}/api/batch`, large)).status, 413);
    assert.equal((await post(`${gateway.url}/api/batch`, large, BEARER)).status, 200);
    assert.notEqual((await post(`${gateway.url}/api/publish`, { channel: 'chat:a', data: 1 })).status, 413);
  });

  test('may be as large as any once it is known who sends it', async () => {
    const huge = { channel: 'chat:a', data: 'x'.repeat(MIB) };
    const { status, text } = await post(`${gateway.url}/api/publish`, huge, BEARER);
    assert.equal(status, 413);
    assert.match(text, /MAX_BODY_BYTES, which is 1048576/);
  });
});

describe('a body', () => {
  let gateway: GatewayProcess;
  before(async () => {
    gateway = await GatewayProcess.start();
  });
  after(() => gateway.kill());

  const send = (body: Uint8Array, headers: Readonly<Record<string, string>> = {}) =>
    call(`${gateway.url}/api/publish`, { method: 'POST', body, headers });
  const stored = async (channel: string): Promise<unknown[]> =>
    ((await call(`${gateway.url}/api/history?channel=${channel}`)).json as { events: { data: unknown }[] }).events.map(
      ({ data }) => data,
    );

  test('may begin with a byte-order mark, as PowerShell and .NET write it', async () => {
    const { status, text } = await send(Buffer.from('\ufeff{"channel":"mark","data":"é"}'));
    assert.equal(status, 200, text);
    assert.deepEqual(await stored('mark'), ['é']);
    // In what it has further it is text as any other.
    assert.equal((await send(Buffer.from('{"channel":"mark","data":"\ufeff"}'))).status, 200);
    assert.deepEqual(await stored('mark'), ['é', '\ufeff']);
    assert.equal((await send(Buffer.from('\ufeff\ufeff{"channel":"mark","data":1}'))).status, 400);
  });

  test('with bytes that are no UTF-8 is refused, and nothing of it is stored', async () => {
    const latin1 = (text: string) => Buffer.from(text, 'latin1');
    for (const body of [
      latin1('{"channel":"bytes","data":"\xe9"}'),
      latin1('{"channel":"bytes","data":1,"key":"a\xff"}'),
      latin1('{"channel":"bytes","data":1,"key":"a\xfe"}'),
      Buffer.concat([latin1('{"channel":"bytes","data":"'), Buffer.of(0xed, 0xa0, 0x80), latin1('"}')]),
      Buffer.concat([Buffer.of(0xff, 0xfe), Buffer.from('{"channel":"bytes","data":1}', 'utf16le')]),
    ]) {
      const { status, text } = await send(body);
      assert.equal(status, 400);
      assert.match(text, /"bad_request".*no UTF-8/);
    }
    assert.deepEqual(await stored('bytes'), []);
  });

  test('that is compressed is refused for that', async () => {
    const body = gzipSync('{"channel":"zipped","data":1}');
    for (const encoding of ['gzip', 'deflate', 'br', 'gzip, identity']) {
      const { status, text } = await send(body, { 'content-encoding': encoding });
      assert.equal(status, 415);
      assert.match(text, /"unsupported".*Content-Encoding/);
    }
    const plain = Buffer.from('{"channel":"zipped","data":1}');
    for (const encoding of ['identity', 'Identity', ''])
      assert.equal((await send(plain, { 'content-encoding': encoding })).status, 200);
  });
});

describe('the parameters of a stream', () => {
  let gateway: GatewayProcess;
  before(async () => {
    gateway = await GatewayProcess.start();
  });
  after(() => gateway.kill());
  const status = async (query: string, headers: Readonly<Record<string, string>> = {}): Promise<number> =>
    (await call(`${gateway.url}/events?${query}`, { method: 'HEAD', headers })).status;

  test('that are meant for channels, and are none, are refused by their name', async () => {
    for (const name of [
      'channel[]',
      'channel%5B%5D',
      'channel[0]',
      'channels',
      'Channel',
      'topic',
      'topics[]',
      'room',
      'stream',
    ]) {
      const { status: answered, text } = await call(`${gateway.url}/events?${name}=a`);
      assert.equal(answered, 400, name);
      assert.match(
        text,
        new RegExp(`"bad_request".*${decodeURIComponent(name).replaceAll(/[[\]]/g, '.')}.*channel=NAME`),
      );
    }
  });

  test('that keep caches away, or are somebody else’s, do no harm', async () => {
    for (const query of [
      'channel=a&_=123',
      'channel=a&t=1',
      'channel=a&utm_source=x',
      'channel=a&cacheBuster',
      'nocache=1',
    ])
      assert.equal(await status(query), 200, query);
  });

  test('take a position under every name that it has elsewhere', async () => {
    for (const name of ['lastEventId', 'lastEventID', 'Last-Event-ID', 'last-event-id']) {
      assert.equal(await status(`channel=a&${name}=1-1`), 200, name);
      assert.equal(await status(`channel=a&${name}=x`), 400, name);
    }
  });

  test('and its head: what the library leaves nothing of is no position', async () => {
    for (const [value, expected] of [
      ['1-1', 200],
      ['x', 400],
      ['\xe9', 400],
      ['\xc3\xa9', 400],
      ['1-\xe9-1', 400],
      ['', 400],
    ] as const) {
      const socket = await RawSocket.open(gateway.url);
      socket.write(
        Buffer.from(`HEAD /events?channel=a HTTP/1.1\r\nHost: x\r\nLast-Event-ID: ${value}\r\n\r\n`, 'latin1'),
      );
      await socket.matching(/\r\n\r\n/);
      assert.match(socket.received, new RegExp(`^HTTP/1\\.1 ${expected} `), JSON.stringify(value));
      socket.destroy();
    }
  });

  test('are judged for HEAD as for GET, and a stream is not begun', async () => {
    for (const path of ['/events?channel=a', '/monitoring']) {
      const { status: answered, headers, text } = await call(`${gateway.url}${path}`, { method: 'HEAD' });
      assert.deepEqual([answered, text], [200, '']);
      assert.match(headers['content-type'] ?? '', /^text\/event-stream/);
    }
    assert.equal(await status('channel=a%20b'), 400);
    assert.equal(
      (await call(`${gateway.url}/monitoring`, { method: 'HEAD', headers: { origin: 'https://evil.example' } })).status,
      403,
    );
    const { total_connections: opened } = (await call(`${gateway.url}/stats`)).json as { total_connections: number };
    assert.equal(opened, 0);
  });
});
