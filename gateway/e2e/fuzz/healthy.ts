/**
 * Clients of good will beside the fuzzer: subscribers over both transports and a publisher of numbered events, who must notice
 * nothing of it. What they got is the checker's to judge.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../../broker/testing/until.ts';
import { type Answer, check, type Publish } from '../harness/checker.ts';
import type { PlannedPublish } from '../harness/plan.ts';
import { publishOne, WsPublisher } from '../harness/publishers.ts';
import { SseSubscriber, WsSubscriber } from '../harness/subscribers.ts';

/** A namespace that no input of the fuzzer names, and that keeps everything. */
export const HEALTHY_NAMESPACE = 'healthy';
const CHANNELS = ['healthy:a', 'healthy:b'];
const PAUSE_MS = 12;
/** Every so often one is published over HTTP. */
const HTTP_EACH = 10;

export interface HealthyVerdict {
  readonly faults: readonly string[];
  readonly published: number;
  readonly deliveries: number;
  readonly slowestPublishMs: number;
}

export class Healthy {
  readonly #url: string;
  readonly #subscribers: readonly (WsSubscriber | SseSubscriber)[];
  readonly #publisher: WsPublisher;
  readonly #publishes: Publish[] = [];
  readonly #heads = new Map<string, string>();
  #slowestMs = 0;
  #stopped = false;
  #publishing: Promise<void> | undefined;

  constructor(url: string) {
    this.#url = url;
    const route = { next: () => url, backoffMs: () => 50 };
    this.#subscribers = [0, 1, 2, 3, 4, 5].map((index) => {
      const name = `healthy subscriber ${index}`;
      const options = { name, channels: index < 2 ? CHANNELS : CHANNELS.slice(index % 2, 1 + (index % 2)), route };
      return index % 2 === 0
        ? new WsSubscriber({ ...options, from: 'origin' })
        : new SseSubscriber({ ...options, from: 'now' });
    });
    this.#publisher = new WsPublisher(url);
  }

  /** How many connections it holds. */
  get connections(): number {
    return this.#subscribers.length + 1;
  }

  async start(): Promise<void> {
    for (const subscriber of this.#subscribers) subscriber.start(this.#url);
    await until('the healthy ones are subscribed', () => this.#subscribers.every(({ begun }) => begun));
    this.#publishing = this.#publish();
  }

  /** Publishes no more, awaits what is owed, and tells what is wrong. */
  async verdict(): Promise<HealthyVerdict> {
    this.#stopped = true;
    await this.#publishing;
    await until('all has arrived', () => this.#arrived()).catch(() => undefined); // the checker tells
    const verdict = check(
      this.#publishes,
      this.#subscribers.flatMap((subscriber) => subscriber.subscriptions()),
    );
    const faults = verdict.violations.map((each) => `healthy clients: ${JSON.stringify(each)}`);
    for (const { name, complaints, reconnects } of this.#subscribers) {
      if (reconnects > 0) faults.push(`${name} was cut off ${reconnects} times`);
      faults.push(...complaints.map((complaint) => `${name}: ${complaint}`));
    }
    const { published, deliveries } = verdict;
    return { faults, published, deliveries, slowestPublishMs: Math.round(this.#slowestMs) };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#publishing;
    this.#publisher.close();
    await Promise.all(this.#subscribers.map((subscriber) => subscriber.stop()));
  }

  async #publish(): Promise<void> {
    for (let number = 0; !this.#stopped; number++) {
      const channel = CHANNELS[number % CHANNELS.length] ?? '';
      const publish = { channel, key: `healthy-${number}`, data: JSON.stringify({ number }), repeated: false };
      const startedAt = performance.now();
      const answer = await this.#attempt(publish, number % HTTP_EACH === 0);
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startedAt);
      this.#publishes.push({ channel, data: publish.data, answers: [answer] });
      if (answer.outcome === 'acknowledged') this.#heads.set(channel, answer.id);
      await sleep(PAUSE_MS);
    }
  }

  async #attempt(publish: PlannedPublish, http: boolean): Promise<Answer> {
    try {
      return await (http ? publishOne(this.#url, publish) : this.#publisher.publish(publish));
    } catch {
      return { outcome: 'failed' }; // refused: that nothing acknowledged it is a violation, which names it
    }
  }

  #arrived(): boolean {
    return this.#subscribers.every((subscriber) =>
      subscriber.channels.every((channel) => subscriber.reached(channel, this.#heads.get(channel) ?? '0-0')),
    );
  }
}
