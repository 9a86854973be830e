/**
 * The proof that no input harms anybody: conversations of nonsense with a real gateway on a real Redis, many at a time, beside
 * clients of good will. `fuzz.test.ts` runs a short form, `fuzz.e2e.ts` the full one. What is sent comes from the seed alone.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startStandalone } from '../../../broker/redis/testing/servers.ts';
import { until } from '../../../broker/testing/until.ts';
import { call } from '../harness/http-client.ts';
import { GatewayProcess, SMALL_HEAP } from '../harness/processes.ts';
import { conversation, inputsOf } from './conversation.ts';
import { AUTHENTICATION, FOR_EVERYONE, KEY } from './credentials.ts';
import { HEALTHY_NAMESPACE, Healthy } from './healthy.ts';
import { type Outcome, talk } from './talk.ts';
import { openFiles, residentBytes } from './vitals.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** At least so many: the last conversation is held whole. */
  readonly inputs: number;
  /** Only these conversations, again and again, until all inputs are sent: to find the one that did it. */
  readonly only?: readonly number[];
  readonly note: (line: string) => void;
}

export interface FuzzReport {
  /** What is wrong; empty where all is well. */
  readonly faults: readonly string[];
  readonly seed: number;
  readonly inputs: number;
  readonly frames: number;
  readonly requests: number;
  readonly conversations: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** The first conversations that broke off, by their numbers. */
  readonly broken: readonly string[];
  readonly inputsPerSecond: number;
  readonly residentMegabytes: { readonly warm: number; readonly end: number };
  readonly openFiles: { readonly begin: number; readonly end: number };
  readonly healthyPublished: number;
  readonly healthyDeliveries: number;
  readonly slowestPublishMs: number;
  readonly seconds: number;
}

const AS_SERVER = { headers: { authorization: `Bearer ${KEY}` } };
const MEGABYTE = 1_048_576;
/** Conversations at a time, and so also the most sockets that are written to slowly. */
const AT_A_TIME = 100;
/**
 * How much more memory may be resident at the end than after the first third, both with every connection closed: the
 * heap of a Node process swings by some megabytes even so. A leak of 250 bytes an input shows in 200,000 inputs, one of 10 in five million.
 */
const MAX_GROWTH_BYTES = 32 * MEGABYTE;
/** Where more conversations than this share break off before they should, the run has not sent what it says. */
const MAX_BROKEN_SHARE = 0.005;
const SETTLE_LIMIT_MS = 60_000;
/** How long memory is looked at that is still more than it may be. */
const SHRINK_LIMIT_MS = 20_000;
const SAMPLES = 8;
const SAMPLE_MS = 250;
/** Lines that no input may bring about. */
const ALARMS = /uncaught|unhandled|"level":"(error|fatal)"|a fault of the gateway/i;
const MAX_TOLD = 20;

export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-fuzz-'));
  const channelsFile = join(folder, 'channels.json');
  const few = { history: { size: 30, retention: '1m' }, rights: FOR_EVERYONE };
  const namespaces = {
    ...{ default: few, events: few, chat: few, notify: few },
    ephemeral: { rights: FOR_EVERYONE },
    [HEALTHY_NAMESPACE]: { history: { size: 1_000_000 }, rights: FOR_EVERYONE },
  };
  writeFileSync(channelsFile, JSON.stringify({ namespaces }));
  const redis = await startStandalone();
  const run = new Run(options);
  try {
    // With the smallest ring, so that memory that may be used is not mistaken for memory that is lost.
    // Nothing is kept from the gateway by its limits, nor anybody turned away for asking so much of it.
    const unlimited = {
      MAX_CONNECTS_PER_SECOND: '0',
      MAX_FRAMES_PER_SECOND: '0',
      MAX_PUBLISHES_PER_SECOND: '0',
      MAX_USER_PUBLISHES_PER_SECOND: '0',
      MAX_KEY_PUBLISHES_PER_SECOND: '0',
      MAX_ADDRESS_PUBLISHES_PER_SECOND: '0',
      MAX_PUBLISH_BYTES_PER_SECOND: '0',
      MAX_USER_PUBLISH_BYTES_PER_SECOND: '0',
      MAX_KEY_PUBLISH_BYTES_PER_SECOND: '0',
      MAX_ADDRESS_PUBLISH_BYTES_PER_SECOND: '0',
      MAX_CONNECTIONS_PER_USER: '0',
      MAX_REFUSALS: '0',
      MAX_EVENT_LOOP_LAG_MS: '0',
    };
    const memory = { CHANNELS_FILE: channelsFile, RING_BYTES: `${MEGABYTE}`, ...SMALL_HEAP };
    return await run.report({ REDIS_URL: redis.url, ...AUTHENTICATION, ...memory, ...unlimited });
  } finally {
    await run.end();
    await redis.stop();
    rmSync(folder, { recursive: true });
  }
}

