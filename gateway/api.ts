/** The HTTP requests that are not streams: what each path answers. Knows no uWS type. */
import { z } from 'zod';
import { BrokerUnavailable } from '../broker/broker.ts';
import type { Fleet } from './fleet.ts';
import type { Health } from './health.ts';
import type { Hub } from './hub.ts';
import type { Metrics } from './metrics.ts';
import { type Operations, type Outcome, UNAVAILABLE } from './operations.ts';
import { badRequest, ERROR_STATUS, historyQuery, MAX_PAGE, publication, type Refusal } from './protocol.ts';

export interface ApiRequest {
  readonly query: URLSearchParams;
  readonly accept: string;
  readonly body: Buffer;
}

export interface ApiAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export type Handler = (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>;
export type Method = 'GET' | 'POST';
/** What each path answers, by method. */
export type Routes = Readonly<Record<string, Readonly<Partial<Record<Method, Handler>>>>>;

export interface ApiParts {
  readonly operations: Operations;
  readonly fleet: Fleet;
  readonly metrics: Metrics;
  readonly health: Health;
}

/** Channels that one listing has at most. */
const MAX_LISTED = 1_000;

const batch = z.object({
  publishes: z
    .array(z.unknown(), '"publishes" must be a list')
    .min(1, '"publishes" must not be empty')
    .max(MAX_PAGE, `"publishes" may have ${MAX_PAGE} entries at most`),
});

const audience = z.object({ channel: z.string(), subscribers: z.number() });

export function apiRoutes({ operations, fleet, metrics, health }: ApiParts): Routes {
  return {
    '/api/publish': {
      POST: ({ body }) => withJson(body, async (value) => answer(await publishOne(operations, 'publish', value))),
    },
    '/api/batch': {
      POST: ({ body }) =>
        withJson(body, async (value) => {
          const parsed = batch.safeParse(value);
          if (!parsed.success) return refusal(badRequest('batch', parsed.error));
          const outcomes = await Promise.all(
            parsed.data.publishes.map((each) => publishOne(operations, 'publish', each)),
          );
          return json(200, {
            results: outcomes.map((outcome) => (outcome.ok ? outcome.fields : errorBody(outcome.refusal))),
          });
        }),
    },
    '/api/history': {
      GET: async ({ query }) => {
        const limit = query.get('limit');
        const asked = {
          ...Object.fromEntries(query),
          ...(limit === null ? {} : { limit: /^\d+$/.test(limit) ? Number(limit) : Number.NaN }),
        };
        const parsed = historyQuery.safeParse(asked);
        return parsed.success
          ? answer(await operations.history(parsed.data))
          : refusal(badRequest('history', parsed.error));
      },
    },
    '/api/channels': { GET: ({ query }) => listChannels(fleet, query.get('prefix') ?? '') },
    '/healthz': { GET: () => json(200, { status: 'ok' }) },
    '/readyz': {
      GET: () => {
        const reason = health.unready();
        return reason === undefined ? json(200, { status: 'ready' }) : json(503, { status: 'unready', reason });
      },
    },
    '/stats': { GET: () => json(200, metrics.stats()) },
    '/metrics': {
      GET: async ({ accept }) =>
        accept.includes('application/json')
          ? json(200, metrics.stats())
          : { status: 200, type: metrics.contentType, body: await metrics.text() },
    },
  };

  /** The channels over all gateways, by name. */
  async function listChannels(gateways: Fleet, prefix: string): Promise<ApiAnswer> {
    try {
      const { answers, missing } = await gateways.ask(prefix);
      const totals = new Map<string, number>();
      for (const given of answers) {
        for (const { channel, subscribers } of z.array(audience).parse(given)) {
          totals.set(channel, (totals.get(channel) ?? 0) + subscribers);
        }
      }
      const names = [...totals.keys()].sort().slice(0, MAX_LISTED);
      const channels = names.map((channel) => ({ channel, subscribers: totals.get(channel) }));
      return json(200, { channels, complete: missing.length === 0 && totals.size <= MAX_LISTED });
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) throw error;
      return refusal(UNAVAILABLE);
    }
  }
}

/** What this gateway answers when the fleet asks for the channels that begin with `prefix`. */
export function localChannels(hub: Hub, prefix: string): unknown {
  const found = [...hub.audiences(prefix)];
  found.sort((a, b) => (a.channel < b.channel ? -1 : 1));
  return found.slice(0, MAX_LISTED + 1); // one more, so that whoever asked sees that there are
}

export function json(status: number, value: unknown): ApiAnswer {
  return { status, type: 'application/json', body: JSON.stringify(value) };
}

export function refusal(refused: Refusal): ApiAnswer {
  return json(ERROR_STATUS[refused.code], errorBody(refused));
}

function errorBody({ code, error }: Refusal): unknown {
  return { error: { code, message: error } };
}

function answer(outcome: Outcome): ApiAnswer {
  return outcome.ok ? json(200, outcome.fields) : refusal(outcome.refusal);
}

async function publishOne(operations: Operations, what: string, value: unknown): Promise<Outcome> {
  const parsed = publication.safeParse(value);
  return parsed.success ? operations.publish(parsed.data) : { ok: false, refusal: badRequest(what, parsed.error) };
}

async function withJson(body: Buffer, handle: (value: unknown) => Promise<ApiAnswer>): Promise<ApiAnswer> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    return refusal({ code: 'bad_request', error: 'The body is no valid JSON' }); // said to whoever sent it; nothing to log
  }
  return handle(value);
}
