import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { z } from 'zod';
import { boundedList, boundedText } from './bounds.ts';

const bounds = { min: 1, max: 3, message: 'must have 1 to 3' };
const text = boundedText('must be text', bounds);
const list = boundedList('must be a list', bounds);

function saidOf(schema: z.ZodType, value: unknown): string | undefined {
  return schema
    .safeParse(value)
    .error?.issues.map(({ message }) => message)
    .join('; ');
}

describe('bounds', () => {
  test('a text and a list of as many as may be are taken, one more or less is not', () => {
    for (const [schema, of] of [
      [text, (length: number) => 'x'.repeat(length)],
      [list, (length: number) => Array.from({ length })],
    ] as const) {
      const said = [0, 1, 3, 4].map((length) => saidOf(schema, of(length)));
      assert.deepEqual(said, [bounds.message, undefined, undefined, bounds.message]);
    }
  });

  test('whatever JSON can say is refused in words, and never throws', () => {
    const lengths = fc
      .jsonValue()
      .chain((inner) => fc.constantFrom({ length: inner }, { length: { valueOf: inner, toString: inner } }, inner));
    fc.assert(
      fc.property(lengths, (value) => {
        if (typeof value !== 'string') assert.equal(saidOf(text, value), 'must be text');
        if (!Array.isArray(value)) assert.equal(saidOf(list, value), 'must be a list');
      }),
    );
  });
});
