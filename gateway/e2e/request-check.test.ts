/** What every request is checked for, whatever it asks: its host, the scheme of its page, and that all agree where it ends. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { Certificates } from './harness/certificates.ts';
import { WsClient } from './harness/clients.ts';
import { type Answer, call, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { handshake, RawSocket } from './harness/raw-socket.ts';

const UNSET = { ALLOWED_HOSTS: '' };
const TOKENS = { TOKEN_SECRET: 'of thirty-two bytes, or some more', ALLOW_ANONYMOUS: 'on' };
const STREAM = { accept: 'text/event-stream' };

/** What each way in answers to this host and, if it is given, this origin: its status, or the close code of a WebSocket. */
async function tryAll(url: string, host: string, origin?: string): Promise<Record<string, unknown>> {
  const headers = { host, ...(origin === undefined ? {} : { origin }) };
  const channel = 'a';
  const posted = await call(`${url}/api/publish`, { method: 'POST', headers, body: { channel, data: 1 } });
  return {
    page: (await call(`${url}/`, { headers })).status,
    publish: posted.status,
    history: (await call(`${url}/api/history?channel=a`, { headers })).status,
    preflight: (await call(`${url}/api/publish`, { method: 'OPTIONS', headers })).status,
    events: await streamStatus(`${url}/events?channel=a`, headers),
    monitoring: await streamStatus(`${url}/monitoring`, headers),
    socket: await socketOutcome(url, headers),
  };
}

async function streamStatus(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const { RawStream } = await import('./harness/http-client.ts');
  const stream = await RawStream.open(url, { ...STREAM, ...headers });
  stream.close();
  return stream.status;
}

async function socketOutcome(
  url: string,
  { host, origin }: { readonly host: string; readonly origin?: string },
): Promise<string> {
  const socket = await RawSocket.open(url);
  socket.write(handshake({ Host: host, ...(origin === undefined ? {} : { Origin: origin }) }));
  await socket.matching(/"type":"(?:welcome|error)"/);
  const [, type] = /"type":"(welcome|error)"/.exec(socket.received) ?? [];
  if (type === 'error') assert.match(socket.received, /"code":"forbidden"/);
  socket.destroy();
  return type ?? '';
}

const SERVED = {
  page: 200,
  publish: 200,
  history: 200,
  preflight: 204,
  events: 200,
  monitoring: 200,
  socket: 'welcome',
};
const REFUSED = {
  page: 403,
  publish: 403,
  history: 403,
  preflight: 403,
  events: 403,
  monitoring: 403,
  socket: 'error',
};

