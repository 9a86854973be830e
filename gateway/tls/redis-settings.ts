/** The settings of TLS towards Redis, which `config.ts` lists among the gateway's own, and what they become together. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import {
  type Environment,
  faultOf,
  readSettings,
  type SettingTable,
  text,
  type ValuesOf,
} from '../settings/setting.ts';
import { type ReadFile, readText } from '../settings/settings-file.ts';

export const REDIS_TLS_SETTINGS = {
  redisTlsCaFile: text<string | undefined>('REDIS_TLS_CA_FILE', undefined, {
    allowed: 'the path of a file with certificates in PEM form',
    about:
      'The authorities that have signed the certificate of Redis (or that certificate itself), in place of those that Node.js knows. Read at the start.',
    parse: (path) => ({ ok: true, value: path }),
  }),
  redisTlsCertFile: text<string | undefined>('REDIS_TLS_CERT_FILE', undefined, {
    allowed: 'the path of a file with a certificate in PEM form',
    about:
      'What the gateway shows to a Redis that asks for a certificate, as one does unless it has "tls-auth-clients no". Read at the start.',
    parse: (path) => ({ ok: true, value: path }),
  }),
  redisTlsKeyFile: text<string | undefined>('REDIS_TLS_KEY_FILE', undefined, {
    allowed: 'the path of a file with the private key of that certificate in PEM form',
    about: 'The key that goes with REDIS_TLS_CERT_FILE; neither is given without the other.',
    parse: (path) => ({ ok: true, value: path }),
  }),
} satisfies SettingTable;

/** The content of those files, as PEM. */
export interface RedisTlsFiles {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

type Field = keyof ValuesOf<typeof REDIS_TLS_SETTINGS>;

/** Reads and checks those files. `files` is undefined where none is named, or one is at fault. */
export function readRedisTls(
  env: Environment,
  redisUrl: string | undefined,
  readFile?: ReadFile,
): { readonly files: RedisTlsFiles | undefined; readonly faults: readonly string[] } {
  const { values } = readSettings(REDIS_TLS_SETTINGS, env);
  const given = (Object.keys(REDIS_TLS_SETTINGS) as Field[]).filter((field) => values[field] !== undefined);
  const fault = (field: Field, what: string) => faultOf(REDIS_TLS_SETTINGS[field], values[field] ?? '', what);
  if (given.length === 0) return { files: undefined, faults: [] };
  if (redisUrl === undefined || !/^(rediss|valkeys)[:+]/.test(redisUrl))
    return {
      files: undefined,
      faults: given.map((field) => fault(field, 'is of no use without a REDIS_URL of rediss or valkeys')),
    };

  const faults: string[] = [];
  if (values.redisTlsCertFile !== undefined && values.redisTlsKeyFile === undefined)
    faults.push(fault('redisTlsCertFile', 'is of no use without REDIS_TLS_KEY_FILE'));
  if (values.redisTlsKeyFile !== undefined && values.redisTlsCertFile === undefined)
    faults.push(fault('redisTlsKeyFile', 'is of no use without REDIS_TLS_CERT_FILE'));
  const content = (field: Field): string | undefined => {
    const path = values[field];
    if (path === undefined) return undefined;
    const read = readText(path, readFile);
    if (read.ok) return read.text;
    faults.push(fault(field, `cannot be read: ${read.fault}`));
    return undefined;
  };
  const files = { ca: content('redisTlsCaFile'), cert: content('redisTlsCertFile'), key: content('redisTlsKeyFile') };
  if (faults.length > 0) return { files: undefined, faults };
  if (files.ca !== undefined && fails(() => new X509Certificate(files.ca ?? '')))
    faults.push(fault('redisTlsCaFile', 'has no certificate in PEM form'));
  const pair = 'and REDIS_TLS_KEY_FILE are no certificate and the key that belongs to it, both in PEM form';
  if (fails(() => createSecureContext({ cert: files.cert, key: files.key })))
    faults.push(fault('redisTlsCertFile', pair));
  return { files: faults.length === 0 ? files : undefined, faults };
}

function fails(use: () => unknown): boolean {
  try {
    use();
    return false;
  } catch {
    return true; // what OpenSSL says of it is no help to anybody
  }
}
