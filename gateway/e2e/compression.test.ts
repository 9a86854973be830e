/**
 * Compressed WebSockets (`COMPRESSION`) of a real gateway: who gets them, that nothing of what is promised depends on it, and what clients may
 * not do by it.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import { until } from '../../broker/testing/until.ts';
import { type Frame, SseClient, WsClient } from './harness/clients.ts';
import { type ChannelsFile, channelNames, writeChannelsFile } from './harness/fixtures.ts';
import { call, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { OPCODE, RawSocket, wireFrame } from './harness/raw-socket.ts';
import { WsSubscriber } from './harness/subscribers.ts';

const OFFER = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' };
/** A client that offers compression, and compresses whatever it sends. */
const COMPRESSED = { perMessageDeflate: { threshold: 0 } };
/** Beyond this a frame is compressed, and to much less than half. */
const LONG = 'a sentence that is said again and again; '.repeat(20);
const BOTH = [COMPRESSED, {}] as const;

const name = channelNames();

describe('compression', { concurrency: true }, () => {
  let file: ChannelsFile;
  let gateway: GatewayProcess;
  let url: string;
  before(async () => {
    file = writeChannelsFile();
    gateway = await start({});
    ({ url } = gateway);
  });
  after(async () => {
    const { log, running } = gateway;
    await gateway.kill();
    file.remove();
    assert.ok(running, `the gateway has ended:\n${log}`);
    assert.doesNotMatch(log, /"level":"(error|fatal)"/);
  });

  function start(env: Readonly<Record<string, string>>): Promise<GatewayProcess> {
    return GatewayProcess.start({
      env: { COMPRESSION: 'shared', CHANNELS_FILE: file.path, RING_EVENTS: '64', ...env },
    });
  }

  test('is agreed to on every path with a client that offers it, and with no other', async () => {
    for (const path of ['/ws', '/chat', '/notifications']) {
      const asked = await WsClient.open(`${url}${path}`, COMPRESSED);
      const unasked = await WsClient.open(`${url}${path}`);
      assert.deepEqual([asked.extensions, unasked.extensions], ['permessage-deflate', '']);
      for (const client of [asked, unasked]) await client.close();
    }
    const small = await WsClient.open(`${url}/ws`, { perMessageDeflate: { serverMaxWindowBits: 10 } });
    assert.equal(small.extensions, '', 'a smaller window cannot be promised');
    small.send({ type: 'ping', ref: 1 });
    await small.frames.find(({ ref }) => ref === 1);
    await small.close();
  });

  test('is not agreed to unless it is set', async (t) => {
    const plain = await GatewayProcess.start();
    t.after(() => plain.kill());
    const client = await WsClient.open(`${plain.url}/ws`, COMPRESSED);
    assert.equal(client.extensions, '');
    client.send({ type: 'echoed', LONG });
    assert.equal(
      (await client.frames.find(({ type }) => type === 'echo')).original,
      `{"type":"echoed","LONG":"${LONG}"}`,
    );
    await client.close();
  });

  test('is not for event streams, whatever their client accepts', async () => {
    const channel = name();
    const stream = await SseClient.open(`${url}/events?channel=${channel}`, { 'accept-encoding': 'gzip, deflate, br' });
    const { headers } = await stream.opened;
    assert.equal(headers['content-encoding'], undefined);
    await publish(url, channel, LONG);
    await until('the event has come', () => stream.blocks.all.some(({ data }) => data === JSON.stringify(LONG)));
    stream.destroy();
  });

  test('makes long frames short, live, replayed and in replies, and leaves short ones as they are', async () => {
    const channel = name();
    const socket = await RawSocket.upgraded(url, OFFER);
    const ask = (request: object) =>
      socket.write(wireFrame({ opcode: OPCODE.text, payload: Buffer.from(JSON.stringify(request)) }));
    await publish(url, channel, LONG);
    ask({ type: 'subscribe', channel, after: '0-0' });
    await until('it has the replay', () => framesOf(socket).length === 3);
    ask({ type: 'ping' }); // an event is cast only to those that have nothing left to replay
    await until('it has the answer', () => framesOf(socket).length === 4);
    await publish(url, channel, LONG);
    await publish(url, channel, 'short');
    await until('it has both events', () => framesOf(socket).length === 6);
    ask({ type: 'history', channel });
    await until('it has the answer', () => framesOf(socket).length === 7);
    assert.deepEqual(
      framesOf(socket).map(({ compressed, text }) => [JSON.parse(text).type, compressed]),
      [
        ['welcome', false],
        ['subscribed', false],
        ['event', true],
        ['pong', false],
        ['event', true],
        ['event', false],
        ['history', true],
      ],
    );
    for (const { compressed, bytes, text } of framesOf(socket)) if (compressed) assert.ok(bytes < text.length / 2);
    const events = framesOf(socket).filter(({ text }) => text.startsWith('{"type":"event"'));
    assert.deepEqual(
      events.map(({ text }) => JSON.parse(text).data),
      [LONG, LONG, 'short'],
    );
    socket.destroy();
  });

  test('carries what is sent either way unchanged, whatever its size', async () => {
    const client = await WsClient.open(`${url}/ws`, COMPRESSED);
    // Around the threshold, and around what the library compresses and takes apart at a time.
    for (const middle of [256, 16_384, 32_768, 65_000])
      for (let size = middle - 8; size <= middle + 8; size++)
        for (const bytes of [randomBytes(size), Buffer.alloc(size)]) {
          client.sendBinary(bytes);
          const echoed = await client.frames.find(({ type }) => type === 'binary');
          assert.ok(bytes.equals(echoed.bytes as Buffer), `${size} bytes`);
        }
    for (const text of ['', '{', 'é𝄞'.repeat(10_000)]) {
      client.send(text);
      assert.equal((await client.frames.find(({ type }) => type === 'echo')).original, text);
    }
    await client.close();
  });

  test('is the same to applications', async () => {
    const room = name();
    const say = { type: 'message', content: LONG };
    const chat = await Promise.all(BOTH.map((ws) => WsClient.open(`${url}/chat?room=${room}`, ws)));
    for (const client of chat) await client.frames.find(({ type }) => type === 'welcome');
    const tell = { type: 'create', title: 'news', message: LONG };
    const notified = await Promise.all(BOTH.map((ws) => WsClient.open(`${url}/notifications`, ws)));
    for (const client of notified) await client.frames.find(({ type }) => type === 'history');
    chat[0]?.send(say);
    notified[0]?.send(tell);
    for (const client of chat) assert.equal((await client.frames.find(({ type }) => type === 'message')).content, LONG);
    for (const client of notified)
      assert.equal((await client.frames.find(({ type }) => type === 'notification')).message, LONG);
    for (const client of [...chat, ...notified]) await client.close();
  });

  test('changes nothing about resuming: each subscriber gets each event once and in order, however often it is cut', async () => {
    const channel = name('bulk');
    const route = { next: () => url, backoffMs: () => 5 };
    const subscribers = BOTH.flatMap((ws, kind) =>
      Array.from(
        { length: 4 },
        (_, index) => new WsSubscriber({ name: `${kind}-${index}`, channels: [channel], from: 'origin', route, ws }),
      ),
    );
    for (const subscriber of subscribers) subscriber.start(url);
    const ids: string[] = [];
    for (let index = 0; index < 400; index++) {
      ids.push(await publish(url, channel, { index, text: index % 3 === 0 ? 'short' : LONG }));
      if (index % 5 === 0) subscribers[(index / 5) % subscribers.length]?.cut();
    }
    const last = ids.at(-1) ?? '';
    await until('each has the last event', () => subscribers.every((one) => one.reached(channel, last)), 10_000);
    await Promise.all(subscribers.map((subscriber) => subscriber.stop()));
    for (const subscriber of subscribers) {
      const [items = []] = subscriber.subscriptions().map((subscription) => subscription.items);
      assert.deepEqual(
        items.flatMap((item) => (item.type === 'event' ? [item.id] : [])),
        ids,
      );
      assert.ok(subscriber.reconnects > 5);
      assert.deepEqual(subscriber.complaints, []);
      assert.ok(items.every((item) => item.type !== 'gap'));
    }
  });

  test('changes nothing about slow readers: they lag, hold nobody up, and miss nothing once they read again', async (t) => {
    const quiet = await start({});
    t.after(() => quiet.kill());
    const channel = name('bulk');
    const [slow, fast] = await Promise.all([0, 1].map(() => WsClient.open(`${quiet.url}/ws`, COMPRESSED)));
    assert.ok(slow !== undefined && fast !== undefined);
    for (const client of [slow, fast]) {
      client.send({ type: 'subscribe', channel });
      await client.frames.find(({ type }) => type === 'subscribed');
    }
    slow.pause();
    const lagging = async () =>
      Number((await call(`${quiet.url}/stats`)).text.match(/"lagging_connections":(\d+)/)?.[1]);
    let published = 0;
    // Compressed it is three quarters of it; the kernel takes megabytes.
    while ((await lagging()) === 0 && published < 2_000)
      for (let batch = 0; batch < 20; batch++)
        await publish(quiet.url, channel, { n: published++, filler: randomBytes(6_000).toString('base64') });
    assert.equal(await lagging(), 1, `after ${published} events`);
    const all = Array.from({ length: published }, (_, n) => n);
    await until('the fast one has everything', () => numbersOf(fast).length === published, 10_000);
    slow.resume();
    await until('the slow one catches up', () => numbersOf(slow).length >= published, 20_000);
    assert.deepEqual([numbersOf(slow), numbersOf(fast)], [all, all]);
    assert.equal(await lagging(), 0);
    for (const client of [slow, fast]) client.destroy();
  });
});

