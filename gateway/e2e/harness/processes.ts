/**
 * Starts, stops and kills real gateway processes for tests. None outlives its test: each dies with the process that started it,
 * also where that one is killed. It knows the gateway by its command line, its environment and its first line only.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from '../../../broker/testing/until.ts';

const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url));
const LISTENING = / is listening on (https?:\/\/\S+)/;
const KEPT_LINES = 200;
/** Lets the kernel kill the child when its parent ends, however that ends: an exit handler can't promise as much. */
const SETPRIV = '/usr/bin/setpriv';

/** Nobody waits for the news that one of these gateways leaves, nor are there so many clients that they had to go one by one. */
const NO_DRAIN_TIMES = { DRAIN_SETTLE_MS: '0', DRAIN_WINDOW_MS: '0' };
/** Nor is anybody turned away because this machine had something else to do. */
const NO_LAG_LIMIT = { MAX_EVENT_LOOP_LAG_MS: '0' };
/** What tests write as `Host` where they write requests by hand. */
const HOSTS = { ALLOWED_HOSTS: 'x, gateway' };
const ENVIRONMENT = {
  ...{ PATH: '/usr/bin:/bin', HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'warn' },
  ...NO_DRAIN_TIMES,
  ...NO_LAG_LIMIT,
  ...HOSTS,
};

/** For a test of what a gateway keeps. Garbage is collected early, so that it is not mistaken for that: left to itself the heap swings by up to a hundred megabytes. */
export const SMALL_HEAP = { NODE_OPTIONS: '--max-old-space-size=64 --max-semi-space-size=4' } as const;

export interface GatewayOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What to run in place of the gateway. */
  readonly main?: string;
  /** A command that runs the gateway, such as `taskset -c 0`. */
  readonly under?: readonly string[];
  readonly startLimitMs?: number;
  /** Hears every line that it writes, of both streams. */
  readonly onLine?: ((line: string) => void) | undefined;
}

export class GatewayProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #lines: readonly string[];
  /** It is gone, and all that it wrote has been read. */
  readonly #closed: Promise<unknown>;

  private constructor(url: string, child: ChildProcess, lines: readonly string[]) {
    this.url = url;
    this.#child = child;
    this.#lines = lines;
    this.#closed = once(child, 'close');
  }

  /** Resolves once it listens, on a port of its own choosing; rejects with its last lines where it does not. */
  static async start(options: GatewayOptions = {}): Promise<GatewayProcess> {
    const command = [...(options.under ?? []), process.execPath, options.main ?? MAIN];
    if (existsSync(SETPRIV)) command.unshift(SETPRIV, '--pdeathsig', 'KILL', '--');
    const [program = '', ...parameters] = command;
    const child = spawn(program, parameters, {
      // Nothing is inherited: what a test runs must not depend on the shell it was started from.
      env: { ...ENVIRONMENT, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines: string[] = [];
    try {
      return new GatewayProcess(await listening(child, lines, options), child, lines);
    } catch (cause) {
      await end(child, 'SIGKILL');
      throw new Error(`The gateway did not start:\n${lines.join('\n')}`, { cause });
    }
  }

  /** Where its internal port is, without a path; rejects where it never says so. */
  async internalUrl(): Promise<string> {
    const find = () => /^ {2}operators +(http:\/\/[^/]+)\//m.exec(this.log)?.[1];
    await until('it says where its internal port is', () => find() !== undefined);
    return find() ?? '';
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Its last lines, of both streams, as far as they have been read: what it does may be seen otherwise before it is read here. */
  get log(): string {
    return this.#lines.join('\n');
  }

  /** Resolves when it is gone and its log is whole, with its exit code; `null` where it was killed. */
  async exited(): Promise<number | null> {
    await this.#closed;
    return this.#child.exitCode;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Asks it to end, and kills it where it does not within the limit. Resolves with its exit code, `null` where it was killed. */
  async stop(limitMs = 30_000): Promise<number | null> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), limitMs);
    await end(this.#child, 'SIGTERM');
    clearTimeout(timer);
    return this.exited();
  }

  /** `kill -9`. Resolves when it is gone. */
  async kill(): Promise<void> {
    await end(this.#child, 'SIGKILL');
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

/** Reads both streams for as long as it lives, so that the process never waits for a reader. */
function listening(
  child: ChildProcess,
  lines: string[],
  { startLimitMs: limitMs = 60_000, onLine }: GatewayOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`It did not listen within ${limitMs} ms`)), limitMs);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        onLine?.(line);
        lines.push(line);
        if (lines.length > KEPT_LINES) lines.shift();
        const url = LISTENING.exec(line)?.[1];
        if (url === undefined) return;
        clearTimeout(timer);
        resolve(url);
      });
    }
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`It ended at once (${code ?? signal})`));
    });
  });
}
