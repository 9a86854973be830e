/**
 * A real nginx in front of gateways, with the configuration that this project hands out: only its ports, its paths and the gateways'
 * addresses are replaced. It ends with the process that started it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ports } from '../../../broker/testing/ports.ts';
import { until } from '../../../broker/testing/until.ts';
import type { Made } from './certificates.ts';

const NGINX = '/usr/sbin/nginx';
const CONFIGURATION = fileURLToPath(new URL('../../../../infra/nginx', import.meta.url));
/** By this signal nginx takes its workers along. */
const SETPRIV = ['/usr/bin/setpriv', '--pdeathsig', 'TERM', '--'];

export interface NginxOptions {
  /** With it nginx speaks HTTPS and HTTP/2 by passerelle.conf, without it HTTP by passerelle-plain.conf. */
  readonly tls?: Made;
  /** Of each of two workers, to clients and to gateways together; 4,000 unless given. */
  readonly connections?: number;
  /** Requests below /api/ per second of one address, and at once; as handed out unless given. */
  readonly apiRequests?: number;
  /** For how long the workers of before a reload go on. */
  readonly shutdownSeconds?: number;
}

export class NginxProcess {
  readonly url: string;
  /** Where it listens for HTTP, to lead it to HTTPS; the same as `url` without TLS. */
  readonly plainUrl: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(url: string, plainUrl: string, child: ChildProcess, folder: string) {
    this.url = url;
    this.plainUrl = plainUrl;
    this.#child = child;
    this.#folder = folder;
  }

  /** Resolves once it listens. The gateways are given by their URLs. */
  static async start(gateways: readonly string[], options: NginxOptions = {}): Promise<NginxProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'passerelle-nginx-'));
    const [port, plainPort] = [await ports.free(), await ports.free()];
    writeConfiguration(folder, gateways, { port, plainPort, ...options });
    const command = [NGINX, '-p', folder, '-e', 'error.log', '-c', 'nginx.conf', '-g', 'daemon off;'];
    if (existsSync(SETPRIV[0] ?? '')) command.unshift(...SETPRIV);
    const [program = '', ...args] = command;
    const child = spawn(program, args, { stdio: 'ignore' });
    const url = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
    const plainUrl = options.tls ? `http://127.0.0.1:${plainPort}` : url;
    const nginx = new NginxProcess(url, plainUrl, child, folder);
    try {
      await until('nginx listens', () => listens(port));
    } catch (cause) {
      const log = nginx.log('error.log');
      await nginx.stop();
      throw new Error(`nginx did not start:\n${log}`, { cause });
    }
    return nginx;
  }

  /** What it has written into one of its logs: `error.log`, `passerelle.log`. */
  log(name: string): string {
    const file = join(this.#folder, name);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** Has it read its configuration anew. Resolves once new workers run and those of before are gone, with all of their connections. */
  async reload(): Promise<void> {
    const before = this.#workers();
    this.#child.kill('SIGHUP');
    await until('new workers have taken over', () => {
      const now = this.#workers();
      return now.length > 0 && now.every((pid) => !before.includes(pid));
    });
  }

  /**
   * Has it spread new connections over these gateways from now on, as an ingress controller does whose endpoints have changed. Those that stand stay
   * where they are, with the workers of before.
   */
  spreadOver(gateways: readonly string[]): void {
    writeUpstream(this.#folder, gateways);
    this.#child.kill('SIGHUP');
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await exited;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #workers(): readonly string[] {
    const { pid } = this.#child;
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Debian's /etc/nginx in a folder, with the project's files in their places. */
function writeConfiguration(
  folder: string,
  gateways: readonly string[],
  {
    port,
    plainPort,
    tls,
    connections = 4_000,
    apiRequests,
    shutdownSeconds,
  }: NginxOptions & { readonly port: number; readonly plainPort: number },
): void {
  mkdirSync(join(folder, 'conf.d'));
  cpSync(join(CONFIGURATION, 'passerelle'), join(folder, 'passerelle'), { recursive: true });
  const adapt = (from: string, to: string, changes: readonly Change[]) => writeAdapted(from, join(folder, to), changes);

  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  adapt(join(CONFIGURATION, 'nginx.conf'), 'nginx.conf', [
    ['worker_processes auto;', `worker_processes 2;${process.getuid?.() === 0 ? ' user root;' : ''}`],
    ['/run/nginx.pid', `${folder}/nginx.pid`],
    ['/var/log/nginx/error.log', `${folder}/error.log`],
    ['worker_rlimit_nofile 65536;', ''],
    ['worker_connections 30000;', `worker_connections ${connections};`],
    ['http {', `http {\n${temporary.join('\n')}`],
    ...(shutdownSeconds === undefined
      ? []
      : [['worker_shutdown_timeout 5m;', `worker_shutdown_timeout ${shutdownSeconds}s;`] as const]),
  ]);
  writeUpstream(folder, gateways);
  const server = 'passerelle/server.conf';
  adapt(join(CONFIGURATION, server), server, [
    ['/var/log/nginx/passerelle.log', `${folder}/passerelle.log`],
    ...(apiRequests === undefined ? [] : [['burst=4000', `burst=${apiRequests}`] as const]),
  ]);
  const rates = 'passerelle/gateways.conf';
  if (apiRequests !== undefined) adapt(join(CONFIGURATION, rates), rates, [['rate=2000r/s', `rate=${apiRequests}r/s`]]);
  if (tls === undefined)
    adapt(join(CONFIGURATION, 'passerelle-plain.conf'), 'conf.d/passerelle.conf', [
      ['listen 8080;', `listen 127.0.0.1:${port};`],
      ['listen [::]:8080;', ''],
    ]);
  else
    adapt(join(CONFIGURATION, 'passerelle.conf'), 'conf.d/passerelle.conf', [
      ['listen 443 ssl http2;', `listen 127.0.0.1:${port} ssl http2;`],
      ['listen [::]:443 ssl http2;', ''],
      ['listen 80;', `listen 127.0.0.1:${plainPort};`],
      ['listen [::]:80;', ''],
      ['/etc/nginx/tls/tls.crt', tls.certFile],
      ['/etc/nginx/tls/tls.key', tls.keyFile],
    ]);
}

function writeUpstream(folder: string, gateways: readonly string[]): void {
  const servers = gateways.map((url) => `server ${new URL(url).host} $1;\n`).join('');
  const file = 'passerelle/addresses.conf';
  writeAdapted(join(CONFIGURATION, file), join(folder, file), [[/(?:^server 127\.0\.0\.1:\d+ ([^;]*);\n)+/m, servers]]);
}

type Change = readonly [what: string | RegExp, by: string];

/** A copy of the file in which each of these is changed; one that is not there is a fault. */
function writeAdapted(from: string, to: string, changes: readonly Change[]): void {
  let text = readFileSync(from, 'utf8');
  for (const [what, by] of changes) {
    const changed = text.replace(what, by);
    if (changed === text) throw new Error(`${from} has no ${what}`);
    text = changed;
  }
  writeFileSync(to, text);
}
