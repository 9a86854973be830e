import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Certificates } from '../e2e/harness/certificates.ts';
import { readTls } from './settings.ts';

const DAY_MS = 86_400_000;
const PASSPHRASE = 'hush-hush';

const certificates = new Certificates();
after(() => certificates.remove());
const made = certificates.make('one');
const other = certificates.make('two');
const locked = certificates.make('locked', { passphrase: PASSPHRASE });

function file(name: string, text: string): string {
  const path = join(certificates.folder, name);
  writeFileSync(path, text);
  return path;
}

function faultsOf(cert: string, key: string, { passphrase = '', atMs = Date.now() } = {}): readonly string[] {
  const { tls, faults } = readTls({ TLS_CERT_FILE: cert, TLS_KEY_FILE: key, TLS_KEY_PASSPHRASE: passphrase }, atMs);
  assert.equal(tls === undefined, faults.length > 0);
  for (const fault of faults) {
    assert.doesNotMatch(fault, /hush|-----|PRIVATE KEY/, 'nothing of a file or of the passphrase is shown');
    assert.match(fault, /^TLS_\w+.* Correct it, or unset it/);
  }
  return faults;
}

test('a certificate and its key can be used, with what leads to the root, and with an encrypted key', () => {
  assert.deepEqual(faultsOf(made.certFile, made.keyFile), []);
  const chain = file('chain.crt', made.certificate + other.certificate);
  assert.deepEqual(faultsOf(chain, made.keyFile), []);
  assert.deepEqual(faultsOf(locked.certFile, locked.keyFile, { passphrase: PASSPHRASE }), []);
  assert.equal(readTls({}, Date.now()).tls, undefined);
});

test('one without the other is told', () => {
  for (const [name, other] of [
    ['TLS_CERT_FILE', 'TLS_KEY_FILE'],
    ['TLS_KEY_FILE', 'TLS_CERT_FILE'],
  ] as const) {
    const { tls, faults } = readTls({ [name]: made.certFile }, Date.now());
    assert.equal(tls, undefined);
    assert.equal(faults.length, 1);
    assert.match(faults.join(), new RegExp(`^${name}.*of no use without ${other}`));
  }
});

test('what cannot be used is told by file and reason', () => {
  const pem = (label: string) => `-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`;
  const cases: readonly (readonly [cert: string, key: string, fault: RegExp])[] = [
    ['/nowhere', made.keyFile, /^TLS_CERT_FILE="\/nowhere" cannot be read: there is no such file/],
    [made.certFile, '/nowhere', /^TLS_KEY_FILE="\/nowhere" cannot be read: there is no such file/],
    [certificates.folder, made.keyFile, /^TLS_CERT_FILE.*this is a folder/],
    [made.keyFile, made.keyFile, /^TLS_CERT_FILE.*no certificate in PEM form/],
    [made.certFile, made.certFile, /^TLS_KEY_FILE.*no private key in PEM form/],
    [file('bad.crt', pem('CERTIFICATE')), made.keyFile, /^TLS_CERT_FILE.*place 1.*damaged/],
    [file('bad.chain', made.certificate + pem('CERTIFICATE')), made.keyFile, /^TLS_CERT_FILE.*place 2.*damaged/],
    [made.certFile, file('bad.key', pem('PRIVATE KEY')), /^TLS_KEY_FILE.*damaged/],
    [made.certFile, other.keyFile, /^TLS_KEY_FILE.*is not the key of the \(first\) certificate/],
    [locked.certFile, locked.keyFile, /^TLS_KEY_FILE.*encrypted.*TLS_KEY_PASSPHRASE/],
  ];
  for (const [cert, key, fault] of cases) {
    const faults = faultsOf(cert, key);
    assert.equal(faults.length, 1, faults.join('\n'));
    assert.match(faults[0] ?? '', fault);
  }
  assert.match(faultsOf(locked.certFile, locked.keyFile, { passphrase: 'hush' }).join(), /does not decrypt/);
  assert.equal(faultsOf('/nowhere', '/nowhere', { passphrase: 'a\tb' }).length, 3);
});

test('a certificate is used while it is valid', () => {
  const later = faultsOf(made.certFile, made.keyFile, { atMs: Date.now() + 2 * DAY_MS });
  assert.match(later.join(), /^TLS_CERT_FILE.*has expired \(on \d{4}-/);
  const earlier = faultsOf(made.certFile, made.keyFile, { atMs: Date.now() - DAY_MS });
  assert.match(earlier.join(), /^TLS_CERT_FILE.*not valid yet/);
});
