/** Pages of other origins than the gateway's, in a real browser: what they may do where their origin is allowed, and that they can do nothing where it is not. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchBrowser } from './harness/browser.ts';
import { call } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

/** What came of everything that a page can try. */
interface Attempts {
  readonly socket: string;
  readonly stream: string;
  readonly streamWithCredentials: string;
  readonly publish: string;
  readonly publishWithCredentials: string;
  readonly read: string;
}

/** Runs in the page. The last attempt needs no leave to be sent (as a form needs none), and must have no effect where there is no leave. */
const TRY_ALL = `async (gateway, channel) => {
  const socket = () => new Promise((resolve) => {
    const socket = new WebSocket(gateway.replace('http', 'ws') + '/ws');
    let first;
    socket.onmessage = ({ data }) => {
      first ??= JSON.parse(data);
      if (first.type === 'welcome') { resolve('welcome'); socket.close(); }
    };
    socket.onclose = ({ code }) => resolve([first?.code, code].join(' '));
  });
  const stream = (withCredentials) => new Promise((resolve) => {
    const source = new EventSource(gateway + '/events?channel=' + channel, { withCredentials });
    const end = (outcome) => { source.close(); resolve(outcome); };
    source.onopen = () => end('open');
    source.onerror = () => end('refused');
  });
  const ask = (path, options) => fetch(gateway + path, options).then(({ status }) => String(status), () => 'refused');
  const publish = (credentials) => ask('/api/publish', {
    method: 'POST', credentials, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ channel, data: 1 }),
  });
  const outcome = {
    socket: await socket(),
    stream: await stream(false),
    streamWithCredentials: await stream(true),
    publish: await publish('omit'),
    publishWithCredentials: await publish('include'),
    read: await ask('/api/history?channel=' + channel),
  };
  await fetch(gateway + '/api/publish', { method: 'POST', mode: 'no-cors', body: JSON.stringify({ channel, data: 2 }) });
  return outcome;
}`;

const NOTHING: Attempts = {
  socket: 'forbidden 4403',
  stream: 'refused',
  streamWithCredentials: 'refused',
  publish: 'refused',
  publishWithCredentials: 'refused',
  read: 'refused',
};
const WITHOUT_CREDENTIALS: Attempts = {
  ...NOTHING,
  socket: 'welcome',
  stream: 'open',
  publish: '200',
  read: '200',
};
const EVERYTHING: Attempts = { ...WITHOUT_CREDENTIALS, streamWithCredentials: 'open', publishWithCredentials: '200' };

describe('a page of another origin', () => {
  let server: Server;
  let port: number;
  let browser: Browser;
  /** Allows an origin by its name and the subdomains of another one. */
  let listing: GatewayProcess;
  /** Allows all. */
  let allowing: GatewayProcess;
  let channels = 0;
  before(async () => {
    server = createServer((_request, response) =>
      response.setHeader('content-type', 'text/html').end('<title>x</title>'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
    const allowed = `http://listed.localhost:${port},http://*.wild.localhost:${port}`;
    [listing, allowing, browser] = await Promise.all([
      GatewayProcess.start({ env: { ALLOWED_ORIGINS: allowed } }),
      GatewayProcess.start({ env: { ALLOWED_ORIGINS: '*' } }),
      launchBrowser(),
    ]);
  });
  after(async () => {
    await browser?.close();
    await Promise.all([listing?.kill(), allowing?.kill()]);
    server?.close();
  });

  /** What a page of the host achieves, and how many events it has stored. */
  async function attempt(gateway: GatewayProcess, host: string): Promise<{ attempts: Attempts; stored: number }> {
    const channel = `cross-site-${channels++}`;
    const page = await browser.newPage();
    try {
      await page.goto(`http://${host}:${port}/`);
      const given = [gateway.url, channel].map((text) => JSON.stringify(text)).join(', ');
      const attempts = await page.evaluate<Attempts>(`(${TRY_ALL})(${given})`);
      const { json } = await call(`${gateway.url}/api/history?channel=${channel}`);
      return { attempts, stored: (json as { events: unknown[] }).events.length };
    } finally {
      await page.close();
    }
  }

  for (const host of ['evil.localhost', 'x.listed.localhost', 'wild.localhost', 'evilwild.localhost', '127.0.0.1']) {
    it(`can do nothing where it is not allowed: ${host}`, async () => {
      assert.deepEqual(await attempt(listing, host), { attempts: NOTHING, stored: 0 });
    });
  }

  it('may do everything where it is allowed by its name, also with credentials', async () => {
    assert.deepEqual(await attempt(listing, 'listed.localhost'), { attempts: EVERYTHING, stored: 3 });
  });

  for (const host of ['x.wild.localhost', 'x.y.wild.localhost']) {
    it(`may do everything but with credentials where it is allowed as a subdomain: ${host}`, async () => {
      assert.deepEqual(await attempt(listing, host), { attempts: WITHOUT_CREDENTIALS, stored: 2 });
    });
  }

  it('may do everything but with credentials where every origin is allowed', async () => {
    assert.deepEqual(await attempt(allowing, 'evil.localhost'), { attempts: WITHOUT_CREDENTIALS, stored: 2 });
  });

  it('has its answers told apart from those of other origins, in all that may be kept of them', async () => {
    const listed = `http://listed.localhost:${port}`;
    const asked = [
      [listing, listed, listed, 'true'],
      [listing, `http://x.wild.localhost:${port}`, `http://x.wild.localhost:${port}`, undefined],
      [listing, 'http://evil.example', undefined, undefined],
      [allowing, 'http://evil.example', 'http://evil.example', undefined],
      [allowing, 'null', 'null', undefined],
    ] as const;
    for (const [gateway, origin, allowedOrigin, credentials] of asked) {
      // A refusal is an answer, too; so is that to a preflight.
      for (const [path, method] of [
        ['/api/history?channel=x', 'GET'],
        ['/api/history', 'GET'],
        ['/api/publish', 'OPTIONS'],
        ['/events', 'OPTIONS'],
        ['/events?channel=a%20b', 'GET'],
      ] as const) {
        const { headers } = await call(`${gateway.url}${path}`, { method, headers: { origin } });
        const where = `${method} ${path} from ${origin}`;
        assert.equal(headers['access-control-allow-origin'], allowedOrigin, where);
        assert.equal(headers['access-control-allow-credentials'], credentials, where);
        if (allowedOrigin !== undefined) assert.equal(headers.vary, 'Origin', where);
      }
    }
  });
});
