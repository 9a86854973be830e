/** The HTTP requests of section 7 that are not streams, against a real gateway process. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { WsClient } from './harness/clients.ts';
import { type ChannelsFile, channelNames, writeChannelsFile } from './harness/fixtures.ts';
import { type Answer, call, post, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { RawSocket } from './harness/raw-socket.ts';

const LISTED = 'https://listed.example';
const MAX_BODY_BYTES = 100_000;

const name = channelNames();

interface History {
  readonly channel: string;
  readonly events: readonly { readonly id: string; readonly channel: string; readonly event: string; data: unknown }[];
  readonly position: string;
  readonly complete: boolean;
}

describe('the HTTP API', () => {
  let gateway: GatewayProcess;
  let file: ChannelsFile;
  let url: string;
  before(async () => {
    file = writeChannelsFile();
    gateway = await GatewayProcess.start({
      env: {
        ALLOWED_ORIGINS: LISTED,
        CHANNELS_FILE: file.path,
        MAX_BODY_BYTES: String(MAX_BODY_BYTES),
        MAX_MESSAGE_BYTES: '50000',
        GATEWAY_ID: 'the-gateway',
      },
    });
    ({ url } = gateway);
  });
  after(async () => {
    await gateway.kill();
    file.remove();
  });

  const history = async (query: string): Promise<History> => {
    const { status, json, text } = await call(`${url}/api/history?${query}`);
    assert.equal(status, 200, text);
    return json as History;
  };
  /** A channel with this many events. */
  const filled = async (count: number, namespace?: string) => {
    const channel = name(namespace);
    const ids: string[] = [];
    for (let i = 0; i < count; i++) ids.push(await publish(url, channel, i));
    return { channel, ids };
  };

  test('publishes any JSON value, and gives it back as it was', async () => {
    const channel = name();
    const values = [null, false, 0, -1.5e-7, '', 'ü\u2028\ud83d\ude00', [], {}, { a: [{ b: null }], __proto__x: 1 }];
    const ids: string[] = [];
    for (const data of values) {
      const { status, headers, json } = await post(`${url}/api/publish`, { channel, data, event: 'value' });
      assert.equal(status, 200);
      assert.match(String(headers['content-type']), /^application\/json/);
      const { id } = json as { id: string };
      assert.deepEqual(json, { channel, id });
      ids.push(id);
    }
    const { events, position, complete } = await history(`channel=${channel}`);
    assert.deepEqual(
      events,
      values.map((data, index) => ({ id: ids[index], channel, event: 'value', data })),
    );
    assert.equal(position, ids.at(-1));
    assert.equal(complete, true);
  });

  test('answers a publish on an ephemeral channel without an id', async () => {
    const channel = name('none');
    assert.deepEqual((await post(`${url}/api/publish`, { channel, data: 1 })).json, { channel });
  });

  test('stores one event for one key, whatever the data and the event', async () => {
    const channel = name();
    const first = await publish(url, channel, 1, { key: 'k' });
    const again = await post(`${url}/api/publish`, { channel, data: 2, key: 'k', event: 'other' });
    assert.deepEqual(again.json, { channel, id: first, duplicate: true });
    assert.equal((await history(`channel=${channel}`)).events.length, 1);
    const elsewhere = name();
    assert.notEqual(await publish(url, elsewhere, 1, { key: 'k' }), undefined);
    assert.equal((await history(`channel=${elsewhere}`)).events.length, 1);
  });

  test('stores one event for one key that comes many times at once', async () => {
    const channel = name();
    const publishes = Array.from({ length: 20 }, (_, data) => ({ channel, data, key: 'k' }));
    const answers = await Promise.all(publishes.map((each) => post(`${url}/api/publish`, each)));
    const ids = new Set(answers.map(({ json }) => (json as { id: string }).id));
    assert.equal(ids.size, 1);
    assert.equal(answers.filter(({ json }) => (json as { duplicate?: boolean }).duplicate).length, 19);
    assert.equal((await history(`channel=${channel}`)).events.length, 1);
  });

  test('refuses a publish whose fields are wrong, and names each of them', async () => {
    const channel = name();
    const wrong: [string[], unknown][] = [
      [['channel'], { data: 1 }],
      [['channel'], { channel: 5, data: 1 }],
      [['channel'], { channel: null, data: 1 }],
      [['channel'], { channel: '', data: 1 }],
      [['channel'], { channel: 'a b', data: 1 }],
      [['channel'], { channel: 'a/b', data: 1 }],
      [['channel'], { channel: 'ä', data: 1 }],
      [['channel'], { channel: 'a\n', data: 1 }],
      [['channel'], { channel: '$fleet', data: 1 }],
      [['channel'], { channel: 'x'.repeat(129), data: 1 }],
      [['data'], { channel }],
      [['event'], { channel, data: 1, event: 5 }],
      [['event'], { channel, data: 1, event: null }],
      [['event'], { channel, data: 1, event: '' }],
      [['event'], { channel, data: 1, event: 'a@b' }],
      [['event'], { channel, data: 1, event: 'a\r\nid: 9-9' }],
      [['key'], { channel, data: 1, key: 5 }],
      [['key'], { channel, data: 1, key: null }],
      [['key'], { channel, data: 1, key: '' }],
      [['key'], { channel, data: 1, key: 'x'.repeat(129) }],
      [['channel', 'data', 'event', 'key'], { event: 1, key: 1 }],
    ];
    for (const [fields, body] of wrong) {
      const answer = await post(`${url}/api/publish`, body);
      assert.equal(answer.status, 400, JSON.stringify(body));
      const { code, message } = errorOf(answer);
      assert.equal(code, 'bad_request');
      for (const field of fields) assert(message.includes(`"${field}"`), message);
    }
    for (const body of ['', '{', 'null', '[]', '"x"', '5', 'channel=a&data=1', Buffer.of(0xff, 0xfe)]) {
      const answer = await post(`${url}/api/publish`, body);
      assert.equal(answer.status, 400, String(body));
      assert.equal(errorOf(answer).code, 'bad_request');
    }
    assert.equal((await history(`channel=${channel}`)).events.length, 0);
  });

  test('refuses data over MAX_MESSAGE_BYTES and bodies over MAX_BODY_BYTES with 413, and goes on', async () => {
    const channel = name();
    const fits = 'x'.repeat(49_998);
    await publish(url, channel, fits);
    assert.equal(errorOf(await post(`${url}/api/publish`, { channel, data: `${fits}x` })).code, 'too_large');
    for (const bytes of [MAX_BODY_BYTES + 1, 5_000_000]) {
      const socket = await RawSocket.open(url);
      socket.write(`POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n`);
      socket.write(Buffer.alloc(bytes, 0x20));
      await socket.matching(/^HTTP\/1\.1 413 [\s\S]*"code":"too_large"/);
      socket.destroy();
    }
    assert.equal((await history(`channel=${channel}`)).events.length, 1);
  });

  test('takes a body in pieces, chunked or counted, and never answers one that stops half way', async () => {
    const channel = name();
    const body = JSON.stringify({ channel, data: 'pieces' });
    const half = body.length >> 1;
    const counted = await RawSocket.open(url);
    counted.write(
      `POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, half)}`,
    );
    const chunked = await RawSocket.open(url);
    chunked.write('POST /api/publish HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
    chunked.write(chunk(body.slice(0, half)));
    const abandoned = await RawSocket.open(url);
    abandoned.write(
      `POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, half)}`,
    );
    assert.equal((await call(`${url}/healthz`)).status, 200);
    abandoned.destroy();
    counted.write(body.slice(half));
    chunked.write(`${chunk(body.slice(half))}0\r\n\r\n`);
    for (const socket of [counted, chunked]) {
      await socket.matching(/^HTTP\/1\.1 200 [\s\S]*"id":/);
      socket.destroy();
    }
    assert.equal((await history(`channel=${channel}`)).events.length, 2);
  });

  test('publishes a batch in its order, each entry answered for itself', async () => {
    const [one, two] = [name(), name()];
    const publishes = [
      { channel: one, data: 1 },
      { channel: 'not a channel', data: 2 },
      { channel: two, data: 3, event: 'e' },
      'no object',
      { channel: one },
      { channel: one, data: 'x'.repeat(50_000) },
      { channel: one, data: 4, key: 'k' },
      { channel: one, data: 5, key: 'k' },
      null,
    ];
    const { status, json } = await post(`${url}/api/batch`, { publishes });
    assert.equal(status, 200);
    const { results } = json as { results: Record<string, unknown>[] };
    const shapes = results.map((it) =>
      it.error === undefined ? Object.keys(it) : (it.error as { code: string }).code,
    );
    assert.deepEqual(shapes, [
      ['channel', 'id'],
      'bad_request',
      ['channel', 'id'],
      'bad_request',
      'bad_request',
      'too_large',
      ['channel', 'id'],
      ['channel', 'id', 'duplicate'],
      'bad_request',
    ]);
    assert.equal(results[6]?.id, results[7]?.id);
    const { events } = await history(`channel=${one}`);
    assert.deepEqual(
      events.map(({ data }) => data),
      [1, 4],
    );
  });

  test('takes a batch of 1,000, in order, and refuses one of 1,001, an empty one, and what is none', async () => {
    const channel = name();
    const publishes = Array.from({ length: 1_000 }, (_, data) => ({ channel, data }));
    const full = await post(`${url}/api/batch`, { publishes });
    assert.equal((full.json as { results: unknown[] }).results.length, 1_000);
    const { events } = await history(`channel=${channel}&limit=1000`);
    assert.deepEqual(
      events.map(({ data }) => data),
      publishes.map(({ data }) => data),
    );
    for (const body of [{ publishes: [...publishes, publishes[0]] }, { publishes: [] }, {}, { publishes: {} }, []]) {
      const refused = await post(`${url}/api/batch`, body);
      assert.equal(refused.status, 400);
      assert.equal(errorOf(refused).code, 'bad_request');
    }
    assert.equal((await history(`channel=${channel}&limit=1000`)).position, events.at(-1)?.id);
  });

  test('pages through history forwards and backwards without missing or repeating an event', async () => {
    const { channel, ids } = await filled(25);
    const forwards: string[] = [];
    for (let after = '0-0', complete = false; !complete; after = forwards.at(-1) ?? after) {
      const page = await history(`channel=${channel}&after=${after}&limit=7`);
      forwards.push(...page.events.map(({ id }) => id));
      complete = page.complete;
      assert.equal(page.position, ids.at(-1));
    }
    assert.deepEqual(forwards, ids);
    const backwards: string[] = [];
    for (let complete = false; !complete; ) {
      const before = backwards.length > 0 ? `&before=${backwards[0]}` : '';
      const page = await history(`channel=${channel}&limit=7${before}`);
      backwards.unshift(...page.events.map(({ id }) => id));
      complete = page.complete;
    }
    assert.deepEqual(backwards, ids);
  });

  test('answers a range of history with what lies strictly between, and says whether that is all', async () => {
    const { channel, ids } = await filled(6);
    for (const [query, from, to, complete] of [
      ['', 0, 6, true],
      ['&limit=6', 0, 6, true],
      ['&limit=2', 4, 6, false],
      [`&before=${ids[3]}`, 0, 3, true],
      [`&before=${ids[3]}&limit=2`, 1, 3, false],
      [`&after=${ids[1]}`, 2, 6, true],
      [`&after=${ids[1]}&limit=2`, 2, 4, false],
      [`&after=${ids[1]}&before=${ids[4]}`, 2, 4, true],
      [`&after=${ids[1]}&before=${ids[4]}&limit=1`, 2, 3, false],
      [`&after=${ids[1]}&before=${ids[4]}&limit=2`, 2, 4, true],
      [`&after=${ids[4]}&before=${ids[1]}`, 0, 0, true],
      [`&after=${ids[5]}`, 6, 6, true],
      ['&after=0-0', 0, 6, true],
    ] as const) {
      const page = await history(`channel=${channel}${query}`);
      assert.deepEqual(
        page.events.map(({ id }) => id),
        ids.slice(from, to),
        query,
      );
      assert.equal(page.complete, complete, query);
      assert.equal(page.position, ids[5]);
    }
    const trimmed = await filled(5, 'small');
    const page = await history(`channel=${trimmed.channel}&after=${trimmed.ids[0]}`);
    assert.equal(page.complete, false, 'events after the position are gone');
    assert.equal(page.events.length, 3);
    assert.deepEqual(await history('channel=never-was'), {
      channel: 'never-was',
      events: [],
      position: '0-0',
      complete: true,
    });
  });

  test('refuses a question about history that is wrong', async () => {
    for (const query of [
      '',
      'channel=',
      'channel=a%20b',
      'channel=a&limit=0',
      'channel=a&limit=1001',
      'channel=a&limit=-1',
      'channel=a&limit=1.5',
      'channel=a&limit=abc',
      'channel=a&limit=',
      'channel=a&limit=0x10',
      'channel=a&limit=1e2',
      'channel=a&after=abc',
      'channel=a&after=',
      'channel=a&before=1-',
      'channel=none:a',
    ]) {
      const answer = await call(`${url}/api/history?${query}`);
      assert.equal(answer.status, 400, query);
      assert.equal(errorOf(answer).code, 'bad_request');
    }
  });

  test('lists the channels that are listened to, by name, with their subscribers', async (t) => {
    const [one, two] = ['listed:b', 'listed:a'];
    const clients = [await WsClient.open(`${url}/ws`), await WsClient.open(`${url}/ws`)];
    t.after(() => {
      for (const client of clients) client.destroy();
    });
    for (const client of clients) client.send({ type: 'subscribe', channel: one });
    clients[0]?.send({ type: 'subscribe', channel: two });
    await clients[1]?.frames.find(({ type }) => type === 'subscribed');
    await clients[0]?.frames.find(({ channel, type }) => type === 'subscribed' && channel === two);
    const { json } = await call(`${url}/api/channels?prefix=listed:`);
    assert.deepEqual((json as { channels: unknown }).channels, [
      { channel: two, subscribers: 1 },
      { channel: one, subscribers: 2 },
    ]);
    assert.deepEqual(((await call(`${url}/api/channels?prefix=no-such`)).json as { channels: unknown }).channels, []);
    const all = (await call(`${url}/api/channels`)).json as { channels: { channel: string }[] };
    assert.equal(
      all.channels.filter(({ channel }) => channel.startsWith('$')).length,
      0,
      'the gateway’s own are not told',
    );
    clients[0]?.destroy();
    await until('the listing has forgotten it', async () => {
      const { channels } = (await call(`${url}/api/channels?prefix=listed:`)).json as { channels: unknown[] };
      return channels.length === 1;
    });
  });

  test('answers 404 and 405 as JSON, with the methods that are allowed', async () => {
    for (const path of ['/nothing', '/api', '/api/', '/api/publish/', '/API/publish', '/ws/x', '/api/publish%00']) {
      const answer = await call(`${url}${path}`);
      assert.equal(answer.status, 404, path);
      assert.equal(errorOf(answer).code, 'not_found');
    }
    for (const [method, path, allowed] of [
      ['GET', '/api/publish', 'POST'],
      ['PUT', '/api/publish', 'POST'],
      ['DELETE', '/api/batch', 'POST'],
      ['POST', '/api/history', 'GET'],
      ['POST', '/api/channels', 'GET'],
      ['POST', '/healthz', 'GET'],
      ['DELETE', '/metrics', 'GET'],
      ['POST', '/events', 'GET'],
      ['POST', '/ws', 'GET'],
      ['POST', '/', 'GET'],
    ] as const) {
      const answer = await call(`${url}${path}`, { method, body: method === 'GET' ? undefined : '{}' });
      assert.equal(answer.status, 405, `${method} ${path}`);
      assert.equal(errorOf(answer).code, 'method_not_allowed');
      assert((answer.headers.allow ?? '').split(', ').includes(allowed), answer.headers.allow);
    }
  });

  test('says what /ws is for to whoever asks without wanting a WebSocket', async () => {
    const answer = await call(`${url}/ws`);
    assert.equal(answer.status, 400);
    assert.equal(errorOf(answer).code, 'bad_request');
    assert.match(errorOf(answer).message, /WebSocket/);
  });

  test('answers HEAD without a body, so that what follows on the connection is not mistaken for one', async () => {
    for (const [path, status] of [
      ['/healthz', 200],
      ['/', 200],
      ['/client.js', 200],
      ['/nothing', 404],
      ['/events', 200],
      ['/monitoring', 200],
      ['/events?tail=x', 400],
    ]) {
      const socket = await RawSocket.open(url);
      socket.write(`HEAD ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await socket.matching(/\r\n\r\n/);
      socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
      await socket.matching(/\r\n\r\nHTTP\/1\.1 200 OK[\s\S]*"ok"/);
      const pattern = new RegExp(`^HTTP/1\\.1 ${status} [^\\r]*\\r\\n([^\\r]+\\r\\n)*\\r\\nHTTP/1\\.1 200 OK\\r\\n`);
      assert.match(socket.received, pattern, `${path}`);
      socket.destroy();
    }
  });

  test('answers pipelined requests in their order, whatever they are', async () => {
    const channel = name();
    const body = JSON.stringify({ channel, data: 1 });
    const requests = [
      `POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
      `POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nBODY`,
      'DELETE /api/publish HTTP/1.1\r\nHost: x\r\n\r\n',
      `POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{`,
      'GET /stats HTTP/1.1\r\nHost: x\r\n\r\n',
    ];
    const socket = await RawSocket.open(url);
    socket.write(requests.join(''));
    await socket.matching(/"total_connections"/);
    const statuses = [...socket.received.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
    assert.deepEqual(statuses, [200, 200, 404, 405, 400, 200]);
    socket.destroy();
  });

  test('lets pages of listed origins publish and read, and no others', async () => {
    const channel = name();
    const asked = { channel, data: 1 };
    const listed = await post(`${url}/api/publish`, asked, { origin: LISTED });
    assert.equal(listed.headers['access-control-allow-origin'], LISTED);
    const foreign = await post(`${url}/api/publish`, asked, { origin: 'https://foreign.example' });
    assert.equal(foreign.status, 403);
    assert.equal(errorOf(foreign).code, 'forbidden');
    assert.equal(foreign.headers['access-control-allow-origin'], undefined);
    const read = await call(`${url}/api/history?channel=${channel}`, {
      headers: { origin: 'https://foreign.example' },
    });
    assert.equal(read.headers['access-control-allow-origin'], undefined);
    assert.equal((await history(`channel=${channel}`)).events.length, 1);
    const preflight = await call(`${url}/api/publish`, { method: 'OPTIONS', headers: { origin: LISTED } });
    assert.equal(preflight.status, 204);
    assert.match(String(preflight.headers['access-control-allow-methods']), /POST/);
    assert.match(String(preflight.headers['access-control-allow-headers']), /authorization.*content-type/i);
  });

  test('is healthy and ready', async () => {
    for (const path of ['/healthz', '/readyz']) {
      const { status, headers, json } = await call(`${url}${path}`);
      assert.equal(status, 200);
      assert.match(String(headers['content-type']), /^application\/json/);
      assert.equal(typeof (json as { status: unknown }).status, 'string');
    }
  });

  test('counts what happens, in /stats and in /metrics alike', async (t) => {
    const stats = async () => (await call(`${url}/stats`)).json as Record<string, number>;
    const start = await stats();
    for (const field of ['total_connections', 'active_connections', 'messages_sent', 'messages_received', 'errors'])
      assert.equal(typeof start[field], 'number', field);
    assert.equal(typeof start.uptime_seconds, 'number');
    assert(!Number.isNaN(Date.parse(String(start.timestamp))));

    const channel = name();
    const client = await WsClient.open(`${url}/ws`);
    t.after(() => client.destroy());
    client.send({ type: 'subscribe', channel });
    await client.frames.find(({ type }) => type === 'subscribed');
    await publish(url, channel, 1);
    await client.frames.find(({ type }) => type === 'event');
    const end = await stats();
    assert.equal(end.total_connections, (start.total_connections ?? 0) + 1);
    assert.equal(end.active_connections, (start.active_connections ?? 0) + 1);
    assert.equal(end.messages_sent, (start.messages_sent ?? 0) + 3, 'the welcome, the reply and the event');
    assert((end.messages_received ?? 0) > (start.messages_received ?? 0));

    const asJson = await call(`${url}/metrics`, { headers: { accept: 'application/json' } });
    assert.match(String(asJson.headers['content-type']), /^application\/json/);
    assert.deepEqual(Object.keys(asJson.json as object), Object.keys(end));

    const { headers, text } = await call(`${url}/metrics`);
    assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/);
    const metrics = parseMetrics(text);
    const open = metrics.get('passerelle_connections{transport="websocket",gateway="the-gateway"}');
    assert.equal(open, end.active_connections);
    assert((metrics.get('passerelle_events_delivered_total{gateway="the-gateway"}') ?? 0) >= 1);
    assert.equal(metrics.get('passerelle_broker_ready{gateway="the-gateway"}'), 1);
  });

  test('measures how long a publish takes until it is stored, and until it is written to those who listen', async (t) => {
    const counts = async () => {
      const metrics = parseMetrics((await call(`${url}/metrics`)).text);
      const count = (of: string) => metrics.get(`passerelle_${of}_duration_seconds_count{gateway="the-gateway"}`) ?? 0;
      const within = metrics.get('passerelle_delivery_duration_seconds_bucket{le="10",gateway="the-gateway"}') ?? 0;
      return { published: count('publish'), delivered: count('delivery'), within };
    };
    const [heard, unheard] = [name(), name()];
    const client = await WsClient.open(`${url}/ws`);
    t.after(() => client.destroy());
    client.send({ type: 'subscribe', channel: heard });
    await client.frames.find(({ type }) => type === 'subscribed');
    const start = await counts();
    for (const channel of [heard, unheard, heard]) {
      await publish(url, channel, 1);
      if (channel === heard) await client.frames.find(({ type }) => type === 'event');
    }
    const end = await counts();
    assert.equal(end.published - start.published, 3);
    assert.equal(end.delivered - start.delivered, 2);
    assert.equal(end.within - start.within, 2, 'they took seconds, not milliseconds');
  });

  test('counts closes by the codes that mean something, whatever codes clients invent', async () => {
    const codes = async () => {
      const metrics = parseMetrics((await call(`${url}/metrics`)).text);
      const keys = [...metrics.keys()].filter((key) => key.startsWith('passerelle_connections_closed_total'));
      return new Map(keys.map((key) => [/cause="([^"]*)"/.exec(key)?.[1], metrics.get(key) ?? 0]));
    };
    const before = (await codes()).get('other') ?? 0;
    for (const code of [4_000, 4_001, 4_999]) await (await WsClient.open(`${url}/ws`)).close(code);
    await until('they are counted', async () => ((await codes()).get('other') ?? 0) === before + 3);
    for (const code of (await codes()).keys())
      assert.match(String(code), /^(100\d|101[0-3]|44\d\d|ended|aborted|other)$/);
  });
});

describe('readiness', () => {
  test('follows Redis after the grace time, while health does not', async (t) => {
    const redis = await startStandalone();
    t.after(() => redis.stop());
    const gateway = await GatewayProcess.start({
      env: { REDIS_URL: redis.url, READY_GRACE_SECONDS: '1', REDIS_TIMEOUT_MS: '500' },
    });
    t.after(() => gateway.kill());
    const { url } = gateway;
    const ready = async () => (await call(`${url}/readyz`)).status;
    // Only with the first canary that comes back, a moment after Redis can be used.
    await until('it is ready', async () => (await ready()) === 200);

    const [server] = redis.servers;
    const since = Date.now();
    await server?.kill();
    await until('it is not ready any more', async () => (await ready()) === 503);
    assert(Date.now() - since >= 1_000, 'the grace time has passed');
    const { json } = await call(`${url}/readyz`);
    assert.match(String((json as { reason: unknown }).reason), /Redis/);
    assert.doesNotMatch(JSON.stringify(json), /undefined|\[object/);
    assert.equal((await call(`${url}/healthz`)).status, 200);
    const refused = await post(`${url}/api/publish`, { channel: 'a', data: 1 });
    assert.equal(refused.status, 503);
    assert.equal(errorOf(refused).code, 'unavailable');
    const history = await call(`${url}/api/history?channel=a`);
    assert.deepEqual([history.status, errorOf(history).code], [503, 'unavailable']);
    const channels = await call(`${url}/api/channels`);
    assert.deepEqual([channels.status, errorOf(channels).code], [503, 'unavailable']);

    await server?.start();
    await until('it is ready again', async () => (await ready()) === 200);
    await until('it takes publishes again', async () => (await publish(url, 'a', 1)) !== '');
  });
});

function errorOf({ json }: Answer): { code: string; message: string } {
  const { error } = json as { error: { code: string; message: string } };
  assert.deepEqual(Object.keys(json as object), ['error']);
  assert.equal(typeof error.message, 'string');
  return error;
}

/** Prometheus's text format, held to: every sample's family has been given a HELP and a TYPE before it. */
function parseMetrics(text: string): Map<string, number> {
  const help = new Set<string>();
  const types = new Map<string, string>();
  const samples = new Map<string, number>();
  assert(text.endsWith('\n'));
  for (const line of text.split('\n')) {
    const [, kind, family = '', rest = ''] = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line) ?? [];
    if (line === '') continue;
    if (kind === 'HELP') help.add(family);
    else if (kind === 'TYPE') {
      assert.match(rest, /^(counter|gauge|histogram|summary|untyped)$/);
      assert(!types.has(family), `${family} has one TYPE`);
      types.set(family, rest);
    } else {
      const [, metric = '', labels = '', value = ''] =
        /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)$/.exec(line) ?? [];
      assert.notEqual(metric, '', line);
      const owner = types.has(metric) ? metric : metric.replace(/_(bucket|sum|count)$/, '');
      assert(types.has(owner) && help.has(owner), `${metric} has a HELP and a TYPE`);
      // The event loop's lag has no mean while it was not measured, since the question before.
      assert(!Number.isNaN(Number(value)) || /^nan$/i.test(value), line);
      samples.set(metric + labels, Number(value));
    }
  }
  return samples;
}
