import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Certificates } from '../e2e/harness/certificates.ts';
import { readRedisTls } from './redis-settings.ts';

const certificates = new Certificates();
after(() => certificates.remove());
const made = certificates.make('one');
const other = certificates.make('two');

const faultsOf = (env: Readonly<Record<string, string>>, url = 'rediss://127.0.0.1') => {
  const { files, faults } = readRedisTls(env, url);
  assert.ok(faults.length === 0 || files === undefined);
  return faults;
};

test('authorities, and a certificate with its key, are read where they are given', () => {
  const { certFile, keyFile, certificate } = made;
  assert.deepEqual(readRedisTls({}, 'rediss://127.0.0.1'), { files: undefined, faults: [] });
  assert.equal(readRedisTls({ REDIS_TLS_CA_FILE: certFile }, 'rediss+cluster://a:1').files?.ca, certificate);
  assert.deepEqual(faultsOf({ REDIS_TLS_CERT_FILE: certFile, REDIS_TLS_KEY_FILE: keyFile }), []);
});

test('what cannot be used is told by its setting and the reason, without anything of its content', () => {
  const { certFile, keyFile } = made;
  const cases: readonly (readonly [env: Readonly<Record<string, string>>, fault: RegExp])[] = [
    [{ REDIS_TLS_CA_FILE: '/nowhere' }, /^REDIS_TLS_CA_FILE="\/nowhere" cannot be read: there is no such file/],
    [{ REDIS_TLS_CA_FILE: keyFile }, /^REDIS_TLS_CA_FILE.* has no certificate in PEM form/],
    [{ REDIS_TLS_CERT_FILE: certFile }, /^REDIS_TLS_CERT_FILE.* is of no use without REDIS_TLS_KEY_FILE/],
    [{ REDIS_TLS_KEY_FILE: keyFile }, /^REDIS_TLS_KEY_FILE.* is of no use without REDIS_TLS_CERT_FILE/],
    [
      { REDIS_TLS_CERT_FILE: certFile, REDIS_TLS_KEY_FILE: other.keyFile },
      /^REDIS_TLS_CERT_FILE.* the key that belongs/,
    ],
    [{ REDIS_TLS_CERT_FILE: keyFile, REDIS_TLS_KEY_FILE: certFile }, /^REDIS_TLS_CERT_FILE.* both in PEM form/],
  ];
  for (const [env, expected] of cases) {
    const [fault = '', ...others] = faultsOf(env);
    assert.match(fault, expected);
    assert.deepEqual(others, []);
    assert.doesNotMatch(fault, /-----/);
  }
});

test('without TLS they are of no use, and that is told', () => {
  assert.match(
    faultsOf({ REDIS_TLS_CA_FILE: made.certFile }, 'redis://127.0.0.1').join(),
    /without a REDIS_URL of rediss/,
  );
});
