/** What is kept of the rendered manifests, and what they copy, is what the sources say. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { COPIES } from './copies.ts';
import { FOLDER, headline, type KubernetesObject, parseObjects, RENDERS, rendered } from './renders.ts';

const byName = (objects: readonly KubernetesObject[]) =>
  Object.fromEntries(objects.map((object) => [`${object.kind} ${object.metadata.name}`, object]));

describe('copies', () => {
  for (const { path, source, content } of COPIES)
    test(`${path} is ${source} as it is (npm run k8s:render writes it)`, () => {
      assert.equal(readFileSync(join(FOLDER, path), 'utf8'), content());
    });
});

describe('rendered manifests', () => {
  for (const { name, program, run } of RENDERS) {
    test(`${name} is of the sources as they are (npm run k8s:render writes it)`, () => {
      const [first] = readFileSync(join(FOLDER, 'rendered', `${name}.yaml`), 'utf8').split('\n');
      assert.equal(first, headline());
    });

    test(`${name} is what ${program} makes of them`, (t) => {
      const yaml = run();
      if (yaml === undefined) t.skip(`${program} is not installed`);
      else assert.deepEqual(byName(parseObjects(yaml)), byName(rendered(name)));
    });
  }
});
