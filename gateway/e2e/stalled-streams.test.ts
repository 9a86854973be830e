/**
 * SSE clients whose sockets stay full, each in another way: what uWebSockets.js does to them by itself, and that the gateway does not
 * let it. Real sockets, stalled for longer than the ten seconds or so after which uWebSockets.js gives one up.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../broker/testing/until.ts';
import { SseClient } from './harness/clients.ts';
import type { Block } from './harness/event-stream.ts';
import { type ChannelsFile, writeChannelsFile } from './harness/fixtures.ts';
import { call, post } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

/** uWebSockets.js looks at its timeouts every four seconds, so one of ten seconds takes up to twelve. */
const GIVEN_UP_MS = 13_000;
/** In this time the gateway sees to each stream that is full. */
const HELD_OPEN_MS = 3_500;
/** Below what one write may be, so that each event is one. */
const SMALL = 12_000;
/** Events at a time until a socket is full. */
const STEP = 10;
/** Events in one request. */
const MOST_AT_ONCE = 50;
/** Several writes for each event, the last of them not a full one. */
const LARGE = 130_001;

/** A stream that is stalled, and one of the same channel beside it that is not. */
class Pair {
  readonly channel: string;
  readonly stalled: Log;
  readonly beside: Log;
  published = 0;
  readonly #gateway: string;

  private constructor(gateway: string, channel: string) {
    this.#gateway = gateway;
    this.channel = channel;
    this.stalled = new Log(gateway, channel);
    this.beside = new Log(gateway, channel);
  }

  static async open(gateway: string, channel: string): Promise<Pair> {
    const pair = new Pair(gateway, channel);
    await Promise.all([pair.stalled.client.opened, pair.beside.client.opened]);
    pair.stalled.client.pause();
    return pair;
  }

  /** Resolves when the one beside has it: then it was written to the stalled one, too. */
  async publish(bytes: number, count = 1): Promise<void> {
    for (let left = count; left > 0; left -= MOST_AT_ONCE) await this.#publish(bytes, Math.min(left, MOST_AT_ONCE));
    await until('the one beside has it', () => this.beside.numbers.length === this.published);
  }

  async #publish(bytes: number, count: number): Promise<void> {
    const publishes = Array.from({ length: count }, () => {
      const n = this.published++;
      return { channel: this.channel, data: { n, text: filler(n, bytes) } };
    });
    const answer = await post(`${this.#gateway}/api/batch`, { publishes });
    assert.ok(answer.status === 200 && !answer.text.includes('"error"'), answer.text);
  }

  /** Resolves when the stalled one, which reads again, has all that was published, on the same connection. */
  async readAgain(): Promise<void> {
    const { client, numbers } = this.stalled;
    assert.equal(this.stalled.ended, false, 'the stalled stream is still open');
    client.resume();
    await until('the stalled one has everything', () => numbers.length >= this.published).catch(() => {
      throw new Error(`${numbers.length} of ${this.published}; ended: ${this.stalled.ended}`);
    });
    assert.deepEqual(numbers, [...Array(this.published).keys()]);
    assert.equal(this.stalled.ended, false, 'the same connection brought everything');
  }

  close(): void {
    this.stalled.client.destroy();
    this.beside.client.destroy();
  }
}

/** The numbers of the events that a stream brought; fails where one of them is not what was published. */
class Log {
  readonly numbers: number[] = [];
  readonly client: SseClient;
  ended = false;

  constructor(gateway: string, channel: string) {
    const sink = {
      push: ({ event, data }: Block) => {
        assert.equal(event, 'message', 'no gap');
        if (data === undefined) return;
        const { n, text } = JSON.parse(data) as { n: number; text: string };
        assert.equal(text, filler(n, text.length), `the bytes of event ${n}`);
        this.numbers.push(n);
      },
      end: () => {
        this.ended = true;
      },
    };
    this.client = new SseClient(`${gateway}/events?channel=${channel}`, { sink });
  }
}

/** Text in which each event differs, at each place. */
function filler(n: number, length: number): string {
  return `${n}.`.repeat(Math.ceil(length / `${n}.`.length)).slice(0, length);
}

describe('streams whose socket stays full', () => {
  let gateway: GatewayProcess;
  let file: ChannelsFile;

  before(async () => {
    file = writeChannelsFile();
    gateway = await GatewayProcess.start({
      env: {
        CHANNELS_FILE: file.path,
        RING_EVENTS: '16',
        LAG_TIMEOUT_SECONDS: '600',
        KEEP_ALIVE_SECONDS: '300',
        MAX_MESSAGE_BYTES: String(2 * LARGE),
        MAX_BODY_BYTES: String(10 * LARGE),
      },
    });
  });
  after(async () => {
    await gateway.stop();
    file.remove();
  });

  const lagging = async (): Promise<number> =>
    Number(((await call(`${gateway.url}/stats`)).json as Record<string, unknown>).lagging_connections);

  it('are kept past the time after which uWebSockets.js gives them up, and lose no byte', async (t) => {
    const [soon, late, large] = [
      await Pair.open(gateway.url, 'bulk:soon'),
      await Pair.open(gateway.url, 'bulk:late'),
      await Pair.open(gateway.url, 'bulk:large'),
    ];
    t.after(() => {
      for (const pair of [soon, late, large]) pair.close();
    });

    // What its socket had no room for is the last there is: once it reads again no other write takes that along. And it reads
    // again soon: what keeps it open must not be what gives it up later.
    await soon.publish(SMALL, 200); // fits into the kernel's buffers
    while ((await lagging()) === 0) await soon.publish(SMALL);
    // Much more than the socket takes; then silence.
    await late.publish(SMALL, 10 * STEP);
    while ((await lagging()) < 2) await late.publish(SMALL, STEP);
    await late.publish(SMALL, 10 * STEP);
    // So large that each event is written in several parts, more than may go into one cork.
    while ((await lagging()) < 3) await large.publish(LARGE, STEP / 2);

    await sleep(HELD_OPEN_MS);
    await soon.readAgain();
    await sleep(GIVEN_UP_MS);
    assert.equal(await lagging(), 2, 'they lag, and the ones beside them do not');

    for (const pair of [late, large]) await pair.readAgain();
    await until('nobody lags any more', async () => (await lagging()) === 0);
    for (const pair of [soon, late, large]) {
      await pair.publish(SMALL);
      await until('it is live again', () => pair.stalled.numbers.length === pair.published);
    }
  });
});
