/** The short form of the abuse suite: the heaviest few cases, for a moment each. Safety only; how late things come depends on the machine. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { CASES, HEAVIEST } from './cases.ts';
import { runCase } from './run.ts';
import { Stage } from './stage.ts';

describe('beside a client that abuses one thing', () => {
  let stage: Stage | undefined;
  const ends = async () => {
    await stage?.stop();
    stage = undefined;
  };
  after(ends);

  for (const name of HEAVIEST)
    test(`healthy clients lose nothing, and gateways stay ready and small: ${name}`, async (t) => {
      stage ??= await Stage.start({ events: 250, members: 150 });
      const options = { subscribers: 20, eventsPerSecond: 30, quietMs: 300, abusedMs: 1_500 };
      const { violations, quiet, abused, done, watched } = await runCase(stage, name, options);
      t.diagnostic(JSON.stringify({ quiet, abused, done, watched }));
      if (violations.length > 0) await ends(); // what one has left behind is not what the next one is about
      assert.deepEqual(violations.slice(0, 5), []);
    });
});

test('the short form takes cases that there are', () => {
  assert.deepEqual(
    HEAVIEST.filter((name) => !CASES.has(name)),
    [],
  );
});
