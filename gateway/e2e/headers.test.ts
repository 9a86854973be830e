/** By which headers browsers are told to be careful. Those of TLS are in `tls.test.ts`. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { call, post, RawStream } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

describe('headers for the safety of browsers', () => {
  let gateway: GatewayProcess;
  before(async () => {
    gateway = await GatewayProcess.start();
  });
  after(() => gateway.kill());

  test('no answer of any kind has its type guessed, and none over plain HTTP speaks of TLS', async () => {
    const { url } = gateway;
    const stranger = { origin: 'https://stranger.example' };
    const streams = await Promise.all(['/events?channel=a', '/monitoring'].map((path) => RawStream.open(url + path)));
    const answers = await Promise.all([
      call(`${url}/`),
      call(`${url}/client.js`),
      call(`${url}/healthz`, { method: 'HEAD' }),
      call(`${url}/metrics`),
      call(`${url}/nothing`),
      call(`${url}/ws`),
      call(`${url}/api/publish`, { method: 'OPTIONS', headers: stranger }),
      call(`${url}/events`, { method: 'OPTIONS', headers: stranger }),
      call(`${url}/events?channel=%00`),
      call(`${url}/monitoring`, { headers: stranger }),
      post(`${url}/api/publish`, { channel: 'a', data: 1 }),
      post(`${url}/api/publish`, 'no JSON'),
    ]);
    for (const [index, { headers }] of [...answers, ...streams].entries()) {
      assert.equal(headers['x-content-type-options'], 'nosniff', String(index));
      assert.equal(headers['strict-transport-security'], undefined);
    }
    for (const stream of streams) stream.close();
  });

  test('pages can be framed by nobody, opened by nobody who keeps hold of them, and ask people for nothing', async () => {
    const page = await call(`${gateway.url}/`);
    const again = await call(`${gateway.url}/`, { headers: { 'if-none-match': String(page.headers.etag) } });
    assert.equal(again.status, 304);
    for (const { headers } of [page, again, await call(`${gateway.url}/client.js`)]) {
      assert.match(String(headers['content-security-policy']), /default-src 'none'.*frame-ancestors 'none'/);
      assert.equal(headers['x-frame-options'], 'DENY');
      assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
      assert.equal(headers['referrer-policy'], 'no-referrer');
      assert.match(String(headers['permissions-policy']), /camera=\(\).*microphone=\(\)/);
    }
  });

  test('pages and the client come compressed to who takes that, and each form is known again by its own tag', async () => {
    for (const path of ['/', '/client.js']) {
      const plain = await fetch(gateway.url + path, { headers: { 'accept-encoding': 'identity' } });
      const zipped = await fetch(gateway.url + path, { headers: { 'accept-encoding': 'gzip, br' } });
      const [text, same] = [await plain.text(), await zipped.text()];
      assert.equal(same, text);
      assert.deepEqual(
        [plain, zipped].map(({ headers }) => headers.get('content-encoding')),
        [null, 'gzip'],
      );
      assert.ok(Number(zipped.headers.get('content-length')) < text.length / 2);
      assert.equal(zipped.headers.get('vary'), 'Accept-Encoding');
      const tag = String(zipped.headers.get('etag'));
      const statusOf = async (encoding: string) =>
        (await call(gateway.url + path, { headers: { 'accept-encoding': encoding, 'if-none-match': tag } })).status;
      assert.deepEqual([await statusOf('gzip'), await statusOf('identity')], [304, 200]);
    }
  });

  test('pages of other origins may load the client, and nothing else', async () => {
    const policyOf = async (path: string) => (await call(gateway.url + path)).headers['cross-origin-resource-policy'];
    assert.equal(await policyOf('/client.js'), 'cross-origin');
    assert.equal(await policyOf('/'), 'same-origin');
  });
});
