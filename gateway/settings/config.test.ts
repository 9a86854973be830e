import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AUTH_SETTINGS } from '../auth/settings.ts';
import { REDIS_TLS_SETTINGS } from '../tls/redis-settings.ts';
import { TLS_SETTINGS } from '../tls/settings.ts';
import { loadConfig, SETTINGS, type Sources } from './config.ts';
import type { Environment, IntegerSetting, Setting } from './setting.ts';
import { helpText, packageVersion, parseArguments, settingsMarkdown } from './usage.ts';

type Field = keyof typeof SETTINGS;
type IntegerField = { [F in Field]: (typeof SETTINGS)[F] extends IntegerSetting ? F : never }[Field];

const sources: Sources = { generateId: () => 'generated-id' };
const settings: readonly Setting<unknown>[] = Object.values(SETTINGS);

interface Examples {
  readonly good: readonly string[];
  readonly wrong: readonly string[];
  /** What must be set besides, for the good ones to make sense. */
  readonly beside?: Environment;
}

const PUBLIC_KEY = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
const PRIVATE_KEY = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const TOKEN_SECRET = 'of thirty-two bytes, or some more';
const API_KEY = 'k3y-of-the-shop-0001';
const HASHED = `sha256:${'0123456789abcdef'.repeat(4)}`;

