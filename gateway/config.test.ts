import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig, SETTINGS, type Sources } from './config.ts';
import type { Environment, IntegerSetting, Setting } from './setting.ts';
import { helpText, packageVersion, parseArguments, settingsMarkdown } from './usage.ts';

type Field = keyof typeof SETTINGS;
type IntegerField = { [F in Field]: (typeof SETTINGS)[F] extends IntegerSetting ? F : never }[Field];

const sources: Sources = { generateId: () => 'generated-id' };
const settings: readonly Setting<unknown>[] = Object.values(SETTINGS);

/** Good and wrong values of every setting that is no integer; the type refuses a table that leaves one out. */
const EXAMPLES: Readonly<Record<Exclude<Field, IntegerField>, { good: string[]; wrong: string[] }>> = {
  host: {
    good: ['0.0.0.0', '::', 'localhost', 'gw-1.internal'],
    wrong: ['127.0.0', 'localhost:80', 'http://localhost', 'a b', '-a'],
  },
  redisUrl: {
    good: ['redis://127.0.0.1:6379/1', 'rediss+cluster://u:p@a:1,b:2', 'redis+sentinel://a:1,b:2/main'],
    wrong: ['127.0.0.1:6379', 'http://127.0.0.1', 'redis://', 'redis+magic://a:1'],
  },
  redisPrefix: { good: ['a', 'team.a:b_c-d'], wrong: ['a{b}', 'a b', 'x'.repeat(65)] },
  gatewayId: { good: ['passerelle-0', 'V1StGXR8_Z5jdHi6B-myT'], wrong: ['a:b', 'a b', 'x'.repeat(65)] },
  logLevel: { good: ['debug', 'silent'], wrong: ['INFO', 'verbose', '30'] },
  channelsFile: { good: [], wrong: ['/nowhere/channels.json'] },
  allowedOrigins: {
    good: ['*', 'https://a.example', 'https://a.example, http://localhost:3000'],
    wrong: [
      'a.example',
      'https://a.example/',
      'https://A.example',
      'https://a.example,*',
      'https://a.example:443',
      ',',
    ],
  },
  echo: { good: ['on', 'off'], wrong: ['true', 'ON', '1'] },
};

function wrongValuesOf(field: string, setting: Setting<unknown>): readonly string[] {
  if (isInteger(setting)) return [String(setting.min - 1), String(setting.max + 1), 'x', '1.5', '1e3', '0x10', '5s'];
  return EXAMPLES[field as keyof typeof EXAMPLES].wrong;
}

function goodValuesOf(field: string, setting: Setting<unknown>): readonly string[] {
  if (isInteger(setting)) return [String(setting.min), String(setting.max), ` ${setting.max} `];
  return EXAMPLES[field as keyof typeof EXAMPLES].good;
}

function isInteger(setting: Setting<unknown>): setting is IntegerSetting {
  return 'min' in setting && 'max' in setting;
}

function faultsIn(env: Environment, from: Sources = sources): readonly string[] {
  const loaded = loadConfig(env, from);
  return loaded.ok ? [] : loaded.faults;
}

test('an empty environment gives the documented defaults and a generated id', () => {
  const loaded = loadConfig({}, sources);
  assert.ok(loaded.ok);
  for (const [field, setting] of Object.entries(SETTINGS)) {
    const value: unknown = loaded.config[field as Field];
    assert.deepEqual(value, field === 'gatewayId' ? 'generated-id' : setting.fallback, setting.name);
  }
  assert.equal(loaded.config.host, '127.0.0.1');
  assert.ok(loaded.config.namespaces.has('default'));
});

test('a default is itself a value that may be given', () => {
  for (const setting of settings) {
    if (setting.fallback === undefined || Array.isArray(setting.fallback)) continue;
    const parsed = setting.parse(setting.fallbackText);
    assert.deepEqual(parsed, { ok: true, value: setting.fallback }, setting.name);
  }
});

test('a configuration cannot be changed', () => {
  const loaded = loadConfig({}, sources);
  assert.ok(loaded.ok);
  assert.throws(() => Object.assign(loaded.config, { port: 1 }), TypeError);
});

test('an empty variable counts as unset', () => {
  const blank = Object.fromEntries(settings.map(({ name }) => [name, ' ']));
  assert.deepEqual(loadConfig(blank, sources), loadConfig({}, sources));
});

for (const [field, setting] of Object.entries(SETTINGS)) {
  test(`${setting.name} takes what it allows`, () => {
    for (const value of goodValuesOf(field, setting)) assert.deepEqual(faultsIn({ [setting.name]: value }), [], value);
  });

  test(`${setting.name} refuses everything else, and says how to mend it`, () => {
    const wrong = wrongValuesOf(field, setting);
    assert.ok(wrong.length > 0);
    for (const value of wrong) {
      const [fault = '', ...others] = faultsIn({ [setting.name]: value });
      assert.ok(fault.startsWith(setting.name), `${value} was taken`);
      assert.deepEqual(others, []);
      if (field === 'channelsFile') continue;
      assert.ok(fault.includes(setting.allowed), fault);
      assert.match(fault, /Correct it, or unset it for the default \(.+\)\.$/);
      assert.equal(fault.includes(JSON.stringify(value)), !setting.secret, fault);
    }
  });
}

