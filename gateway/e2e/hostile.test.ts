/**
 * Peers that do not keep to any protocol, and what clients of good will must not notice of them: the process lives on, others
 * lose nothing, and memory does not pile up.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { channelNames } from './harness/fixtures.ts';
import { call, post, publish } from './harness/http-client.ts';
import { GatewayProcess, SMALL_HEAP } from './harness/processes.ts';
import { handshake, OPCODE, RawSocket, wireFrame } from './harness/raw-socket.ts';

const MEGABYTE = 1_048_576;

const name = channelNames();

describe('a hostile peer', { concurrency: true }, () => {
  let gateway: GatewayProcess;
  let url: string;
  before(async () => {
    gateway = await GatewayProcess.start();
    ({ url } = gateway);
  });
  after(async () => {
    const alive = gateway.running && (await call(`${url}/healthz`)).status === 200;
    const { log } = gateway;
    await gateway.kill();
    assert(alive, `the gateway has ended:\n${log}`);
    assert.doesNotMatch(log, /"level":"(error|fatal)"/);
  });

  test('whose upgrade is no WebSocket handshake gets no connection, and no harm is done', async () => {
    const wrong: Record<string, string | undefined>[] = [
      { 'Sec-WebSocket-Key': undefined },
      { 'Sec-WebSocket-Key': '' },
      { 'Sec-WebSocket-Key': 'short' },
      { Upgrade: undefined, Connection: undefined, 'Sec-WebSocket-Key': undefined },
    ];
    for (const changed of wrong) {
      const socket = await RawSocket.open(url);
      socket.write(handshake(changed));
      await socket.matching(/^HTTP\/1\.1 400 [\s\S]*"code":"bad_request"/);
      socket.destroy();
    }
    assert(gateway.running);
  });

  test('that sends what is no HTTP is cut off or refused', async () => {
    const wrong: (string | Uint8Array)[] = [
      '\r\n\r\n\r\n\r\n',
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'GET toString HTTP/1.1\r\nHost: x\r\n\r\n',
      'POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
      'POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n',
      'POST /api/publish HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`,
      Buffer.from(Array.from({ length: 4_096 }, (_, index) => (index * 7_919) % 256)),
      wireFrame({ opcode: OPCODE.text, payload: Buffer.from('{}') }),
    ];
    await Promise.all(
      wrong.map(async (bytes) => {
        const socket = await RawSocket.open(url);
        socket.write(bytes);
        const over = () => socket.ended || /^HTTP\/1\.1 [45]\d\d/.test(socket.received);
        await until('it is answered or cut off', over);
        socket.destroy();
      }),
    );
    assert.equal((await call(`${url}/healthz`)).status, 200);
  });

  test('that sends half a header, half a body or half a handshake, and then nothing, is cut off', async () => {
    const halves = [
      'GET /healthz HTTP/1.1\r\nHost: x\r\n',
      'POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"channel":',
      handshake().slice(0, -20),
    ];
    const sockets = await Promise.all(halves.map(() => RawSocket.open(url)));
    for (const [index, socket] of sockets.entries()) socket.write(halves[index] ?? '');
    await Promise.all(sockets.map((socket) => socket.closed()));
  });

  for (const [what, bytes] of [
    ['a reserved bit', wireFrame({ opcode: OPCODE.text, payload: Buffer.from('{}'), reserved: 4 })],
    ['all reserved bits', wireFrame({ opcode: OPCODE.binary, payload: Buffer.from('x'), reserved: 7 })],
    ['an unknown opcode', wireFrame({ opcode: 3, payload: Buffer.from('x') })],
    ['an unknown control opcode', wireFrame({ opcode: 11 })],
    ['a ping in pieces', wireFrame({ opcode: OPCODE.ping, fin: false })],
    ['a ping of 126 bytes', wireFrame({ opcode: OPCODE.ping, payload: Buffer.alloc(126) })],
    ['text that is not UTF-8', wireFrame({ opcode: OPCODE.text, payload: Buffer.of(0x22, 0xc3, 0x28, 0x22) })],
    ['half a surrogate in UTF-8', wireFrame({ opcode: OPCODE.text, payload: Buffer.of(0xed, 0xa0, 0x80) })],
    ['a length of 2^63', Buffer.of(0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)],
    ['a length of 3 GB', Buffer.of(0x82, 0xff, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0)],
  ] as const) {
    test(`whose frame has ${what} is cut off`, async () => {
      const socket = await RawSocket.upgraded(url);
      socket.write(bytes);
      await socket.closed();
    });
  }

  test('that masks nothing, or goes on with what it never began, harms nobody', async () => {
    for (const bytes of [
      wireFrame({ opcode: OPCODE.text, payload: Buffer.from('{"type":"ping"}'), masked: false }),
      wireFrame({ opcode: OPCODE.continuation, payload: Buffer.from('x') }),
      wireFrame({ opcode: OPCODE.close, payload: Buffer.of(0) }),
      wireFrame({ opcode: OPCODE.close, payload: Buffer.of(0x03, 0xed) }),
    ]) {
      const socket = await RawSocket.upgraded(url);
      socket.write(bytes);
      socket.write(wireFrame({ opcode: OPCODE.text, payload: Buffer.from('{"type":"ping"}') }));
      const healthy = await WsClient.open(`${url}/ws`);
      healthy.send({ type: 'ping', ref: 1 });
      await healthy.frames.find(({ ref }) => ref === 1);
      healthy.destroy();
      socket.destroy();
    }
  });

  test('that sends a message in a thousand pieces is understood', async () => {
    const socket = await RawSocket.upgraded(url);
    const text = JSON.stringify({ type: 'ping', ref: 'x'.repeat(100) });
    const pieces = [...text].map((character, index) =>
      wireFrame({
        opcode: index === 0 ? OPCODE.text : OPCODE.continuation,
        payload: Buffer.from(character),
        fin: index === text.length - 1,
      }),
    );
    for (const byte of Buffer.concat(pieces)) socket.write(Buffer.of(byte));
    await socket.matching(/"pong"/);
    socket.destroy();
  });

  test('that publishes what is nested without end is refused, over both transports', async () => {
    const channel = name();
    const nested = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth);
    for (const depth of [101, 5_000, 15_000]) {
      for (const data of [nested('[', ']', depth), `${'{"a":'.repeat(depth / 3)}1${'}'.repeat(depth / 3)}`]) {
        if (!data.startsWith('[') && depth < 400) continue;
        const body = `{"channel":"${channel}","data":${data}}`;
        const { status, json } = await post(`${url}/api/publish`, body);
        assert.equal(status, 400);
        assert.equal((json as { error: { code: string } }).error.code, 'bad_request');
        const client = await WsClient.open(`${url}/ws`);
        client.send(`{"type":"publish","ref":1,${body.slice(1)}`);
        assert.equal((await client.frames.find(({ ref }) => ref === 1)).code, 'bad_request');
        for (const text of [data, `{"type":"ping","ref":${data}}`, `{"type":${data}}`]) {
          client.send(text);
          const answer = await client.frames.next();
          assert(answer.type === 'echo' || answer.code === 'bad_request');
        }
        client.destroy();
      }
    }
    await publish(url, channel, JSON.parse(nested('[', ']', 100)));
    assert.equal((await call(`${url}/api/history?channel=${channel}`)).status, 200);
  });

  test('that opens streams and goes away before they are answered leaves none behind', async () => {
    const channel = name();
    const sockets = await Promise.all(Array.from({ length: 200 }, () => RawSocket.open(url)));
    for (const socket of sockets) {
      socket.write(`GET /events?channel=${channel} HTTP/1.1\r\nHost: x\r\n\r\n`);
      socket.destroy();
    }
    await until('nobody listens to the channel', async () => {
      const { channels } = (await call(`${url}/api/channels?prefix=${channel}`)).json as {
        channels: { channel: string }[];
      };
      return channels.every((each) => each.channel !== channel);
    });
  });

  test('that subscribes and goes away, in many ways and often, leaves nothing behind', async () => {
    const channel = name();
    for (let i = 0; i < 50; i++) {
      const socket = await RawSocket.upgraded(url);
      const request = JSON.stringify({ type: 'subscribe', channel, after: '0-0' });
      socket.write(wireFrame({ opcode: OPCODE.text, payload: Buffer.from(request) }));
      if (i % 2 === 0) socket.write(wireFrame({ opcode: OPCODE.close, payload: Buffer.of(0x03, 0xe8) }));
      if (i % 3 === 0) await socket.matching(/"subscribed"/);
      socket.destroy();
    }
    await until('nobody listens to the channel', async () => {
      const { text } = await call(`${url}/api/channels?prefix=${channel}`);
      return !text.includes(`"${channel}"`);
    });
  });

  test('costs neither a subscriber beside it an event, nor the process its memory', async (t) => {
    const small = await GatewayProcess.start({ env: SMALL_HEAP });
    t.after(() => small.kill());
    const { url, pid } = small;
    const channel = name();
    const watcher = await WsClient.open(`${url}/ws`);
    const stream = await SseClient.open(`${url}/events?channel=${channel}`);
    watcher.send({ type: 'subscribe', channel });
    await watcher.frames.find(({ type }) => type === 'subscribed');
    await stream.blocks.next();

    let published = 0;
    const round = async () => {
      await Promise.all([junk(url), junk(url), ...Array.from({ length: 5 }, () => publish(url, channel, published++))]);
    };
    for (let i = 0; i < 4; i++) await round();
    const warm = residentBytes(pid);
    for (let i = 0; i < 14; i++) await round();
    // A heap swings also where it is small; what is never given back shows in its low points too.
    let low = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 6; i++) {
      await round();
      low = Math.min(low, residentBytes(pid));
    }
    const growth = low - warm;

    const seen: unknown[] = [];
    const streamed: unknown[] = [];
    for (let i = 0; i < published; i++) {
      seen.push((await watcher.frames.next()).data);
      streamed.push(JSON.parse((await stream.blocks.next()).data ?? 'null'));
    }
    const all = Array.from({ length: published }, (_, index) => index);
    assert.deepEqual(seen.toSorted(byNumber), all);
    assert.deepEqual(streamed, seen);
    // It was handed about 120 MB until then, and echoed as much.
    assert(growth < 40 * MEGABYTE, `the process grew by ${Math.round(growth / MEGABYTE)} MB`);
    assert(small.running);
    watcher.destroy();
    stream.destroy();
  });
});

/** Sends 1,000 frames of nonsense over one connection, some of them large, and waits until the last one is answered. */
async function junk(url: string): Promise<void> {
  const client = await WsClient.open(`${url}/ws`);
  const large = 'x'.repeat(30_000);
  for (let i = 0; i < 1_000; i++) {
    const kinds = [
      `junk ${i}`,
      '{"type":"subscribe","channel":5}',
      '{"type":"publish","channel":"a b","data":1}',
      `{"type":"${i}"}`,
      '{"type":"unsubscribe","channel":"never"}',
      '[[[[[[',
      large,
    ];
    client.send(kinds[i % kinds.length] ?? '');
  }
  client.send({ type: 'ping', ref: 'last' });
  await client.frames.find(({ ref }) => ref === 'last');
  assert.equal(client.frames.all.length, 1_002, 'the welcome, an answer for each, and the pong');
  await client.close();
}

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}

function byNumber(a: unknown, b: unknown): number {
  return Number(a) - Number(b);
}
