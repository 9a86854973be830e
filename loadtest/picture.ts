/** The picture of a run, as SVG: what a delivery costs as the load grows. Both axes are logarithmic. Pure. */
import { type Figure, PER_CPU_SECOND, select } from './results.ts';

interface Line {
  readonly name: string;
  readonly colour: string;
  readonly dashed: boolean;
  /** Events a tick, and microseconds of CPU per delivery. */
  readonly points: readonly (readonly [number, number])[];
}

const SUBSCRIBERS = 1_000;
const BYTES = 128;
const COLOURS: Readonly<Record<string, string>> = {
  gateway: '#0b6e4f',
  bare: '#5a5a5a',
  plain: '#c1440e',
  centrifugo: '#1f5fa8',
};
const NAMES: Readonly<Record<string, string>> = {
  gateway: 'Passerelle',
  bare: 'bare uWebSockets.js',
  plain: 'npm ws',
  centrifugo: 'Centrifugo',
};
const TRANSPORTS: Readonly<Record<string, string>> = { ws: 'WebSocket', sse: 'SSE' };

const WIDTH = 880;
const HEIGHT = 460;
const PLOT = { left: 70, right: 560, top: 60, bottom: 400 } as const;

/** Undefined where the run has not measured it. `note` names the machine. */
export function picture(figures: readonly Figure[], centrifugo: string | undefined, note: string): string | undefined {
  const lines = linesOf(figures, centrifugo);
  const points = lines.flatMap((line) => line.points);
  if (points.length < 2) return undefined;
  const loads = [...new Set(points.map(([load]) => load))].sort((a, b) => a - b);
  const costs = points.map(([, cost]) => cost);
  const [least, most] = [decade(Math.min(...costs), Math.floor), decade(Math.max(...costs), Math.ceil)];
  const x = scale(loads[0] ?? 1, loads.at(-1) ?? 1, PLOT.left, PLOT.right);
  const y = scale(least, most, PLOT.bottom, PLOT.top);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(
      PLOT.left,
      24,
      `CPU time per delivery, ${SUBSCRIBERS.toLocaleString('en')} subscribers, ${BYTES} B`,
      'font-size="17"',
    ),
    text(PLOT.left, 44, `microseconds of the server's core; medians of one run; ${note}`, 'fill="#555"'),
    ...grid(y, least, most),
    ...loads.map((load) => text(x(load), PLOT.bottom + 20, String(load), 'text-anchor="middle"')),
    text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 42, 'events a tick', 'text-anchor="middle"'),
    ...lines.map((line) => path(line, x, y)),
    ...legend(lines, y),
    '</svg>',
    '',
  ].join('\n');
}

function linesOf(figures: readonly Figure[], centrifugo: string | undefined): Line[] {
  const wanted = { scenario: 'fanout', metric: PER_CPU_SECOND, case: { subscribers: SUBSCRIBERS, bytes: BYTES } };
  const lines = new Map<string, Line & { readonly points: [number, number][] }>();
  for (const found of select(figures, wanted)) {
    const { subject, case: at, value } = found;
    const key = `${subject} ${at.transport}`;
    const name = subject === 'centrifugo' ? (centrifugo ?? 'Centrifugo') : (NAMES[subject] ?? subject);
    const line = lines.get(key) ?? {
      name: `${name}, ${TRANSPORTS[String(at.transport)] ?? ''}`,
      colour: COLOURS[subject] ?? '#000',
      dashed: at.transport === 'sse',
      points: [],
    };
    line.points.push([Number(at.events), 1e6 / value.median]);
    lines.set(key, line);
  }
  return [...lines.values()];
}

type Scale = (value: number) => number;

function scale(from: number, to: number, start: number, end: number): Scale {
  const span = Math.log(to / from) || 1;
  return (value) => start + ((end - start) * Math.log(value / from)) / span;
}

function decade(value: number, round: (power: number) => number): number {
  return 10 ** round(Math.log10(value));
}

function grid(y: Scale, least: number, most: number): string[] {
  const marks: number[] = [];
  for (let power = Math.round(Math.log10(least)); power <= Math.round(Math.log10(most)); power++)
    for (const digit of [1, 2, 5]) if (digit * 10 ** power <= most) marks.push(digit * 10 ** power);
  return marks.flatMap((mark) => [
    `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${round(y(mark))}" y2="${round(y(mark))}" stroke="#e2e2e2"/>`,
    text(PLOT.left - 8, y(mark) + 4, String(Number(mark.toPrecision(1))), 'text-anchor="end" fill="#555"'),
  ]);
}

function path({ points, colour, dashed }: Line, x: Scale, y: Scale): string {
  const steps = points.map(([load, cost], index) => `${index === 0 ? 'M' : 'L'}${round(x(load))} ${round(y(cost))}`);
  const dots = points.map(
    ([load, cost]) => `<circle cx="${round(x(load))}" cy="${round(y(cost))}" r="3.5" fill="${colour}"/>`,
  );
  const dash = dashed ? ' stroke-dasharray="6 4"' : '';
  return `<path d="${steps.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>${dots.join('')}`;
}

const ROW = 18;

/** Beside the lines' ends, moved apart where they would lie upon one another. */
function legend(lines: readonly Line[], y: Scale): string[] {
  const wanted = lines
    .map((line) => ({ line, at: y(line.points.at(-1)?.[1] ?? 1) }))
    .sort((one, other) => one.at - other.at);
  let last = PLOT.top - ROW;
  return wanted.map(({ line, at }) => {
    last = Math.max(last + ROW, at);
    return text(PLOT.right + 14, last + 4, line.name, `fill="${line.colour}"`);
  });
}

function text(x: number, y: number, words: string, attributes: string): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
