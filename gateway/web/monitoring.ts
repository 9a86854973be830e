/** The monitoring page: the figures that a gateway streams, for as long as the reader wants them. */
import { Board } from './monitoring/board.ts';
import { decode, Samples } from './monitoring/samples.ts';
import { texts } from './monitoring/texts.ts';
import { byId, say } from './shared/dom.ts';
import { openPage } from './shared/page.ts';
import { StateLabel } from './shared/state-label.ts';

const SPAN_MS = 5 * 60_000;

const { t, format } = openPage(texts);

const toggle = byId('toggle', HTMLElement);
const served = byId('served', HTMLElement);
const label = new StateLabel(byId('connection', HTMLElement), t);
const samples = new Samples(SPAN_MS);
const board = new Board(SPAN_MS, t, format);

let source: EventSource | undefined;
open();
toggle.addEventListener('click', () => {
  if (source === undefined) open();
  else close('closed');
});

function open(): void {
  label.show('connecting');
  say(toggle, t.disconnect);
  source = new EventSource('/monitoring');
  source.addEventListener('open', () => label.show('live'));
  source.addEventListener('stats', ({ data }: MessageEvent<string>) => show(data));
  source.addEventListener('error', () => {
    if (source?.readyState === EventSource.CLOSED) close('refused');
    else label.show('reconnecting'); // the browser comes back by itself
  });
}

function close(state: 'closed' | 'refused'): void {
  source?.close();
  source = undefined;
  label.show(state);
  say(toggle, t.connect);
}

function show(data: string): void {
  const sample = decode(data);
  samples.add(sample);
  board.draw(samples);
  const up = sample.figures.uptime_seconds ?? 0;
  served.textContent = t.servedBy(sample.gateway, format.duration(up));
}
