import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runFuzz } from './fuzz/run.ts';

test('no frame and no request, however wrong, ends the gateway, stays in its memory, or costs others an event', async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const report = await runFuzz({ seed, inputs: 200_000, note: (line) => t.diagnostic(line) });
  t.diagnostic(JSON.stringify({ ...report, faults: report.faults.length }));
  assert.deepEqual(report.faults, [], `again with: npm run fuzz -- --inputs 200000 --seed ${seed}`);
  assert(report.healthyDeliveries > 1_000, 'The healthy clients had next to nothing to lose: the run proves little');
});
