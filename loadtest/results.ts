/** What a run of the harness results in: figures, each of one subject in one case of one scenario. Pure. */
import { type Spread, spread } from './figures.ts';
import type { Machine } from './machine.ts';

/** What was asked of the subject: its transport, how many subscribers there were, and the like. */
export type Case = Readonly<Record<string, string | number>>;

export interface Figure {
  readonly scenario: string;
  readonly subject: string;
  readonly case: Case;
  /** What was measured, with its unit. */
  readonly metric: string;
  readonly rounds: readonly number[];
  readonly value: Spread;
}

export interface Results {
  readonly machine: Machine;
  readonly measuredAt: string;
  readonly seconds: number;
  readonly quick: boolean;
  /** What stood in for Centrifugo, where anything did. */
  readonly centrifugo: string | undefined;
  /** Scenarios that could not be measured, and why. */
  readonly failures: readonly { readonly scenario: string; readonly error: string }[];
  readonly figures: readonly Figure[];
}

export function figure(scenario: string, subject: string, at: Case, metric: string, rounds: readonly number[]): Figure {
  return { scenario, subject, case: at, metric, rounds, value: spread(rounds) };
}

/** Those that have these properties. */
export function select(
  figures: readonly Figure[],
  wanted: { readonly scenario?: string; readonly subject?: string; readonly metric?: string; readonly case?: Case },
): readonly Figure[] {
  return figures.filter(
    (found) =>
      (wanted.scenario ?? found.scenario) === found.scenario &&
      (wanted.subject ?? found.subject) === found.subject &&
      (wanted.metric ?? found.metric) === found.metric &&
      Object.entries(wanted.case ?? {}).every(([key, value]) => found.case[key] === value),
  );
}

/** The median of the one figure that has these properties; undefined where it was not measured. */
export function median(figures: readonly Figure[], wanted: Parameters<typeof select>[1]): number | undefined {
  const [found, second] = select(figures, wanted);
  if (second !== undefined) throw new Error(`More than one figure is ${JSON.stringify(wanted)}`);
  return found?.value.median;
}

export const PER_CPU_SECOND = 'deliveries per CPU second';
export const RESIDENT_BYTES = 'resident bytes per connection';
export const KERNEL_BYTES = 'kernel bytes per connection, both ends';
