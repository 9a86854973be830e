import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BrokerUnavailable } from '../broker.ts';
import { Gate } from './gate.ts';

const OPTIONS = { timeoutMs: 50, maxWaiting: 3, maxInFlight: 2 };

const never = () => new Promise<never>(() => undefined);

it('holds calls while shut, and lets them through in order before any later one', async () => {
  const gate = new Gate({ ...OPTIONS, maxInFlight: 10 });
  const order: number[] = [];
  const call = (n: number) => gate.run(async () => order.push(n));
  const calls = [call(1), call(2), call(3)];
  assert.deepEqual(order, []);
  gate.open();
  calls.push(call(4));
  await Promise.all(calls);
  assert.deepEqual(order, [1, 2, 3, 4]);
});

it('refuses at once what would exceed a limit', async () => {
  const gate = new Gate(OPTIONS);
  const waiting = [1, 2, 3].map(() => gate.run(async () => 'done'));
  assert.equal(gate.waiting, 3);
  await assert.rejects(
    gate.run(async () => 'done'),
    /Too many calls wait for it already \(3\)/,
  );
  gate.open();
  assert.deepEqual(await Promise.all(waiting), ['done', 'done', 'done']);

  const stuck = [1, 2].map(() => gate.run(never));
  assert.equal(gate.inFlight, 2);
  await assert.rejects(
    gate.run(async () => 'done'),
    /owes the answers to too many calls already \(2\)/,
  );
  for (const result of await Promise.allSettled(stuck)) assert.equal(result.status, 'rejected');
  // Both timed out, but whoever was to answer them still holds them.
  assert.equal(gate.inFlight, 2);
});

it('gives up a call after the time limit, whether it waits or is under way', async () => {
  const gate = new Gate(OPTIONS);
  await assert.rejects(gate.run(never), (error: Error) => {
    assert.ok(error instanceof BrokerUnavailable);
    assert.match(error.message, /could not be reached within 50 ms/);
    return error.cause instanceof Error;
  });
  assert.equal(gate.waiting, 0);
  gate.open();
  await assert.rejects(gate.run(never), /did not answer within 50 ms/);
});

it('passes on what a failure says, and nothing else of it', async () => {
  const gate = new Gate(OPTIONS);
  gate.open();
  const failure = Object.assign(new Error('WRONGPASS invalid'), { command: { name: 'auth', args: ['hunter2'] } });
  await assert.rejects(
    gate.run(() => Promise.reject(failure)),
    (error: Error) => {
      assert.ok(error instanceof BrokerUnavailable);
      assert.match(error.message, /WRONGPASS invalid/);
      assert.ok(error.cause instanceof Error && !('command' in error.cause));
      return true;
    },
  );
});

it('refuses all that wait when it is closed', async () => {
  const gate = new Gate(OPTIONS);
  const waiting = gate.run(async () => 'done');
  gate.close();
  await assert.rejects(waiting, /was closed/);
  await assert.rejects(
    gate.run(async () => 'done'),
    /was closed/,
  );
});
