import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { GatewayProcess } from '../gateway/e2e/harness/processes.ts';
import { BARE } from './dialects.ts';
import { show, spread } from './figures.ts';
import { eventBlock, eventFrame, MARKER, payload, record } from './payload.ts';
import { picture } from './picture.ts';
import { report } from './report.ts';
import { figure, PER_CPU_SECOND, RESIDENT_BYTES } from './results.ts';
import { measureTicks } from './scenarios/fanout.ts';
import { LoadSockets } from './sockets.ts';
import { isMet, targets } from './targets.ts';

test('the median of an even number of values lies between the two in the middle', () => {
  assert.deepEqual(spread([9, 1, 3]), { median: 3, min: 1, max: 9 });
  assert.deepEqual(spread([4, 1, 3, 9]), { median: 3.5, min: 1, max: 9 });
  assert.equal(show(spread([1_500, 1_000]), 1), '1,250.0 (1,000.0 to 1,500.0)');
  assert.throws(() => spread([]));
});

test('a payload is as long as it says, and each event holds the marker once', () => {
  for (const bytes of [128, 1_024]) assert.equal(Buffer.byteLength(payload(bytes, '1700000000000')), bytes);
  for (const text of [eventFrame('load:bench', payload()), eventBlock(payload())])
    assert.equal(text.split(MARKER).length, 2);
});

test('a record is JSON of the length asked for, as it is written again, and each is another', () => {
  const seen = new Set<string>();
  for (const bytes of [96, 128, 1_024, 5_000])
    for (let number = 0; number < 200; number++) {
      const text = record(bytes, number);
      assert.equal(Buffer.byteLength(text), bytes);
      assert.equal(JSON.stringify(JSON.parse(text)), text);
      seen.add(text);
    }
  assert.equal(seen.size, 800);
});

test('a report has every figure, also where cases differ in numbers only and each was measured once', () => {
  const machine = { cpu: 'c', cores: 2, memoryBytes: 1, kernel: 'k', node: 'n', uWebSockets: 'u', redis: 'r' };
  const figures = [1_111, 2_222].flatMap((subscribers) =>
    ['one', 'other'].map((subject) => figure('s', subject, { subscribers }, 'metric', [3 * subscribers])),
  );
  const run = { measuredAt: '', seconds: 1, quick: false, centrifugo: undefined, failures: [], figures };
  const text = report({ ...run, machine: { ...machine, commit: 'c', descriptors: 1 } });
  for (const value of ['3,333', '6,666']) assert.equal(text.split(`${value} (`).length, 3, text);
});

test('a target is met, missed, or not measured', () => {
  const at = { transport: 'ws', connections: 10_000 };
  const found = (bytes: number) =>
    targets([figure('idle', 'gateway', at, RESIDENT_BYTES, [bytes])]).find(({ what }) =>
      what.includes('idle WebSocket'),
    );
  assert.equal(isMet(found(2_200) ?? assert.fail()), true);
  assert.equal(isMet(found(2_201) ?? assert.fail()), false);
  assert.ok(targets([]).every((target) => isMet(target) === undefined));
});

test('the picture has a line for each subject and transport, and none without figures', () => {
  const at = (events: number) => ({ transport: 'ws', subscribers: 1_000, bytes: 128, events });
  const figures = ['gateway', 'bare'].flatMap((subject) =>
    [1, 32].map((events) => figure('fanout', subject, at(events), PER_CPU_SECOND, [events * 100_000])),
  );
  const drawn = picture(figures, undefined, 'a machine') ?? assert.fail();
  assert.equal(drawn.match(/<path /g)?.length, 2);
  assert.equal(drawn.match(/<circle /g)?.length, 4);
  assert.doesNotMatch(drawn, /NaN|undefined/);
  assert.equal(picture([], undefined, ''), undefined);
});

for (const transport of ['ws', 'sse'] as const)
  test(`the load client counts every event that a server delivers (${transport})`, async (t) => {
    const main = fileURLToPath(new URL('yardsticks/bare.js', import.meta.url));
    const server = await GatewayProcess.start({ main });
    t.after(() => server.kill());
    const sockets = await LoadSockets.open({ url: server.url, transport, dialect: BARE, count: 50 });
    const tick = async () => {
      await (await fetch(`${server.url}/tick/8/128`, { method: 'POST' })).text();
    };
    const { eventsPerRead } = await measureTicks(server.pid, sockets, tick, 8 * 50, 30);
    assert.equal(eventsPerRead, 8);
    await assert.rejects(sockets.until(sockets.received + 1, 50), 'more than was sent');
    await sockets.close();
  });