test('what is given reaches the field, as its type', () => {
  const loaded = loadConfig(
    { PORT: '0', ECHO: 'off', ALLOWED_ORIGINS: 'https://a.example, https://b.example', GATEWAY_ID: 'gw-7' },
    sources,
  );
  assert.ok(loaded.ok);
  assert.equal(loaded.config.port, 0);
  assert.equal(loaded.config.echo, false);
  assert.deepEqual(loaded.config.allowedOrigins, ['https://a.example', 'https://b.example']);
  assert.equal(loaded.config.gatewayId, 'gw-7');
});

test('every fault of every setting is listed at once', () => {
  const env = Object.fromEntries(
    Object.entries(SETTINGS).map(([field, setting]) => [setting.name, wrongValuesOf(field, setting)[0]]),
  );
  const faults = faultsIn(env);
  assert.equal(faults.length, settings.length);
  for (const { name } of settings)
    assert.ok(
      faults.some((fault) => fault.startsWith(name)),
      name,
    );
});

test('faults in the channels file are listed beside those of the variables', () => {
  const readFile = () => '{"namespaces":{"a":{"history":{"size":-1}},"b":{"histroy":{}}}}';
  const faults = faultsIn({ PORT: 'x', CHANNELS_FILE: 'channels.json' }, { ...sources, readFile });
  assert.equal(faults.length, 3);
});

test('the Redis URL is checked by the engine, once its form is right', () => {
  const asked: string[] = [];
  const checkRedisUrl = (url: string) => {
    asked.push(url);
    return 'names no port';
  };
  assert.match(
    faultsIn({ REDIS_URL: 'redis://h' }, { ...sources, checkRedisUrl })[0] ?? '',
    /^REDIS_URL .*names no port/,
  );
  assert.equal(faultsIn({ REDIS_URL: 'http://h' }, { ...sources, checkRedisUrl }).length, 1);
  assert.equal(faultsIn({}, { ...sources, checkRedisUrl }).length, 0);
  assert.deepEqual(asked, ['redis://h']);
});

test("a secret's value is never told", () => {
  const secrets = settings.filter(({ secret }) => secret);
  assert.ok(secrets.length > 0);
  for (const { name } of secrets) {
    const faults = faultsIn({ [name]: 'nonsense://ada:hunter2@host' });
    assert.equal(faults.length, 1);
    assert.doesNotMatch(faults.join(), /hunter2|ada|nonsense/);
  }
});

test('a value cannot garble or flood the terminal that shows its fault', () => {
  const [fault = ''] = faultsIn({ PORT: `\u001b[2J\n${'9'.repeat(10_000)}` });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not come through.
  assert.doesNotMatch(fault, /[\u0000-\u001f]/);
  assert.ok(fault.length < 300);
});

test('help and the table of the README list every setting with its default', () => {
  const help = helpText().replaceAll(/\s+/g, ' ');
  const rows = settingsMarkdown().split('\n');
  for (const { name, about, allowed, fallbackText } of settings) {
    assert.ok(help.includes(` ${name} ${about} Allowed: ${allowed}. Default: ${fallbackText}.`), name);
    assert.equal(rows.filter((row) => row.startsWith(`| \`${name}\` | ${fallbackText} |`)).length, 1, name);
  }
  assert.equal(rows.length, settings.length + 3);
});

test('help fits a terminal of 100 columns', () => {
  for (const line of helpText().split('\n')) assert.ok(line.length <= 100, line);
});

test('arguments are help, version or a mistake', () => {
  assert.deepEqual(parseArguments([]), { ok: true, command: 'start' });
  assert.deepEqual(parseArguments(['--help']), { ok: true, command: 'help' });
  assert.deepEqual(parseArguments(['--version']), { ok: true, command: 'version' });
  const mistaken = parseArguments(['--port=80', '--help']);
  assert.ok(!mistaken.ok);
  assert.match(mistaken.error, /"--port=80".*--help/);
  assert.match(packageVersion(), /^\d+\.\d+\.\d+/);
});

test('a channels file is read from the disk', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'channels.json');
  writeFileSync(file, '{"namespaces":{"prices":{"history":{"size":100,"retention":"10m"}}}}');
  const loaded = loadConfig({ CHANNELS_FILE: file }, sources);
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.config.namespaces.get('prices')?.history, { size: 100, retentionMs: 600_000 });
});
