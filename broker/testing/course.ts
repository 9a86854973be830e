/** Random courses of events, for comparing two engines. */
import fc from 'fast-check';
import { type Broker, ORIGIN, type Page, type Position } from '../broker.ts';
import { assertChain, beyond, message } from './events.ts';
import type { Harness } from './harness.ts';

/** One step of a course of events. Positions are ordinals, as engines give different ids. */
export type Step =
  /** `length`: of the data. */
  | { readonly do: 'publish'; readonly key: string | undefined; readonly length: number }
  | { readonly do: 'lose'; readonly half: 'stream' | 'head' }
  | { readonly do: 'readAfter'; readonly position: number; readonly limit: number; readonly maxBytes: number }
  | { readonly do: 'readTail'; readonly before: number | undefined; readonly limit: number; readonly maxBytes: number }
  | { readonly do: 'tailStart'; readonly limit: number };

const ordinal = fc.integer({ min: 0, max: 20 });
/** Of pages: sometimes less than one event, sometimes more than all. */
const maxBytes = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constant(100_000));
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('publish'),
      key: fc.constantFrom(undefined, undefined, 'k'),
      length: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 21, max: 80 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose'), half: fc.constantFrom('stream', 'head') }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('readAfter'),
      position: ordinal,
      limit: fc.integer({ min: 1, max: 7 }),
      maxBytes,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('readTail'),
      before: fc.option(ordinal, { nil: undefined }),
      limit: fc.integer({ min: 0, max: 7 }),
      maxBytes,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('tailStart'), limit: fc.integer({ min: 0, max: 7 }) }) },
);

/** A course of events on one engine; its results name events by their order and so compare across engines. */
export class Run {
  readonly #broker: Broker;
  readonly #harness: Harness;
  readonly #channel: string;
  /** The origin, and then each event stored. */
  readonly #ids: Position[] = [ORIGIN];
  #whole = true;

  constructor(broker: Broker, harness: Harness, channel: string) {
    this.#broker = broker;
    this.#harness = harness;
    this.#channel = channel;
  }

  async take(step: Step): Promise<unknown> {
    switch (step.do) {
      case 'publish': {
        const { id, duplicate } = await this.#broker.publish(this.#channel, {
          ...message('1'.repeat(step.length)),
          key: step.key,
        });
        if (!duplicate) this.#ids.push(id);
        this.#whole ||= !duplicate;
        return [this.#ordinal(id), duplicate];
      }
      case 'lose':
        // With both halves lost ids may begin anew, and be the same again within one millisecond.
        if (!this.#whole || this.#ids.length === 1) return undefined;
        this.#whole = false;
        if (step.half === 'stream') await this.#harness.loseStream(this.#channel);
        else await this.#harness.loseHead(this.#channel);
        return undefined;
      case 'readAfter':
        return this.#describe(
          await this.#broker.readAfter(this.#channel, this.#at(step.position), step.limit, step.maxBytes),
        );
      case 'readTail': {
        const before = step.before === undefined ? undefined : this.#at(step.before);
        return this.#describe(await this.#broker.readTail(this.#channel, step.limit, before, step.maxBytes));
      }
      case 'tailStart':
        return this.#ordinal(await this.#broker.tailStart(this.#channel, step.limit));
    }
  }

  #at(ordinal: number): Position {
    return this.#ids[ordinal] ?? beyond(this.#ids.at(-1) ?? ORIGIN);
  }

  #ordinal(id: Position): number {
    return this.#ids.indexOf(id);
  }

  #describe(page: Page): unknown {
    assertChain(page);
    const { known, more, events } = page;
    return {
      known,
      more,
      start: this.#ordinal(page.start),
      head: this.#ordinal(page.head),
      events: events.map(({ id }) => this.#ordinal(id)),
    };
  }
}
