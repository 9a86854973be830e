/** The README's table of sizes: what one core and one gigabyte carry, from a run's results. Pure. */
import { describe } from './report.ts';
import { KERNEL_BYTES, median, PER_CPU_SECOND, RESIDENT_BYTES, type Results } from './results.ts';
import { CONNECTS_PER_CPU_SECOND, PROCESS_MB } from './scenarios/idle.ts';
import { PUBLISHES_PER_CPU_SECOND, PUBLISHES_PER_REDIS_SECOND } from './scenarios/publish.ts';

/** A core that is to keep its latency is not to be loaded more. */
const LOAD = 0.5;
const GIGABYTE = 2 ** 30;
/** Garbage and the young generation, which the measured process was kept from having: loadtest/README.md says how much that is. */
const SPARE_BYTES = 40e6;

/** As Markdown, ending with a line break. Figures that the run lacks are left out. */
export function sizingMarkdown({ machine, quick, figures }: Results): string {
  const delivered = (transport: string, subscribers: number, events: number) =>
    median(figures, {
      scenario: 'fanout',
      subject: 'gateway',
      metric: PER_CPU_SECOND,
      case: { transport, subscribers, bytes: 128, events },
    });
  const of = (scenario: string, metric: string, at: Readonly<Record<string, string>>) =>
    median(figures, { scenario, subject: 'gateway', metric, case: at });
  const perGigabyte = (transport: string) => {
    const [own, kernel] = [of('idle', RESIDENT_BYTES, { transport }), of('idle', KERNEL_BYTES, { transport })];
    const process = of('idle', PROCESS_MB, { transport });
    if (own === undefined || kernel === undefined || process === undefined) return undefined;
    return (GIGABYTE - process * 1e6 - SPARE_BYTES) / (own + kernel / 2);
  };
  const half = (value: number | undefined) => (value === undefined ? undefined : value * LOAD);
  const rows: readonly (readonly [string, number | undefined, number | undefined])[] = [
    ["idle connections in 1 GB, with the process itself and the kernel's part", perGigabyte('ws'), perGigabyte('sse')],
    ...[1, 8, 32].map(
      (events) =>
        [
          `deliveries a second to 1,000 subscribers, ${events} event${events === 1 ? '' : 's'} at a time`,
          half(delivered('ws', 1_000, events)),
          half(delivered('sse', 1_000, events)),
        ] as const,
    ),
    [
      'new connections a second',
      half(of('connect', CONNECTS_PER_CPU_SECOND, { transport: 'ws' })),
      half(of('connect', CONNECTS_PER_CPU_SECOND, { transport: 'sse' })),
    ],
  ];
  const publishes = (['WebSocket', 'HTTP', 'HTTP batch'] as const).map((way) => {
    const [server, redis] = [
      half(of('publish', PUBLISHES_PER_CPU_SECOND, { way })),
      half(of('publish', PUBLISHES_PER_REDIS_SECOND, { way })),
    ];
    return [`publishes a second by ${way}`, server, redis] as const;
  });
  return [
    `Medians of one run${quick ? ' of the quick form' : ''} with each core half busy, on this machine: ${describe(machine)}.`,
    '',
    ...markdown(['one gateway core', 'WebSocket', 'SSE'], rows),
    '',
    ...markdown(['stored and acknowledged, 128 B', 'one gateway core', 'one Redis core'], publishes),
    '',
  ].join('\n');
}

function markdown(
  head: readonly string[],
  rows: readonly (readonly [string, number | undefined, number | undefined])[],
): string[] {
  return [
    `| ${head.join(' | ')} |`,
    '| --- | ---: | ---: |',
    ...rows
      .filter(([, one, other]) => one !== undefined || other !== undefined)
      .map(([what, one, other]) => `| ${what} | ${rounded(one)} | ${rounded(other)} |`),
  ];
}

/** Two digits: a figure of another machine is no more exact than that. */
function rounded(value: number | undefined): string {
  return value === undefined ? '' : Number(value.toPrecision(2)).toLocaleString('en');
}
