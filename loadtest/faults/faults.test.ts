import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runFaults } from './run.ts';

const FAULTS = 12;

test('every promise is kept while gateways, links and Redis fail', async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const report = await runFaults({
    form: 'standalone',
    faults: FAULTS,
    seed,
    subscribers: 16,
    eventsPerSecond: 100,
    note: (line) => t.diagnostic(line),
  });
  const { violations, complaints, faults, ...counts } = report;
  t.diagnostic(JSON.stringify(counts));
  assert.deepEqual(violations.slice(0, 5), [], `seed ${seed}\n${complaints.join('\n')}`);
  assert.deepEqual(complaints, [], `seed ${seed}`);
  const planned = faults.reduce((sum, { injected, withoutEffect }) => sum + injected + withoutEffect, 0);
  assert.equal(planned, FAULTS);
  assert(counts.injected > FAULTS / 2, 'Most faults had no effect: the run proves little');
  assert(counts.resumes > 0 && counts.deliveries > counts.published, 'The subscribers got hardly anything');
});
