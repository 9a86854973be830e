/** A channel that is never at rest and keeps next to nothing, with a Redis that is some milliseconds away: who follows it is as far as what has come. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { type Sink, SseClient, WsClient } from './harness/clients.ts';
import { type ChannelsFile, writeChannelsFile } from './harness/fixtures.ts';
import { call } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { UnrulyProxy } from './harness/unruly-proxy.ts';

const CHANNEL = 'last:price';
const TO_REDIS_MS = 10;
/** As often as timers allow, so many at a time. */
const AT_ONCE = 2;
/** Events that the channel has while the subscribers begin, and those after that, which they are judged by. */
const BEGUN = 500;
const JUDGED = 2_000;
/** So many times may they be disturbed by something else. */
const STRETCHES = 8;

/** What one subscriber was told. */
class Account {
  readonly numbers: number[] = [];
  gaps = 0;

  get last(): number {
    return this.numbers.at(-1) ?? -1;
  }

  sink<Item>(read: (item: Item) => { type: string; data: unknown }): Sink<Item> {
    return {
      push: (item) => {
        const { type, data } = read(item);
        if (type === 'gap') this.gaps++;
        else if (type === 'event') this.numbers.push((data as { n: number }).n);
      },
      end: () => undefined,
    };
  }
}

test('a busy channel of which one event is kept comes to rest, and nobody who follows it misses one', async (t) => {
  const redis = await startStandalone();
  const proxy = await UnrulyProxy.start([redis.url.replace(/^redis/, 'http')]);
  proxy.delay(TO_REDIS_MS);
  const file: ChannelsFile = writeChannelsFile({ last: { history: { size: 1 } } });
  const env = { CHANNELS_FILE: file.path };
  const far = await GatewayProcess.start({ env: { ...env, REDIS_URL: proxy.url.replace(/^http/, 'redis') } });
  const near = await GatewayProcess.start({ env: { ...env, REDIS_URL: redis.url } });
  const publisher = await WsClient.open(`${near.url}/ws`);
  let published = 0;
  const publishing = setInterval(() => {
    for (let i = 0; i < AT_ONCE; i++) publisher.send({ type: 'publish', channel: CHANNEL, data: { n: published++ } });
  }, 1);
  t.after(async () => {
    clearInterval(publishing);
    publisher.destroy();
    await Promise.all([far.stop(), near.stop()]);
    await proxy.stop();
    await redis.stop();
    file.remove();
  });
  await until('the channel is busy', () => published > BEGUN);

  const accounts = [new Account(), new Account()] as const;
  const stream = new SseClient(`${far.url}/events?channel=${CHANNEL}`, {
    sink: accounts[0].sink(({ event, data }) => ({
      type: data === undefined ? '' : event === 'gap' ? 'gap' : 'event',
      data: data === undefined ? undefined : JSON.parse(data),
    })),
  });
  const socket = new WsClient(`${far.url}/ws`, { sink: accounts[1].sink(({ type, data }) => ({ type, data })) });
  t.after(() => {
    stream.destroy();
    socket.destroy();
  });
  await Promise.all([stream.opened, socket.opened]);
  socket.send({ type: 'subscribe', channel: CHANNEL, after: '1-0' }); // which is gone

  const goneOn = (what: string, events: number): Promise<void> => {
    const goal = published + events;
    return until(what, () => accounts.every(({ last }) => last >= goal));
  };
  await goneOn('both follow', BEGUN);
  proxy.cut(); // what is published until it is back is gone
  await goneOn('both follow again', BEGUN);
  const state = async () => ({ gaps: accounts.map(({ gaps }) => gaps), repairs: await repairs(far) });
  let before = await state();
  for (let stretch = 1; ; stretch++) {
    const from = accounts.map(({ numbers }) => numbers.length);
    await goneOn('both have gone on', JUDGED);
    const after = await state();
    if (isDeepStrictEqual(after, before)) {
      for (const [index, { numbers }] of accounts.entries()) {
        const [first = 0, ...others] = numbers.slice(from[index]);
        assert.deepEqual(
          others,
          others.map((_none, place) => first + 1 + place),
        );
      }
      return;
    }
    // A machine that stops for long enough loses something; a channel that does not come to rest does so all the time.
    assert.ok(stretch < STRETCHES, `no rest: ${JSON.stringify([before, after])}`);
    before = after;
  }
});

/** Repairs of channels so far. */
async function repairs(gateway: GatewayProcess): Promise<number> {
  const { text } = await call(`${gateway.url}/metrics`);
  return Number(/^passerelle_repairs_total\S* (\d+)$/m.exec(text)?.[1]);
}
