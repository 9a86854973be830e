/** What every scenario is given, and what all of them share. */
import type { Lab, Subject, SubjectName } from './lab.ts';
import type { Figure } from './results.ts';

export interface Run {
  readonly lab: Lab;
  /** Fewer and smaller cases. */
  readonly quick: boolean;
  /** How often each case is measured; scenarios that take long have a third of that. */
  readonly rounds: number;
  /** Tells who watches what is being done. */
  progress(text: string): void;
}

export interface Scenario {
  readonly name: string;
  /** What it measures, in a line. */
  readonly title: string;
  /** Runs only where it is named: it holds a promise under load rather than measuring what something costs. */
  readonly apart?: boolean;
  run(run: Run): Promise<readonly Figure[]>;
}

/** Starts a fresh server of each name, and ends them all when `use` is done. */
export async function withSubjects<T>(
  lab: Lab,
  names: readonly SubjectName[],
  use: (subjects: readonly Subject[]) => Promise<T>,
): Promise<T> {
  const subjects: Subject[] = [];
  try {
    for (const name of names) subjects.push(await lab.start(name));
    return await use(subjects);
  } finally {
    await Promise.all(subjects.map((subject) => subject.kill()));
  }
}

/** How often a case is measured that takes long by itself, or that moves little from one time to the next. */
export function fewRounds({ rounds }: Run): number {
  return Math.ceil(rounds / 3);
}
