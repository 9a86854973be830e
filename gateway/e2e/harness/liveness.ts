/**
 * Decides whether subscribers kept up: while events of a channel go on being acknowledged, the distance of each subscriber from the last
 * one is bounded. The checker says what must never happen, this says what must go on happening. Pure; all times are of one clock, in milliseconds.
 *
 * Time is counted on the channel's own clock, which runs only while publishes to it are acknowledged: from one acknowledgement to the next, and
 * no longer than `pauseMs` where the next one takes longer than that. So nobody is held to have stalled while Redis was away, and no list of
 * what was disturbed when is needed: whoever can publish can be delivered to. An event that was acknowledged must be at each subscriber,
 * or be passed by a gap notice, before that clock has gone on by `limitMs`; for a subscriber that came later, from when it began. What is still
 * underway when the last publish was acknowledged is not judged here: there the checker finds a tail that is missing.
 */
import { comparePositions, type Position } from '../../../broker/broker.ts';

export interface Acknowledgement {
  readonly channel: string;
  readonly id: Position;
  readonly at: number;
}

/** A subscriber has all up to `id`, or was told that it cannot be had. */
export interface Step {
  readonly at: number;
  readonly id: Position;
}

export interface Progress {
  readonly subscriber: string;
  readonly channel: string;
  /** In the order of time; it began with the first. */
  readonly steps: readonly Step[];
}

export interface LivenessRules {
  readonly limitMs: number;
  readonly pauseMs: number;
  /** Which acknowledged events are owed; all unless given. Not what Redis lost afterwards. */
  readonly owed?: (channel: string, id: Position) => boolean;
}

/** A subscriber that fell further behind than it may. One for each subscriber and channel, by its longest stretch. */
export interface Stall {
  readonly subscriber: string;
  readonly channel: string;
  /** The event that it had not when it should have. */
  readonly id: Position;
  /** How much later the event came, on the channel's clock; undefined where it never did. */
  readonly lateMs: number | undefined;
  /** How many events that came too late, or not at all. */
  readonly count: number;
}

export function findStalls(
  acknowledgements: readonly Acknowledgement[],
  progresses: readonly Progress[],
  rules: LivenessRules,
): readonly Stall[] {
  const clocks = new Map<string, ChannelClock>();
  const channels = new Map<string, Acknowledgement[]>();
  for (const acknowledgement of acknowledgements) {
    const own = channels.get(acknowledgement.channel);
    if (own === undefined) channels.set(acknowledgement.channel, [acknowledgement]);
    else own.push(acknowledgement);
  }
  for (const [channel, own] of channels) clocks.set(channel, new ChannelClock(own, rules.pauseMs));
  return progresses.flatMap((progress) => {
    const clock = clocks.get(progress.channel);
    const own = channels.get(progress.channel);
    return clock === undefined || own === undefined ? [] : stallOf(progress, own, clock, rules);
  });
}

function stallOf(
  { subscriber, channel, steps }: Progress,
  acknowledgements: readonly Acknowledgement[],
  clock: ChannelClock,
  { limitMs, owed = () => true }: LivenessRules,
): readonly Stall[] {
  const [first] = steps;
  if (first === undefined) return [];
  const reached = furthest(steps);
  let worst: Omit<Stall, 'count'> | undefined;
  let worstMs = 0;
  let count = 0;
  for (const { id, at } of acknowledgements) {
    if (!owed(channel, id)) continue;
    const from = clock.at(Math.max(at, first.at));
    const cameAt = firstAt(reached, id);
    const lateMs = clock.at(cameAt ?? Number.POSITIVE_INFINITY) - from;
    if (lateMs <= limitMs) continue;
    count++;
    const rank = cameAt === undefined ? Number.POSITIVE_INFINITY : lateMs;
    if (rank <= worstMs) continue;
    worstMs = rank;
    worst = { subscriber, channel, id, lateMs: cameAt === undefined ? undefined : lateMs };
  }
  return worst === undefined ? [] : [{ ...worst, count }];
}

/** Only the steps that lead further: whoever was given an event of a later id has passed the ones before it, and the checker says by which right. */
function furthest(steps: readonly Step[]): readonly Step[] {
  const found: Step[] = [];
  for (const step of steps) {
    const last = found.at(-1);
    if (last === undefined || comparePositions(step.id, last.id) > 0) found.push(step);
  }
  return found;
}

function firstAt(steps: readonly Step[], id: Position): number | undefined {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const step = steps[middle];
    if (step !== undefined && comparePositions(step.id, id) < 0) low = middle + 1;
    else high = middle;
  }
  return steps[low]?.at;
}

/** Runs while publishes are acknowledged, and stands still once the last one was. */
class ChannelClock {
  readonly #at: readonly number[];
  readonly #counted: readonly number[];

  constructor(acknowledgements: readonly Acknowledgement[], pauseMs: number) {
    this.#at = acknowledgements.map(({ at }) => at).sort((a, b) => a - b);
    let counted = 0;
    this.#counted = this.#at.map((at, index) => {
      counted += Math.min(at - (this.#at[index - 1] ?? at), pauseMs);
      return counted;
    });
  }

  /** What it showed at the last acknowledgement until then. */
  at(time: number): number {
    let [low, high] = [0, this.#at.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#at[middle] ?? 0) <= time) low = middle + 1;
      else high = middle;
    }
    return this.#counted[low - 1] ?? 0;
  }
}
