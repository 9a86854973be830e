import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { InTurn } from './in-turn.ts';

const MOST = 256;

/** A task that takes until it is told that it is over. */
function lasting(): { readonly task: () => Promise<void>; end(): void; fail(fault: unknown): void } {
  let [end, fail]: [() => void, (fault: unknown) => void] = [() => undefined, () => undefined];
  const over = new Promise<void>((resolve, reject) => {
    [end, fail] = [resolve, reject];
  });
  return { task: () => over, end, fail };
}

function turns() {
  const done: unknown[] = [];
  const faults: unknown[] = [];
  const client = { gone: false };
  const inTurn = new InTurn({ gone: () => client.gone, onFault: (fault) => faults.push(fault) });
  /** A task that takes no time. */
  const quick = (name: unknown) => () => {
    done.push(name);
    return undefined;
  };
  return { inTurn, quick, done, faults, client };
}

/** What has been resolved up to here has gone on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('commands in turn', () => {
  it('are done at once where nothing is before them', () => {
    const { inTurn, quick, done } = turns();
    for (let n = 0; n < 2 * MOST; n++) assert.equal(inTurn.offer(quick(n)), undefined);
    assert.equal(done.length, 2 * MOST);
  });

  it('wait for one that takes time, however many of them do', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 50 }), async (takeTime) => {
        const { inTurn, quick, done } = turns();
        for (const [n, takesTime] of takeTime.entries()) {
          const after = async () => {
            await settled();
            done.push(n);
          };
          inTurn.offer(takesTime ? after : quick(n));
        }
        const last = lasting();
        inTurn.offer(async () => last.end());
        await last.task();
        assert.deepEqual(done, [...takeTime.keys()]);
      }),
      { numRuns: 50 },
    );
  });

  it('are refused where too many wait, until one has been done; the own tasks of the gateway are not', async () => {
    const { inTurn, quick, done } = turns();
    const first = lasting();
    inTurn.offer(first.task);
    for (let n = 0; n < MOST; n++) assert.equal(inTurn.offer(quick(n)), undefined);
    assert.equal(inTurn.offer(quick('too many'))?.code, 'too_many');
    inTurn.run(quick('own'));
    assert.deepEqual(done, []);
    first.end();
    await settled();
    assert.deepEqual(done, [...Array(MOST).keys(), 'own']);
    assert.equal(inTurn.offer(quick('again')), undefined);
    assert.equal(done.at(-1), 'again');
  });

  it('go on after one that fails, at once or later, and it is told', async () => {
    const { inTurn, quick, done, faults } = turns();
    const later = lasting();
    inTurn.offer(() => {
      throw new Error('at once');
    });
    inTurn.offer(later.task);
    inTurn.offer(quick('next'));
    later.fail(new Error('later'));
    await settled();
    assert.deepEqual(faults.map(String), ['Error: at once', 'Error: later']);
    assert.deepEqual(done, ['next']);
  });

  it('are dropped once the client is gone', async () => {
    const { inTurn, quick, done, client } = turns();
    const first = lasting();
    inTurn.offer(first.task);
    inTurn.offer(quick('waiting'));
    client.gone = true;
    first.end();
    await settled();
    inTurn.offer(quick('late'));
    assert.deepEqual(done, []);
  });
});
