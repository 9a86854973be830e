/** What `/metrics`, `/stats` and `/readyz` say: of this process, or of all the workers that share its port. */

import type { Colleagues } from '../workers/colleagues.ts';
import type { Health, Readiness } from './health.ts';
import type { Metrics } from './metrics.ts';
import { onceATurn } from './once-a-turn.ts';

type Stats = Readonly<Record<string, unknown>>;

export interface Figures {
  readonly contentType: string;
  text(): Promise<string>;
  stats(): Stats | Promise<Stats>;
  readiness(): Readiness | Promise<Readiness>;
}

export function ownFigures(metrics: Metrics, health: Health): Figures {
  return {
    contentType: metrics.contentType,
    text: onceATurn(() => metrics.text(), setImmediate),
    stats: () => metrics.stats(),
    readiness: () => health.readiness(),
  };
}

export function sharedFigures(colleagues: Pick<Colleagues, 'ask'>, gatewayId: string, contentType: string): Figures {
  return {
    contentType,
    text: onceATurn(async () => mergedText(given<string>(await colleagues.ask('metrics'))), setImmediate),
    stats: async () => summedStats(given<Stats>(await colleagues.ask('stats')), gatewayId),
    readiness: async () => commonReadiness((await colleagues.ask('readiness')) as readonly (Readiness | null)[]),
  };
}

/** The samples of each metric together, as the format wants it. Each worker has its own `gateway` label, so that nothing has to be added up. */
export function mergedText(workers: readonly string[]): string {
  const samples = new Map<string, string[]>();
  for (const family of workers.flatMap((text) => text.split(/^(?=# HELP )/m))) {
    const lines = family.split('\n').filter((line) => line !== '');
    const head = lines.filter((line) => line.startsWith('#')).join('\n');
    const known = samples.get(head) ?? [];
    samples.set(head, known);
    known.push(...lines.filter((line) => !line.startsWith('#')));
  }
  return [...samples].map(([head, lines]) => `${[head, ...lines].join('\n')}\n`).join('\n');
}

/** Numbers are added up, but for the time, of which the longest counts; of what else there is each worker's own is told. */
function summedStats(workers: readonly Stats[], gatewayId: string): Stats {
  const sum: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(workers[0] ?? {})) {
    const values = workers.map((stats) => stats[name]);
    if (name === 'uptime_seconds') sum[name] = Math.max(...(values as number[]));
    else if (typeof value === 'number') sum[name] = (values as number[]).reduce((a, b) => a + b, 0);
    else sum[name] = value;
  }
  return { ...sum, gateway: gatewayId, limit_refusals: summedRefusals(workers), workers };
}

function summedRefusals(workers: readonly Stats[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { limit_refusals: refusals } of workers)
    for (const [limit, count] of Object.entries(refusals as Record<string, number>))
      sum[limit] = (sum[limit] ?? 0) + count;
  return sum;
}

/** Connections come to any of them, so all must be ready. */
function commonReadiness(workers: readonly (Readiness | null)[]): Readiness {
  for (const readiness of workers) {
    if (readiness === null) return { ready: false, reason: 'A worker is starting, or does not answer.' };
    if (!readiness.ready) return readiness;
  }
  const degraded = given<Readiness>(workers).flatMap((each) => (each.ready ? each.degraded : []));
  return { ready: true, degraded: [...new Set(degraded)] };
}

function given<T>(answers: readonly unknown[]): readonly T[] {
  return answers.filter((answer): answer is T => answer !== null);
}
