import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { GatewayProcess } from '../gateway/e2e/processes.ts';
import { measureFanout, type Subject } from './fanout.ts';
import { show, spread } from './figures.ts';
import { BLOCK, FRAME, MARKER, PAYLOAD, PAYLOAD_BYTES } from './payload.ts';

test('the median of an even number of values lies between the two in the middle', () => {
  assert.deepEqual(spread([9, 1, 3]), { median: 3, min: 1, max: 9 });
  assert.deepEqual(spread([4, 1, 3, 9]), { median: 3.5, min: 1, max: 9 });
  assert.equal(show(spread([1_500, 1_000]), 1), '1,250.0 (1,000.0 to 1,500.0)');
  assert.throws(() => spread([]));
});

test('the payload is as long as it says, and each event holds the marker once', () => {
  assert.equal(Buffer.byteLength(PAYLOAD), PAYLOAD_BYTES);
  for (const text of [FRAME, BLOCK]) assert.equal(Buffer.from(text).filter((byte) => byte === MARKER).length, 1);
});

for (const transport of ['ws', 'sse'] as const) {
  test(`the load client counts every event that the yardstick delivers (${transport})`, async (t) => {
    const main = fileURLToPath(new URL('bare.js', import.meta.url));
    const server = await GatewayProcess.start({ main });
    t.after(() => server.kill());
    const subject: Subject = {
      pid: server.pid,
      sockets: { url: server.url, subscribes: false },
      tick: async (events) => {
        await (await fetch(`${server.url}/tick/${events}`, { method: 'POST' })).text();
      },
    };
    const options = { transport, eventsPerTick: 8, ticks: 30, rounds: 1, subscribers: 50 };
    const other = await GatewayProcess.start({ main });
    t.after(() => other.kill());
    const yardstick: Subject = {
      pid: other.pid,
      sockets: { url: other.url, subscribes: false },
      tick: async (events) => {
        await (await fetch(`${other.url}/tick/${events}`, { method: 'POST' })).text();
      },
    };
    const { gatewayRounds } = await measureFanout(options, subject, yardstick);
    assert.equal(gatewayRounds[0]?.eventsPerRead, 8);
  });
}