/** Good and wrong values of every setting that is no integer; the type refuses a table that leaves one out. */
const EXAMPLES: Readonly<Record<Exclude<Field, IntegerField>, Examples>> = {
  internalPort: { good: ['0', '9080', '65535'], wrong: ['65536', '-1', 'http', '1e3'] },
  allowedHosts: {
    good: ['gw.example', 'A.example, *.b.example', '192.0.2.1, [::1]', '*'],
    wrong: ['gw.example:8080', 'http://gw.example', 'a/b', 'a,,b', '*.*.a'],
  },
  httpKeepAlive: { good: ['on', 'off'], wrong: ['close', '10'] },
  internalHost: { good: ['0.0.0.0', '::1', 'localhost'], wrong: ['127.0.0', 'a b', '127.0.0.1:9080'] },
  host: {
    good: ['0.0.0.0', '::', 'localhost', 'gw-1.internal'],
    wrong: ['127.0.0', 'localhost:80', 'http://localhost', 'a b', '-a'],
  },
  nodeEnv: { good: ['development', 'test'], wrong: ['Production', 'prod', '1'] },
  redisUrl: {
    good: ['redis://127.0.0.1:6379/1', 'rediss+cluster://u:p@a:1,b:2', 'redis+sentinel://a:1,b:2/main'],
    wrong: ['127.0.0.1:6379', 'http://127.0.0.1', 'redis://', 'redis+magic://a:1'],
  },
  redisRequired: { good: ['off', 'on'], wrong: ['yes'], beside: { REDIS_URL: 'redis://127.0.0.1' } },
  redisTlsCaFile: { good: [], wrong: ['/nowhere/ca.pem'] },
  redisTlsCertFile: { good: [], wrong: ['/nowhere/cert.pem'] },
  redisTlsKeyFile: { good: [], wrong: ['/nowhere/key.pem'] },
  redisPrefix: { good: ['a', 'team.a:b_c-d'], wrong: ['a{b}', 'a b', 'x'.repeat(65)] },
  gatewayId: { good: ['passerelle-0', 'V1StGXR8_Z5jdHi6B-myT'], wrong: ['a:b', 'a b', 'x'.repeat(65)] },
  workers: { good: ['1', '64', 'auto'], wrong: ['0', '65', 'many', '2.5'], beside: { REDIS_URL: 'redis://127.0.0.1' } },
  logLevel: { good: ['debug', 'silent'], wrong: ['INFO', 'verbose', '30'] },
  otlpEndpoint: {
    good: ['http://collector:4318', 'https://127.0.0.1:4318/otlp/', 'http://[::1]:4318'],
    wrong: ['collector:4318', 'http://a:b@c', 'grpc://c', 'http://c/?a'],
  },
  traceShare: { good: ['0', '1', '0.25', '.5'], wrong: ['2', '-1', '1.5', '10%', '1e-3'] },
  channelsFile: { good: [], wrong: ['/nowhere/channels.json'] },
  allowedOrigins: {
    good: [
      '*',
      'https://a.example',
      'https://a.example, http://localhost:3000',
      'https://*.a.example:8443, http://*.localhost:3000',
      'https://A.example:443/, http://localhost:*, capacitor://localhost, null',
    ],
    wrong: [
      'https://*',
      'https://*.',
      'https://*.example',
      'https://a.*.example',
      'https://*.*.a.example',
      'https://*a.example',
      'https://*.192.0.2.1',
      '*.a.example',
      'a.example',
      'https://a.example/path',
      'https://a.example,*',
      ',',
    ],
  },
  echo: { good: ['on', 'off', '1', '0', 'true', 'false'], wrong: ['yes', 'ON', '2'] },
  compression: { good: ['off', 'shared'], wrong: ['on', 'dedicated', 'Shared'] },
  trustedProxies: { good: ['1', '10.0.0.0/8, ::1'], wrong: ['0', 'proxy.example', '10.0.0.0/33', '10.0.0.1,'] },
  proxyHeader: { good: ['x-forwarded-for', 'forwarded'], wrong: ['X-Forwarded-For', 'x-real-ip'] },
  proxyProtocol: { good: ['on', 'off', '1', 'false'], wrong: ['v2', 'ON'] },
  tlsCertFile: { good: [], wrong: ['/nowhere/cert.pem'] },
  tlsKeyFile: { good: [], wrong: ['/nowhere/key.pem'] },
  tlsKeyPassphrase: { good: [], wrong: ['a\tb', 'x'.repeat(257)] },
  tokenSecret: { good: [TOKEN_SECRET], wrong: ['x'.repeat(31), PUBLIC_KEY] },
  tokenPublicKeys: {
    good: [PUBLIC_KEY, PUBLIC_KEY.repeat(2), PUBLIC_KEY.replaceAll('\n', '\\n')],
    wrong: ['/nowhere/keys.pem', PRIVATE_KEY, `${PUBLIC_KEY} and more`, 'MCowBQYDK2VwAyEA'],
  },
  tokenJwksUrl: {
    good: ['https://id.example/jwks?a=b', 'http://localhost:8080/jwks', 'http://127.0.0.1/', 'http://[::1]:1/'],
    wrong: [
      'http://id.example/jwks',
      'https://ada:hunter2@id.example/',
      'id.example/jwks',
      'file:///jwks.json',
      'http://127.0.0.1.evil.example/',
    ],
  },
  tokenIssuer: { good: ['https://id.example', 'me & you'], wrong: ['a\nb'], beside: { TOKEN_SECRET } },
  tokenAudience: {
    good: ['passerelle'],
    wrong: ['a\tb'],
    beside: { TOKEN_JWKS_URL: 'https://id.example/' },
  },
  tokenExpiry: { good: ['required', 'optional'], wrong: ['on', 'never'] },
  apiKeys: { good: [`shop:${API_KEY}`, `shop:${API_KEY}, mail:${HASHED}`], wrong: [API_KEY, 'shop:short', 'shop:'] },
  apiKeysFile: { good: [], wrong: ['/nowhere/keys.json'] },
  allowAnonymous: { good: ['on', 'off', '1', 'false'], wrong: ['yes', 'ON'] },
};

/** What must be set beside an integer, for its least and its most to make sense. */
const BESIDE_INTEGERS: Readonly<Record<string, Environment>> = {
  drainSettleMs: { SHUTDOWN_TIMEOUT_SECONDS: '3900' },
  drainWindowMs: { SHUTDOWN_TIMEOUT_SECONDS: '3900' },
  shutdownTimeoutSeconds: { DRAIN_SETTLE_MS: '0', DRAIN_WINDOW_MS: '0' },
};

function wrongValuesOf(field: string, setting: Setting<unknown>): readonly string[] {
  if (isInteger(setting)) return [String(setting.min - 1), String(setting.max + 1), 'x', '1.5', '1e3', '0x10', '5s'];
  return EXAMPLES[field as keyof typeof EXAMPLES].wrong;
}

function environmentOf(field: string, name: string, value: string): Environment {
  const beside = field in EXAMPLES ? EXAMPLES[field as keyof typeof EXAMPLES].beside : BESIDE_INTEGERS[field];
  return { ...beside, [name]: value };
}

function goodValuesOf(field: string, setting: Setting<unknown>): readonly string[] {
  if (isInteger(setting)) return [String(setting.min), String(setting.max), ` ${setting.max} `];
  return EXAMPLES[field as keyof typeof EXAMPLES].good;
}

