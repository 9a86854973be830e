import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { sizingMarkdown } from './sizing.ts';

const RESULTS = new URL('../../loadtest/results/', import.meta.url);
const README = new URL('../../README.md', import.meta.url);

interface Summary {
  readonly metrics: Readonly<
    Record<string, { readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>> }>
  >;
}

const read = (name: string) => JSON.parse(readFileSync(new URL(name, RESULTS), 'utf8'));

describe('the results that are kept', () => {
  it('are what the README has its sizes from (npm run docs writes them)', () => {
    const listed = /<!-- sizing:[^\n]*-->\n\n([\s\S]*?)\n<!-- \/sizing -->/.exec(readFileSync(README, 'utf8'))?.[1];
    assert.equal(listed, sizingMarkdown(read('bench.json')));
  });

  const summaries = readdirSync(RESULTS).filter((name) => /^k6-.*\.json$/.test(name));
  it('are of every script of k6', () => {
    const scripts = readdirSync(new URL('../k6/', RESULTS)).filter((name) => name !== 'common.js');
    assert.deepEqual(
      summaries,
      scripts.map((script) => `k6-${script.replace(/\.js$/, '.json')}`),
    );
  });
  for (const name of summaries)
    it(`met their thresholds: ${name}`, () => {
      const { metrics } = read(name) as Summary;
      const rules = Object.values(metrics).flatMap(({ thresholds = {} }) => Object.entries(thresholds));
      assert.ok(rules.length > 0);
      assert.deepEqual(
        rules.filter(([, { ok }]) => !ok).map(([rule]) => rule),
        [],
      );
    });
});
