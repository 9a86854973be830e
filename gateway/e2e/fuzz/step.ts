/** The steps of a conversation, and how their bytes are cut into writes. Pure. */
import type { Random } from '../harness/plan.ts';

/** Something to write, and what to wait for before the next step. */
export interface Step {
  readonly bytes: Buffer;
  /** How many inputs are in it: frames, or requests. */
  readonly inputs: number;
  /** The text that proves that all of it was read; '' for any bytes; undefined where nothing needs to come. */
  readonly awaits: string | undefined;
  /** Whether the gateway may end the connection at this point, or not answer: no complaint then. */
  readonly mayEnd: boolean;
  /** Where the bytes are cut into separate writes, in ascending order. */
  readonly cuts: readonly number[];
  /** The time between these writes. */
  readonly paceMs: number;
}

const MOST_CUTS = 12;
const SLOW_CUTS = 40;
const SLOW_PACE_MS = 8;

/** In one write mostly, else in a few, at random places. */
export function step(random: Random, bytes: Buffer, rest: Partial<Omit<Step, 'bytes'>> = {}): Step {
  const { mayEnd = true } = rest;
  const count = random.below(4) === 0 ? 1 + random.below(MOST_CUTS) : 0;
  // uWS answers 505 to some request lines that come in two reads, which must not end what is to be answered.
  const from = mayEnd ? 0 : bytes.indexOf('\r\n') + 2;
  return { bytes, inputs: 1, awaits: '', mayEnd, cuts: cuts(random, from, bytes.length, count), paceMs: 0, ...rest };
}

/** A few bytes at a time, with a pause after each. */
export function slowly(random: Random, { bytes, ...rest }: Step): Step {
  const from = rest.mayEnd ? 0 : bytes.indexOf('\r\n') + 2;
  return { ...rest, bytes, cuts: cuts(random, from, bytes.length, SLOW_CUTS), paceMs: SLOW_PACE_MS };
}

function cuts(random: Random, from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, () => from + random.below(to - from + 1)).sort((a, b) => a - b);
}