describe('a gateway on this machine that asks nobody who they are', () => {
  let gateway: GatewayProcess;
  before(async () => {
    gateway = await GatewayProcess.start({ env: UNSET });
  });
  after(() => gateway.kill());

  test('answers for this machine, by whatever name and port', async () => {
    for (const host of ['localhost', 'LOCALHOST:9', '127.0.0.1:8080', '127.9.9.9', '[::1]:8080', 'app.localhost'])
      assert.deepEqual(await tryAll(gateway.url, host), SERVED, host);
  });

  test('answers for no other host, to which a page can have its own name lead, and says so', async () => {
    for (const host of ['evil.example', 'evil.example:8080', 'localhost.evil.example', '127.0.0.1.evil.example'])
      for (const origin of [undefined, `http://${host}`])
        assert.deepEqual(await tryAll(gateway.url, host, origin), REFUSED, `${host} ${origin}`);
    const { text, headers } = await call(`${gateway.url}/api/history?channel=a`, {
      headers: { host: 'evil.example', origin: 'http://evil.example' },
    });
    assert.match(text, /"forbidden".*does not answer for the host .*evil\.example.*ALLOWED_HOSTS/);
    assert.equal(headers['access-control-allow-origin'], undefined);
    const { count } = (await call(`${gateway.url}/api/presence?channel=a`)).json as { count: number };
    assert.equal(count, 0);
  });

  test('takes an origin that is empty, or of which nothing is left, for nobody’s', async () => {
    // The library cuts bytes beyond ASCII from the ends of a header.
    for (const origin of ['', ' ', '\xe9', '\xff\xfe']) {
      const socket = await RawSocket.open(gateway.url);
      const body = '{"channel":"a","data":1}';
      socket.write(
        Buffer.from(
          `POST /api/publish HTTP/1.1\r\nHost: localhost\r\nOrigin: ${origin}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
          'latin1',
        ),
      );
      await socket.matching(/\r\n\r\n/);
      assert.match(socket.received, /^HTTP\/1\.1 403 [\s\S]*"forbidden"/);
      socket.destroy();
    }
  });
});

describe('the hosts of a gateway', () => {
  for (const [what, env, host, served] of [
    ['that ALLOWED_HOSTS names are served', { ALLOWED_HOSTS: 'gw.example' }, 'gw.example:8080', true],
    ['that ALLOWED_HOSTS does not name are refused', { ALLOWED_HOSTS: 'gw.example' }, 'evil.example', false],
    [
      'that ALLOWED_HOSTS does not name are refused with authentication, too',
      { ALLOWED_HOSTS: 'gw.example', ...TOKENS },
      'evil.example',
      false,
    ],
    ['may be any with *', { ALLOWED_HOSTS: '*' }, 'evil.example', true],
    ['may be any where there is authentication', { ...UNSET, ...TOKENS }, 'gw.example', true],
    ['may be any behind a trusted proxy', { ...UNSET, TRUSTED_PROXIES: '1' }, 'gw.example', true],
    ['may be any where it listens for the network', { ...UNSET, HOST: '0.0.0.0' }, 'gw.example', true],
  ] as const)
    test(what, async (t) => {
      const gateway = await GatewayProcess.start({ env });
      t.after(() => gateway.kill());
      const url = gateway.url.replace('0.0.0.0', '127.0.0.1');
      assert.equal((await call(`${url}/`, { headers: { host } })).status, served ? 200 : 403);
      const expected = served ? 'welcome' : 'error';
      assert.equal(await socketOutcome(url, { host }), expected);
    });
});

describe('the page of the own host', () => {
  const publishAs = (url: string, headers: Readonly<Record<string, string>>): Promise<Answer> =>
    call(`${url}/api/publish`, {
      method: 'POST',
      headers: { host: 'gw.example', ...headers },
      body: { channel: 'a', data: 1 },
    });

  test('must have come by TLS where a trusted proxy says that the request did', async (t) => {
    const env = { ...UNSET, TRUSTED_PROXIES: '1' };
    const gateway = await GatewayProcess.start({ env });
    t.after(() => gateway.kill());
    const secure = { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https' };
    for (const [headers, status] of [
      [{ ...secure, origin: 'https://gw.example' }, 200],
      [{ ...secure, origin: 'http://gw.example' }, 403],
      [{ ...secure, 'x-forwarded-proto': 'http', origin: 'http://gw.example' }, 200],
      [{ ...secure, 'x-forwarded-proto': 'http', origin: 'https://gw.example' }, 200], // something before the proxy ends TLS
      [{ origin: 'http://gw.example' }, 200],
    ] as const)
      assert.equal((await publishAs(gateway.url, headers)).status, status, JSON.stringify(headers));
  });

  test('is not asked for its scheme by who is no trusted proxy', async (t) => {
    const gateway = await GatewayProcess.start({ env: { ALLOWED_HOSTS: 'gw.example' } });
    t.after(() => gateway.kill());
    const headers = { 'x-forwarded-proto': 'https', origin: 'http://gw.example' };
    assert.equal((await publishAs(gateway.url, headers)).status, 200);
  });

  test('must have come by TLS where the gateway itself has it', async (t) => {
    const certificates = new Certificates();
    t.after(() => certificates.remove());
    const { certFile, keyFile } = certificates.make('gateway');
    const gateway = await GatewayProcess.start({ env: { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } });
    t.after(() => gateway.kill());
    const { host } = new URL(gateway.url);
    const outcome = async (origin: string) => {
      const client = await WsClient.open(`${gateway.url.replace('http', 'ws')}/ws`, {
        headers: { origin },
        rejectUnauthorized: false,
      });
      const { type } = await client.frames.find((frame) => frame.type === 'welcome' || frame.type === 'error');
      client.destroy();
      return type;
    };
    assert.equal(await outcome(`https://${host}`), 'welcome');
    assert.equal(await outcome(`http://${host}`), 'error');
  });
});

describe('a request that not all on the way end at the same byte', () => {
  let gateway: GatewayProcess;
  before(async () => {
    gateway = await GatewayProcess.start();
  });
  after(() => gateway.kill());

  /** What was hidden in another request, and must not be done. */
  const hidden = (channel: string): string => {
    const body = JSON.stringify({ channel, data: 'smuggled' });
    return `POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  };
  const stored = async (channel: string): Promise<unknown[]> =>
    ((await call(`${gateway.url}/api/history?channel=${channel}`)).json as { events: { data: unknown }[] }).events.map(
      ({ data }) => data,
    );

  for (const [name, head] of [
    ['two Content-Length headers that differ', 'Content-Length: 2\r\nContent-Length: 200'],
    ['two Hosts', 'Host: y\r\nContent-Length: 2'],
    ['a Transfer-Encoding that is not known', 'Transfer-Encoding: gzip, chunked'],
    ['two of them', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'],
  ] as const)
    for (const path of ['/api/publish', '/nothing', '/', '/events?channel=a'])
      test(`because of ${name} is refused, and the connection ends (${path})`, async () => {
        const socket = await RawSocket.open(gateway.url);
        socket.write(
          `${path === '/api/publish' || path === '/nothing' ? 'POST' : 'GET'} ${path} HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`,
        );
        await socket.closed();
        assert.match(socket.received, /^HTTP\/1\.1 400 [\s\S]*Connection: close[\s\S]*"bad_request"/i);
        socket.destroy();
      });

  test('has nothing hidden behind a shorter one of two lengths', async () => {
    const channel = 'lengths';
    const socket = await RawSocket.open(gateway.url);
    socket.write(
      `POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 500\r\n\r\n{}${hidden(channel)}`,
    );
    await socket.closed();
    assert.deepEqual(await stored(channel), []);
    socket.destroy();
  });

  for (const [path, first] of [
    ['/api/publish', '{"channel":"trailers","data":"first"}'],
    ['/api/publish', 'no JSON'],
    ['/nothing', '{}'],
    ['/', '{}'],
  ] as const)
    test(`has nothing hidden in the trailers of a chunked body (${path}, ${first})`, async () => {
      const channel = 'hidden';
      for (const late of [false, true]) {
        const socket = await RawSocket.open(gateway.url);
        const chunked = `Host: x\r\nTransfer-Encoding: chunked\r\n\r\n${first.length.toString(16)}\r\n${first}\r\n0\r\n`;
        socket.write(`POST ${path} HTTP/1.1\r\n${chunked}`);
        // The two bytes are what the library takes for the end of the body.
        if (late) await until('it is answered', () => socket.received.includes('\r\n\r\n') || socket.ended);
        socket.write(`XX${hidden(channel)}`);
        await socket.closed();
        assert(socket.received.split('HTTP/1.1 ').length <= 2, 'no second answer');
        socket.destroy();
      }
      assert.deepEqual(await stored(channel), []);
    });

  test('is not what a chunked body is by itself: it is taken, and is the last of its connection', async () => {
    const channel = 'chunked';
    const body = JSON.stringify({ channel, data: 'in pieces' });
    for (const coding of ['chunked', 'Chunked']) {
      const socket = await RawSocket.open(gateway.url);
      const pieces = [body.slice(0, 7), body.slice(7)].map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`);
      socket.write(
        `POST /api/publish HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ${coding}\r\n\r\n${pieces.join('')}0\r\n\r\n`,
      );
      await socket.closed();
      assert.match(socket.received, /^HTTP\/1\.1 200 [\s\S]*Connection: close[\s\S]*"id"/i);
      socket.destroy();
    }
    assert.equal((await stored(channel)).length, 2);
    await publish(gateway.url, channel, 'goes on');
  });

  test('is not one with the same length twice', async () => {
    const body = '{"channel":"same","data":1}';
    const socket = await RawSocket.open(gateway.url);
    const length = `Content-Length: ${body.length}\r\n`;
    socket.write(`POST /api/publish HTTP/1.1\r\nHost: x\r\n${length}${length}\r\n${body}`);
    await socket.matching(/^HTTP\/1\.1 200 [\s\S]*"id"/);
    socket.destroy();
  });
});
