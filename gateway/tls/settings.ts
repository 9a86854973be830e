/** The settings of TLS, which `config.ts` lists among the gateway's own, and what they become together. */
import {
  type Environment,
  faultOf,
  matching,
  readSettings,
  type Setting,
  type SettingTable,
  text,
  type ValuesOf,
} from '../settings/setting.ts';
import type { ReadFile } from '../settings/settings-file.ts';
import { checkTls, readTlsFiles, type TlsFiles } from './certificate.ts';

export const TLS_SETTINGS = {
  tlsCertFile: text<string | undefined>('TLS_CERT_FILE', undefined, {
    allowed: 'the path of a file with a certificate in PEM form, followed by those that lead to its root',
    about:
      'With it, and TLS_KEY_FILE, the gateway serves https and wss itself (TLS 1.2 or later) and nothing in the clear. Both files are looked at every few seconds: a renewed certificate is used for new connections, those that stand go on.',
    parse: (path) => ({ ok: true, value: path }),
  }),
  tlsKeyFile: text<string | undefined>('TLS_KEY_FILE', undefined, {
    allowed: 'the path of a file with the private key of that certificate in PEM form',
    about: 'The key that goes with TLS_CERT_FILE; neither is given without the other.',
    parse: (path) => ({ ok: true, value: path }),
  }),
  tlsKeyPassphrase: text<string | undefined>('TLS_KEY_PASSPHRASE', undefined, {
    secret: true,
    allowed: '1 to 256 characters in one line, with no space at either end',
    about: 'What decrypts the private key in TLS_KEY_FILE, where that is encrypted.',
    parse: matching(/^\P{Cc}{1,256}$/u, 'has a control character, or is too long'),
  }),
} satisfies SettingTable;

type Values = ValuesOf<typeof TLS_SETTINGS>;

/** Reads the settings of TLS, and checks the files that they name. `tls` is undefined where it is not asked for, or at fault. */
export function readTls(
  env: Environment,
  nowMs: number,
  readFile?: ReadFile,
): { readonly tls: TlsFiles | undefined; readonly faults: readonly string[] } {
  const { values, faults: own } = readSettings(TLS_SETTINGS, env);
  const { tlsCertFile: certFile, tlsKeyFile: keyFile, tlsKeyPassphrase: passphrase } = values;
  if (certFile === undefined || keyFile === undefined) {
    return { tls: undefined, faults: [...own, ...withoutTheOther(values)] };
  }
  const files: TlsFiles = Object.freeze({ certFile, keyFile, passphrase });
  // A passphrase that can't be used has been told of, and a key that it would decrypt need not be.
  if (own.length > 0) return { tls: undefined, faults: [...own, ...unreadable(files, readFile)] };
  const checked = checkTls(readTlsFiles(files, readFile), passphrase, nowMs);
  if (checked.ok) return { tls: files, faults: [] };
  const faults = checked.faults.map(({ file, fault }) => {
    const [setting, path] =
      file === 'certificate' ? [TLS_SETTINGS.tlsCertFile, certFile] : [TLS_SETTINGS.tlsKeyFile, keyFile];
    return faultOf(setting, path, fault);
  });
  return { tls: undefined, faults };
}

function unreadable(files: TlsFiles, readFile?: ReadFile): readonly string[] {
  const { certificate, key } = readTlsFiles(files, readFile);
  return [
    ...(certificate.ok
      ? []
      : [faultOf(TLS_SETTINGS.tlsCertFile, files.certFile, `cannot be read: ${certificate.fault}`)]),
    ...(key.ok ? [] : [faultOf(TLS_SETTINGS.tlsKeyFile, files.keyFile, `cannot be read: ${key.fault}`)]),
  ];
}

function withoutTheOther({ tlsCertFile, tlsKeyFile, tlsKeyPassphrase }: Values): readonly string[] {
  const useless = (setting: Setting<unknown>, value: string | undefined, other: string) =>
    value === undefined ? [] : [faultOf(setting, value, `is of no use without ${other}`)];
  return [
    ...useless(TLS_SETTINGS.tlsCertFile, tlsCertFile, 'TLS_KEY_FILE'),
    ...useless(TLS_SETTINGS.tlsKeyFile, tlsKeyFile, 'TLS_CERT_FILE'),
    ...useless(TLS_SETTINGS.tlsKeyPassphrase, tlsKeyPassphrase, 'TLS_CERT_FILE and TLS_KEY_FILE'),
  ];
}
