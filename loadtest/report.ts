/** Results as tables for a person. Pure. */
import { show, whole } from './figures.ts';
import type { Machine } from './machine.ts';
import type { Case, Figure, Results } from './results.ts';

export function report({ machine, quick, centrifugo, failures, figures }: Results): string {
  const scenarios = [...new Set(figures.map(({ scenario }) => scenario))];
  return [
    [
      describe(machine),
      ...(quick ? ['the quick form: fewer and smaller cases'] : []),
      ...(centrifugo === undefined ? [] : [`centrifugo: ${centrifugo}`]),
    ].join('\n'),
    ...failures.map(({ scenario, error }) => `${scenario} FAILED: ${error}`),
    ...scenarios.flatMap((scenario) =>
      tablesOf(
        scenario,
        figures.filter((found) => found.scenario === scenario),
      ),
    ),
  ].join('\n\n');
}

export function describe({ cpu, cores, kernel, node, redis, commit }: Machine): string {
  return `${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}, Redis ${redis}, ${commit}`;
}

/** Columns that still fit on a screen. */
const MOST_COLUMNS = 6;

/** One table where each thing was measured once and in few cases that words tell apart, else one for each thing. */
function tablesOf(scenario: string, figures: readonly Figure[]): string[] {
  const columns = [...new Map(figures.map((one) => [columnOf(one), one])).keys()];
  const once = figures.every(({ rounds }) => rounds.length === 1);
  const cells = new Set(figures.map((one) => `${one.metric}, ${columnOf(one)}`));
  return once && columns.length <= MOST_COLUMNS && cells.size === figures.length
    ? [oneTable(scenario, columns, figures)]
    : manyTables(scenario, figures);
}

/** A row for each thing measured, a column for each case and subject. */
function oneTable(scenario: string, columns: readonly string[], figures: readonly Figure[]): string {
  const metrics = [...new Set(figures.map(({ metric }) => metric))];
  const rows = metrics.map((metric) => [
    metric,
    ...columns.map((column) => {
      const value = figures.find((one) => one.metric === metric && columnOf(one) === column)?.value.median;
      return value === undefined ? '' : Number.isInteger(value) ? whole(value) : fixed(value);
    }),
  ]);
  const at: Case = figures[0]?.case ?? {};
  const shared = Object.entries(at).filter(([key, value]) => figures.every((one) => one.case[key] === value));
  const title = [scenario, ...shared.map(([key, value]) => `${key} ${cell(value)}`)].join(', ');
  return `${title}\n${table(['', ...columns], rows)}`;
}

/** What tells a column from the others: words, as what was the same everywhere are numbers. */
function columnOf({ subject, case: at }: Figure): string {
  const words = Object.values(at).filter((value) => typeof value === 'string');
  return [subject, ...words].join(', ');
}

function fixed(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: digitsOf(value) });
}

/** One table for each thing measured: a row for each case, a column for each subject. */
function manyTables(scenario: string, figures: readonly Figure[]): string[] {
  const metrics = [...new Set(figures.map(({ metric }) => metric))];
  return metrics.map((metric) => {
    const found = figures.filter((one) => one.metric === metric);
    const subjects = [...new Set(found.map(({ subject }) => subject))];
    const cases = [...new Map(found.map((one) => [JSON.stringify(one.case), one.case])).values()];
    const keys = [...new Set(cases.flatMap((at) => Object.keys(at)))];
    const others = subjects.filter((subject) => subject !== 'gateway' && subjects.includes('gateway'));
    const rows = cases.map((at) => rowOf(at, keys, subjects, others, found));
    const head = [...keys, ...subjects, ...others.map((other) => `gateway / ${other}`)];
    return `${scenario}: ${metric}, median (least to most)\n${table(head, rows)}`;
  });
}

function rowOf(
  at: Case,
  keys: readonly string[],
  subjects: readonly string[],
  others: readonly string[],
  figures: readonly Figure[],
): string[] {
  const id = JSON.stringify(at);
  const of = (subject: string) => figures.find((one) => one.subject === subject && JSON.stringify(one.case) === id);
  const gateway = of('gateway')?.value.median;
  return [
    ...keys.map((key) => cell(at[key])),
    ...subjects.map((subject) => {
      const value = of(subject)?.value;
      return value === undefined ? '' : show(value, digitsOf(value.median));
    }),
    ...others.map((other) => {
      const value = of(other)?.value.median;
      return gateway === undefined || value === undefined ? '' : (gateway / value).toFixed(2);
    }),
  ];
}

function cell(value: string | number | undefined): string {
  return typeof value === 'number' ? whole(value) : (value ?? '');
}

function digitsOf(value: number): number {
  return value < 10 ? 2 : value < 100 ? 1 : 0;
}

/** Columns as wide as they need to be; all but the first to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((text, column) => (column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0)))
      .join('  ');
  return [line(head), ...rows.map(line)].join('\n');
}
