/**
 * The proof of an exact resume: gateways on one Redis, subscribers whose connections are cut at random and who come back
 * elsewhere, publishers that retry with a key, and gateways killed with SIGKILL meanwhile. What was acknowledged must have
 * arrived everywhere once and in order. `resume.test.ts` runs a short form, `resume.e2e.ts` the full one.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { comparePositions } from '../../../broker/broker.ts';
import { startStandalone } from '../../../broker/redis/testing/servers.ts';
import { check, type Violation } from './checker.ts';
import { readHistory } from './history.ts';
import { makePlan, type Plan, type PlanOptions, Random } from './plan.ts';
import { GatewayProcess } from './processes.ts';
import { Publishing } from './publishing.ts';
import { type Route, SseSubscriber, type SubscriberOptions, WsSubscriber } from './subscribers.ts';

export interface ResumeOptions extends PlanOptions {
  readonly eventsPerSecond: number;
  /** The whole run: what has not arrived by then counts as missing. */
  readonly limitMs: number;
  readonly note: (line: string) => void;
}

export interface ResumeReport {
  readonly violations: readonly Violation[];
  readonly seed: number;
  readonly events: number;
  readonly acknowledged: number;
  readonly deliveries: number;
  readonly cuts: number;
  readonly reconnects: number;
  readonly kills: number;
  /** Subscriptions continued on a new connection, all of them and those that were behind the channel's last event. */
  readonly resumes: number;
  readonly replays: number;
  readonly gaps: number;
  readonly retries: number;
  readonly duplicatesAnswered: number;
  readonly seconds: number;
  /** Frames that no subscriber should have got, and the last lines of gateways that ended on their own. */
  readonly complaints: readonly string[];
}

/** How long a killed gateway stays away. */
const DOWN_MS = 400;
/** Where nothing at all arrives for so long, nothing will any more. */
const STALL_MS = 30_000;

export async function runResume(options: ResumeOptions): Promise<ResumeReport> {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-resume-'));
  const channelsFile = join(folder, 'channels.json');
  // Nothing may be trimmed: whatever a subscriber missed must be there when it comes back.
  const history = { size: options.events + 1_000, retention: '1h' };
  writeFileSync(channelsFile, JSON.stringify({ namespaces: { load: { history } } }));
  const redis = await startStandalone();
  const run = new Run(options, { REDIS_URL: redis.url, CHANNELS_FILE: channelsFile });
  try {
    return await run.report();
  } finally {
    await run.end();
    await redis.stop();
    rmSync(folder, { recursive: true });
  }
}

class Run {
  readonly #options: ResumeOptions;
  readonly #plan: Plan;
  readonly #env: Readonly<Record<string, string>>;
  readonly #gateways: GatewayProcess[] = [];
  readonly #subscribers: (WsSubscriber | SseSubscriber)[];
  readonly #publishing: Publishing;
  readonly #abort = new AbortController();
  readonly #startedAt = Date.now();
  readonly #complaints: string[] = [];
  readonly #restarts: Promise<void>[] = [];
  readonly #joined = new Set<number>();
  #done = 0;
  #cuts = 0;
  #kills = 0;
  #replays = 0;

