/**
 * Clients of good will beside an abuser: subscribers of both transports at both gateways, and a publisher that publishes at a steady pace, come what
 * may. What they got is the checker's to judge; how late it came is measured from when each event was due.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../broker/testing/until.ts';
import { check, type Publish } from '../../gateway/e2e/harness/checker.ts';
import type { PlannedPublish } from '../../gateway/e2e/harness/plan.ts';
import { publishOne, WsPublishers } from '../../gateway/e2e/harness/publishers.ts';
import { SseSubscriber, WsSubscriber } from '../../gateway/e2e/harness/subscribers.ts';

export interface HealthyOptions {
  /** Channels that had no event before: the checker knows of none. */
  readonly channels: readonly string[];
  readonly urls: readonly string[];
  readonly subscribers: number;
  readonly eventsPerSecond: number;
}

export interface Span {
  /** From when an event was due until a subscriber had it, of all deliveries: in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
  readonly deliveries: number;
}

export interface HealthyVerdict {
  readonly faults: readonly string[];
  readonly published: number;
  readonly deliveries: number;
}

/** One of so many is published by HTTP. */
const HTTP_EACH = 5;

export class Healthy {
  readonly #options: HealthyOptions;
  readonly #subscribers: readonly (WsSubscriber | SseSubscriber)[];
  readonly #publishers = new WsPublishers();
  readonly #publishes: Publish[] = [];
  readonly #heads = new Map<string, string>();
  /** When each event was due, by its number. */
  readonly #due: number[] = [];
  #late: number[] = [];
  readonly #underway = new Set<Promise<void>>();
  #stopped = false;
  #publishing: Promise<void> = Promise.resolve();

  private constructor(options: HealthyOptions) {
    this.#options = options;
    this.#subscribers = Array.from({ length: options.subscribers }, (_none, index) => {
      const url = this.#url(index >> 1);
      const own = {
        name: `healthy subscriber ${index}`,
        channels: [this.#channel(index >> 2)],
        from: 'now' as const,
        route: { next: () => url, backoffMs: () => 100 },
        onEvent: (_channel: string, data: string) => {
          this.#late.push(performance.now() - (this.#due[Number(data)] ?? 0));
        },
      };
      return index % 2 === 0 ? new WsSubscriber(own) : new SseSubscriber(own);
    });
  }

  /** Resolves once all are subscribed, and publishing has begun. */
  static async start(options: HealthyOptions): Promise<Healthy> {
    const healthy = new Healthy(options);
    for (const [index, subscriber] of healthy.#subscribers.entries()) subscriber.start(healthy.#url(index >> 1));
    await until('the healthy ones are subscribed', () => healthy.#subscribers.every(({ begun }) => begun));
    healthy.#publishing = healthy.#publish();
    return healthy;
  }

  /** What came since it was called last. */
  span(): Span {
    const late = this.#late.sort((a, b) => a - b);
    this.#late = [];
    const at = (share: number) => late[Math.min(late.length - 1, Math.floor(late.length * share))] ?? 0;
    return { p50: at(0.5), p99: at(0.99), most: at(1), deliveries: late.length };
  }

  /** Publishes no more, awaits what is owed, and tells what is wrong. */
  async verdict(): Promise<HealthyVerdict> {
    this.#stopped = true;
    await this.#publishing;
    await Promise.all(this.#underway);
    await until('all has arrived', () => this.#arrived()).catch(() => undefined); // the checker tells
    const verdict = check(
      this.#publishes,
      this.#subscribers.flatMap((subscriber) => subscriber.subscriptions()),
    );
    const faults = verdict.violations.map(
      ({ fault, subscriber, channel, count, example }) =>
        `${fault} (${count}): ${subscriber} on ${channel}: ${example}`,
    );
    for (const { name, complaints, reconnects } of this.#subscribers) {
      if (reconnects > 0) faults.push(`${name} was cut off ${reconnects} times`);
      faults.push(...complaints.map((complaint) => `${name}: ${complaint}`));
    }
    const { published, deliveries } = verdict;
    return { faults, published, deliveries };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#publishing;
    this.#publishers.close();
    await Promise.all(this.#subscribers.map((subscriber) => subscriber.stop()));
  }

  /** Each at its time, whether the ones before it have been answered or not. */
  async #publish(): Promise<void> {
    const startedAt = performance.now();
    for (let number = 0; !this.#stopped; number++) {
      const due = startedAt + (number * 1_000) / this.#options.eventsPerSecond;
      const wait = due - performance.now();
      if (wait > 0) await sleep(wait);
      this.#due.push(due);
      const publishing = this.#publishOne(number).finally(() => this.#underway.delete(publishing));
      this.#underway.add(publishing);
    }
  }

  /** One attempt: that it was not acknowledged is a violation, which the checker tells. */
  async #publishOne(number: number): Promise<void> {
    const channel = this.#channel(number);
    const publish: PlannedPublish = { channel, data: String(number), repeated: false };
    const url = this.#url(number >> 1);
    const attempt = number % HTTP_EACH === 0 ? publishOne(url, publish) : this.#publishers.at(url).publish(publish);
    const answer = await attempt.catch(() => ({ outcome: 'failed' }) as const);
    this.#publishes.push({ channel, data: publish.data, answers: [answer] });
    if (answer.outcome === 'acknowledged') this.#heads.set(channel, answer.id);
  }

  #channel(index: number): string {
    const { channels } = this.#options;
    return channels[index % channels.length] ?? '';
  }

  #url(index: number): string {
    const { urls } = this.#options;
    return urls[index % urls.length] ?? '';
  }

  #arrived(): boolean {
    return this.#subscribers.every((subscriber) =>
      subscriber.channels.every((channel) => subscriber.reached(channel, this.#heads.get(channel) ?? '0-0')),
    );
  }
}
