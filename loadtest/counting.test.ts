import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publish } from '../gateway/e2e/harness/http-client.ts';
import { GatewayProcess } from '../gateway/e2e/harness/processes.ts';
import { type Counter, FrameCounter, MarkerCounter, type Message } from './counting.ts';
import { PASSERELLE } from './dialects.ts';
import { LoadSockets } from './sockets.ts';

const TEXT = 0x81;
const COMPRESSED_TEXT = 0xc1;
const PING = Buffer.of(0x89, 4, 0x81, 1, 0x81, 1);
/** Of every length that is written differently, with what could be taken for a head in each. */
const PAYLOADS = [0, 1, 125, 126, 300, 65_535, 65_536].map((length) => Buffer.alloc(length, Buffer.of(TEXT, 1)));

function frame(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

/** What two connections together count that get the same in reads of this size, in turn. */
function counted(counter: Counter, bytes: Buffer, size: number): number {
  const shared = Buffer.alloc(size); // as the load client's buffer, which is written over by the next read
  let events = 0;
  for (let at = 0; at < bytes.length; at += size)
    for (const index of [0, 1]) {
      const length = bytes.copy(shared, 0, at, at + size);
      events += counter.count(shared.subarray(0, length), index);
    }
  return events;
}

const SIZES = [1, 2, 3, 5, 11, 1_000, 262_144];

test('frames are counted by their heads, and the messages of one connection are told, however reads cut them', () => {
  const kinds = [TEXT, COMPRESSED_TEXT];
  const messages = PAYLOADS.map((payload, index) => ({ first: kinds[index % 2] ?? 0, payload }));
  const wire = Buffer.concat(messages.flatMap(({ first, payload }) => [frame(first, payload), PING]));
  for (const size of SIZES) {
    const told: Message[] = [];
    const counter = new FrameCounter((message) => told.push(message));
    assert.equal(counted(counter, wire, size), 2 * messages.length);
    assert.equal(counter.wireBytes, 2 * wire.length);
    assert.equal(told.length, messages.length);
    for (const [index, { compressed, payload, wireBytes }] of told.entries()) {
      const sent = messages[index] ?? assert.fail();
      assert.ok(payload.equals(sent.payload));
      assert.deepEqual(
        [compressed, wireBytes],
        [sent.first === COMPRESSED_TEXT, frame(sent.first, sent.payload).length],
      );
    }
  }
});

test('markers are counted once, however reads cut them', () => {
  const wire = Buffer.from('"!one"\n"!"!two!"a"');
  for (const size of SIZES) assert.equal(counted(new MarkerCounter('"!'), wire, size), 2 * 3);
});

test('the load client counts every event of a gateway that compresses', async (t) => {
  const gateway = await GatewayProcess.start({ env: { COMPRESSION: 'shared' } });
  t.after(() => gateway.kill());
  const told: Message[] = [];
  const counter = new FrameCounter((message) => told.push(message));
  const channels = () => ['counted'];
  const of = { url: gateway.url, transport: 'ws', dialect: PASSERELLE, count: 20, channels, counter } as const;
  const sockets = await LoadSockets.open({ ...of, extensions: 'permessage-deflate' });
  await sockets.until(2 * 20, 5_000); // the welcome, and the answer to the subscription
  for (const text of ['short', 'long and '.repeat(100)]) await publish(gateway.url, 'counted', text);
  await sockets.until(4 * 20, 5_000);
  assert.deepEqual(
    told.map(({ compressed }) => compressed),
    [false, false, false, true],
  );
  const ofEvents = told.slice(-2).reduce((sum, { wireBytes }) => sum + wireBytes, 0);
  const ofWelcome = told.slice(0, 2).reduce((sum, { wireBytes }) => sum + wireBytes, 0);
  assert.equal(counter.wireBytes, 20 * (ofEvents + ofWelcome));
  await sockets.close();
});
