import assert from 'node:assert/strict';
import { it } from 'node:test';
import { startTimers, type TimerParts } from './timers.ts';

/** Has whatever is asked of it, but for what is given: parts that may be called, and then do nothing. */
function stub(given: object): object {
  return new Proxy(
    Object.assign(() => undefined, given),
    {
      get: (target, name) => Reflect.get(target, name) ?? stub({}),
    },
  );
}

it('the lease is renewed however long members take to be entered anew', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let renewals = 0;
  let began = 0;
  let reentries = 0;
  const core = stub({
    fleet: stub({ renew: async () => ++renewals === 1, removeDead: async () => undefined }),
    members: stub({
      leaseBegan: () => {
        began++;
      },
      reenter: () => {
        reentries++;
        return new Promise(() => undefined);
      },
    }),
    hub: stub({ check: async () => undefined }),
    notices: stub({}),
  });
  const parts = {
    config: { auth: { takesTokens: false }, positionCheckSeconds: 5, lagTimeoutSeconds: 30 },
    connections: stub({}),
    access: stub({ loopLag: stub({ start: () => ({ stop: () => undefined }) }) }),
    meters: { canary: stub({}), storage: stub({}), tracer: undefined },
    core,
    streams: stub({}),
    listener: stub({}),
    now: () => 0,
  };
  const timers = startTimers(parts as unknown as TimerParts);
  for (let second = 0; second < 60; second++) {
    t.mock.timers.tick(1_000);
    await new Promise(setImmediate);
  }
  timers.stop();
  assert.deepEqual([reentries, began], [1, 1]);
  assert.ok(renewals >= 10, `${renewals} renewals in a minute`);
});
