/**
 * A real HAProxy in front of gateways, with the configuration that this project hands out: only its port and the gateways' addresses are
 * replaced. It ends with the process that started it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ports } from '../../../broker/testing/ports.ts';
import { until } from '../../../broker/testing/until.ts';

const HAPROXY = '/usr/sbin/haproxy';
const CONFIGURATION = fileURLToPath(new URL('../../../../infra/haproxy/haproxy.cfg', import.meta.url));
const SETPRIV = ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--'];

/** Why tests with HAProxy cannot run; undefined where they can. */
export function noHaproxy(): string | undefined {
  return existsSync(HAPROXY) ? undefined : 'haproxy is not installed (Debian package: haproxy)';
}

/** Where a gateway is, and where its internal port is; both without a path. */
export interface Served {
  readonly url: string;
  readonly internalUrl: string;
}

export class HaproxyProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(url: string, child: ChildProcess, folder: string) {
    this.url = url;
    this.#child = child;
    this.#folder = folder;
  }

  /** Resolves once it listens. */
  static async start(gateways: readonly Served[]): Promise<HaproxyProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'passerelle-haproxy-'));
    const port = await ports.free();
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, adapted(readFileSync(CONFIGURATION, 'utf8'), port, gateways));
    const command = [HAPROXY, '-db', '-f', file];
    if (existsSync(SETPRIV[0] ?? '')) command.unshift(...SETPRIV);
    const [program = '', ...args] = command;
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const haproxy = new HaproxyProcess(`http://127.0.0.1:${port}`, child, folder);
    try {
      await until('HAProxy listens', () => listens(port));
    } catch (cause) {
      await haproxy.stop();
      throw new Error(`HAProxy did not start:\n${said}`, { cause });
    }
    return haproxy;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await exited;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function adapted(given: string, port: number, gateways: readonly Served[]): string {
  const servers = gateways
    .map(({ url, internalUrl }, index) => {
      const [address, internal] = [new URL(url).host, new URL(internalUrl).port];
      return `    server gateway-${index + 1} ${address} port ${internal}\n`;
    })
    .join('');
  let text = given;
  for (const [what, by] of [
    [/^ {4}log stdout format raw daemon\n/m, ''],
    [/^ {4}maxconn 30000\n/m, '    maxconn 1000\n'],
    [/^ {4}log global\n/m, ''],
    [/^ {4}log-format .*\n/m, ''],
    [/^ {4}bind :8080\n/m, `    bind 127.0.0.1:${port}\n`],
    [/(?:^ {4}server gateway-.*\n)+/m, servers],
  ] as const) {
    if (!what.test(text)) throw new Error(`haproxy.cfg has no ${what}`);
    text = text.replace(what, by);
  }
  return text;
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
