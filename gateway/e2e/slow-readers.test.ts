/**
 * Readers that stop reading, with real sockets and a real Redis: they cost the gateway no memory and their neighbours nothing, get everything once
 * they read again, and are sent away when they never do.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { type Frame, SseClient, WsClient } from './harness/clients.ts';
import { type ChannelsFile, writeChannelsFile } from './harness/fixtures.ts';
import { call, post } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

const CHANNEL = 'bulk:slow';
const SLOW_EACH = 6;
const BATCH = 100;
/** More than a socket's kernel buffers take, for each of the slow. */
const BATCHES = 60;
const FILLER = 'x'.repeat(4_000);

/** An SSE client that keeps reading where it left off when its stream was ended. */
class Reader {
  readonly values: number[] = [];
  readonly #url: string;
  client: SseClient;
  #lastId = '';
  #gaps = 0;

  constructor(url: string) {
    this.#url = url;
    this.client = this.#open();
  }

  get gaps(): number {
    return this.#gaps;
  }

  #open(): SseClient {
    const headers = this.#lastId === '' ? {} : { 'last-event-id': this.#lastId };
    const client = new SseClient(`${this.#url}/events?channel=${CHANNEL}`, {
      headers,
      sink: {
        push: ({ lastEventId, event, data }) => {
          this.#lastId = lastEventId;
          if (event === 'gap') this.#gaps++;
          else if (data !== undefined) this.values.push((JSON.parse(data) as { n: number }).n);
        },
        end: () => undefined,
      },
    });
    void client.closed.then(() => {
      if (!this.#done) this.client = this.#open();
    });
    return client;
  }

  #done = false;

  stop(): void {
    this.#done = true;
    this.client.destroy();
  }
}

const values = (client: WsClient): number[] =>
  client.frames.all.filter(({ type }) => type === 'event').map(({ data }) => (data as { n: number }).n);
const gapsOf = (client: WsClient): Frame[] => client.frames.all.filter(({ type }) => type === 'gap');

describe('slow readers', () => {
  let redis: Awaited<ReturnType<typeof startStandalone>>;
  let file: ChannelsFile;

  before(async () => {
    redis = await startStandalone();
    file = writeChannelsFile();
  });
  after(async () => {
    file.remove();
    await redis.stop();
  });

  const start = (env: Record<string, string>): Promise<GatewayProcess> =>
    GatewayProcess.start({ env: { REDIS_URL: redis.url, CHANNELS_FILE: file.path, RING_EVENTS: '64', ...env } });
  const lagging = async (gateway: GatewayProcess): Promise<unknown> =>
    ((await call(`${gateway.url}/stats`)).json as Record<string, unknown>).lagging_connections;

  async function publishBatch(gateway: GatewayProcess, from: number): Promise<void> {
    const publishes = Array.from({ length: BATCH }, (_, i) => ({
      channel: CHANNEL,
      data: { n: from + i, filler: FILLER },
    }));
    const answer = await post(`${gateway.url}/api/batch`, { publishes });
    assert.equal(answer.status, 200, answer.text);
  }

  it('cost no memory, hold nobody up, and miss nothing once they read again', async (t) => {
    const gateway = await start({ LAG_TIMEOUT_SECONDS: '600' });
    t.after(() => gateway.stop());
    const sockets = await Promise.all(Array.from({ length: SLOW_EACH + 1 }, () => WsClient.open(`${gateway.url}/ws`)));
    for (const socket of sockets) {
      socket.send({ type: 'subscribe', channel: CHANNEL });
      await socket.frames.find(({ type }) => type === 'subscribed');
    }
    const streams = Array.from({ length: SLOW_EACH + 1 }, () => new Reader(gateway.url));
    await Promise.all(streams.map(({ client }) => client.opened));
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      for (const stream of streams) stream.stop();
    });
    const [fastSocket, ...slowSockets] = sockets as [WsClient, ...WsClient[]];
    const [fastStream, ...slowStreams] = streams as [Reader, ...Reader[]];

    const memory = residentBytes(gateway.pid);
    for (const slow of slowSockets) slow.pause();
    for (const slow of slowStreams) slow.client.pause();
    for (let batch = 0; batch < BATCHES; batch++) await publishBatch(gateway, batch * BATCH);

    const everything = [...Array(BATCHES * BATCH).keys()];
    await until('the fast socket has everything', () => values(fastSocket).length === everything.length);
    await until('the fast stream has everything', () => fastStream.values.length === everything.length);
    assert.ok(Number(await lagging(gateway)) >= SLOW_EACH, 'the slow ones lag');
    // 24 MB were published: queued for each of the slow they would be 288 MB, less what the kernel holds of it.
    const grown = residentBytes(gateway.pid) - memory;
    assert.ok(grown < 120e6, `resident memory grew by ${Math.round(grown / 1e6)} MB`);

    for (const slow of slowSockets) slow.resume();
    for (const slow of slowStreams) slow.client.resume();
    for (const slow of slowSockets) {
      await until('a slow socket catches up', () => values(slow).length >= everything.length);
      assert.deepEqual(values(slow), everything);
      assert.deepEqual(gapsOf(slow), []);
    }
    for (const slow of slowStreams) {
      await until('a slow stream catches up', () => slow.values.length >= everything.length);
      assert.deepEqual(slow.values, everything);
      assert.equal(slow.gaps, 0);
    }
    await until('nobody lags any more', async () => (await lagging(gateway)) === 0);
    await publishBatch(gateway, everything.length);
    for (const slow of slowSockets) {
      await until('a slow socket is live again', () => values(slow).length === everything.length + BATCH);
    }
  });

  it('are closed with 4408, or have their stream ended, when they never read', async (t) => {
    const gateway = await start({ LAG_TIMEOUT_SECONDS: '1' });
    t.after(() => gateway.stop());
    const socket = await WsClient.open(`${gateway.url}/ws`);
    socket.send({ type: 'subscribe', channel: CHANNEL });
    await socket.frames.find(({ type }) => type === 'subscribed');
    const stream = await SseClient.open(`${gateway.url}/events?channel=${CHANNEL}`);
    socket.pause();
    stream.pause();
    for (let batch = 0; batch < BATCHES; batch++) await publishBatch(gateway, batch * BATCH);
    await until('both are closed', async () => {
      const text = (await call(`${gateway.url}/metrics`)).text;
      return /^passerelle_lag_closes_total\{.*\} 2$/m.test(text);
    });
    socket.resume();
    stream.resume();
    assert.equal((await socket.closed).code, 4408);
    await stream.closed;
  });
});

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}
