/** That the restless client of the jitter scenario notices what it is there to notice, from a server that does all of it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { until } from '../broker/testing/until.ts';
import type { Transport } from './dialects.ts';
import { payload } from './payload.ts';
import { NUMBER_DIGITS, Roamer, STAMP_DIGITS } from './roamer.ts';

const NOW = 1_700_000_000_000;

/** The bytes of an event that was published so long after the client came. */
function event(transport: Transport, number: number, after: number): string {
  const stamp = String(number).padStart(NUMBER_DIGITS, '0') + String(NOW + after).padStart(STAMP_DIGITS, '0');
  const id = `${NOW + number}-0`;
  return transport === 'sse'
    ? `id: ${id}\ndata: ${payload(128, stamp)}\n\n`
    : `\x81\x7e{"type":"event","channel":"load:x","id":"${id}","event":"message","data":${payload(128, stamp)}}`;
}

const GAP = {
  sse: 'id: 1-0\nevent: gap\ndata: {"channel":"load:x","after":"1-0","id":"2-0"}\n\n',
  ws: '\x81\x40{"type":"gap","channel":"load:x","after":"1-0","id":"2-0"}',
};

for (const transport of ['ws', 'sse'] as const)
  test(`a restless client counts what it gets twice, not at all, or a gap for, wherever reads are cut (${transport})`, async (t) => {
    const answer = [
      '"type":"welcome"',
      event(transport, 0, -10),
      event(transport, 1, -5),
      event(transport, 1, -5), // twice
      GAP[transport],
      event(transport, 4, -1), // 2 and 3 are passed over
      event(transport, 5, 1),
    ].join('');
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.setNoDelay();
      void (async () => {
        for (let at = 0; at < answer.length; at += 7) {
          socket.write(answer.slice(at, at + 7), 'latin1');
          if (at % 70 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      })();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const roamer = new Roamer({
      urls: [`http://127.0.0.1:${port}`],
      transport,
      channel: 'load:x',
      localAddress: '127.0.0.1',
      random: () => 0,
      now: () => NOW,
    });
    roamer.connect();
    await until('it has read everything', () => roamer.received === 4);
    roamer.end();
    const { received, duplicates, missed, gaps, refusals, replays } = roamer;
    assert.deepEqual(
      { received, duplicates, missed, gaps, refusals },
      { received: 4, duplicates: 1, missed: 2, gaps: 1, refusals: 0 },
    );
    assert.deepEqual(replays, [0], 'one replay, of what was published before it came');
  });
