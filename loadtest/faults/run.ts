/**
 * One run over one form of Redis: publishers and subscribers at work, faults injected by the plan, and in the end the checker's verdict
 * over all that was recorded.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../broker/testing/until.ts';
import { check, type History, type Verdict, type Violation } from '../../gateway/e2e/harness/checker.ts';
import { readHistory } from '../../gateway/e2e/harness/history.ts';
import { findStalls } from '../../gateway/e2e/harness/liveness.ts';
import { type PlannedRequest, Random } from '../../gateway/e2e/harness/plan.ts';
import { Publishing } from '../../gateway/e2e/harness/publishing.ts';
import { type Route, SseSubscriber, WsSubscriber } from '../../gateway/e2e/harness/subscribers.ts';
import { faultsOf } from './catalogue.ts';
import type { Form } from './fault.ts';
import { Members } from './members.ts';
import {
  closingRequests,
  type PlannedFault,
  type PlannedSubscriber,
  planFaults,
  planRequests,
  planSubscribers,
} from './plan.ts';
import { readSurviving } from './surviving.ts';
import { CHANNELS, KEPT, TRIMMED, World } from './world.ts';

export interface FaultRunOptions {
  readonly form: Form;
  readonly faults: number;
  readonly seed: number;
  readonly subscribers: number;
  readonly eventsPerSecond: number;
  /** Faults whose names contain this are left out; none unless given. */
  readonly without?: string;
  readonly note: (line: string) => void;
}

export interface FaultCount {
  readonly fault: string;
  /** How often it was injected and took hold. */
  readonly injected: number;
  /** How often it was planned and did not take hold: those count for nothing. */
  readonly withoutEffect: number;
  /** Violations about events of the time in which it was at work, or shortly after. */
  readonly violations: number;
}

export interface FaultReport extends Omit<Verdict, 'violations'> {
  readonly form: Form;
  readonly seed: number;
  readonly injected: number;
  readonly faults: readonly FaultCount[];
  readonly violations: readonly Violation[];
  /** What else should not have happened. */
  readonly complaints: readonly string[];
  readonly subscribers: { readonly ws: number; readonly sse: number };
  readonly reconnects: number;
  /** Attempts to publish after the first, and those after which it was not known whether the event was stored. */
  readonly retries: number;
}

/** Many of them may wait for an answer that will not come. */
const WORKERS = 64;
/** Longer than a gateway waits for Redis. */
const REQUEST_LIMIT_MS = 2_500;
/** A subscriber gives up a connection on which it hears nothing for so long; gateways speak every second. */
const SILENCE_LIMIT_MS = 3_000;
/** After the last fault: for all to be published, and then to arrive. */
const SETTLE_LIMIT_MS = 60_000;
/**
 * So far behind a subscriber may be while events go on being published: longer than a client needs that a gateway and then its own link left in the
 * lurch, each for as long as faults do, and that comes back to a machine which is busy.
 */
const BEHIND_LIMIT_MS = 20_000;
/** Where nothing is acknowledged for longer, that time does not count. */
const PAUSE_MS = 250;
/** Members that come and go. */
const MEMBERS = 9;
/** How far Redis is from the gateways: in the same machine, or in another zone. */
const REDIS_DELAYS_MS = [0, 5];
/** For so long after its end a fault is still held to be what a violation is about. */
const AFTERMATH_MS = 3_000;

export async function runFaults(options: FaultRunOptions): Promise<FaultReport> {
  const redisDelayMs = new Random(options.seed + 4).pick(REDIS_DELAYS_MS);
  if (options.form === 'standalone') options.note(`Redis is ${redisDelayMs} ms away`);
  const world = await World.start(options.form, redisDelayMs);
  const run = new Run(options, world);
  try {
    return await run.report();
  } finally {
    await run.end();
    await world.stop();
  }
}

interface Injection {
  readonly name: string;
  readonly from: number;
  readonly until: number;
  readonly tookHold: boolean;
}

class Run {
  readonly #options: FaultRunOptions;
  readonly #world: World;
  readonly #planned: readonly PlannedSubscriber[];
  readonly #subscribers: readonly (WsSubscriber | SseSubscriber)[];
  readonly #joined = new Set<number>();
  readonly #publishing: Publishing;
  readonly #members: Members;
  readonly #abort = new AbortController();
  readonly #injections: Injection[] = [];
  #closing = false;