  constructor(options: ResumeOptions, env: Readonly<Record<string, string>>) {
    this.#options = options;
    this.#plan = makePlan(options);
    this.#env = env;
    this.#publishing = new Publishing({
      requests: this.#plan.requests,
      urls: () => this.#urls(),
      eventsPerSecond: options.eventsPerSecond,
      signal: this.#abort.signal,
      onProgress: (acknowledged) => this.#disturb(acknowledged),
    });
    const route = this.#route(new Random(options.seed + 1));
    this.#subscribers = this.#plan.subscribers.map(({ name, transport, channels, from }) => {
      const own: SubscriberOptions = { name, channels, from, route, onResume: (...at) => this.#resumed(...at) };
      return transport === 'ws' ? new WsSubscriber(own) : new SseSubscriber(own);
    });
  }

  async report(): Promise<ResumeReport> {
    for (let index = 0; index < this.#options.gateways; index++) this.#gateways.push(await this.#gateway());
    this.#join(0);
    await this.#until('every subscriber is subscribed', () =>
      this.#subscribers.every((subscriber, index) => !this.#joined.has(index) || subscriber.begun),
    );
    const limit = setTimeout(() => this.#abort.abort(), this.#leftMs());
    await this.#publishing.run();
    clearTimeout(limit);
    if (this.#publishing.acknowledged < this.#options.events)
      this.#complaints.push(`Only ${this.#publishing.acknowledged} events were acknowledged`);
    await Promise.all(this.#restarts);
    this.#options.note(`all is acknowledged after ${this.#seconds()} s`);
    await this.#until('every subscriber has every last event', () => this.#behind() === 0);
    return this.#judge();
  }

  async end(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#subscribers.map((subscriber) => subscriber.stop()));
    await Promise.allSettled(this.#restarts);
    await Promise.all(this.#gateways.map((gateway) => gateway.kill()));
  }

  async #judge(): Promise<ResumeReport> {
    // What each gateway tells of the history is held to the same rules: it must be the same story.
    const stored = await Promise.all(
      this.#urls().map((url, index) => readHistory(url, `history by gateway ${index}`, this.#plan.channels)),
    );
    const received = this.#subscribers.flatMap((subscriber) => subscriber.subscriptions());
    const verdict = check(this.#publishing.publishes(), [...received, ...stored.flat()]);
    for (const { name, complaints } of this.#subscribers)
      this.#complaints.push(...complaints.map((complaint) => `${name}: ${complaint}`));
    return {
      violations: verdict.violations,
      seed: this.#options.seed,
      events: verdict.published,
      acknowledged: verdict.acknowledged,
      deliveries: verdict.deliveries - stored.flat().reduce((sum, { items }) => sum + items.length, 0),
      cuts: this.#cuts,
      reconnects: this.#subscribers.reduce((sum, { reconnects }) => sum + reconnects, 0),
      kills: this.#kills,
      resumes: verdict.resumes,
      replays: this.#replays,
      gaps: verdict.gaps,
      retries: this.#publishing.retries,
      duplicatesAnswered: this.#publishing.duplicates,
      seconds: this.#seconds(),
      complaints: this.#complaints,
    };
  }

  #gateway(): Promise<GatewayProcess> {
    return GatewayProcess.start({ env: this.#env });
  }

  #urls(): string[] {
    return this.#gateways.map((gateway) => gateway.url);
  }

  #route(random: Random): Route {
    return {
      next: (last) => {
        const others = this.#urls().filter((url) => url !== last);
        return random.pick(others.length > 0 ? others : this.#urls());
      },
      backoffMs: () => 5 + random.below(100),
    };
  }

  /** Does what is planned for this moment. */
  #disturb(acknowledged: number): void {
    this.#join(acknowledged);
    for (let next = this.#plan.disturbances[this.#done]; next && next.at < acknowledged; ) {
      if (next.kind === 'kill') this.#restarts.push(this.#killAndRestart(next.gateway));
      else {
        this.#subscribers[next.subscriber]?.cut();
        this.#cuts++;
      }
      next = this.#plan.disturbances[++this.#done];
    }
    if (acknowledged % 10_000 === 0) this.#options.note(`${acknowledged} events after ${this.#seconds()} s`);
  }

  #join(acknowledged: number): void {
    this.#plan.subscribers.forEach(({ joinsAt, gateway }, index) => {
      const url = this.#gateways[gateway]?.url;
      if (joinsAt > acknowledged || this.#joined.has(index) || url === undefined) return;
      this.#joined.add(index);
      this.#subscribers[index]?.start(url);
    });
  }

  async #killAndRestart(index: number): Promise<void> {
    const gateway = this.#gateways[index];
    if (gateway === undefined) return;
    if (!gateway.running) this.#complaints.push(`gateway ${index} had ended on its own:\n${gateway.log}`);
    await gateway.kill();
    this.#kills++;
    await new Promise((resolve) => setTimeout(resolve, DOWN_MS));
    this.#gateways[index] = await this.#gateway();
    this.#options.note(`gateway ${index} was killed and is back after ${this.#seconds()} s`);
  }

  #resumed(channel: string, position: string): void {
    const head = this.#publishing.heads.get(channel);
    if (head !== undefined && comparePositions(position, head) < 0) this.#replays++;
  }

  /** How many subscriptions have not reached the last event of their channel. */
  #behind(): number {
    const behind = this.#subscribers.flatMap((subscriber) =>
      subscriber.channels.filter((channel) => {
        const head = this.#publishing.heads.get(channel);
        return head !== undefined && !subscriber.reached(channel, head);
      }),
    );
    return behind.length;
  }

  /** Waits for the condition, or until nothing moves any more or time is up: what is missing then is the checker's to tell. */
  async #until(what: string, holds: () => boolean): Promise<void> {
    let received = -1;
    let movedAt = Date.now();
    while (!holds()) {
      const now = this.#subscribers.reduce((sum, subscriber) => sum + subscriber.received, 0);
      if (now !== received) movedAt = Date.now();
      received = now;
      const stalled = Date.now() - movedAt > STALL_MS;
      if (stalled || this.#leftMs() <= 0) {
        this.#complaints.push(
          `${stalled ? `Nothing moved for ${STALL_MS}` : `Not within ${this.#options.limitMs}`} ms: ${what}`,
        );
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  #leftMs(): number {
    return this.#startedAt + this.#options.limitMs - Date.now();
  }

  #seconds(): number {
    return Math.round((Date.now() - this.#startedAt) / 100) / 10;
  }
}
