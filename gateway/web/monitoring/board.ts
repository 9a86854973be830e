/** The tiles, charts and table of the monitoring page. Owns their elements. */
import { byId, element } from '../shared/dom.ts';
import type { Format } from '../shared/format.ts';
import { Chart } from './chart.ts';
import { CHARTS, type ChartPlan, MORE_MEASURES, type NamedMeasure, tilesOf, written } from './measures.ts';
import type { Samples } from './samples.ts';
import type { MonitoringTexts } from './texts.ts';

interface Figure {
  readonly plan: ChartPlan;
  readonly canvas: HTMLCanvasElement;
  readonly chart: Chart;
}

export class Board {
  readonly #tiles = byId('tiles', HTMLElement);
  readonly #rows = byId('figure-rows', HTMLElement);
  readonly #t: MonitoringTexts;
  readonly #format: Format;
  readonly #figures: readonly Figure[];

  constructor(spanMs: number, t: MonitoringTexts, format: Format) {
    this.#t = t;
    this.#format = format;
    this.#figures = CHARTS.map((plan) => this.#figure(plan, spanMs));
  }

  draw(samples: Samples): void {
    const { latest } = samples;
    if (latest === undefined) return;
    this.#tiles.replaceChildren(
      ...tilesOf(latest, this.#t, this.#format).map(({ name, value, detail }) => {
        const tile = element('div', 'card tile');
        tile.append(
          element('dt', '', name),
          element('dd', 'value figure', value),
          element('dd', 'detail figure', detail),
        );
        return tile;
      }),
    );
    for (const { plan, canvas, chart } of this.#figures) {
      chart.show(samples.all);
      canvas.setAttribute('aria-label', this.#described(plan, samples));
    }
    const rows = CHARTS.flatMap(({ title, measures }) =>
      measures.map((measure) => this.#row(`${this.#t[title]} · ${this.#t[measure]}`, measure, samples)),
    );
    this.#rows.replaceChildren(
      ...rows,
      ...MORE_MEASURES.map((measure) => this.#row(this.#t[measure], measure, samples)),
    );
  }

  #figure(plan: ChartPlan, spanMs: number): Figure {
    const title = this.#t[plan.title];
    const figure = element('figure', 'card');
    const caption = element('figcaption');
    const legend = element('ul', 'legend');
    for (const [index, measure] of plan.measures.entries())
      legend.append(element('li', `series-${index + 1}`, this.#t[measure]));
    caption.append(element('h3', '', title), legend);
    const canvas = element('canvas');
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', this.#t.noFigures(title));
    figure.append(caption, canvas);
    byId('charts', HTMLElement).append(figure);
    const [first = 'cpu_usage'] = plan.measures;
    const chart = new Chart(canvas, {
      ...plan,
      spanMs,
      figure: (value) => written(first, value, this.#format),
      from: this.#t.ago,
      to: this.#t.atNow,
    });
    return { plan, canvas, chart };
  }

  /** What the lines of a chart show, in words. */
  #described({ title, measures }: ChartPlan, samples: Samples): string {
    const lines = measures.flatMap((measure) => {
      const summary = samples.summary(measure);
      if (summary === undefined) return [];
      const say = (value: number) => written(measure, value, this.#format);
      const { latest, lowest, highest } = summary;
      return this.#t.lineSummary(this.#t[measure], say(latest), say(lowest), say(highest));
    });
    return lines.length === 0 ? this.#t.noFigures(this.#t[title]) : `${this.#t[title]}. ${lines.join('. ')}`;
  }

  #row(name: string, measure: NamedMeasure, samples: Samples): HTMLElement {
    const summary = samples.summary(measure);
    const row = element('tr');
    const head = element('th', '', name);
    head.scope = 'row';
    row.append(head);
    for (const which of ['latest', 'lowest', 'mean', 'highest'] as const) {
      const value = summary?.[which];
      row.append(element('td', 'figure', value === undefined ? '–' : written(measure, value, this.#format)));
    }
    return row;
  }
}