class Run {
  readonly #options: FuzzOptions;
  readonly #faults: string[] = [];
  readonly #inputs = { websocket: 0, http: 0 };
  readonly #outcomes: Record<Outcome, number> = { whole: 0, cut: 0, unanswered: 0, refused: 0 };
  readonly #active = new Set<number>();
  readonly #broken: string[] = [];
  readonly #startedAt = Date.now();
  #gateway: GatewayProcess | undefined;
  #healthy: Healthy | undefined;
  #next = 0;
  #alarms = 0;

  constructor(options: FuzzOptions) {
    this.#options = options;
  }

  async report(env: Readonly<Record<string, string>>): Promise<FuzzReport> {
    const gateway = await GatewayProcess.start({ env, onLine: (line) => this.#read(line) });
    this.#gateway = gateway;
    const { pid } = gateway;
    const healthy = new Healthy(gateway.url);
    this.#healthy = healthy;
    await healthy.start();
    const begin = openFiles(pid);

    const { inputs } = this.#options;
    await this.#send(gateway, inputs / 3);
    const warm = await this.#settled(gateway, healthy);
    this.#options.note(`${this.#sent()} inputs after ${this.#seconds()} s; ${megabytes(warm)} MB resident`);
    const sendingSince = Date.now();
    const before = this.#sent();
    await this.#send(gateway, inputs);
    const inputsPerSecond = Math.round(((this.#sent() - before) * 1_000) / (Date.now() - sendingSince));
    const end = await this.#settled(gateway, healthy, warm + MAX_GROWTH_BYTES);
    if (end - warm > MAX_GROWTH_BYTES)
      this.#fault(
        `the process grew from ${megabytes(warm)} to ${megabytes(end)} MB, by more than ${megabytes(MAX_GROWTH_BYTES)}`,
      );
    if (!gateway.running) this.#fault(`the gateway has ended:\n${gateway.log.slice(-2_000)}`);
    const files = await this.#filesBack(gateway, begin);
    const { faults, published, deliveries, slowestPublishMs } = await healthy.verdict();
    for (const fault of faults) this.#fault(fault);
    this.#judgeOutcomes();
    return {
      faults: this.#faults,
      seed: this.#options.seed,
      inputs: this.#sent(),
      frames: this.#inputs.websocket,
      requests: this.#inputs.http,
      conversations: this.#next,
      outcomes: this.#outcomes,
      broken: this.#broken,
      inputsPerSecond,
      residentMegabytes: { warm: megabytes(warm), end: megabytes(end) },
      openFiles: { begin, end: files },
      healthyPublished: published,
      healthyDeliveries: deliveries,
      slowestPublishMs,
      seconds: this.#seconds(),
    };
  }

  async end(): Promise<void> {
    const gateway = this.#gateway;
    // First, as an ended gateway settles every request that still waits for an answer.
    await gateway?.kill();
    await this.#healthy?.stop();
  }

  /** Holds conversations until so many inputs were sent in all, or the gateway is gone. */
  async #send(gateway: GatewayProcess, goal: number): Promise<void> {
    const url = new URL(gateway.url);
    let told = Date.now();
    const worker = async () => {
      while (this.#sent() < goal && gateway.running) {
        await this.#hold(url);
        if (Date.now() - told < 30_000) continue;
        told = Date.now();
        this.#options.note(
          `${this.#sent()} inputs after ${this.#seconds()} s; ${megabytes(residentBytes(gateway.pid))} MB resident`,
        );
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  }

  async #hold(url: URL): Promise<void> {
    const { seed, only } = this.#options;
    const index = only?.[this.#next % only.length] ?? this.#next;
    this.#next++;
    const held = conversation(seed, index);
    this.#inputs[held.kind] += inputsOf(held);
    this.#active.add(index);
    const outcome = await talk(url, held);
    this.#outcomes[outcome]++;
    if (outcome !== 'whole' && this.#broken.length < MAX_TOLD) this.#broken.push(`${index} ${outcome}`);
    // Whatever ended the gateway was under way then, so these stay for the verdict to name.
    if (this.#gateway?.running === true && outcome !== 'refused') this.#active.delete(index);
  }

  /** The lowest resident memory once nothing of the fuzzer is left in the gateway; sampled for longer while it is over `wanted`. */
  async #settled(gateway: GatewayProcess, healthy: Healthy, wanted = Number.POSITIVE_INFINITY): Promise<number> {
    if (!gateway.running) return 0;
    const left = async () => {
      const { active_connections } = fields((await call(`${gateway.url}/stats`)).json);
      const { channels } = fields((await call(`${gateway.url}/api/channels`, AS_SERVER)).json);
      const names = Array.isArray(channels) ? channels.map((each) => String(fields(each).channel)) : ['?'];
      return { connections: Number(active_connections) - healthy.connections, names: names.filter(isFuzzed) };
    };
    const clean = async () => {
      const { connections, names } = await left();
      return connections <= 0 && names.length === 0;
    };
    await until('nothing of the fuzzer is left', clean, SETTLE_LIMIT_MS).catch(async () => {
      if (gateway.running) this.#fault(`left behind: ${JSON.stringify(await left())}`.slice(0, 1_000));
    });
    let low = Number.POSITIVE_INFINITY;
    for (let i = 0; (i < SAMPLES || (low > wanted && i < SHRINK_LIMIT_MS / SAMPLE_MS)) && gateway.running; i++) {
      low = Math.min(low, residentBytes(gateway.pid));
      await sleep(SAMPLE_MS);
    }
    return low;
  }

  async #filesBack(gateway: GatewayProcess, begin: number): Promise<number> {
    if (!gateway.running) return 0;
    // One connection of the publisher's HTTP may be open or not.
    await until('its files are as many as before', () => openFiles(gateway.pid) <= begin + 1, SETTLE_LIMIT_MS).catch(
      () => this.#fault(`${openFiles(gateway.pid)} files are open, and ${begin} were before`),
    );
    return openFiles(gateway.pid);
  }

  #judgeOutcomes(): void {
    const { cut, unanswered, refused } = this.#outcomes;
    const broken = cut + unanswered + refused;
    if (broken > this.#next * MAX_BROKEN_SHARE || unanswered > 0)
      this.#fault(`${broken} of ${this.#next} conversations broke off: ${this.#broken.join(', ')}`);
    if (this.#faults.length > 0 && this.#active.size > 0)
      this.#fault(`under way when the gateway ended: --only ${[...this.#active].slice(0, 2 * AT_A_TIME).join(',')}`);
  }

  #read(line: string): void {
    if (ALARMS.test(line) && ++this.#alarms <= MAX_TOLD)
      this.#fault(`logged: ${line.slice(0, 1_500)}
while these were under way: --only ${[...this.#active].join(',')}`);
  }

  #fault(text: string): void {
    this.#faults.push(text);
  }

  #sent(): number {
    return this.#inputs.websocket + this.#inputs.http;
  }

  #seconds(): number {
    return Math.round((Date.now() - this.#startedAt) / 100) / 10;
  }
}

function isFuzzed(channel: string): boolean {
  return !channel.startsWith(`${HEALTHY_NAMESPACE}:`);
}

function megabytes(bytes: number): number {
  return Math.round(bytes / MEGABYTE);
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
