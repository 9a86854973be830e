/**
 * What is handed out to run gateways by, held to what reads it: the systemd units by systemd, the compose file by the schema of the Compose Specification
 * (infra/compose/schema.json, Apache 2.0, as in compose-go 2.9), the settings in both by the gateway's table.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { SETTINGS } from '../settings/config.ts';

const INFRA = fileURLToPath(new URL('../../../infra', import.meta.url));
const read = (path: string) => readFileSync(join(INFRA, path), 'utf8');
const UNKNOWN = 'is no setting';

const faults = (names: Iterable<string>) => {
  const known = new Set(Object.values(SETTINGS).map(({ name }) => name));
  return [...names].filter((name) => !known.has(name)).map((name) => `${name} ${UNKNOWN}`);
};

interface Service {
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
}

describe('the compose file', () => {
  const parsed: unknown = parse(read('compose/compose.yaml'), { merge: true });
  const { services } = parsed as { services: Readonly<Record<string, Service>> };
  const { $schema: _dialect, ...schema } = JSON.parse(read('compose/schema.json'));
  const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
  const valid = (file: unknown) => {
    validate(file);
    return validate.errors?.map(({ instancePath, message }) => `${instancePath} ${message}`) ?? [];
  };

  test('has the form that the Compose Specification asks for, and a word that is misspelt would be noticed', () => {
    assert.deepEqual(valid(parsed), []);
    const misspelt = { ...services, redis: { ...services.redis, imagee: 'redis' } };
    assert.deepEqual(valid({ services: misspelt }), ['/services/redis must NOT have additional properties']);
  });

  test('names settings and files that there are', () => {
    const gateways = Object.entries(services).filter(([name]) => name.startsWith('gateway-'));
    assert.equal(gateways.length, 3);
    for (const [name, { environment = {} }] of gateways) {
      assert.deepEqual(faults(Object.keys(environment)), []);
      assert.equal(environment.GATEWAY_ID, name);
      assert.ok(read('compose/addresses.conf').includes(`server ${name}:8080 `));
      assert.ok(read('prometheus/prometheus.yml').includes(`- ${name}:${environment.INTERNAL_PORT}\n`));
    }
    const mounted = Object.values(services).flatMap(({ volumes = [] }) =>
      volumes.map((volume) => volume.split(':')[0] ?? ''),
    );
    const files = mounted.filter((source) => source.startsWith('.'));
    assert.ok(files.length > 5);
    for (const file of files) assert.ok(existsSync(join(INFRA, 'compose', file)), file);
  });
});

describe('the systemd units', () => {
  /** The first version that judges a unit without systemd running. */
  const offline = 250;
  const version = Number(
    /^systemd (\d+)/.exec(spawnSync('systemd-analyze', ['--version']).stdout?.toString() ?? '')?.[1],
  );
  const skip = version >= offline ? false : `systemd-analyze ${offline} or later is not installed`;

  test('are valid, and leave next to nothing open', { skip }, (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'passerelle-units-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const unit = join(folder, 'passerelle@8081.service');
    // Whether the program is there is asked, too; where Node is differs.
    const text = read('systemd/passerelle@.service').replace('/usr/bin/node', process.execPath);
    writeFileSync(unit, text);
    copyFileSync(join(INFRA, 'systemd/passerelle.target'), join(folder, 'passerelle.target'));
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', unit, join(folder, 'passerelle.target')]);
    assert.deepEqual([verified.status, verified.stderr.toString()], [0, '']);
    // 0 is nothing, 10 everything; of 1.5 and more is said that it may be too much.
    execFileSync('systemd-analyze', ['security', '--offline=true', '--threshold=15', unit], { stdio: 'pipe' });
  });

  test('name settings that there are', () => {
    const inUnit = [...read('systemd/passerelle@.service').matchAll(/^Environment=(.*)$/gm)].flatMap(([, list = '']) =>
      list.split(' '),
    );
    const inFile = read('systemd/passerelle.env')
      .split('\n')
      .filter((line) => /^[^#]/.test(line));
    const names = [...inUnit, ...inFile].map((assignment) => assignment.split('=')[0] ?? '');
    assert.ok(names.length > 8);
    assert.deepEqual(faults(names), []);
  });
});
