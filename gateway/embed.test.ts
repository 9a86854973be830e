import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGateway, type Settings, SettingsError, settingsFrom } from './embed.ts';

/** The faults of settings; none where a gateway is made of them. */
async function faultsIn(settings: Settings): Promise<readonly string[]> {
  try {
    await createGateway({ LOG_LEVEL: 'warn', ...settings }).close();
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
}

test('a gateway is made of plain values and of what a variable would hold', async () => {
  assert.deepEqual(await faultsIn({}), []);
  assert.deepEqual(await faultsIn({ PORT: 0, ECHO: false, PROXY_PROTOCOL: true, MAX_BODY_BYTES: '2048' }), []);
  assert.deepEqual(await faultsIn({ PORT: '', REDIS_URL: undefined, TRUSTED_PROXIES: 2 }), []);
});

test('every fault is told at once, those of names before those of values', async () => {
  const settings = { PROT: 80, WORKERS: 2, ECHO: 1.5, HOST: ['x'], PORT: 70_000, REDIS_URL: 'redis://u:hunter2@' };
  const faults = await faultsIn(settings as unknown as Settings);
  assert.deepEqual(
    faults.map((fault) => /^"?[A-Z_]+/.exec(fault)?.[0]),
    ['"PROT', 'WORKERS', 'HOST', 'PORT', 'ECHO', 'REDIS_URL'],
  );
  const error = new SettingsError(faults);
  for (const fault of faults) assert.ok(error.message.includes(fault));
  assert.match(error.message, /PORT="70000" is more than 65535\. Allowed/);
  assert.doesNotMatch(error.message, /hunter2/);
});

test('a name that is no setting is a fault by itself: a slip in TOKEN_SECRET must not leave the gateway open', async () => {
  const [fault, ...others] = await faultsIn({ TOKEN_SECRETT: 'x' } as Settings);
  assert.match(fault ?? '', /"TOKEN_SECRETT" is no setting/);
  assert.deepEqual(others, []);
});

test('what an environment has of settings can be taken from it, and nothing else is', async () => {
  const settings = settingsFrom({ PATH: '/bin', WORKERS: '4', PORT: '0', LOG_LEVEL: 'silent' });
  assert.equal(settings.PORT, '0');
  assert.deepEqual(await faultsIn(settings), []);
  assert.deepEqual(await faultsIn({ ...settings, PORT: 0 }), []);
});

test('the environment of the process is not read', async () => {
  const { env } = process;
  env.PORT = 'nonsense';
  try {
    assert.deepEqual(await faultsIn({}), []);
  } finally {
    delete env.PORT;
  }
});
