/** Certificates for tests, made by openssl: each signs itself, for this machine. Knows nothing of gateways. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Made {
  readonly certFile: string;
  readonly keyFile: string;
  /** The certificate itself, for a client to trust. */
  readonly certificate: string;
}

export class Certificates {
  readonly folder = mkdtempSync(join(tmpdir(), 'passerelle-tls-'));

  /** Valid for a day from now. `name` is its common name and what its files are called. */
  make(name: string, { passphrase }: { readonly passphrase?: string } = {}): Made {
    const [certFile, keyFile] = [join(this.folder, `${name}.crt`), join(this.folder, `${name}.key`)];
    openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-keyout', keyFile],
      ...['-out', certFile, '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
      ...(passphrase === undefined ? ['-nodes'] : ['-passout', `pass:${passphrase}`]),
      ...['-days', '1'],
    );
    return { certFile, keyFile, certificate: readFileSync(certFile, 'utf8') };
  }

  /** What is in the files of the one that has been made by this name. */
  contentOf(name: string): { readonly cert: string; readonly key: string } {
    const read = (ending: string) => readFileSync(join(this.folder, `${name}.${ending}`), 'utf8');
    return { cert: read('crt'), key: read('key') };
  }

  /** A new folder beside them. */
  folderOf(name: string): string {
    const folder = join(this.folder, name);
    mkdirSync(folder);
    return folder;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
