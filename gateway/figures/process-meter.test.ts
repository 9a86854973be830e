import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../broker/testing/until.ts';
import { ProcessMeter } from './process-meter.ts';

it('a process meter tells how long the event loop was blocked, once', async (t) => {
  const meter = new ProcessMeter();
  meter.start();
  t.after(() => meter.stop());
  await delay(100);
  const before = meter.read();
  await delay(100);
  const [began, used] = [performance.now(), process.cpuUsage()];
  // On a busy machine it does not have the processor all the time.
  while (performance.now() - began < 300 || process.cpuUsage(used).user < 200_000);
  await delay(50);
  const blocked = meter.read();
  assert(blocked.loopLagMs >= 250, `${blocked.loopLagMs} ms`);
  assert(blocked.cpuMicros - before.cpuMicros >= 150_000, `${blocked.cpuMicros - before.cpuMicros} µs`);
  await until('it is not told again', () => meter.read().loopLagMs < 250);
  assert(meter.read().memory > 10 * 1024 * 1024);
});
