/**
 * What one run does, drawn from its seed: which faults in which order, who subscribes to what, what is published. Pure. The same
 * seed gives the same plan; when its steps fall together is for processes and their timing to say.
 */
import { type PlannedPublish, type PlannedRequest, Random } from '../../gateway/e2e/harness/plan.ts';
import { type Fault, LANES, type Lane } from './fault.ts';

export interface PlannedFault {
  readonly fault: Fault;
  /** What it draws for itself. */
  readonly seed: number;
  /** Before it. */
  readonly pauseMs: number;
}

export interface PlannedSubscriber {
  readonly name: string;
  readonly transport: 'ws' | 'sse';
  readonly channels: readonly string[];
  readonly from: 'origin' | 'now';
  /** It joins when so many faults have been injected. */
  readonly joinsAt: number;
}

/** Of so many faults each lane has about this share, so that all take about as long. */
const SHARES: Readonly<Record<Lane, number>> = { links: 0.5, gateways: 0.25, redis: 0.25 };
const PAUSES_MS: Readonly<Record<Lane, number>> = { links: 1_600, gateways: 1_000, redis: 600 };
/** What a careless frame or stream encoder would stumble over. */
const TEXTS = ['plain', 'two\nlines\r\nand\rmore', '\u2028\u2029 and \u0000', 'data: x\n\nid: 9-9', '« é 𝄞 »'];
const LARGEST_BATCH = 20;
/** One event in so many is a bare number, of one byte at first; one in so many is large, up to the most. */
const SMALL_EACH = 10;
const LARGE_EACH = 80;
const LARGEST_BYTES = 1_000_000;
const LARGE_BYTES = 1_000;

export function planFaults(
  faults: readonly Fault[],
  count: number,
  seed: number,
): ReadonlyMap<Lane, readonly PlannedFault[]> {
  const random = new Random(seed);
  const planned = new Map<Lane, PlannedFault[]>();
  for (const lane of LANES) {
    const size = Math.round(count * SHARES[lane]);
    const drawn = draw(
      faults.filter((fault) => fault.lane === lane),
      size,
      random,
    );
    planned.set(
      lane,
      drawn.map((fault) => ({ fault, seed: random.below(2 ** 31), pauseMs: random.below(PAUSES_MS[lane]) })),
    );
  }
  return planned;
}

/** Each once where there is room for that, and the rest by weight; in random order. */
function draw(faults: readonly Fault[], size: number, random: Random): Fault[] {
  // One that only a long run has time for bears no weight.
  const each = faults.filter(({ weight = 1 }) => weight > 0 || size >= faults.length);
  const weighted = faults.flatMap((fault) => Array.from({ length: fault.weight ?? 1 }, () => fault));
  const drawn = random.some(each, size);
  while (drawn.length < size) drawn.push(random.pick(weighted));
  return random.some(drawn, size);
}

export function planSubscribers(
  channels: readonly string[],
  count: number,
  faults: number,
  seed: number,
): readonly PlannedSubscriber[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_none, index) => {
    // One in four comes late, and half of those want everything.
    const late = index % 8 >= 6;
    return {
      name: `subscriber ${index}`,
      transport: index % 2 === 0 ? 'ws' : 'sse',
      channels: random.some(channels, [1, 2, 3][(index >> 1) % 3] ?? 1),
      from: late && index % 16 >= 8 ? 'origin' : 'now',
      joinsAt: late ? random.below(faults) : 0,
    };
  });
}

/** Without end: three in four with a key. */
export function* planRequests(channels: readonly string[], seed: number): Generator<PlannedRequest, never> {
  const random = new Random(seed);
  let number = 0;
  const publish = (channel: string, route: PlannedRequest['route']): PlannedPublish => {
    number++;
    const keyed = random.below(4) > 0;
    return {
      channel,
      ...(keyed ? { key: `key-${seed}-${number}` } : {}),
      data: dataOf(number, random, route !== 'batch'),
      // Repeated with its key after it was acknowledged, which must change nothing.
      repeated: keyed && random.below(10) === 0,
    };
  };
  for (;;) {
    const route = random.pick(['publish', 'publish', 'batch', 'ws', 'ws'] as const);
    const size = route === 'batch' ? 1 + random.below(LARGEST_BATCH) : 1;
    const one = random.below(2) === 0 ? random.pick(channels) : undefined;
    const publishes = Array.from({ length: size }, () => publish(one ?? random.pick(channels), route));
    yield { route, gateway: 0, publishes };
  }
}

/** No two are the same, as they are told apart by it. Sizes are spread evenly over their magnitudes; in a batch all are small. */
function dataOf(number: number, random: Random, mayBeLarge: boolean): string {
  if (random.below(SMALL_EACH) === 0) return String(number);
  if (!mayBeLarge || random.below(LARGE_EACH) > 0) return JSON.stringify({ number, text: random.pick(TEXTS) });
  const magnitude = Math.log(LARGEST_BYTES / LARGE_BYTES) * (random.below(1_000) / 1_000);
  const large = JSON.stringify({ number, text: 'x'.repeat(Math.round(LARGE_BYTES * Math.exp(magnitude))) });
  return large.length <= LARGEST_BYTES ? large : String(number);
}

/** The last event of each channel: who has it has all. */
export function closingRequests(channels: readonly string[]): readonly PlannedRequest[] {
  return channels.map((channel) => {
    return {
      route: 'publish',
      gateway: 0,
      publishes: [{ channel, key: 'closing', data: '"closing"', repeated: false }],
    };
  });
}
