import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runRolling } from './harness/rolling.ts';

test('three gateways restarted one after the other, behind nginx and under load: nothing is lost and nothing comes twice', async (t) => {
  const clients = 60;
  const seed = Math.floor(Math.random() * 2 ** 31);
  const { traffic, turnedAway, replicas } = await runRolling({
    seed,
    gateways: 3,
    clients,
    channels: 6,
    eventsPerSecond: 60,
    settleMs: 100,
    windowMs: 600,
    restMs: 200,
    note: (line) => t.diagnostic(line),
  });
  const { violations, complaints, ...counts } = traffic;
  t.diagnostic(JSON.stringify({ seed, ...counts }));
  assert.deepEqual(violations.slice(0, 5), [], `seed ${seed}`);
  assert.deepEqual(complaints, [], `seed ${seed}`);
  assert.equal(traffic.gaps, 0);
  assert.equal(turnedAway, 0, 'there are always two gateways to go to');
  for (const { restart } of replicas) assert.equal(restart.exitCode, 0);
  const sentAway = replicas.reduce((sum, { restart }) => sum + restart.connections, 0);
  assert(
    sentAway >= clients && traffic.reconnects >= clients,
    'hardly anybody had to come back: the run proves nothing',
  );
  assert(traffic.deliveries > traffic.published * 10);
});
