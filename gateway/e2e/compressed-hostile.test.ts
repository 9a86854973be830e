/**
 * Peers that compress what they send in bad faith, with a gateway that compresses: they are cut off or refused, they cost it neither memory nor
 * its life, and clients of good will beside them lose nothing.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { constants, deflateRawSync, type ZlibOptions } from 'node:zlib';
import { until } from '../../broker/testing/until.ts';
import { WsClient } from './harness/clients.ts';
import { call, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { type FrameShape, OPCODE, RawSocket, wireFrame } from './harness/raw-socket.ts';

const OFFER = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' };
const MEGABYTE = 1_048_576;
/** The reserved bit that says that a message is compressed. */
const COMPRESSED = 4;
const PING = Buffer.from('{"type":"ping","ref":"answered"}');
const CHANNEL = 'beside-the-hostile';
const LONG = 'a sentence that is said again and again; '.repeat(20);

const text = (payload: Uint8Array, more: Partial<FrameShape> = {}) =>
  wireFrame({ opcode: OPCODE.text, payload, reserved: COMPRESSED, ...more });

/** What stands in a compressed frame for these bytes. */
function deflated(bytes: Uint8Array, options: ZlibOptions = {}): Buffer {
  const whole = deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, ...options });
  return whole.subarray(0, whole.length - 4);
}

/** A compressed message in pieces of so many bytes. */
function inPieces(payload: Buffer, size: number): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const fin = at + size >= payload.length;
    const piece = payload.subarray(at, at + size);
    pieces.push(at === 0 ? text(piece, { fin }) : wireFrame({ opcode: OPCODE.continuation, payload: piece, fin }));
  }
  return Buffer.concat(pieces);
}

const BOMB = deflated(Buffer.alloc(10 * MEGABYTE));