interface Sent {
  readonly compressed: boolean;
  readonly text: string;
  /** Of its payload on the wire. */
  readonly bytes: number;
}

/** The whole text frames that came after the handshake. */
function framesOf({ received }: RawSocket): Sent[] {
  const bytes = Buffer.from(received, 'latin1');
  const frames: Sent[] = [];
  for (let at = received.indexOf('\r\n\r\n') + 4; at + 4 <= bytes.length; ) {
    const [first = 0, short = 0] = bytes.subarray(at);
    const [head, length] = short < 126 ? [2, short] : [4, bytes.readUInt16BE(at + 2)];
    const payload = bytes.subarray(at + head, at + head + length);
    at += head + length;
    if (payload.length < length) break;
    const compressed = first === 0xc1;
    assert.ok(compressed || first === 0x81, `a frame that begins with ${first}`);
    frames.push({ compressed, bytes: length, text: (compressed ? inflated(payload) : payload).toString() });
  }
  return frames;
}

function inflated(payload: Buffer): Buffer {
  return inflateRawSync(Buffer.concat([payload, Buffer.of(0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff)]));
}

function numbersOf(client: WsClient): number[] {
  return client.frames.all.filter(isEvent).map(({ data }) => Number((data as { n: number }).n));
}

function isEvent({ type }: Frame): boolean {
  return type === 'event';
}
