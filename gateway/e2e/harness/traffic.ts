/**
 * Subscribers and publishers that go on for as long as something is done to the gateways in front of which they stand, and then the verdict:
 * whether every event came to every subscriber once and in order. It knows the gateways by the URLs at which they can be reached, and does nothing to them.
 */
import { check, type Violation } from './checker.ts';
import { makePlan, Random } from './plan.ts';
import { Publishing } from './publishing.ts';
import { type Route, SseSubscriber, type SubscriberOptions, WsSubscriber } from './subscribers.ts';

export interface TrafficOptions {
  readonly seed: number;
  /** Where to connect and to publish, now. With one URL something behind it spreads the load. */
  readonly urls: () => readonly string[];
  /** Half of them over WebSocket, half over SSE. */
  readonly subscribers: number;
  readonly channels: number;
  readonly eventsPerSecond: number;
  /** The most events that a run may take; none is sent beyond them. */
  readonly mostEvents: number;
}

export interface TrafficReport {
  readonly published: number;
  readonly deliveries: number;
  readonly reconnects: number;
  readonly gaps: number;
  readonly violations: readonly Violation[];
  /** Frames that no subscriber should have got, and waits that were in vain. */
  readonly complaints: readonly string[];
}

/** Where nothing at all arrives for so long, nothing will any more. */
const STALL_MS = 30_000;
/** Subscribers that connect at a time, at the start. */
const BATCH = 50;

export class Traffic {
  readonly #options: TrafficOptions;
  readonly #publishing: Publishing;
  readonly #subscribers: readonly (WsSubscriber | SseSubscriber)[];
  readonly #complaints: string[] = [];
  readonly #abort = new AbortController();
  #published: Promise<void> = Promise.resolve();

  private constructor(options: TrafficOptions) {
    this.#options = options;
    const { seed, urls, channels, subscribers } = options;
    const plan = makePlan({ seed, channels, subscribers, events: options.mostEvents, cuts: 0, kills: 0, gateways: 1 });
    this.#publishing = new Publishing({
      requests: plan.requests.map((request, index) => ({ ...request, gateway: index })),
      urls,
      eventsPerSecond: options.eventsPerSecond,
      signal: this.#abort.signal,
      onProgress: () => undefined,
    });
    const random = new Random(seed + 1);
    const route: Route = {
      next: (last) => {
        const others = urls().filter((url) => url !== last);
        return random.pick(others.length > 0 ? others : urls());
      },
      backoffMs: (toldMs) => toldMs ?? 100 + random.below(900),
    };
    this.#subscribers = plan.subscribers.map(({ name, transport, channels: own }) => {
      const made: SubscriberOptions = { name, channels: own, route, from: 'now' };
      return transport === 'ws' ? new WsSubscriber(made) : new SseSubscriber(made);
    });
  }

  /** Resolves once every subscriber is subscribed and publishing has begun. */
  static async start(options: TrafficOptions): Promise<Traffic> {
    const traffic = new Traffic(options);
    await traffic.#begin();
    return traffic;
  }

  get published(): number {
    return this.#publishing.acknowledged;
  }

  /** Connections that ended so far. */
  get reconnects(): number {
    return this.#subscribers.reduce((sum, { reconnects }) => sum + reconnects, 0);
  }

  /** Ends publishing, waits until everybody has everything, or nothing moves any more, and judges. */
  async finish(): Promise<TrafficReport> {
    this.#publishing.finish();
    await this.#published;
    await this.#until('every subscriber has every last event', () => this.#behind() === 0);
    await this.stop();
    const sent = this.#publishing.publishes().filter(({ answers }) => answers.length > 0);
    const verdict = check(
      sent,
      this.#subscribers.flatMap((subscriber) => subscriber.subscriptions()),
    );
    for (const { name, complaints } of this.#subscribers)
      this.#complaints.push(...complaints.map((complaint) => `${name}: ${complaint}`));
    const { published, deliveries, gaps, violations } = verdict;
    return { published, deliveries, gaps, violations, reconnects: this.reconnects, complaints: this.#complaints };
  }

  /** Ends all connections; for a run that failed, too. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#subscribers.map((subscriber) => subscriber.stop()));
  }

  async #begin(): Promise<void> {
    for (const [index, subscriber] of this.#subscribers.entries()) {
      const urls = this.#options.urls();
      subscriber.start(urls[index % urls.length] ?? '');
      if (index % BATCH === BATCH - 1)
        await this.#until('the first of them are subscribed', () => this.#begun(index + 1));
    }
    await this.#until('all are subscribed', () => this.#begun(this.#subscribers.length));
    this.#published = this.#publishing.run();
    this.#published.catch(() => undefined); // `finish` tells
  }

  #begun(count: number): boolean {
    return this.#subscribers.slice(0, count).every(({ begun }) => begun);
  }

  /** How many subscriptions have not reached the last event of their channel. */
  #behind(): number {
    const { heads } = this.#publishing;
    return this.#subscribers.flatMap((subscriber) =>
      subscriber.channels.filter((channel) => {
        const head = heads.get(channel);
        return head !== undefined && !subscriber.reached(channel, head);
      }),
    ).length;
  }

  /** Waits for the condition, or until nothing moves any more: what is missing then is the checker's to tell. */
  async #until(what: string, holds: () => boolean): Promise<void> {
    let seen = '';
    let movedAt = Date.now();
    while (!holds()) {
      const received = this.#subscribers.reduce((sum, subscriber) => sum + subscriber.received, 0);
      const now = `${received} ${this.#subscribers.filter(({ begun }) => begun).length}`;
      if (now !== seen) movedAt = Date.now();
      seen = now;
      if (Date.now() - movedAt > STALL_MS) {
        this.#complaints.push(`Nothing moved for ${STALL_MS} ms: ${what}`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