describe('a hostile peer that compresses', () => {
  let gateway: GatewayProcess;
  let url: string;
  let healthy: readonly WsClient[];
  let published = 0;
  before(async () => {
    gateway = await GatewayProcess.start({ env: { COMPRESSION: 'shared', MAX_PENALTY_SECONDS: '0' } });
    ({ url } = gateway);
    healthy = await Promise.all(
      [{ perMessageDeflate: { threshold: 0 } }, {}].map((ws) => WsClient.open(`${url}/ws`, ws)),
    );
    for (const client of healthy) {
      client.send({ type: 'subscribe', channel: CHANNEL });
      await client.frames.find(({ type }) => type === 'subscribed');
    }
  });
  after(async () => {
    const { log, running } = gateway;
    await gateway.kill();
    assert.ok(running, `the gateway has ended:\n${log}`);
    assert.doesNotMatch(log, /"level":"(error|fatal)"/);
  });

  /** Has `act` done between events that are published, and finds that each client of good will has got all of them and is understood. */
  async function besideHealthy(act: () => Promise<void>): Promise<void> {
    const from = published;
    const one = () => publish(url, CHANNEL, { n: published++, LONG });
    await one();
    await Promise.all([act(), one(), one()]);
    await one();
    for (const client of healthy) {
      const numbers = new Set<unknown>();
      for (let n = from; n < published; n++) {
        const { data } = await client.frames.find(({ type }) => type === 'event');
        numbers.add((data as { n: number }).n);
      }
      assert.deepEqual(numbers, new Set(Array.from({ length: published - from }, (_, index) => from + index)));
      client.send({ type: 'ping', ref: published }); // by the one decompressor that the hostile peer has used
      await client.frames.find(({ type, ref }) => type === 'pong' && ref === published);
    }
  }

  for (const [what, bytes] of [
    ['is 10 MB of zeros, compressed to 10 KB', text(BOMB)],
    ['is that, in pieces', inPieces(BOMB, 1_000)],
    ['is nothing that was compressed', text(Buffer.from('{"type":"ping"}'))],
    ['is random bytes', text(randomBytes(3_000))],
    ['is a block of a kind that there is not', text(Buffer.of(7, 7, 7))],
    ['refers to what is not in it', text(deflated(PING, { dictionary: PING }))],
    ['is no text once it is taken apart', text(deflated(Buffer.of(0x22, 0xc3, 0x28, 0x22)))],
    ['has another reserved bit', text(deflated(PING), { reserved: COMPRESSED | 2 })],
    ['has only other reserved bits', text(PING, { reserved: 3 })],
    [
      'says in each piece that it is compressed',
      Buffer.concat([
        text(deflated(PING).subarray(0, 9), { fin: false }),
        text(deflated(PING).subarray(9), { opcode: OPCODE.continuation }),
      ]),
    ],
    [
      'is a compressed ping, and then text that is not',
      Buffer.concat([text(PING, { opcode: OPCODE.ping }), text(PING, { reserved: 0 })]),
    ],
  ] as const)
    test(`whose message ${what} is cut off`, async () => {
      await besideHealthy(async () => {
        const socket = await RawSocket.upgraded(url, OFFER);
        socket.write(bytes);
        await socket.closed();
        assert.doesNotMatch(socket.received, /pong|echo|too_large/); // the gateway has not seen it
      });
    });

  test('whose message breaks off somewhere harms nobody', async () => {
    const whole = deflated(Buffer.from(JSON.stringify({ type: 'ping', ref: 'abc'.repeat(30) })));
    await besideHealthy(async () => {
      const ends = Array.from({ length: whole.length }, async (_, length) => {
        const socket = await RawSocket.upgraded(url, OFFER);
        socket.write(text(whole.subarray(0, length)));
        socket.write(text(PING, { reserved: 0 }));
        // What is left may happen to be a whole message, too.
        await until('it is cut off or answered', () => socket.ended || socket.received.includes('answered'));
        socket.destroy();
      });
      await Promise.all(ends);
    });
  });

  test('without having asked for it is cut off', async () => {
    const socket = await RawSocket.upgraded(url);
    socket.write(text(deflated(PING)));
    await socket.closed();
    assert.doesNotMatch(socket.received, /answered/);
  });

  test('within the rules, however oddly, is understood', async () => {
    for (const bytes of [
      text(deflated(PING)),
      text(deflated(PING, { level: 0 })),
      text(deflated(PING, { windowBits: 9, memLevel: 1 })),
      inPieces(deflated(PING), 1),
      Buffer.concat([text(deflated(Buffer.alloc(0))), text(Buffer.of(0)), text(deflated(PING))]),
      text(PING, { reserved: 0 }),
    ]) {
      const socket = await RawSocket.upgraded(url, OFFER);
      socket.write(bytes);
      await socket.matching(/"pong","ref":"answered"/);
      socket.destroy();
    }
  });

  test('is told in words that a message is too large once it is taken apart, as one is that did not compress it', async () => {
    for (const size of [65_537, MEGABYTE]) {
      const client = await WsClient.open(`${url}/ws`, { perMessageDeflate: { threshold: 0 } });
      client.send('x'.repeat(size));
      assert.match(String((await client.frames.find(({ code }) => code === 'too_large')).error), new RegExp(`${size}`));
      assert.equal((await client.closed).code, 1009);
    }
  });

  test('that sends large messages in few bytes, and without end, is closed for what they are and not for what they weigh', async () => {
    const large = text(deflated(Buffer.alloc(60_000, 0x20)));
    const before = residentBytes(gateway.pid);
    let most = before;
    await besideHealthy(async () => {
      const socket = await RawSocket.upgraded(url, OFFER);
      // 300 MB, in half a megabyte.
      socket.write(Buffer.concat(Array.from({ length: 5_000 }, () => large)));
      await until('it is closed', () => {
        most = Math.max(most, residentBytes(gateway.pid));
        return socket.ended;
      });
      assert.match(socket.received, /too_many/);
    });
    assert.ok(most - before < 100 * MEGABYTE, `the process grew by ${Math.round((most - before) / MEGABYTE)} MB`);
  });

  test('a hundred times over costs the process no memory', async () => {
    const bombs = async () => {
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const socket = await RawSocket.upgraded(url, OFFER);
          socket.write(text(BOMB));
          await socket.closed();
        }),
      );
    };
    await bombs();
    const warm = residentBytes(gateway.pid);
    await besideHealthy(async () => {
      for (let round = 0; round < 5; round++) await bombs();
    });
    const growth = residentBytes(gateway.pid) - warm;
    assert.ok(growth < 50 * MEGABYTE, `the process grew by ${Math.round(growth / MEGABYTE)} MB`);
    assert.equal((await call(`${url}/healthz`)).status, 200);
  });
});

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}
