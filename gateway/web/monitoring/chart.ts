/**
 * Lines over the last minutes on a canvas. Owns the canvas: draws it anew when there is a new sample, another size, another
 * density of pixels or another colour scheme. What the lines say in words is its figure's.
 */
import type { Measure, Sample } from './samples.ts';
import { axisOf } from './scale.ts';

export interface ChartOptions {
  readonly measures: readonly Measure[];
  readonly spanMs: number;
  /** Where the axis ends; without it, at a round number above the highest figure. */
  readonly end?: number;
  /** How a figure is written beside the axis. */
  figure(value: number): string;
  /** How the beginning and the end of the time are written. */
  readonly from: string;
  readonly to: string;
}

/** In CSS pixels. */
const TOP = 8;
const BOTTOM = 22;
const LEFT_GAP = 8;
const RIGHT = 4;
/** More time than this between two samples is a gap in the line. */
const GAP_MS = 10_000;
/** The lines differ in more than colour. The same as in the legend's style. */
const DASHES = [[], [6, 3], [2, 3]] as const;

interface Frame {
  readonly left: number;
  readonly width: number;
  readonly height: number;
  readonly axis: number;
  /** The time at the right end. */
  readonly now: number;
}

export class Chart {
  readonly #canvas: HTMLCanvasElement;
  readonly #options: ChartOptions;
  #samples: readonly Sample[] = [];

  constructor(canvas: HTMLCanvasElement, options: ChartOptions) {
    this.#canvas = canvas;
    this.#options = options;
    const redraw = () => this.#draw();
    new ResizeObserver(redraw).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
    this.#followDensity();
  }

  show(samples: readonly Sample[]): void {
    this.#samples = samples;
    this.#draw();
  }

  /** A window may be moved to a screen of another density, and a page be zoomed; a query knows only the density it was made for. */
  #followDensity(): void {
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener(
      'change',
      () => {
        this.#draw();
        this.#followDensity();
      },
      { once: true },
    );
  }

  #draw(): void {
    const { clientWidth, clientHeight } = this.#canvas;
    const context = this.#canvas.getContext('2d');
    if (context === null || clientWidth === 0) return;
    this.#canvas.width = Math.round(clientWidth * devicePixelRatio);
    this.#canvas.height = Math.round(clientHeight * devicePixelRatio);
    context.scale(devicePixelRatio, devicePixelRatio);
    const style = getComputedStyle(this.#canvas);
    const { measures, end, figure } = this.#options;
    context.font = `${style.fontSize} ${style.fontFamily}`;

    const highest = Math.max(0, ...this.#samples.flatMap(({ figures }) => measures.map((each) => figures[each] ?? 0)));
    const axis = Math.max(end ?? 0, axisOf(highest));
    const labels = [0, axis / 2, axis].map((value) => ({ value, text: figure(value) }));
    const left = Math.max(...labels.map(({ text }) => context.measureText(text).width)) + LEFT_GAP;
    const width = clientWidth - left - RIGHT;
    const frame = { left, width, height: clientHeight - TOP - BOTTOM, axis, now: this.#samples.at(-1)?.at ?? 0 };
    this.#drawFrame(context, frame, labels, style);
    for (const [index, measure] of measures.entries()) this.#drawLine(context, frame, measure, index, style);
  }

  #drawFrame(
    context: CanvasRenderingContext2D,
    frame: Frame,
    labels: readonly { readonly value: number; readonly text: string }[],
    style: CSSStyleDeclaration,
  ): void {
    const { left, width, height } = frame;
    context.strokeStyle = style.getPropertyValue('--line');
    context.fillStyle = style.color;
    context.lineWidth = 1;
    context.textBaseline = 'middle';
    context.textAlign = 'right';
    for (const { value, text } of labels) {
      const y = Math.round(yOf(value, frame)) + 0.5; // between two pixels a line would be blurred
      context.beginPath();
      context.moveTo(left, y);
      context.lineTo(left + width, y);
      context.stroke();
      context.fillText(text, left - LEFT_GAP, y);
    }
    context.textBaseline = 'bottom';
    const bottom = TOP + height + BOTTOM;
    context.fillText(this.#options.to, left + width, bottom);
    context.textAlign = 'left';
    context.fillText(this.#options.from, left, bottom);
  }

  #drawLine(
    context: CanvasRenderingContext2D,
    frame: Frame,
    measure: Measure,
    index: number,
    style: CSSStyleDeclaration,
  ): void {
    context.strokeStyle = style.getPropertyValue(`--series-${index + 1}`);
    context.lineWidth = 2;
    context.lineJoin = 'round';
    context.setLineDash(DASHES[index] ?? []);
    context.beginPath();
    let before = Number.NEGATIVE_INFINITY;
    for (const { at, figures } of this.#samples) {
      const value = figures[measure];
      if (value === undefined) continue;
      const x = frame.left + frame.width * (1 - (frame.now - at) / this.#options.spanMs);
      const y = yOf(value, frame);
      if (at - before > GAP_MS) context.moveTo(x, y);
      else context.lineTo(x, y);
      before = at;
    }
    context.stroke();
    context.setLineDash([]);
  }
}

function yOf(value: number, { height, axis }: Frame): number {
  return TOP + height * (1 - value / axis);
}