function isInteger(setting: Setting<unknown>): setting is IntegerSetting {
  return 'min' in setting && 'max' in setting;
}

/** Those that become something together, and are no fields of the configuration by themselves. */
const TOGETHER = { ...AUTH_SETTINGS, ...TLS_SETTINGS, ...REDIS_TLS_SETTINGS };

function faultsIn(env: Environment, from: Sources = sources): readonly string[] {
  const loaded = loadConfig(env, from);
  return loaded.ok ? [] : loaded.faults;
}

test('an empty environment gives the documented defaults and a generated id', () => {
  const loaded = loadConfig({}, sources);
  assert.ok(loaded.ok);
  for (const [field, setting] of Object.entries(SETTINGS)) {
    if (field in TOGETHER) continue;
    const value: unknown = loaded.config[field as Exclude<Field, keyof typeof TOGETHER>];
    assert.deepEqual(value, field === 'gatewayId' ? 'generated-id' : setting.fallback, setting.name);
  }
  assert.equal(loaded.config.host, '127.0.0.1');
  assert.ok(loaded.config.namespaces.has('default'));
  assert.equal(loaded.config.auth.open, true);
  assert.equal(loaded.config.tls, undefined);
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
    for (const value of goodValuesOf(field, setting))
      assert.deepEqual(faultsIn(environmentOf(field, setting.name, value)), [], value);
  });

  test(`${setting.name} refuses everything else, and says how to mend it`, () => {
    const wrong = wrongValuesOf(field, setting);
    assert.ok(wrong.length > 0);
    for (const value of wrong) {
      const [fault = '', ...others] = faultsIn({ [setting.name]: value });
      assert.ok(fault.startsWith(setting.name), `${value} was taken`);
      assert.deepEqual(others, []);
      if (field === 'channelsFile' || field === 'apiKeysFile') continue;
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

test('in production somebody must be asked who they are, unless it is said that nobody is', () => {
  const [fault = '', ...others] = faultsIn({ NODE_ENV: 'production' });
  assert.match(fault, /^NODE_ENV=production, .*TOKEN_SECRET.*API_KEYS.*ALLOW_ANONYMOUS=1/);
  assert.deepEqual(others, []);
  for (const mended of [{ TOKEN_SECRET }, { API_KEYS: `shop:${API_KEY}` }, { ALLOW_ANONYMOUS: '1' }])
    assert.deepEqual(faultsIn({ NODE_ENV: 'production', ...mended }), []);
  // Who gave a key that can't be used is told that, and not that there is none.
  assert.equal(faultsIn({ NODE_ENV: 'production', TOKEN_SECRET: 'short' }).length, 1);
  assert.deepEqual(faultsIn({ NODE_ENV: 'test' }), []);
});

test('a drain has the time that it needs, or the start is refused', () => {
  const times = { DRAIN_SETTLE_MS: '10000', DRAIN_WINDOW_MS: '20000' };
  const [fault = '', ...others] = faultsIn(times);
  assert.match(
    fault,
    /^SHUTDOWN_TIMEOUT_SECONDS=10 .*DRAIN_SETTLE_MS \(10000\) and DRAIN_WINDOW_MS \(20000\).* 30000 ms/,
  );
  assert.deepEqual(others, []);
  assert.equal(faultsIn({ ...times, SHUTDOWN_TIMEOUT_SECONDS: '30' }).length, 1, 'nothing would be left for the rest');
  assert.deepEqual(faultsIn({ ...times, SHUTDOWN_TIMEOUT_SECONDS: '31' }), []);
});

test('where Redis is required there must be a URL of it, and one that can be used', () => {
  assert.match(faultsIn({ REDIS_REQUIRED: 'on' }).join(), /^REDIS_REQUIRED is on, and there is no REDIS_URL/);
  assert.deepEqual(faultsIn({ REDIS_REQUIRED: 'on', REDIS_URL: 'redis://127.0.0.1' }), []);
  assert.match(
    faultsIn({ REDIS_REQUIRED: 'on', REDIS_URL: 'http://127.0.0.1' }).join(),
    /^REDIS_URL.* is not a Redis URL/,
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

test('help fits a terminal of 100 columns, but for a single word that does not', () => {
  for (const line of helpText().split('\n')) assert.ok(line.length <= 100 || !line.trim().includes(' '), line);
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
