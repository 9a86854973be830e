/**
 * The port: one app that answers on it, or with TLS one after the other, each with the certificate of its time.
 *
 * uWebSockets.js reads a certificate when an app is made and never again. So with TLS one app holds the port and answers
 * nothing; every connection that it accepts is handed to the app of the current certificate. For a new certificate a new app
 * takes its place, in one turn of the event loop: the port is never closed, no connection is refused or cut, and those that
 * stand stay with the app that they have.
 */
import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import type { Logger } from '../log.ts';
import {
  App,
  LIBUS_LISTEN_EXCLUSIVE_PORT,
  SSLApp,
  us_listen_socket_close,
  us_socket_local_port,
} from '../socket-library.ts';
import { BoundApp } from './bound-app.ts';
import { checkTls, readTlsFiles, type TlsFault, type TlsFiles } from './certificate.ts';
import { whyRefused } from './refused-port.ts';

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Whether other processes listen on the port, too, and get their share of its connections. */
  readonly shared: boolean;
  /** Undefined for plain HTTP. */
  readonly tls: TlsFiles | undefined;
  readonly log: Logger;
  readonly now: () => number;
}

/** Binds everything there is to an app. Called again for each new certificate. */
export type Bind = (app: BoundApp) => void;

/** The library's default (SO_REUSEPORT), for which it has no name. */
const SHARED_PORT = 0;

/** What there is to say of a failure may have to be found out first. */
type Opening =
  | { readonly ok: true; readonly port: number }
  | { readonly ok: false; readonly error: string | Promise<string> };

export type PortOpened = { readonly ok: true; readonly port: number } | { readonly ok: false; readonly error: string };

export class Listener {
  readonly #options: ListenerOptions;
  #bind: Bind = () => undefined;
  #socket: us_listen_socket | undefined;
  /** With TLS: what holds the port, and what answers. */
  #door: TemplatedApp | undefined;
  #answering: TemplatedApp | undefined;
  /** Every app that may have connections still. */
  readonly #apps: BoundApp[] = [];
  /** The digests of the files as they are served, as they were found last, and as they were last refused. */
  #served = '';
  #found = '';
  #refused = '';

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** After an error it may be called again. */
  listen(bind: Bind): Opening {
    const { tls, host, port, shared } = this.#options;
    this.#bind = bind;
    let app: TemplatedApp;
    if (tls === undefined) {
      app = App();
      this.#bindTo(app);
    } else {
      this.#served = readTlsFiles(tls).digest;
      const made = this.#answerWith(tls);
      if (made === undefined) return { ok: false, error: UNUSABLE };
      app = made;
    }
    app.listen(host, port, shared ? SHARED_PORT : LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
      if (socket !== false) this.#socket = socket;
    });
    if (this.#socket !== undefined) return { ok: true, port: us_socket_local_port(this.#socket) };
    this.cut();
    return { ok: false, error: whyRefused({ host, port }) }; // the library does not say why
  }

  /** Looks after the files, and serves what they have now once it is found unchanged a second time: the two are not written at once. */
  renew(): void {
    const { tls, now, log } = this.#options;
    if (tls === undefined || this.#socket === undefined) return;
    const content = readTlsFiles(tls);
    const settled = content.digest === this.#found;
    this.#found = content.digest;
    if (content.digest === this.#served) this.#refused = '';
    if (!settled || content.digest === this.#served) return;

    const checked = checkTls(content, tls.passphrase, now());
    if (!checked.ok) {
      this.#refuse(content.digest, checked.faults.map(sentence).join(' '));
      return;
    }
    const made = this.#answerWith(tls, () => readTlsFiles(tls).digest === content.digest);
    if (made === undefined) {
      this.#refuse(content.digest, UNUSABLE);
      return;
    }
    this.#served = content.digest;
    this.#refused = '';
    log.info({ validTo: checked.validTo.toISOString() }, 'new connections get the renewed TLS certificate');
  }

  /** No new connections from here on; those that stand go on. */
  close(): void {
    if (this.#socket !== undefined) us_listen_socket_close(this.#socket);
    this.#socket = undefined;
  }

  /** Cuts every connection there is, also those that wait for another request. */
  cut(): void {
    for (const app of this.#apps.splice(0)) {
      app.native.close();
      app.release();
    }
  }

  #bindTo(native: TemplatedApp): void {
    const app = new BoundApp(native);
    this.#bind(app);
    this.#apps.push(app);
  }

  /** Lets a new app with what the files have answer, and gives the app that holds the port; undefined where the library cannot. */
  #answerWith(tls: TlsFiles, unchanged = () => true): TemplatedApp | undefined {
    const next = openApp(tls);
    const door = this.#door ?? openApp(tls);
    // The library reads the files by itself, maybe later than they were checked.
    if (next === undefined || door === undefined || !unchanged()) return undefined;
    this.#bindTo(next);
    door.addChildAppDescriptor(next.getDescriptor());
    if (this.#answering !== undefined) door.removeChildAppDescriptor(this.#answering.getDescriptor());
    this.#door = door;
    this.#answering = next;
    return door;
  }

  /** Said once of each content, though it is looked at again: it may be one that is not valid yet. */
  #refuse(digest: string, reason: string): void {
    if (this.#refused === digest) return;
    this.#refused = digest;
    this.#options.log.warn({ reason }, 'the renewed TLS certificate cannot be used; the one before it stays');
  }
}

const UNUSABLE =
  'The TLS library cannot use what is in TLS_CERT_FILE and TLS_KEY_FILE. Use a certificate with an RSA key of 2048 bits or more, or an ECDSA key (P-256).';

function sentence({ file, fault }: TlsFault): string {
  return `${file === 'certificate' ? 'TLS_CERT_FILE' : 'TLS_KEY_FILE'} ${fault}.`;
}

function openApp({ certFile, keyFile, passphrase }: TlsFiles): TemplatedApp | undefined {
  try {
    return SSLApp({
      cert_file_name: certFile,
      key_file_name: keyFile,
      ...(passphrase === undefined ? {} : { passphrase }),
    });
  } catch {
    return undefined; // it says no more than that it failed
  }
}
