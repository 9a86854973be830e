/** TLS served by the gateway itself: every transport over it, and certificates that change while it runs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import { until } from '../../broker/testing/until.ts';
import { Certificates, type Made } from './harness/certificates.ts';
import { WsClient } from './harness/clients.ts';
import { GatewayProcess } from './harness/processes.ts';

const certificates = new Certificates();
const first = certificates.make('first');
const second = certificates.make('second');
after(() => certificates.remove());
const ca = [first.certificate, second.certificate];

interface Answer {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly status: number | undefined;
  readonly text: string;
}

/** The beginning of a stream, or the whole of an answer. */
function ask(url: string, enough?: RegExp): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get(url, { ca, agent: false }, (response) => {
      let text = '';
      const done = () => {
        resolve({ headers: response.headers, status: response.statusCode, text });
        request.destroy();
      };
      response.on('error', () => undefined); // it is told by what has come
      response.on('data', (chunk: Buffer) => {
        text += chunk;
        if (enough?.test(text)) done();
      });
      response.once('end', done);
    });
    request.once('error', reject);
  });
}

/** Resolves with the common name of the certificate that a handshake gets, rejects where it fails. */
async function handshake(url: string, options: ConnectionOptions = {}): Promise<string> {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', ca, ...options });
  try {
    await once(socket, 'secureConnect');
    return String(socket.getPeerCertificate().subject.CN);
  } finally {
    socket.destroy();
  }
}

/** The certificate as Kubernetes mounts it: by a link to a folder, which another takes the place of. */
class Mounted {
  readonly certFile = join(certificates.folder, 'mounted', 'tls.crt');
  readonly keyFile = join(certificates.folder, 'mounted', 'tls.key');

  mount(name: string, cert: string, key: string): void {
    const folder = certificates.folderOf(name);
    writeFileSync(join(folder, 'tls.crt'), cert);
    writeFileSync(join(folder, 'tls.key'), key);
    const link = join(certificates.folder, 'next');
    symlinkSync(folder, link);
    renameSync(link, join(certificates.folder, 'mounted'));
  }

  unmount(): void {
    unlinkSync(join(certificates.folder, 'mounted'));
  }
}

function start({ certFile, keyFile }: Pick<Made, 'certFile' | 'keyFile'>, env: Record<string, string> = {}) {
  return GatewayProcess.start({
    env: { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, LOG_LEVEL: 'info', ...env },
  });
}

describe('TLS by certificate files', () => {
  let gateway: GatewayProcess;
  before(async () => {
    gateway = await start(first);
  });
  after(() => gateway.kill());

  test('the URLs that are told are those of TLS', () => {
    assert.match(gateway.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.match(gateway.log, /WebSocket +wss:\/\//);
    assert.doesNotMatch(gateway.log, /(http|ws):\/\//);
  });

  test('pages, the API, streams and WebSockets come over it', async () => {
    const client = new WsClient(`${gateway.url}/ws`, { ws: { ca } });
    await client.opened;
    assert.equal((await client.frames.next()).type, 'welcome');
    client.send({ type: 'publish', channel: 'a', data: 'over TLS', ref: 1 });
    assert.equal((await client.frames.find(({ ref }) => ref === 1)).type, 'published');
    client.destroy();
    assert.match((await ask(`${gateway.url}/api/history?channel=a`)).text, /over TLS/);
    const stream = await ask(`${gateway.url}/events?channel=a&after=0-0`, /over TLS/);
    assert.equal(stream.headers['content-type'], 'text/event-stream; charset=utf-8');
    assert.equal((await ask(`${gateway.url}/`)).status, 200);
  });

  test('every answer tells browsers to stay with TLS', async () => {
    for (const [path, enough] of [
      ['/'],
      ['/healthz'],
      ['/nothing'],
      ['/events?channel=%00'],
      ['/events?channel=a', /retry/],
    ] as const) {
      const { headers } = await ask(`${gateway.url}${path}`, enough);
      assert.match(String(headers['strict-transport-security']), /^max-age=\d{8}$/, path);
      assert.equal(headers['x-content-type-options'], 'nosniff', path);
    }
  });

  test('TLS 1.2 and 1.3 are spoken, and nothing older', async () => {
    await handshake(gateway.url, { minVersion: 'TLSv1.3' });
    await handshake(gateway.url, { maxVersion: 'TLSv1.2' });
    // The lowest security level, or the client itself would refuse.
    const old: ConnectionOptions = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    await assert.rejects(handshake(gateway.url, old), /protocol version|ECONNRESET|disconnected/i);
  });

  test('plain HTTP is not answered', async () => {
    await assert.rejects(fetch(gateway.url.replace('https', 'http')));
  });
});

test('an encrypted key is decrypted by its passphrase, which no log shows', async (t) => {
  const locked = certificates.make('locked', { passphrase: 'hush-hush' });
  const gateway = await start(locked, { TLS_KEY_PASSPHRASE: 'hush-hush' });
  t.after(() => gateway.kill());
  assert.equal(await handshake(gateway.url, { ca: [locked.certificate] }), 'locked');
  assert.equal(await gateway.stop(), 0);
  assert.doesNotMatch(gateway.log, /hush/);
});

test('a renewed certificate is served without an interruption, and one that is no good never', async (t) => {
  const [a, b] = [certificates.contentOf('first'), certificates.contentOf('second')];
  const mounted = new Mounted();
  mounted.mount('v1', a.cert, a.key);
  const gateway = await start(mounted);
  t.after(() => gateway.kill());
  const client = new WsClient(`${gateway.url}/ws`, { ws: { ca } });
  await client.opened;
  assert.equal((await client.frames.next()).type, 'welcome');

  const names: string[] = [];
  let connecting = true;
  const attempts = (async () => {
    while (connecting) names.push(await handshake(gateway.url));
  })();
  t.after(() => {
    connecting = false;
  });
  attempts.catch(() => undefined); // awaited below

  const warnings = () => gateway.log.match(/cannot be used; the one before it stays/g)?.length ?? 0;
  mounted.mount('v2', b.cert, a.key);
  await until('a key of another certificate is refused', () => warnings() === 1);
  assert.match(gateway.log, /is not the key of/);
  mounted.unmount();
  await until('files that are gone are told', () => warnings() === 2);
  assert.equal(await handshake(gateway.url), 'first');

  mounted.mount('v3', b.cert, b.key);
  await until('the renewed one is served', () => /get the renewed TLS certificate/.test(gateway.log));
  assert.equal(await handshake(gateway.url), 'second');
  mounted.mount('v4', a.cert, a.key);
  await until('and the one after it', async () => (await handshake(gateway.url)) === 'first');

  connecting = false;
  await attempts; // no handshake has failed
  assert.deepEqual(new Set(names), new Set(['first', 'second']));
  client.send({ type: 'ping', ref: 'still there' });
  assert.equal((await client.frames.next()).type, 'pong');
  const late = new WsClient(`${gateway.url}/ws`, { ws: { ca } });
  await late.opened;
  assert.equal((await late.frames.next()).type, 'welcome');

  const closed = Promise.all([client.closed, late.closed]);
  assert.equal(await gateway.stop(), 0);
  for (const { code } of await closed) assert.equal(code, 1012, 'a drain reaches those of every certificate');
  await assert.rejects(handshake(gateway.url));
});
