import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readOptions } from './command-line.ts';

const OPTIONS = {
  events: { about: 'how many', default: 10 },
  form: { about: 'which', default: 'all' },
  out: { about: 'where', default: undefined },
  quick: { about: 'fewer', default: false },
} as const;

const read = (...args: string[]) => readOptions(args, OPTIONS);

describe('the options of a command', () => {
  it('are what is given, and otherwise what the table says', () => {
    assert.deepEqual(read(), { ok: true, values: { events: 10, form: 'all', out: undefined, quick: false } });
    assert.deepEqual(read('--events', '7', '--form=one', '--out', 'x', '--quick'), {
      ok: true,
      values: { events: 7, form: 'one', out: 'x', quick: true },
    });
  });

  it('are refused in a sentence where they are none, or no numbers', () => {
    for (const [args, what] of [
      [['--evnts', '7'], /--evnts/],
      [['--events'], /--events/],
      [['7'], /7/],
      [['--events', 'many'], /--events is "many", which is no whole number/],
      [['--events', '-1'], /--events/],
      [['--quick=no'], /--quick/],
    ] as const) {
      const refused = readOptions(args, OPTIONS);
      assert(!refused.ok && refused.faults.length === 1);
      assert.match(refused.faults[0] ?? '', what);
    }
  });

  it('are explained where that is asked for, whatever else is', () => {
    assert.deepEqual(read('--events', 'many', '--help'), { ok: false, faults: [] });
  });
});
