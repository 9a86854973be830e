/**
 * What the socket library of the gateways answers wrongly, or not at all, behind the nginx that is handed out: nginx reads every request itself, and
 * writes it anew for the gateway.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { call } from './harness/http-client.ts';
import { NginxProcess } from './harness/nginx.ts';
import { GatewayProcess } from './harness/processes.ts';
import { RawSocket } from './harness/raw-socket.ts';

describe('nginx', () => {
  let gateway: GatewayProcess;
  let nginx: NginxProcess;
  before(async () => {
    gateway = await GatewayProcess.start({ env: { TRUSTED_PROXIES: '1' } });
    nginx = await NginxProcess.start([gateway.url]);
  });
  after(async () => {
    await nginx?.stop();
    await gateway.kill();
  });

  const post = (head: string, body: string): string =>
    `POST /api/publish HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n${body}`;
  const body = (channel: string): string => JSON.stringify({ channel, data: 1 });
  const chunked = (text: string, ending = '\r\n'): string => `${text.length.toString(16)}\r\n${text}\r\n0\r\n${ending}`;
  const stored = async (channel: string): Promise<number> =>
    ((await call(`${gateway.url}/api/history?channel=${channel}`)).json as { events: unknown[] }).events.length;

  for (const [what, request] of [
    ['without a Host', 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['with two Hosts', 'GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['with a header that goes on in the next line', 'GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n'],
    ['with a space before a colon', post('Content-Length : 2', '{}')],
    ['with two Content-Lengths', post('Content-Length: 2\r\nContent-Length: 3', '{}')],
    [
      'with a Content-Length and a Transfer-Encoding',
      post('Content-Length: 2\r\nTransfer-Encoding: chunked', chunked('{}')),
    ],
  ] as const)
    test(`answers a request ${what} with 400 at once`, async () => {
      const socket = await RawSocket.open(nginx.url);
      socket.write(request);
      await socket.closed();
      assert.match(socket.received, /^HTTP\/1\.1 400 /);
      socket.destroy();
    });

  test('takes trailers and chunk extensions for what they are', async () => {
    const channel = 'trailers';
    for (const text of [
      chunked(body(channel), 'X-Checksum: 1\r\n\r\n'),
      chunked(body(channel)).replace('\r\n', ';name=value\r\n'),
      // Where a gateway takes the end of the body for the beginning of another request.
      chunked(body(channel), `XXPOST /api/publish HTTP/1.1\r\nContent-Length: ${body(channel).length}\r\n\r\n`),
    ]) {
      const before = await stored(channel);
      const socket = await RawSocket.open(nginx.url);
      socket.write(post('Transfer-Encoding: chunked\r\nConnection: close', text));
      await socket.closed();
      assert.match(socket.received, /^HTTP\/1\.1 (?:200|400) /);
      const answered = socket.received.startsWith('HTTP/1.1 200');
      assert.equal(await stored(channel), before + Number(answered), socket.received);
      socket.destroy();
    }
    assert((await stored(channel)) >= 2, 'trailers and extensions are no fault');
  });

  test('puts a request together that TCP cuts anywhere', async () => {
    const request = 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    await Promise.all(
      Array.from({ length: request.length - 1 }, async (_, index) => {
        const socket = await RawSocket.open(nginx.url);
        socket.write(request.slice(0, index + 1));
        await sleep(20); // or both parts may come as one
        socket.write(request.slice(index + 1));
        await socket.closed();
        assert.match(socket.received, /^HTTP\/1\.1 200 /, JSON.stringify(request.slice(0, index + 1)));
        socket.destroy();
      }),
    );
  });

  test('asks for the body of whoever waits for that, however it is written', async () => {
    for (const word of ['100-continue', '100-Continue']) {
      const text = body('expected');
      const socket = await RawSocket.open(nginx.url);
      socket.write(post(`Expect: ${word}\r\nConnection: close\r\nContent-Length: ${text.length}`, ''));
      await socket.matching(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
      socket.write(text);
      await socket.matching(/HTTP\/1\.1 200 [\s\S]*"id"/);
      socket.destroy();
    }
  });

  test('speaks HTTP/1.0 and takes the absolute form of a URL', async () => {
    for (const request of [
      'GET /healthz HTTP/1.0\r\n\r\n',
      'GET http://x/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    ]) {
      const socket = await RawSocket.open(nginx.url);
      socket.write(request);
      await socket.closed();
      assert.match(socket.received, /^HTTP\/1\.1 200 [\s\S]*"ok"/);
      socket.destroy();
    }
  });
});