  constructor(options: FaultRunOptions, world: World) {
    const { seed, faults, subscribers, eventsPerSecond } = options;
    this.#options = options;
    this.#world = world;
    this.#planned = planSubscribers(CHANNELS, subscribers, faults, seed + 1);
    const random = new Random(seed + 2);
    const route: Route = { next: () => world.url, backoffMs: () => 20 + random.below(200) };
    this.#subscribers = this.#planned.map(({ name, transport, channels, from }) => {
      const own = { name: `${name} (${transport})`, channels, from, route, silenceLimitMs: SILENCE_LIMIT_MS };
      return transport === 'ws' ? new WsSubscriber(own) : new SseSubscriber(own);
    });
    this.#publishing = new Publishing({
      requests: this.#requests(),
      urls: () => [world.url],
      eventsPerSecond,
      workers: WORKERS,
      requestLimitMs: REQUEST_LIMIT_MS,
      signal: this.#abort.signal,
      onProgress: () => undefined,
    });
    this.#members = new Members({
      count: MEMBERS,
      seed: seed + 5,
      url: world.url,
      silenceLimitMs: SILENCE_LIMIT_MS,
    });
  }

  async report(): Promise<FaultReport> {
    this.#join();
    await until('those who do not come late are subscribed', () => this.#begun());
    const published = this.#publishing.run();
    const { form, without = '' } = this.#options;
    const faults = faultsOf(form).filter(({ name }) => without === '' || !name.includes(without));
    const lanes = planFaults(faults, this.#options.faults, this.#options.seed);
    await Promise.all([...lanes.values()].map((lane) => this.#inject(lane)));
    this.#options.note(`${this.#injections.length} faults are over`);
    await this.#lookAfterGateways();
    this.#closing = true;
    const limit = setTimeout(() => this.#abort.abort(), SETTLE_LIMIT_MS);
    await published;
    clearTimeout(limit);
    this.#options.note(`all is published`);
    const histories = await readSurviving(this.#world.redis, CHANNELS, TRIMMED);
    await this.#settle(histories);
    this.#world.complaints.push(...(await this.#members.complaints(this.#world.gateways.map(({ url }) => url))));
    return this.#judge(histories);
  }

  async end(): Promise<void> {
    this.#abort.abort();
    await Promise.all([this.#members.stop(), ...this.#subscribers.map((subscriber) => subscriber.stop())]);
  }

  /** What is planned, what faults want, and in the end what closes each channel. */
  *#requests(): Generator<PlannedRequest> {
    const planned = planRequests(CHANNELS, this.#options.seed + 3);
    while (!this.#closing) yield this.#world.wanted.shift() ?? planned.next().value;
    yield* closingRequests(CHANNELS);
  }

  async #inject(lane: readonly PlannedFault[]): Promise<void> {
    for (const { fault, seed, pauseMs } of lane) {
      await sleep(pauseMs);
      if (fault.lane === 'gateways') await this.#lookAfterGateways();
      const from = Date.now();
      const tookHold = await fault.inject(this.#world, new Random(seed)).catch((cause: unknown) => {
        throw new Error(`The fault "${fault.name}" could not be injected.`, { cause });
      });
      this.#injections.push({ name: fault.name, from, until: Date.now(), tookHold });
      this.#options.note(`${this.#injections.length} ${fault.name}${tookHold ? '' : ' (without effect)'}`);
      this.#join();
    }
  }

  /** Between the faults of gateways all of them must run: one that does not has ended on its own. */
  async #lookAfterGateways(): Promise<void> {
    for (const gateway of this.#world.gateways) {
      if (gateway.running) continue;
      this.#world.complaints.push(`A gateway ended on its own:\n${gateway.log}`);
      await gateway.start();
    }
  }

  #join(): void {
    this.#planned.forEach(({ joinsAt }, index) => {
      if (joinsAt > this.#injections.length || this.#joined.has(index)) return;
      this.#joined.add(index);
      this.#subscribers[index]?.start(this.#world.url);
    });
  }

  #begun(): boolean {
    return this.#subscribers.every((subscriber, index) => !this.#joined.has(index) || subscriber.begun);
  }

  /** Waits until every subscriber has the last event of each of its channels; what is missing then is the checker's to tell. */
  async #settle(histories: ReadonlyMap<string, History>): Promise<void> {
    const whole = () =>
      this.#subscribers.every((subscriber) =>
        subscriber.channels.every(
          (channel) => subscriber.positionIn(channel) === histories.get(channel)?.events.at(-1)?.id,
        ),
      );
    await until('every subscriber has every last event', whole, SETTLE_LIMIT_MS).catch((error: Error) =>
      this.#world.complaints.push(error.message),
    );
  }

  async #judge(histories: ReadonlyMap<string, History>): Promise<FaultReport> {
    // What each gateway tells of the history is held to the same rules.
    const readers = this.#world.gateways.map(({ url }, index) => readHistory(url, `history by gateway ${index}`, KEPT));
    const told = (await Promise.all(readers)).flat().map((reader) => {
      return { ...reader, start: histories.get(reader.channel)?.start ?? reader.start };
    });
    const received = this.#subscribers.flatMap((subscriber) => subscriber.subscriptions());
    const rules = { histories, losses: this.#world.losses };
    const { violations: unsafe, ...counts } = check(this.#publishing.publishes(), [...received, ...told], rules);
    const violations = [...unsafe, ...this.#stalls(histories)];
    const complaints = [...this.#world.complaints];
    const unmeant = this.#world.switches?.complaint();
    if (unmeant !== undefined) complaints.push(unmeant);
    for (const subscriber of this.#subscribers)
      complaints.push(...subscriber.complaints.map((complaint) => `${subscriber.name}: ${complaint}`));
    const took = this.#injections.filter(({ tookHold }) => tookHold);
    return {
      form: this.#options.form,
      seed: this.#options.seed,
      injected: took.length,
      faults: this.#count(violations),
      ...counts,
      deliveries: counts.deliveries - told.reduce((sum, { items }) => sum + items.length, 0),
      violations,
      complaints,
      subscribers: {
        ws: this.#planned.filter(({ transport }) => transport === 'ws').length,
        sse: this.#planned.filter(({ transport }) => transport === 'sse').length,
      },
      reconnects: this.#subscribers.reduce((sum, { reconnects }) => sum + reconnects, 0),
      retries: this.#publishing.retries,
    };
  }

  /** Liveness: who was further behind than one may be. */
  #stalls(histories: ReadonlyMap<string, History>): Violation[] {
    const ids = new Map([...histories].map(([name, { events }]) => [name, new Set(events.map(({ id }) => id))]));
    const mayBeLost = (channel: string, id: string) =>
      this.#world.losses.some(({ from, until: end, channels }) => {
        const ms = Number.parseInt(id, 10);
        return from <= ms && ms <= end && (channels === undefined || channels.includes(channel));
      });
    const owed = (channel: string, id: string) =>
      ids.get(channel)?.has(id) === true || (TRIMMED.has(channel) && !mayBeLost(channel, id));
    const progress = this.#subscribers.flatMap((subscriber) => subscriber.progress());
    const rules = { limitMs: BEHIND_LIMIT_MS, pauseMs: PAUSE_MS, owed };
    return findStalls(this.#publishing.acknowledgements, progress, rules).map(
      ({ subscriber, channel, id, lateMs, count }) => {
        const example = `${id} ${lateMs === undefined ? 'never came' : `came ${Math.round(lateMs)} ms late`}`;
        return { fault: 'stalled', subscriber, channel, id, count, example };
      },
    );
  }

  #count(violations: readonly Violation[]): FaultCount[] {
    const names = [...new Set(this.#injections.map(({ name }) => name))].sort();
    return names.map((fault) => {
      const injections = this.#injections.filter(({ name }) => name === fault);
      const near = violations.filter(({ id }) => {
        const ms = Number.parseInt(id ?? '', 10);
        return injections.some((injection) => injection.from <= ms && ms <= injection.until + AFTERMATH_MS);
      });
      return {
        fault,
        injected: injections.filter(({ tookHold }) => tookHold).length,
        withoutEffect: injections.filter(({ tookHold }) => !tookHold).length,
        violations: near.length,
      };
    });
  }
}
