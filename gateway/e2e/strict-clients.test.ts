/**
 * Event streams to HTTP clients that read strictly by RFC 9112, and hand on nothing of a chunk before they have seen its end: they have every block
 * as soon as it was sent, and not with the next one. By a reader of our own over raw bytes, and by three that Python programs use.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { readChunks } from './harness/chunks.ts';
import { type ChannelsFile, channelNames, writeChannelsFile } from './harness/fixtures.ts';
import { call, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { PYTHON_CLIENTS, PythonClients } from './harness/python-clients.ts';
import { RawSocket } from './harness/raw-socket.ts';

/** Around what one write of the gateway may have, and several of them. */
const SIZES = [1, 100, 16_200, 16_250, 16_300, 16_320, 16_400, 32_640, 50_000];

describe('an event stream', () => {
  const name = channelNames();
  let file: ChannelsFile;
  let gateway: GatewayProcess;
  before(async () => {
    file = writeChannelsFile();
    gateway = await GatewayProcess.start({ env: { CHANNELS_FILE: file.path, KEEP_ALIVE_SECONDS: '300' } });
  });
  after(async () => {
    await gateway.stop();
    file.remove();
  });

  async function open(t: TestContext, target: string, url = gateway.url): Promise<RawSocket> {
    const socket = await RawSocket.open(url);
    t.after(() => socket.destroy());
    socket.write(`GET ${target} HTTP/1.1\r\nHost: gateway\r\nAccept: text/event-stream\r\n\r\n`);
    return socket;
  }
  /** Resolves once it is in chunks that have come to their end. */
  const has = (socket: RawSocket, text: string | RegExp): Promise<void> =>
    until(`whole chunks have ${text}`, () => {
      const { data } = readChunks(socket.received);
      return typeof text === 'string' ? data.includes(text) : text.test(data);
    });

  it('brings the first block, each event and the gap in whole chunks', async (t) => {
    const channel = name('small');
    const first = await publish(gateway.url, channel, 'first');
    const socket = await open(t, `/events?channel=${channel}&after=0-0`);
    await has(socket, `data: "first"\n\n`);
    for (const size of SIZES) {
      const id = await publish(gateway.url, channel, 'x'.repeat(size));
      await has(socket, `\nid: ${id}\ndata: "${'x'.repeat(size)}"\n\n`);
    }
    const late = await open(t, `/events?channel=${channel}&after=${first}`); // which is gone by now
    await has(late, /event: gap\ndata: .*\n\n/);
  });

  it('brings several channels and the envelope in whole chunks', async (t) => {
    const channels = [name(), name()];
    const socket = await open(t, `/events?channel=${channels.join()}&envelope=1`);
    await has(socket, 'id: 0-0.0-0\n\n');
    for (const channel of channels) {
      const id = await publish(gateway.url, channel, 1);
      await has(socket, `data: {"channel":"${channel}","id":"${id}","event":"message","data":1}\n\n`);
    }
  });

  it('brings the keep-alive, the figures of the machine, and its end in whole chunks', async (t) => {
    const own = await GatewayProcess.start({ env: { KEEP_ALIVE_SECONDS: '1' } });
    t.after(() => own.kill());
    const events = await open(t, '/events', own.url);
    const monitoring = await open(t, '/monitoring', own.url);
    await has(events, ': keep-alive\n\n');
    await has(monitoring, /^retry: \d+\n\n/);
    await has(monitoring, /event: stats\ndata: \{.*\}\n\n/);
    await own.stop();
    for (const socket of [events, monitoring]) {
      await socket.closed();
      const { data, ended } = readChunks(socket.received);
      assert.match(data, /retry: \d+\n\n\n*$/);
      assert.equal(ended, true);
    }
  });

  it('has not a byte out of place for a reader that was slow', async (t) => {
    const channel = name('bulk');
    const text = 'y'.repeat(20_000);
    const socket = await open(t, `/events?channel=${channel}`);
    await has(socket, 'id: 0-0\n\n');
    socket.pause();
    const lagging = async () => (await call(`${gateway.url}/stats`)).json as { lagging_connections: number };
    let count = 0;
    while ((await lagging()).lagging_connections === 0) {
      await Promise.all(Array.from({ length: 20 }, () => publish(gateway.url, channel, { n: count++, text })));
    }
    socket.resume();
    await has(socket, `data: {"n":${count - 1},`);
    const numbers = [...readChunks(socket.received).data.matchAll(/^data: \{"n":(\d+),"text":"(y+)"\}$/gm)];
    assert.ok(numbers.every(([, , filler]) => filler === text));
    assert.deepEqual(
      numbers.map(([, n]) => Number(n)).sort((a, b) => a - b),
      [...Array(count).keys()],
    );
    const id = await publish(gateway.url, channel, 'live again');
    await has(socket, `id: ${id}\ndata: "live again"\n\n`);
  });
});

describe('a Python program', () => {
  let clients: PythonClients | string = '';
  let gateway: GatewayProcess;
  before(async () => {
    clients = PythonClients.install();
    gateway = await GatewayProcess.start({ env: { KEEP_ALIVE_SECONDS: '300' } });
  });
  after(async () => {
    await gateway.stop();
    if (typeof clients !== 'string') clients.remove();
  });

  for (const [index, client] of PYTHON_CLIENTS.entries()) {
    it(`has each event by ${client} before the next one is published`, async (t) => {
      if (typeof clients === 'string') {
        t.skip(clients);
        return;
      }
      const channel = `python-${index}`;
      await publish(gateway.url, channel, 'before');
      const reader = clients.read(client, `${gateway.url}/events?channel=${channel}&after=0-0`);
      t.after(() => reader.stop());
      assert.equal(await reader.lines.next(), '"before"');
      for (const value of ['one', 'two\u2028 \u2029 \u0085 lines?', 'x'.repeat(40_000), 'last']) {
        await publish(gateway.url, channel, value);
        assert.equal(JSON.parse(await reader.lines.next()), value);
      }
    });
  }
});
