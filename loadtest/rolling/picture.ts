/**
 * The picture of rolling restarts: for each run a column, for each gateway a row, and in each how many connections it opened and closed a
 * second, with the times at which it was being stopped. All have one scale, which is that of what was opened. Pure: figures in, SVG out.
 */
import type { Restart } from '../../gateway/e2e/harness/rolling.ts';
import type { ReplicaRates } from './rates.ts';

export interface PictureRun {
  readonly title: string;
  readonly bound: number | undefined;
  readonly replicas: readonly (ReplicaRates & { readonly restart: Restart })[];
}

const WIDTH = 460;
const HEIGHT = 130;
const MARGIN = { left: 54, top: 96, between: 26, right: 16, bottom: 40 };
const COLORS = {
  opened: '#2563eb',
  closed: '#ea580c',
  bound: '#6b7280',
  drain: '#e5e7eb',
  grid: '#e5e7eb',
  text: '#111827',
};

export function picture(title: string, runs: readonly PictureRun[]): string {
  const rows = Math.max(...runs.map(({ replicas }) => replicas.length));
  const seconds = Math.max(...runs.flatMap(({ replicas }) => replicas.map((each) => each.openedPerSecond.length)));
  const most = Math.max(
    ...runs.flatMap(({ bound, replicas }) => [bound ?? 0, ...replicas.flatMap((each) => each.openedPerSecond)]),
  );
  const top = niceCeiling(most);
  const width = runs.length * (WIDTH + MARGIN.left) + MARGIN.right;
  const height = MARGIN.top + rows * (HEIGHT + MARGIN.between) + MARGIN.bottom;
  const parts = runs.flatMap((run, column) => {
    const x = MARGIN.left + column * (WIDTH + MARGIN.left);
    const panels = run.replicas.map((replica, row) =>
      panel({ x, y: MARGIN.top + row * (HEIGHT + MARGIN.between), seconds, top }, replica, run.bound, row),
    );
    return [text(x, MARGIN.top - 26, run.title, { weight: 'bold' }), ...panels];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="${COLORS.text}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(MARGIN.left, 22, title, { weight: 'bold', size: 15 }),
    ...legend(MARGIN.left, 40),
    ...parts,
    text(width / 2, height - 10, 'seconds', { anchor: 'middle' }),
    '</svg>',
    '',
  ].join('\n');
}

interface Frame {
  readonly x: number;
  readonly y: number;
  readonly seconds: number;
  readonly top: number;
}

function panel(
  frame: Frame,
  { openedPerSecond, closedPerSecond, restart }: PictureRun['replicas'][number],
  bound: number | undefined,
  row: number,
): string {
  const { x, y, seconds, top } = frame;
  const atSecond = (second: number) => round(x + (second / seconds) * WIDTH);
  const atCount = (count: number) => round(y + HEIGHT - (Math.min(count, top) / top) * HEIGHT);
  const from = atSecond(restart.toldMs / 1_000);
  const to = atSecond(restart.backMs / 1_000);
  const steps = (counts: readonly number[]) =>
    counts.map((count, second) => `${atSecond(second)},${atCount(count)} ${atSecond(second + 1)},${atCount(count)}`);
  const area = [`${x},${y + HEIGHT}`, ...steps(openedPerSecond), `${atSecond(openedPerSecond.length)},${y + HEIGHT}`];
  const counts = [0, top / 2, top];
  const ticks = Array.from({ length: Math.floor(seconds / 10) + 1 }, (_none, index) => index * 10);
  return [
    `<rect x="${from}" y="${y}" width="${round(to - from)}" height="${HEIGHT}" fill="${COLORS.drain}"/>`,
    ...counts.map((count) => line(x, atCount(count), x + WIDTH, atCount(count), COLORS.grid)),
    ...counts.map((count) => text(x - 6, atCount(count) + 4, String(count), { anchor: 'end' })),
    ...ticks.map((second) => text(atSecond(second), y + HEIGHT + 15, String(second), { anchor: 'middle', size: 10 })),
    `<polygon points="${area.join(' ')}" fill="${COLORS.opened}" fill-opacity="0.75"/>`,
    `<polyline points="${steps(closedPerSecond).join(' ')}" fill="none" stroke="${COLORS.closed}" stroke-width="1.5"/>`,
    ...(bound === undefined ? [] : [line(x, atCount(bound), x + WIDTH, atCount(bound), COLORS.bound, '5 4')]),
    text(x + 6, y + 14, `gateway ${row + 1}`, {}),
  ].join('\n');
}

function legend(x: number, y: number): string[] {
  const entries = [
    { color: COLORS.opened, label: 'connections opened a second' },
    { color: COLORS.closed, label: 'closed a second (cut off at the top)' },
    { color: COLORS.drain, label: 'being stopped and started' },
    { color: COLORS.bound, label: 'bound (dashed)' },
  ];
  return entries.flatMap(({ color, label }, index) => {
    const left = x + index * 240;
    return [
      `<rect x="${left}" y="${y - 9}" width="12" height="10" fill="${color}"/>`,
      text(left + 18, y, label, { size: 11 }),
    ];
  });
}

function line(x1: number, y1: number, x2: number, y2: number, color: string, dashes?: string): string {
  const dashed = dashes === undefined ? '' : ` stroke-dasharray="${dashes}"`;
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color}"${dashed}/>`;
}

function text(
  x: number,
  y: number,
  content: string,
  { weight, size, anchor }: { readonly weight?: string; readonly size?: number; readonly anchor?: string },
): string {
  const attributes = [
    ...(weight === undefined ? [] : [` font-weight="${weight}"`]),
    ...(size === undefined ? [] : [` font-size="${size}"`]),
    ...(anchor === undefined ? [] : [` text-anchor="${anchor}"`]),
  ];
  return `<text x="${x}" y="${y}"${attributes.join('')}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The least of 1, 2 and 5 times a power of ten that is not below it. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return ([1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10) * power;
}
