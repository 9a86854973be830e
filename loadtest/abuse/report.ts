/** The results of the abuse suite as a table for a person. Pure. */
import type { Machine } from '../machine.ts';
import { type AbuseResult, MOST_TIMES_P99, mebibytes } from './run.ts';

export interface AbuseResults {
  readonly machine: Machine;
  readonly measuredAt: string;
  readonly subscribers: number;
  readonly eventsPerSecond: number;
  readonly abusedSeconds: number;
  readonly cases: readonly AbuseResult[];
}

export function meetsAim({ quiet, abused }: AbuseResult): boolean {
  return abused.deliveries > 0 && abused.p99 <= quiet.p99 * MOST_TIMES_P99;
}

/** Markdown. */
export function abuseTable({ machine, cases, subscribers, eventsPerSecond, abusedSeconds }: AbuseResults): string {
  const bad = cases.filter(({ violations }) => violations.length > 0);
  const met = cases.filter(meetsAim);
  const ms = (value: number) => value.toFixed(1);
  const rows = cases.map((result) => {
    const { name, quiet, abused, done, watched, violations } = result;
    return [
      name,
      ms(quiet.p99),
      ms(abused.p99),
      `${(abused.p99 / quiet.p99).toFixed(1)}${meetsAim(result) ? '' : ' **over**'}`,
      ms(abused.most),
      Math.round(done.sent / abusedSeconds).toLocaleString('en'),
      done.refused.toLocaleString('en'),
      `+${mebibytes(watched.gatewayGrowth)}`,
      `+${mebibytes(watched.redisGrowth)}`,
      violations.length === 0 ? 'safe' : `**${violations.length} VIOLATIONS**`,
    ];
  });
  const head = [
    'abused',
    'p99 without',
    'p99 beside it',
    'times',
    'slowest',
    'sent a second',
    'refused',
    'gateway MiB',
    'Redis MiB',
    'safety',
  ];
  return [
    '# Abuse',
    '',
    `Written by \`npm run abuse\`; see [the README](../README.md#abuse) for what it means. ${machine.cores} cores, Linux ${machine.kernel}, ` +
      `Node ${machine.node}, Redis ${machine.redis}, ${machine.commit}. ${subscribers} healthy subscribers, ${eventsPerSecond} events a second, ` +
      `each case abused for ${abusedSeconds} seconds. Times in milliseconds, from when an event was due.`,
    '',
    `**${cases.length} cases, ${bad.length === 0 ? 'all safe' : `${bad.length} NOT SAFE`}; ${met.length} within ${MOST_TIMES_P99} times the p99 without the abuser.**`,
    '',
    line(head),
    line(head.map((_none, column) => (column === 0 || column === head.length - 1 ? '---' : '---:'))),
    ...rows.map(line),
    '',
    ...bad.flatMap(({ name, violations }) => [`- ${name}: ${violations.slice(0, 3).join('; ')}`]),
    '',
  ].join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
