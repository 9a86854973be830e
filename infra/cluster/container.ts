/**
 * One container of a pod as a kubelet runs it, but as a plain process: started, probed, started again when it ends, and ended by the pause
 * before SIGTERM, SIGTERM, and SIGKILL when the grace period is over. It knows no API server; whoever made it is told when its state changes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string | number };
  readonly initialDelaySeconds?: number;
  readonly periodSeconds?: number;
  readonly timeoutSeconds?: number;
  readonly failureThreshold?: number;
}

export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
}

export interface ContainerOptions {
  readonly spec: ContainerSpec;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly address: string;
  readonly onChange: () => void;
}

export interface Termination {
  /** `null` where it was killed. */
  readonly exitCode: number | null;
  readonly startedAt: string;
  readonly finishedAt: string;
  /** The last lines of its log. */
  readonly message: string;
}

const BACKOFF_MS = [1_000, 2_000, 5_000, 10_000];
const KEPT_LINES = 80;

export class RunningContainer {
  readonly #options: ContainerOptions;
  readonly log: string[] = [];
  restarts = 0;
  /** Undefined while it waits to be started again. */
  startedAt: string | undefined;
  started = false;
  ready = false;
  last: Termination | undefined;
  #child: ChildProcess | undefined;
  #ending = false;
  readonly #ended: Promise<void>;

  constructor(options: ContainerOptions) {
    this.#options = options;
    this.#ended = this.#run();
  }

  /** By the rules: it serves on during the pause, then has what is left of the grace period. Resolves with how it ended. */
  async end(graceSeconds: number): Promise<Termination | undefined> {
    const deadline = Date.now() + graceSeconds * 1_000;
    const pause = this.#options.spec.lifecycle?.preStop?.sleep?.seconds ?? 0;
    if (this.#child !== undefined) await sleep(Math.min(pause, graceSeconds) * 1_000);
    this.#ending = true;
    this.#child?.kill('SIGTERM');
    const kill = setTimeout(() => this.#child?.kill('SIGKILL'), Math.max(0, deadline - Date.now()));
    await this.#ended;
    clearTimeout(kill);
    return this.last;
  }

  async #run(): Promise<void> {
    while (!this.#ending) {
      const child = this.#start();
      const probing = new AbortController();
      void this.#probe(child, probing.signal);
      const [exitCode] = await once(child, 'close');
      probing.abort();
      this.#child = undefined;
      this.last = {
        exitCode,
        startedAt: this.startedAt ?? '',
        finishedAt: new Date().toISOString(),
        message: this.log.slice(-10).join('\n'),
      };
      this.startedAt = undefined;
      this.started = false;
      this.ready = false;
      if (this.#ending) return;
      this.#options.onChange();
      await sleep(BACKOFF_MS[Math.min(this.restarts, BACKOFF_MS.length - 1)]);
      this.restarts++;
    }
  }

  #start(): ChildProcess {
    const { command, env, onChange } = this.#options;
    const child = spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', '--', ...command], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        this.log.push(line);
        if (this.log.length > KEPT_LINES) this.log.shift();
      });
    this.#child = child;
    this.startedAt = new Date().toISOString();
    onChange();
    return child;
  }

  async #probe(child: ChildProcess, signal: AbortSignal): Promise<void> {
    const { startupProbe, livenessProbe, readinessProbe } = this.#options.spec;
    if (startupProbe) await this.#watch(startupProbe, signal, (healthy) => (healthy ? 'enough' : 'kill'));
    if (signal.aborted) return;
    this.started = true;
    this.#options.onChange();
    const kill = () => 'kill' as const;
    const goOn = () => 'go on' as const;
    const outcomes = [
      livenessProbe && this.#watch(livenessProbe, signal, (healthy) => (healthy ? goOn() : kill())),
      readinessProbe &&
        this.#watch(readinessProbe, signal, (healthy) => {
          if (this.ready !== healthy) {
            this.ready = healthy;
            this.#options.onChange();
          }
          return goOn();
        }),
    ];
    if (!readinessProbe) this.ready = true;
    await Promise.all(outcomes);
    if (!signal.aborted) child.kill('SIGKILL');
  }

  /** Asks until `decide`, told of each success and of each failure past the threshold, has enough, or the process is to be killed. */
  async #watch(
    probe: Probe,
    signal: AbortSignal,
    decide: (healthy: boolean) => 'enough' | 'kill' | 'go on',
  ): Promise<void> {
    const { httpGet, periodSeconds = 10, timeoutSeconds = 1, failureThreshold = 3, initialDelaySeconds = 0 } = probe;
    const port =
      this.#options.spec.ports.find(({ name }) => name === httpGet.port)?.containerPort ?? Number(httpGet.port);
    const url = `http://${this.#options.address}:${port}${httpGet.path}`;
    let failures = 0;
    await pause(initialDelaySeconds * 1_000, signal);
    while (!signal.aborted) {
      const healthy = await answers(url, timeoutSeconds * 1_000);
      if (signal.aborted) return;
      failures = healthy ? 0 : failures + 1;
      if (healthy || failures >= failureThreshold) {
        const decision = decide(healthy);
        if (decision === 'enough') return;
        if (decision === 'kill') this.#child?.kill('SIGKILL');
      }
      await pause(periodSeconds * 1_000, signal);
    }
  }
}

function answers(url: string, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = get(url, { agent: false, timeout: timeoutMs }, (response) => {
      response.resume();
      resolve((response.statusCode ?? 0) >= 200 && (response.statusCode ?? 0) < 400);
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
  });
}

/** Ends early where the signal is given. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
