/** The nginx configuration that is handed out, in a real nginx: what browsers, publishers and people who look from outside get through it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { type RedisDeployment, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { launchBrowser } from './harness/browser.ts';
import { Certificates } from './harness/certificates.ts';
import { check } from './harness/checker.ts';
import { WsClient } from './harness/clients.ts';
import { type Answer, call, post, publish, RawStream } from './harness/http-client.ts';
import { NginxProcess } from './harness/nginx.ts';
import { heard, openStream } from './harness/page-streams.ts';
import { makePlan, type Plan, Random } from './harness/plan.ts';
import { GatewayProcess } from './harness/processes.ts';
import { Publishing } from './harness/publishing.ts';
import { RestartableGateway } from './harness/restartable.ts';
import { SseSubscriber, WsSubscriber } from './harness/subscribers.ts';

const GATEWAYS = 3;
const CHANNELS = 12;

describe('behind nginx', () => {
  const certificates = new Certificates();
  let redis: RedisDeployment;
  let gateways: readonly GatewayProcess[] = [];
  let urls: readonly string[] = [];
  before(async () => {
    redis = await startStandalone();
    const env = { REDIS_URL: redis.url, TRUSTED_PROXIES: '1' };
    gateways = await Promise.all(Array.from({ length: GATEWAYS }, () => GatewayProcess.start({ env })));
    urls = gateways.map(({ url }) => url);
    for (const url of urls)
      await until('it is ready', async () => (await call(`${url}/stats`)).text.includes('"broker":{"ready":true}'));
  });
  after(async () => {
    await Promise.all(gateways.map((gateway) => gateway.kill()));
    await redis?.stop();
    certificates.remove();
  });

  test('a flood of requests from one address is refused as the gateways do it, and other paths are served', async (t) => {
    const nginx = await NginxProcess.start(urls, { apiRequests: 5 });
    t.after(() => nginx.stop());
    const ask = () => call(`${nginx.url}/api/history?channel=calm`);
    const answers = await Promise.all(Array.from({ length: 60 }, ask));
    const refused = answers.find(({ status }) => status === 429);
    assert.ok(
      answers.some(({ status }) => status === 200),
      'some are let through',
    );
    assert.ok(refused !== undefined, 'more than that are not');
    assert.match(refused.text, /"code":"too_many"/);
    assert.equal((await call(`${nginx.url}/healthz`)).status, 200);
    await until('it is let through again', async () => (await ask()).status === 200);
  });

  test('a page holds twelve streams and a WebSocket by HTTP/2, and nobody misses anything while nginx is reloaded under load', async (t) => {
    const secure = await NginxProcess.start(urls, { tls: certificates.make('nginx'), shutdownSeconds: 1 });
    const plain = await NginxProcess.start(urls, { shutdownSeconds: 1 });
    const browser = await launchBrowser();
    const plan = makePlan({
      seed: 7,
      events: 800,
      channels: CHANNELS,
      subscribers: 40,
      gateways: 1,
      cuts: 0,
      kills: 0,
    });
    t.after(async () => {
      await browser.close();
      await Promise.all([secure.stop(), plain.stop()]);
    });

    const { page, protocols } = await openPage(browser, secure, plan.channels);
    const run = new Load(plan, plain);
    await run.subscribed();
    await run.publish(async () => {
      for (let round = 0; round < 2; round++) await Promise.all([secure.reload(), plain.reload()]);
    });
    await run.everywhere();
    assert.deepEqual(run.verdict(), { violations: [], complaints: [] });
    assert.ok(run.reconnects > 0, 'the reload cut connections');

    for (const channel of plan.channels) {
      const expected = run.stored(channel);
      await until(`the page has all of ${channel}, and its stream was cut`, async () => {
        const { events, opens } = await heard(page, channel);
        return events.length >= expected.length && opens > 1;
      });
      const { events, gaps } = await heard(page, channel);
      assert.deepEqual([new Set(events.map(numberOf)), gaps], [new Set(expected), 0]);
      assert.equal(events.length, expected.length, 'nothing twice');
    }
    await until('the WebSocket had its echo', () => page.evaluate('globalThis.echoed === true'));
    assert.deepEqual([...protocols].sort(), ['h2', 'http/1.1']);
    const complaints = `${secure.log('error.log')}${plain.log('error.log')}`;
    assert.doesNotMatch(complaints, /\[(emerg|alert|crit|warn)\]/);
  });

  test('HTTP leads to HTTPS, which tells browsers to stay with it, and does not write tokens into its log', async (t) => {
    const nginx = await NginxProcess.start(urls, { tls: certificates.make('log') });
    t.after(() => nginx.stop());
    const { status, headers } = await call(`${nginx.plainUrl}/events?token=x`);
    assert.deepEqual([status, headers.location], [308, 'https://127.0.0.1/events?token=x']);
    const session = connect(nginx.url, { rejectUnauthorized: false });
    t.after(() => session.destroy());
    const [answer] = await once(session.request({ ':path': '/healthz?token=tell-nobody' }), 'response');
    assert.deepEqual([answer[':status'], answer['strict-transport-security']], [200, 'max-age=31536000']);
    await until('it is logged', () => nginx.log('passerelle.log').includes('"GET /healthz HTTP/2.0" 200'));
    assert.doesNotMatch(nginx.log('passerelle.log') + nginx.log('error.log'), /tell-nobody/);
  });

  test('a browser and a gateway that compresses agree on it', async (t) => {
    const gateway = await GatewayProcess.start({ env: { COMPRESSION: 'shared' } });
    const nginx = await NginxProcess.start([gateway.url], { tls: certificates.make('compressed') });
    const browser = await launchBrowser();
    t.after(async () => {
      await browser.close();
      await nginx.stop();
      await gateway.kill();
    });
    const page = await browser.newPage({ ignoreHTTPSErrors: true });
    await page.goto(nginx.url);
    const told = await page.evaluate(`new Promise((resolve, reject) => {
      const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws');
      const text = 'said again, '.repeat(1000);
      socket.onopen = () => socket.send(text);
      socket.onerror = reject;
      socket.onmessage = ({ data }) => {
        const { type, original } = JSON.parse(data);
        if (type === 'echo') resolve([socket.extensions, original === text]);
      };
    })`);
    assert.deepEqual(told, ['permessage-deflate; client_no_context_takeover; server_no_context_takeover', true]);
  });

  test('a gateway that drains is sent no more clients, also where connections to it still stand', async (t) => {
    const env = { REDIS_URL: redis.url, DRAIN_WINDOW_MS: '600000', SHUTDOWN_TIMEOUT_SECONDS: '700' };
    const leaving = await GatewayProcess.start({ env });
    const nginx = await NginxProcess.start([leaving.url, urls[0] ?? '']);
    t.after(async () => {
      await nginx.stop();
      await leaving.kill();
    });
    const staying = new WsClient(`${leaving.url}/ws`); // so that it is not gone at once
    await staying.frames.next();
    const requests = Array.from({ length: 40 }, (_none, n) => publish(nginx.url, 'a', n));
    await Promise.all(requests); // by connections that nginx keeps
    leaving.signal('SIGTERM');
    await until('it takes no more', () =>
      call(`${leaving.url}/healthz`).then(
        () => false,
        () => true,
      ),
    );

    for (let n = 0; n < 20; n++) {
      const stream = await RawStream.open(`${nginx.url}/events?channel=a`);
      await stream.matching(/^id: /m);
      const socket = new WsClient(`${nginx.url}/ws`);
      assert.equal((await socket.frames.next()).type, 'welcome');
      stream.close();
      socket.destroy();
    }
    staying.destroy();
  });

  test('the addresses of clients reach the gateways, and none can claim another one', async (t) => {
    for (const { trusted, second } of [
      { trusted: '1', second: 'welcome' }, // all are 127.0.0.1, which has no limit; what they say themselves is not believed
      { trusted: '2', second: 'error' }, // nginx is taken for the proxy in front of a proxy that said 198.51.100.7
    ]) {
      const gateway = await GatewayProcess.start({
        env: { TRUSTED_PROXIES: trusted, MAX_CONNECTIONS_PER_ADDRESS: '1' },
      });
      const nginx = await NginxProcess.start([gateway.url]);
      t.after(async () => {
        await nginx.stop();
        await gateway.kill();
      });
      const open = () => new WsClient(`${nginx.url}/ws`, { ws: { headers: { 'x-forwarded-for': '198.51.100.7' } } });
      const [one, two] = [open(), open()];
      const types = [(await one.frames.next()).type, (await two.frames.next()).type];
      assert.deepEqual(types.sort(), ['welcome', second].sort());
      for (const client of [one, two]) client.destroy();
    }
  });
});

describe('nginx, when gateways fail', () => {
  /** Takes requests, and closes the connection in place of an answer. */
  const failing = async (): Promise<{ server: Server; url: string; requests: () => number }> => {
    let requests = 0;
    const server = createServer((socket: Socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => {
        requests++;
        socket.destroy();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    return { server, url: `http://127.0.0.1:${port}`, requests: () => requests };
  };

  test('a publish that was sent to one is never sent to another, as a read is', async (t) => {
    const [one, two] = [await failing(), await failing()];
    t.after(() => {
      for (const { server } of [one, two]) server.close();
    });
    const sent = () => one.requests() + two.requests();
    // Each through an nginx of its own, which knows nothing yet of who fails.
    const through = async (send: (url: string) => Promise<Answer>) => {
      const nginx = await NginxProcess.start([one.url, two.url]);
      t.after(() => nginx.stop());
      const before = sent();
      const answer = await send(nginx.url);
      return { answer, times: sent() - before };
    };
    const published = await through((url) => post(`${url}/api/publish`, { channel: 'a', data: 1 }));
    assert.deepEqual([published.answer.status, published.answer.headers['retry-after']], [503, '2']);
    assert.equal((published.answer.json as { error: { code: string } }).error.code, 'unavailable');
    const read = await through((url) => call(`${url}/api/history?channel=a`));
    assert.deepEqual([read.answer.status, published.times, read.times], [503, 1, 2]);
  });

  test('a publish goes to another gateway where the first one is not there', async (t) => {
    const gone = await failing();
    gone.server.close();
    await once(gone.server, 'close');
    const gateway = await GatewayProcess.start();
    const nginx = await NginxProcess.start([gone.url, gateway.url]);
    t.after(async () => {
      await nginx.stop();
      await gateway.kill();
    });
    for (let n = 0; n < 20; n++) await publish(nginx.url, 'a', n);
  });

  test('while there is none an EventSource is told to come back, and does', async (t) => {
    const gateway = await RestartableGateway.start({ RETRY_MS: '100' });
    const nginx = await NginxProcess.start([gateway.url]);
    const browser = await launchBrowser();
    t.after(async () => {
      await browser.close();
      await nginx.stop();
      await gateway.end('SIGKILL');
    });
    const page = await browser.newPage();
    await page.goto(nginx.url);
    await openStream(page, 'all', ['a']);
    await until('it is open', async () => (await heard(page, 'all')).opens === 1);
    await gateway.end('SIGKILL');

    const stream = await RawStream.open(`${nginx.url}/events?channel=a`, { origin: 'https://elsewhere.example' });
    await until('it has ended', () => stream.ended);
    assert.match(stream.text, /^retry: \d{4}\n\n$/);
    const { 'content-type': type, 'access-control-allow-origin': origin } = stream.headers;
    assert.deepEqual(
      [stream.status, type, origin],
      [200, 'text/event-stream; charset=utf-8', 'https://elsewhere.example'],
    );
    assert.equal((await call(`${nginx.url}/`)).status, 503);
    const opens = (await heard(page, 'all')).opens;
    await until('the browser has been told as well', async () => (await heard(page, 'all')).opens > opens);
    assert.equal((await heard(page, 'all')).ended, false);

    await gateway.start();
    await until('it hears what is published', async () => {
      await publish(nginx.url, 'a', { channel: 'a', n: 1 });
      return (await heard(page, 'all')).events.length > 0;
    });
  });
});

/** A page with a stream for each channel and a WebSocket; by which protocols it got them is gathered. */
async function openPage(browser: Browser, nginx: NginxProcess, channels: readonly string[]) {
  const page: Page = await browser.newPage({ ignoreHTTPSErrors: true });
  const protocols = new Set<string>();
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  session.on('Network.responseReceived', ({ response }) => {
    if (response.protocol) protocols.add(response.protocol);
  });
  session.on('Network.webSocketHandshakeResponseReceived', ({ response }) => {
    if (response.headersText?.startsWith('HTTP/1.1 101')) protocols.add('http/1.1');
  });
  await page.goto(nginx.url);
  for (const channel of channels) await openStream(page, channel, [channel]);
  await page.evaluate(`
    const socket = new WebSocket('/ws'.replace(/^/, location.origin.replace('http', 'ws')));
    socket.onopen = () => socket.send('say it again');
    socket.onmessage = ({ data }) => { globalThis.echoed ||= data.includes('say it again'); };
  `);
  for (const channel of channels)
    await until(`${channel} is open`, async () => (await heard(page, channel)).opens === 1);
  return { page, protocols };
}

/** The number that a plan gives each of its events. */
function numberOf(data: unknown): number {
  return (data as { number: number }).number;
}

/** Subscribers and publishers that all go through one nginx. */
class Load {
  readonly #plan: Plan;
  readonly #subscribers: readonly (WsSubscriber | SseSubscriber)[];
  readonly #publishing: Publishing;
  readonly #abort = new AbortController();

  constructor(plan: Plan, { url }: NginxProcess) {
    this.#plan = plan;
    const random = new Random(1);
    const route = { next: () => url, backoffMs: () => 5 + random.below(100) };
    this.#subscribers = plan.subscribers.map(({ name, transport, channels, from }) =>
      transport === 'ws'
        ? new WsSubscriber({ name, channels, from, route })
        : new SseSubscriber({ name, channels, from, route }),
    );
    for (const subscriber of this.#subscribers) subscriber.start(url);
    this.#publishing = new Publishing({
      requests: plan.requests,
      urls: () => [url],
      eventsPerSecond: 400,
      signal: this.#abort.signal,
      onProgress: () => undefined,
    });
  }

  subscribed(): Promise<void> {
    return until('all are subscribed', () => this.#subscribers.every(({ begun }) => begun));
  }

  /** Publishes everything until it is acknowledged, and does something meanwhile. */
  async publish(meanwhile: () => Promise<void>): Promise<void> {
    const limit = setTimeout(() => this.#abort.abort(), 60_000);
    await Promise.all([this.#publishing.run(), meanwhile()]);
    clearTimeout(limit);
  }

  async everywhere(): Promise<void> {
    const { heads } = this.#publishing;
    await until('all have everything', () =>
      this.#subscribers.every((one) =>
        one.channels.every((channel) => one.reached(channel, heads.get(channel) ?? '0-0')),
      ),
    );
    await Promise.all(this.#subscribers.map((subscriber) => subscriber.stop()));
  }

  verdict() {
    const received = this.#subscribers.flatMap((subscriber) => subscriber.subscriptions());
    const { violations } = check(this.#publishing.publishes(), received);
    return { violations, complaints: this.#subscribers.flatMap(({ complaints }) => complaints) };
  }

  get reconnects(): number {
    return this.#subscribers.reduce((sum, { reconnects }) => sum + reconnects, 0);
  }

  /** The numbers of what was acknowledged in a channel. */
  stored(channel: string): readonly number[] {
    return this.#plan.requests.flatMap(({ publishes }) =>
      publishes.filter((publish) => publish.channel === channel).map(({ data }) => numberOf(JSON.parse(data))),
    );
  }
}
