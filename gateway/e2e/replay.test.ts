import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ORIGIN } from '../../broker/broker.ts';
import { until } from '../../broker/testing/until.ts';
import { readHistory } from './harness/history.ts';
import { GatewayProcess } from './harness/processes.ts';
import { publishBatch } from './harness/publishers.ts';
import { SseSubscriber, WsSubscriber } from './harness/subscribers.ts';

const CHANNEL = 'load:long';
const EVENTS = 3_000;

/** A gateway whose history holds far more than its ring and than one page of a read. */
async function gatewayWithHistory(t: TestContext): Promise<{ url: string; last: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-replay-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'channels.json');
  writeFileSync(file, JSON.stringify({ namespaces: { load: { history: { size: 2 * EVENTS, retention: '1h' } } } }));
  const gateway = await GatewayProcess.start({ env: { CHANNELS_FILE: file } });
  t.after(() => gateway.stop());
  let last: string = ORIGIN;
  for (let from = 0; from < EVENTS; from += 500) {
    const numbers = Array.from({ length: 500 }, (_none, index) => from + index);
    const publishes = numbers.map((number) => ({
      channel: CHANNEL,
      key: `k${number}`,
      data: `${number}`,
      repeated: false,
    }));
    const answer = (await publishBatch(gateway.url, publishes)).at(-1);
    if (answer?.outcome === 'acknowledged') last = answer.id;
  }
  return { url: gateway.url, last };
}

for (const [name, Subscriber] of [
  ['WebSocket', WsSubscriber],
  ['SSE', SseSubscriber],
] as const) {
  test(`a long history is replayed to its end while nothing new is published (${name})`, async (t) => {
    const { url, last } = await gatewayWithHistory(t);
    const route = { next: () => url, backoffMs: () => 10 };
    const subscriber = new Subscriber({ name, channels: [CHANNEL], from: 'origin', route });
    subscriber.start(url);
    t.after(() => subscriber.stop());
    await until('the replay has come to its end', () => subscriber.reached(CHANNEL, last));
    await subscriber.stop();
    const [stored] = await readHistory(url, 'history', [CHANNEL]);
    assert.equal(stored?.items.length, EVENTS);
    assert.deepEqual(subscriber.subscriptions()[0]?.items, stored?.items);
  });
}
