import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runResume } from './harness/resume.ts';

test('nothing is lost, doubled or out of order, while connections are cut and gateways killed', async (t) => {
  const report = await runResume({
    seed: Math.floor(Math.random() * 2 ** 31),
    events: 5_000,
    channels: 4,
    subscribers: 40,
    cuts: 200,
    kills: 2,
    gateways: 2,
    eventsPerSecond: 700,
    limitMs: 120_000,
    note: (line) => t.diagnostic(line),
  });
  t.diagnostic(JSON.stringify({ ...report, violations: report.violations.length }));
  assert.deepEqual(report.violations.slice(0, 5), [], `seed ${report.seed}\n${report.complaints.join('\n')}`);
  assert.deepEqual(report.complaints, [], `seed ${report.seed}`);
  assert.equal(report.kills, 2);
  assert(report.replays > 0, 'No resume had anything to replay: the run proves nothing');
});
