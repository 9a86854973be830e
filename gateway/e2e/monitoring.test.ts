/** `/monitoring` as a browser and as curl see it: section 7 of the protocol against a real gateway process. */
import assert from 'node:assert/strict';
import { totalmem } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import type { Block } from './harness/event-stream.ts';
import { call, publish, RawStream } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

const LISTED = 'https://listed.example';
const FOREIGN = 'https://foreign.example';
const INTERVAL_MS = 3_000;

interface Context {
  after(fn: () => void): void;
}
type Stats = Readonly<Record<string, number>> & { readonly timestamp: string; readonly gateway: string };

describe('the monitoring stream', () => {
  let gateway: GatewayProcess;
  before(async () => {
    gateway = await GatewayProcess.start({
      env: { ALLOWED_ORIGINS: LISTED, RETRY_MS: '2000', GATEWAY_ID: 'monitored' },
    });
  });
  after(() => gateway.kill());

  const watch = async (t: Context, headers: Record<string, string> = {}) => {
    const client = await SseClient.open(`${gateway.url}/monitoring`, headers);
    t.after(() => client.destroy());
    return client;
  };

  test('has the headers of an event stream, a retry time, and an event of stats at once', async (t) => {
    const began = Date.now();
    const stream = await RawStream.open(`${gateway.url}/monitoring`);
    t.after(() => stream.close());
    assert.equal(stream.status, 200);
    assert.equal(stream.headers['content-type'], 'text/event-stream; charset=utf-8');
    assert.equal(stream.headers['cache-control'], 'no-cache, no-transform');
    assert.equal(stream.headers['x-accel-buffering'], 'no');
    const text = await stream.matching(/\n\n[\s\S]*\n\n/);
    const [, retry = '', stats = '{}'] = /^retry: (\d+)\n\nevent: stats\ndata: (\{[^\n]*\})\n\n/.exec(text) ?? [];
    assert(
      Date.parse((JSON.parse(stats) as Stats).timestamp) - began < INTERVAL_MS,
      'it has not waited for an interval',
    );
    assert(Number(retry) >= 1_000 && Number(retry) <= 3_000, text);
  });

  test('tells of the machine in figures that fit together', async (t) => {
    const stats = statsOf(await (await watch(t)).blocks.next());
    assert(between(stats.cpu_usage, 0, 100), `cpu_usage ${stats.cpu_usage}`);
    for (const what of ['memory', 'disk']) {
      const [used = 0, total = 0] = [stats[`${what}_used`], stats[`${what}_total`]];
      assert(between(used, 1, total), `${what}: ${used} of ${total}`);
      assert(Math.abs((stats[`${what}_percent`] ?? -1) - (used / total) * 100) < 0.01, `${what}_percent`);
    }
    assert((stats.memory_total ?? 0) <= totalmem());
    assert(between(stats.process_memory, 10 * 1024 * 1024, stats.memory_total ?? 0));
    assert(Math.abs(Date.now() - Date.parse(stats.timestamp)) < 10_000, stats.timestamp);
    assert.equal(new Date(stats.timestamp).toISOString(), stats.timestamp);
  });

  test('tells of the gateway, and every three seconds again', async (t) => {
    const client = await watch(t);
    await client.blocks.next(); // may be as old as the interval, where somebody else has just looked
    const first = statsOf(await client.blocks.next());
    for (let i = 0; i < 30; i++) await publish(gateway.url, 'counted', i);
    const samples = [first];
    // How many of a kind there were since the first sample, as the rates tell it.
    const countOf = (field: string) =>
      samples.slice(1).reduce((sum, stats, index) => {
        const since = Date.parse(stats.timestamp) - Date.parse(samples[index]?.timestamp ?? '');
        return sum + ((stats[field] ?? 0) * since) / 1_000;
      }, 0);
    while (countOf('events_published_rate') < 29) samples.push(statsOf(await client.blocks.next()));
    const [, second = first] = samples;
    assert(Date.parse(second.timestamp) - Date.parse(first.timestamp) >= INTERVAL_MS - 100, second.timestamp);
    for (const stats of samples) {
      assert.equal(stats.gateway, 'monitored');
      for (const field of [
        'uptime_seconds',
        'lagging_connections',
        'channels',
        'subscriptions',
        'process_cpu',
        'event_loop_lag_ms',
        'messages_sent_rate',
        'bytes_sent_rate',
        'messages_received_rate',
        'events_published_rate',
        'connections_rate',
        'errors_rate',
      ]) {
        assert(between(stats[field], 0, 1e6), `${field} ${stats[field]}`);
      }
    }
    for (const field of ['events_published_rate', 'messages_received_rate'])
      assert(between(countOf(field), 29, 31), `${field}: ${countOf(field)} in all`);
    assert((second.process_cpu ?? 0) > 0);
  });

  test('counts connections of both kinds, itself too', async (t) => {
    const own = await gatewayOf(t, {});
    const client = await SseClient.open(`${own.url}/monitoring`);
    const socket = await WsClient.open(`${own.url}/ws`);
    const stream = await SseClient.open(`${own.url}/events?channel=a`);
    t.after(() => {
      for (const one of [client, socket, stream]) one.destroy();
    });
    const stats = await find(client, ({ active_connections }) => active_connections === 3);
    assert.deepEqual([stats.active_websockets, stats.active_streams], [1, 2]);
    assert.deepEqual([stats.channels, stats.subscriptions], [1, 1]);
    socket.destroy();
    stream.destroy();
    await find(client, ({ active_connections }) => active_connections === 1);
    client.destroy();
    const open = async () => ((await call(`${own.url}/stats`)).json as Stats).active_connections;
    await until('it is counted out', async () => (await open()) === 0);
  });

  test('is the same for curl, which names no event stream', async (t) => {
    const client = await watch(t, { accept: '*/*', 'user-agent': 'curl/8' });
    assert.equal((await client.opened).headers['content-type'], 'text/event-stream; charset=utf-8');
    assert.equal(statsOf(await client.blocks.next()).gateway, 'monitored');
  });

  test('has no ids: there is nothing to resume', async (t) => {
    const client = await watch(t, { 'last-event-id': '1-1' });
    assert.equal((await client.blocks.next()).lastEventId, '');
  });

  test('may be read by pages of its own and of listed origins, and by no others', async (t) => {
    for (const origin of [gateway.url, LISTED]) {
      const { headers } = await (await watch(t, { origin })).opened;
      assert.equal(headers['access-control-allow-origin'], origin);
      assert.match(String(headers.vary), /origin/i);
    }
    for (const origin of [FOREIGN, 'null']) {
      const { status, headers, json } = await call(`${gateway.url}/monitoring`, { headers: { origin } });
      assert.equal(status, 403, origin);
      assert.equal(headers['access-control-allow-origin'], undefined);
      assert.equal(codeOf(json), 'forbidden');
    }
  });

  test('has its preflight answered, and other methods refused', async () => {
    const preflight = await call(`${gateway.url}/monitoring`, {
      method: 'OPTIONS',
      headers: { origin: LISTED, 'access-control-request-method': 'GET' },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers['access-control-allow-origin'], LISTED);
    const refused = await call(`${gateway.url}/monitoring`, { method: 'POST', body: {} });
    assert.equal(refused.status, 405);
    assert.equal(refused.headers.allow, 'GET, OPTIONS');
  });
});

test('the monitoring stream takes a place among MAX_CONNECTIONS, and waits for one', async (t) => {
  const gateway = await gatewayOf(t, { MAX_CONNECTIONS: '1' });
  const url = `${gateway.url}/monitoring`;
  const one = await RawStream.open(url);
  await one.matching(/event: stats/);
  const full = await call(url, { headers: { accept: 'text/event-stream' } });
  assert.equal(full.status, 200);
  assert.match(full.text, /^retry: \d+\n\n$/);
  const refused = await call(url);
  assert.equal(refused.status, 503);
  assert.match(String(refused.headers['retry-after']), /^\d+$/);
  assert.equal(codeOf(refused.json), 'server_full');
  one.close();
  await until('there is room again', async () => {
    const next = await RawStream.open(url);
    await until('it is shown figures, or sent away', () => next.ended || next.text.includes('event: stats'));
    next.close();
    return next.text.includes('event: stats');
  });
});

test('SIGTERM gives each viewer a time to come back and ends its stream', async (t) => {
  const gateway = await gatewayOf(t, {});
  const streams = await Promise.all(Array.from({ length: 5 }, () => RawStream.open(`${gateway.url}/monitoring`)));
  for (const stream of streams) await stream.matching(/event: stats\n.*\n\n/);
  assert.equal(await gateway.stop(), 0);
  assert.doesNotMatch(gateway.log, /Warning/, 'the socket library has nothing to complain about');
  for (const stream of streams) {
    await until('the stream ends', () => stream.ended);
    assert.match(stream.text, /^retry: \d+\n\n(event: stats\ndata: .*\n\n)+retry: \d+\n\n$/);
  }
});

async function gatewayOf(t: Context, env: Record<string, string>): Promise<GatewayProcess> {
  const gateway = await GatewayProcess.start({ env });
  t.after(() => gateway.kill());
  return gateway;
}

async function find(client: SseClient, wanted: (stats: Stats) => boolean): Promise<Stats> {
  return statsOf(await client.blocks.find((block) => wanted(statsOf(block))));
}

function statsOf({ event, data }: Block): Stats {
  assert.equal(event, 'stats');
  return JSON.parse(data ?? '') as Stats;
}

/** False for what is no number at all. */
function between(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}

function codeOf(body: unknown): unknown {
  return (body as { error: { code: unknown } }).error.code;
}
