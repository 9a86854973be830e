/**
 * Replays that are far more than a socket's kernel buffers take, of events of each size up to the largest: every subscriber that reads gets to the
 * end, by either transport, compressed or not. What uWebSockets.js does with a write depends on its size, and on whether it fills the socket.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { type Frame, type Sink, SseClient, WsClient } from './harness/clients.ts';
import type { Block } from './harness/event-stream.ts';
import { type ChannelsFile, writeChannelsFile } from './harness/fixtures.ts';
import { call, post } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

/** The kernel takes some 4 MB of what a connection is sent over loopback, and may take 10. */
const REPLAY_BYTES = 16 * 1024 * 1024;
const REQUEST_BYTES = 4_000_000;
const READERS = 2;

/** Reads nothing more once it has begun, until it is told to go on. */
class Reader {
  readonly numbers: number[] = [];
  ended = '';
  #pauses = true;
  readonly #client: WsClient | SseClient;

  constructor(open: (add: (n: number) => void, end: (reason: string) => void) => WsClient | SseClient) {
    this.#client = open(
      (n) => {
        this.numbers.push(n);
        if (this.#pauses) this.#client.pause();
      },
      (reason) => {
        this.ended = reason;
      },
    );
  }

  resume(): void {
    this.#pauses = false;
    this.#client.resume();
  }

  destroy(): void {
    this.#client.destroy();
  }
}

const bySocket = (perMessageDeflate: boolean) => (gateway: string, channel: string) =>
  new Reader((add, end) => {
    const sink: Sink<Frame> = {
      push: ({ type, data }) => {
        if (type === 'event') add((data as { n: number }).n);
      },
      end,
    };
    const client = new WsClient(`${gateway}/ws`, { sink, ws: { perMessageDeflate } });
    client.opened.then(
      () => client.send({ type: 'subscribe', channel, after: '0-0' }),
      () => undefined, // told by `end`
    );
    return client;
  });

const byStream = (gateway: string, channel: string) =>
  new Reader((add, end) => {
    const sink: Sink<Block> = {
      push: ({ event, data }) => {
        if (event === 'message' && data !== undefined) add((JSON.parse(data) as { n: number }).n);
      },
      end,
    };
    return new SseClient(`${gateway}/events?channel=${channel}&after=0-0`, { sink });
  });

const WAYS = [
  { way: 'WebSocket', compression: 'off', open: bySocket(false), sizes: [2_000, 15_000, 17_000, 60_000, 1_000_000] },
  { way: 'SSE', compression: 'off', open: byStream, sizes: [2_000, 15_000, 17_000, 60_000, 1_000_000] },
  { way: 'WebSocket', compression: 'shared', open: bySocket(false), sizes: [60_000] },
  { way: 'compressed WebSocket', compression: 'shared', open: bySocket(true), sizes: [17_000, 60_000, 1_000_000] },
] as const;

describe('a replay of large events', () => {
  let file: ChannelsFile;
  const gateways = new Map<string, GatewayProcess>();

  before(async () => {
    file = writeChannelsFile();
    for (const compression of ['off', 'shared']) {
      const gateway = await GatewayProcess.start({
        env: {
          CHANNELS_FILE: file.path,
          COMPRESSION: compression,
          KEEP_ALIVE_SECONDS: '300',
          LAG_TIMEOUT_SECONDS: '600',
          MAX_MESSAGE_BYTES: '2000000',
          MAX_BODY_BYTES: String(2 * REQUEST_BYTES),
        },
      });
      gateways.set(compression, gateway);
    }
  });
  after(async () => {
    for (const gateway of gateways.values()) await gateway.stop();
    file.remove();
  });

  for (const { way, compression, open, sizes } of WAYS) {
    for (const size of sizes) {
      it(`of ${size} bytes each comes to its end by ${way} where compression is ${compression}`, async (t) => {
        const url = gateways.get(compression)?.url ?? '';
        const channel = `bulk:${way.replace(' ', '-')}-${size}`;
        const count = await publish(url, channel, size);
        const readers = Array.from({ length: READERS }, () => open(url, channel));
        t.after(() => {
          for (const reader of readers) reader.destroy();
        });
        await until('their sockets are full', async () => (await lagging(url)) === READERS);
        for (const reader of readers) reader.resume();
        await until('they have everything', () => readers.every(({ numbers }) => numbers.length >= count)).catch(() => {
          const state = readers.map(({ numbers, ended }) => `${numbers.length} of ${count} ${ended}`).join(', ');
          throw new Error(`The replay stands still: ${state}`);
        });
        for (const { numbers } of readers) assert.deepEqual(numbers, [...Array(count).keys()]);
        await until('nobody lags any more', async () => (await lagging(url)) === 0);
      });
    }
  }
});

/** Fills a channel; the number of events. */
async function publish(gateway: string, channel: string, size: number): Promise<number> {
  const count = Math.ceil(REPLAY_BYTES / size);
  const atOnce = Math.min(1_000, Math.floor(REQUEST_BYTES / size));
  for (let from = 0; from < count; from += atOnce) {
    const publishes = Array.from({ length: Math.min(atOnce, count - from) }, (_none, index) => ({
      channel,
      data: { n: from + index, text: filler(from + index, size) },
    }));
    const answer = await post(`${gateway}/api/batch`, { publishes });
    assert.ok(answer.status === 200 && !answer.text.includes('"error"'), answer.text);
  }
  return count;
}

async function lagging(gateway: string): Promise<unknown> {
  return ((await call(`${gateway}/stats`)).json as Record<string, unknown>).lagging_connections;
}

/** Text that hardly compresses, another for each event. */
function filler(n: number, length: number): string {
  let state = n + 1;
  let text = '';
  while (text.length < length) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223;
    text += (state >>> 0).toString(36);
  }
  return text.slice(0, length);
}
