/**
 * What one run of the resume test does, drawn from a seed: the same seed gives the same plan. Pure.
 * Moments are counts of acknowledged events, not times, so that a slow machine runs the same story.
 */

export interface PlanOptions {
  readonly seed: number;
  readonly events: number;
  readonly channels: number;
  readonly subscribers: number;
  /** How many connections are destroyed. */
  readonly cuts: number;
  /** How often a gateway is killed. */
  readonly kills: number;
  readonly gateways: number;
}

export interface PlannedSubscriber {
  readonly name: string;
  readonly transport: 'ws' | 'sse';
  readonly channels: readonly string[];
  readonly gateway: number;
  readonly from: 'origin' | 'now';
  /** It joins when so many events are acknowledged. */
  readonly joinsAt: number;
}

export interface PlannedPublish {
  readonly channel: string;
  /** Without one it is sent once: whether it was stored where no answer came stays unknown. */
  readonly key?: string;
  readonly data: string;
  /** Sent once more after it was acknowledged, with its key, to another gateway. */
  readonly repeated: boolean;
}

/** Publishes that go out in one request. */
export interface PlannedRequest {
  readonly route: 'publish' | 'batch' | 'ws';
  readonly gateway: number;
  readonly publishes: readonly PlannedPublish[];
}

export type Disturbance =
  | { readonly at: number; readonly kind: 'cut'; readonly subscriber: number }
  | { readonly at: number; readonly kind: 'kill'; readonly gateway: number };

export interface Plan {
  readonly channels: readonly string[];
  readonly subscribers: readonly PlannedSubscriber[];
  readonly requests: readonly PlannedRequest[];
  /** In the order of their moments. */
  readonly disturbances: readonly Disturbance[];
}

const LARGEST_BATCH = 50;
/** What a careless frame or stream encoder would stumble over, `"` and `\` being JSON's own. */
const AWKWARD = ['plain', 'two\nlines\r\nand\rmore', '\u2028\u2029 and \u0000', 'data: x\n\nid: 9-9', '« é 𝄞 »', '"\\'];

export function makePlan(options: PlanOptions): Plan {
  const random = new Random(options.seed);
  const channels = Array.from({ length: options.channels }, (_none, index) => `load:c${index}`);
  const subscribers = Array.from({ length: options.subscribers }, (_none, index): PlannedSubscriber => {
    // One in ten comes late; half of those come when all is over and want everything: no live event helps their replay along.
    const late = index % 10 === 9;
    const last = index % 20 === 19;
    return {
      name: `subscriber ${index}`,
      transport: index % 2 === 0 ? 'ws' : 'sse',
      channels: random.some(channels, [1, 1, 2, 3][(index >> 1) % 4] ?? 1),
      gateway: random.below(options.gateways),
      from: last || (late && random.below(2) === 0) ? 'origin' : 'now',
      joinsAt: last ? options.events : late ? random.below(options.events) : 0,
    };
  });
  return {
    channels,
    subscribers,
    requests: requests(options, channels, random),
    disturbances: disturb(options, random),
  };
}

function requests(options: PlanOptions, channels: readonly string[], random: Random): PlannedRequest[] {
  const made: PlannedRequest[] = [];
  let next = 0;
  const publish = (channel: string): PlannedPublish => {
    const number = next++;
    return {
      channel,
      key: `key-${options.seed}-${number}`,
      data: JSON.stringify({ number, text: random.pick(AWKWARD) }),
      repeated: random.below(20) === 0,
    };
  };
  while (next < options.events) {
    const route = random.pick(['publish', 'batch', 'ws'] as const);
    const size = route === 'batch' ? 1 + random.below(Math.min(LARGEST_BATCH, options.events - next)) : 1;
    // Half of the batches go to one channel, so that many events arrive in one tick.
    const one = random.below(2) === 0 ? random.pick(channels) : undefined;
    const publishes = Array.from({ length: size }, () => publish(one ?? random.pick(channels)));
    made.push({ route, gateway: random.below(options.gateways), publishes });
  }
  return made;
}

function disturb(options: PlanOptions, random: Random): Disturbance[] {
  const cuts = Array.from({ length: options.cuts }, (): Disturbance => {
    return { at: random.below(options.events), kind: 'cut', subscriber: random.below(options.subscribers) };
  });
  // Spread evenly, so that one is up again before the next dies.
  const kills = Array.from({ length: options.kills }, (_none, index): Disturbance => {
    const at = Math.floor((options.events * (index + 1)) / (options.kills + 1));
    return { at, kind: 'kill', gateway: index % options.gateways };
  });
  return [...cuts, ...kills].sort((a, b) => a.at - b.at);
}

/** Mulberry32: small, good enough to draw a plan, the same everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  /** So many different ones, in random order. */
  some<Item>(items: readonly Item[], count: number): Item[] {
    const left = [...items];
    return Array.from({ length: Math.min(count, items.length) }, () => left.splice(this.below(left.length), 1)).flat();
  }
}
