/**
 * A certificate and its private key, as they stand in files: read, and checked for everything that clients would stumble over.
 *
 * It knows nothing of the library that serves them. No fault shows anything of what is in a file but dates.
 */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type ReadFile, type ReadText, readText } from '../settings/settings-file.ts';

/** Where a certificate and its key are. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** What decrypts the key where it is encrypted. */
  readonly passphrase: string | undefined;
}

/** What the files had at one moment. */
export interface TlsContent {
  /** The same for as long as neither file says anything else. */
  readonly digest: string;
  readonly certificate: ReadText;
  readonly key: ReadText;
}

/** What is wrong with one of the files; continues the sentence "The file …". */
export interface TlsFault {
  readonly file: 'certificate' | 'key';
  readonly fault: string;
}

export type CheckedTls =
  | { readonly ok: true; readonly validTo: Date }
  | { readonly ok: false; readonly faults: readonly TlsFault[] };

export function readTlsFiles({ certFile, keyFile }: TlsFiles, readFile?: ReadFile): TlsContent {
  const certificate = readText(certFile, readFile);
  const key = readText(keyFile, readFile);
  const hash = createHash('sha256');
  for (const read of [certificate, key]) hash.update(read.ok ? `text ${read.text}\0` : `fault ${read.fault}\0`);
  return { digest: hash.digest('hex'), certificate, key };
}

/** Whether the certificate can be served at `nowMs`, with this key. */
export function checkTls(content: TlsContent, passphrase: string | undefined, nowMs: number): CheckedTls {
  const leaf = readCertificate(content.certificate, nowMs);
  const key = readKey(content.key, passphrase);
  const faults: TlsFault[] = [];
  if (typeof leaf === 'string') faults.push({ file: 'certificate', fault: leaf });
  if (typeof key === 'string') faults.push({ file: 'key', fault: key });
  if (typeof leaf === 'string' || typeof key === 'string') return { ok: false, faults };
  if (!leaf.checkPrivateKey(key)) {
    return {
      ok: false,
      faults: [{ file: 'key', fault: 'is not the key of the (first) certificate in TLS_CERT_FILE' }],
    };
  }
  return { ok: true, validTo: new Date(leaf.validTo) };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/;
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;

/** The gateway's own certificate, or what is wrong. Those after it may have expired: some issuers send such a one for old clients' sake. */
function readCertificate(read: ReadText, nowMs: number): X509Certificate | string {
  if (!read.ok) return `cannot be read: ${read.fault}`;
  const chain: X509Certificate[] = [];
  for (const pem of read.text.match(CERTIFICATE) ?? []) {
    try {
      chain.push(new X509Certificate(pem));
    } catch {
      return `has at place ${chain.length + 1} a certificate that is damaged`; // the error could quote it
    }
  }
  const [leaf] = chain;
  if (leaf === undefined) return 'has no certificate in PEM form';
  const [from, to] = [new Date(leaf.validFrom), new Date(leaf.validTo)];
  if (to.getTime() <= nowMs) return `has a certificate that has expired (on ${to.toISOString()})`;
  if (from.getTime() > nowMs) return `has a certificate that is not valid yet (not before ${from.toISOString()})`;
  return leaf;
}

function readKey(read: ReadText, passphrase: string | undefined): KeyObject | string {
  if (!read.ok) return `cannot be read: ${read.fault}`;
  if (!PRIVATE_KEY.test(read.text)) return 'has no private key in PEM form';
  const encrypted = ENCRYPTED.test(read.text);
  if (encrypted && passphrase === undefined) return 'has an encrypted key, which takes TLS_KEY_PASSPHRASE';
  try {
    return createPrivateKey({ key: read.text, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    // The error could quote it.
    return encrypted ? 'has a key that TLS_KEY_PASSPHRASE does not decrypt' : 'has a private key that is damaged';
  }
}
