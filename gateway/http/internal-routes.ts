/**
 * What operators and their tools ask: health, readiness, statistics, metrics. Served by the internal port where there is one, by the
 * public one otherwise. Knows no HTTP server.
 */
import type { Figures } from '../figures/figures.ts';
import { type ApiAnswer, json, type Routes, refusal } from './api.ts';

/** Alive: its event loop turns. It says nothing of what is inside, so both ports may answer it to anybody. */
export function livenessRoutes() {
  return { '/healthz': { GET: () => json(200, { status: 'ok' }) } } satisfies Routes;
}

export function figureRoutes(figures: Figures) {
  return {
    '/readyz': {
      GET: async () => {
        const readiness = await figures.readiness();
        if (!readiness.ready) return json(503, { status: 'unready', reason: readiness.reason });
        const { degraded } = readiness;
        return json(200, { status: 'ready', ...(degraded.length === 0 ? {} : { degraded }) });
      },
    },
    '/stats': { GET: async () => json(200, await figures.stats()) },
    '/metrics': {
      GET: async ({ accept }) =>
        accept.includes('application/json')
          ? json(200, await figures.stats())
          : { status: 200, type: figures.contentType, body: await figures.text() },
    },
  } satisfies Routes;
}

/** What the public port answers on these paths where the internal one has them. */
export function movedRoutes(internal: Routes): Routes {
  const moved = (path: string): ApiAnswer =>
    refusal({ code: 'not_found', error: `${path} is answered on the internal port of this gateway (INTERNAL_PORT)` });
  return Object.fromEntries(Object.keys(internal).map((path) => [path, { GET: () => moved(path) }]));
}
