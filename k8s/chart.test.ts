/** What the chart's schema says of its values: everything that there is, and that there is nothing else. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { packageVersion } from '../gateway/settings/usage.ts';
import { FOLDER } from './renders.ts';

const read = (path: string) => readFileSync(join(FOLDER, 'helm', path), 'utf8');
const schema = JSON.parse(read('passerelle/values.schema.json'));
const values = parse(read('passerelle/values.yaml'));
const accepts = new Ajv({ strict: true, strictTypes: false, strictRequired: false }).compile(schema);

describe("the chart's values", () => {
  test('are each in the schema, and so are those of the examples', () => {
    const known = Object.keys(schema.properties).filter((name) => !['global', 'fullnameOverride'].includes(name));
    assert.deepEqual(Object.keys(values).sort(), known.sort());
    for (const given of [values, parse(read('examples/local.yaml')), parse(read('examples/production.yaml'))])
      assert(accepts(given), JSON.stringify(accepts.errors));
  });

  for (const [what, wrong] of [
    ['a name that is misspelt', { replica: 3 }],
    ['a misspelt one further down', { autoscaling: { mn: 3 } }],
    ['text for a number', { replicas: 'three' }],
    ['a secret among the settings, which everybody may read', { settings: { TOKEN_SECRET: 'x' } }],
    ['a setting that the chart makes itself', { settings: { SHUTDOWN_TIMEOUT_SECONDS: 5 } }],
    ['a setting that is no name of a variable', { settings: { logLevel: 'debug' } }],
    ['a way of scaling that there is not', { autoscaling: { by: 'memory' } }],
    ['a Redis without a password', { redis: { enabled: true, password: '' } }],
    ['a switch of the alerts that is misspelt', { prometheusRule: { enable: true } }],
    ['no pause before SIGTERM', { drain: { preStopSeconds: 0 } }],
  ] as const)
    test(`refuse ${what}`, () => assert(!accepts(wrong)));

  test('have the version of the package', () => {
    const { version, appVersion } = parse(read('passerelle/Chart.yaml'));
    assert.deepEqual([version, appVersion], [packageVersion(), packageVersion()]);
  });
});
