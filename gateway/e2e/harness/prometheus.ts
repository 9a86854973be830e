/**
 * A real Prometheus that scrapes gateways, with the configuration and the rules that this project hands out: only its targets and how often it
 * looks are replaced. It dies with the process that started it.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ports } from '../../../broker/testing/ports.ts';
import { until } from '../../../broker/testing/until.ts';
import { call } from './http-client.ts';

const CONFIGURATION = fileURLToPath(new URL('../../../../infra/prometheus', import.meta.url));
const SETPRIV = ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--'];
const SCRAPE_MS = 500;
/** What Grafana would make of `$__rate_interval`: four scrapes at least. */
export const RATE_WINDOW = `${6 * SCRAPE_MS}ms`;

/** Why tests with Prometheus cannot run; undefined where they can. */
export function noPrometheus(): string | undefined {
  const missing = ['prometheus', 'promtool'].filter((program) => spawnSync(program, ['--version']).error !== undefined);
  return missing.length === 0 ? undefined : `${missing.join(' and ')} not installed (Debian package: prometheus)`;
}

/** Runs promtool in the folder of what is handed out. Resolves with what it said, rejects with it where it found a fault. */
export async function promtool(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('promtool', args, { cwd: CONFIGURATION });
  return stdout;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class PrometheusProcess {
  readonly #url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(url: string, child: ChildProcess, folder: string) {
    this.#url = url;
    this.#child = child;
    this.#folder = folder;
  }

  /** Resolves once every gateway, given by its URL, was scraped. */
  static async start(gateways: readonly string[]): Promise<PrometheusProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'passerelle-prometheus-'));
    cpSync(join(CONFIGURATION, 'alerts.yml'), join(folder, 'alerts.yml'));
    const given = readFileSync(join(CONFIGURATION, 'prometheus.yml'), 'utf8');
    const targets = gateways.map((url) => `          - ${new URL(url).host}\n`).join('');
    const adapted = given
      .replaceAll(/_interval: 15s/g, `_interval: ${SCRAPE_MS}ms`)
      .replace(/(?: +- gateway-\d:9080\n)+/, targets);
    if (!adapted.includes(targets)) throw new Error('prometheus.yml has another form than is expected here');
    writeFileSync(join(folder, 'prometheus.yml'), adapted);

    const url = `http://127.0.0.1:${await ports.free()}`;
    const command = [
      ...(existsSync(SETPRIV[0] ?? '') ? SETPRIV : []),
      'prometheus',
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=${new URL(url).host}`,
      '--log.level=warn',
    ];
    const [program = '', ...args] = command;
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr?.on('data', (chunk) => {
      log = `${log}${chunk}`.slice(-4_000);
    });
    const prometheus = new PrometheusProcess(url, child, folder);
    try {
      await until('every gateway was scraped', async () => {
        const up = await prometheus.query('up');
        return up.length === gateways.length && up.every(({ value }) => value === 1);
      });
    } catch (cause) {
      await prometheus.stop();
      throw new Error(`Prometheus did not start:\n${log}`, { cause });
    }
    return prometheus;
  }

  /** What an expression is now, one sample for each series. */
  async query(expression: string): Promise<readonly Sample[]> {
    const data = await this.#ask(`query?query=${encodeURIComponent(expression)}`);
    const { result } = data as { result: { metric: Record<string, string>; value: [number, string] }[] };
    return result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
  }

  /** Every rule, with whether it could be evaluated. */
  async rules(): Promise<readonly { readonly name: string; readonly health: string }[]> {
    const { groups } = (await this.#ask('rules')) as { groups: { rules: { name: string; health: string }[] }[] };
    return groups.flatMap(({ rules }) => rules);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await exited;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ask(path: string): Promise<unknown> {
    const { json, text } = await call(`${this.#url}/api/v1/${path}`);
    const { status, data } = (json ?? {}) as { status?: unknown; data?: unknown };
    if (status !== 'success') throw new Error(`Prometheus: ${path}: ${text}`);
    return data;
  }
}
