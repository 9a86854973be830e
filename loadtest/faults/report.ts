/** The results of runs as a table for a person. Pure. */
import type { Machine } from '../machine.ts';
import { FORMS } from './fault.ts';
import type { FaultReport } from './run.ts';

export interface FaultResults {
  readonly machine: Machine;
  /** Several of one form add up. */
  readonly runs: readonly FaultReport[];
}

/** Markdown. */
export function faultTable({ machine, runs }: FaultResults): string {
  const columns = FORMS.map((form) => ({ form, reports: runs.filter((report) => report.form === form) })).filter(
    ({ reports }) => reports.length > 0,
  );
  const counts = runs.flatMap(({ faults }) => faults);
  const names = [...new Set(counts.map(({ fault }) => fault))].sort((a, b) => a.localeCompare(b));
  const bad = runs.reduce((sum, { violations, complaints }) => sum + violations.length + complaints.length, 0);
  const injected = (reports: readonly FaultReport[], name: string) =>
    total(reports, ({ faults }) => faults.find(({ fault }) => fault === name)?.injected ?? 0);
  const verdict = (name: string) => {
    const near = counts.filter(({ fault }) => fault === name).reduce((sum, { violations }) => sum + violations, 0);
    return near === 0 ? 'kept' : `${near} VIOLATED`;
  };
  const row = (title: string, of: (report: FaultReport) => number) => [
    title,
    ...columns.map(({ reports }) => whole(total(reports, of))),
  ];
  const heads = columns.map(({ form }) => form);
  return [
    '# Faults',
    '',
    `Written by \`npm run faults\`; see [the README](../README.md#faults) for what it means. ${machine.cores} cores, Linux ${machine.kernel}, ` +
      `Node ${machine.node}, Redis ${machine.redis}, ${machine.commit}.`,
    '',
    `**${total(runs, (report) => report.injected)} faults injected, ${bad === 0 ? 'every promise kept' : `${bad} VIOLATIONS`}.**`,
    '',
    ...table(
      ['fault', ...heads, 'promises'],
      names.map((name) => {
        const cells = columns.map(({ reports }) => injected(reports, name) || '');
        return [name, ...cells.map(String), verdict(name)];
      }),
    ),
    '',
    ...table(
      ['', ...heads],
      [
        row('faults injected', (report) => report.injected),
        row('violations', ({ violations }) => violations.length),
        row('other complaints', ({ complaints }) => complaints.length),
        row('events published', ({ published }) => published),
        row('acknowledged', ({ acknowledged }) => acknowledged),
        row('lost by Redis after that', ({ lost }) => lost),
        row('attempts after the first', ({ retries }) => retries),
        row('subscribers, WebSocket', ({ subscribers }) => subscribers.ws),
        row('subscribers, SSE', ({ subscribers }) => subscribers.sse),
        row('their reconnects', ({ reconnects }) => reconnects),
        row('subscriptions resumed', ({ resumes }) => resumes),
        row('gap notices', ({ gaps }) => gaps),
        row('events delivered', ({ deliveries }) => deliveries),
        ['seeds', ...columns.map(({ reports }) => reports.map(({ seed }) => seed).join(', '))],
      ],
    ),
    '',
  ].join('\n');
}

function total(reports: readonly FaultReport[], of: (report: FaultReport) => number): number {
  return reports.reduce((sum, report) => sum + of(report), 0);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_none, column) => (column === 0 ? '---' : '---:'))), ...rows.map(line)];
}

function whole(value: number): string {
  return value.toLocaleString('en');
}
