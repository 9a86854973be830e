/** The HTTP requests that are not streams: what each path answers. Knows no uWS type. */

import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { BrokerUnavailable } from '../../broker/broker.ts';
import type { Caller, Rights } from '../auth/rights.ts';
import type { AuthRoute, AuthRoutes } from '../auth/routes.ts';
import { boundedList } from '../bounds.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Hub } from '../hub/hub.ts';
import { type Operations, type Outcome, type Source, UNAVAILABLE } from '../operations.ts';
import {
  badRequest,
  CHANNEL,
  ERROR_STATUS,
  historyQuery,
  MAX_PAGE,
  presenceQuery,
  publication,
  type Refusal,
} from '../protocol.ts';
import type { Headers } from './headers.ts';

export interface ApiRequest {
  readonly query: URLSearchParams;
  readonly accept: string;
  /** W3C Trace Context, as it came. */
  readonly traceparent: string;
  /** The address of the client; empty where that does not matter. */
  readonly address: string;
  readonly body: Buffer;
  /** Whether whoever asked is gone. */
  readonly gone: () => boolean;
  /** Who asks; nobody where that does not matter. */
  readonly caller: Caller;
}

export interface ApiAnswer {
  readonly status: number;
  readonly type: string;
  readonly headers?: Headers;
  readonly body: string;
}

export type Handler = (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>;
export type Method = 'GET' | 'POST';
/** What each path answers, by method. */
export type Routes = Readonly<Record<string, Readonly<Partial<Record<Method, Handler>>>>>;

export interface ApiParts {
  readonly authRoutes: AuthRoutes;
  readonly operations: Operations;
  readonly rights: Rights;
  readonly fleet: Fleet;
}

/** Channels that one listing has at most. */
const MAX_LISTED = 1_000;

const batch = z.object({
  publishes: boundedList('"publishes" must be a list', {
    min: 1,
    max: MAX_PAGE,
    message: `"publishes" must have 1 to ${MAX_PAGE} entries`,
  }),
});

const audience = z.object({ channel: z.string(), subscribers: z.number() });

/** Its type names each path, so that whoever has something for all of them is told by the compiler of a new one. */
export function apiRoutes({ authRoutes, operations, rights, fleet }: ApiParts) {
  return {
    '/api/publish': {
      POST: ({ body, caller, address, traceparent }) =>
        withJson(body, async (value) => answer(await publishOne(operations, caller, value, { address, traceparent }))),
    },
    '/api/batch': {
      POST: ({ body, caller, address, traceparent }) =>
        withJson(body, async (value) => {
          const parsed = batch.safeParse(value);
          if (!parsed.success) return refusal(badRequest('batch', parsed.error));
          const outcomes = await Promise.all(
            parsed.data.publishes.map((each) => publishOne(operations, caller, each, { address, traceparent })),
          );
          return json(200, {
            results: outcomes.map((outcome) => (outcome.ok ? outcome.fields : errorBody(outcome.refusal))),
          });
        }),
    },
    '/api/history': {
      GET: async ({ query, caller, address, gone }) => {
        const limit = query.get('limit');
        const asked = {
          ...Object.fromEntries(query),
          ...(limit === null ? {} : { limit: /^\d+$/.test(limit) ? Number(limit) : Number.NaN }),
        };
        const parsed = historyQuery.safeParse(asked);
        return parsed.success
          ? answer(await operations.history(caller, parsed.data, { address, gone }))
          : refusal(badRequest('history', parsed.error));
      },
    },
    '/api/presence': {
      GET: async ({ query, caller, address, gone }) => {
        const parsed = presenceQuery.safeParse(Object.fromEntries(query));
        return parsed.success
          ? answer(await operations.presence(caller, parsed.data.channel, { address, gone }))
          : refusal(badRequest('presence', parsed.error));
      },
    },
    '/api/channels': {
      GET: ({ query, caller }) => {
        const refused = rights.refuseManaging(caller);
        return refused === undefined ? listChannels(fleet, query.get('prefix') ?? '') : refusal(refused);
      },
    },
    '/api/ticket': { POST: postTo(authRoutes['/api/ticket']) },
    '/api/disconnect': { POST: postTo(authRoutes['/api/disconnect']) },
    '/api/revoke': { POST: postTo(authRoutes['/api/revoke']) },
  } satisfies Routes & Record<keyof AuthRoutes, unknown>;

  /** The channels over all gateways, by name. */
  async function listChannels(gateways: Fleet, prefix: string): Promise<ApiAnswer> {
    try {
      const { answers, missing } = await gateways.ask({ kind: 'channels', prefix });
      const totals = new Map<string, number>();
      let understood = true;
      for (const given of answers) {
        const audiences = z.array(audience).safeParse(given);
        understood &&= audiences.success;
        for (const { channel, subscribers } of audiences.data ?? []) {
          totals.set(channel, (totals.get(channel) ?? 0) + subscribers);
        }
      }
      const names = [...totals.keys()].sort().slice(0, MAX_LISTED);
      const channels = names.map((channel) => ({ channel, subscribers: totals.get(channel) }));
      return json(200, { channels, complete: understood && missing.length === 0 && totals.size <= MAX_LISTED });
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) throw error;
      return refusal(UNAVAILABLE);
    }
  }
}

/** What this gateway answers when the fleet asks for the channels that begin with `prefix`. */
export function localChannels(hub: Hub, prefix: string): unknown {
  const found = [...hub.audiences(prefix)].filter(({ channel }) => CHANNEL.test(channel)); // not the gateways' own
  found.sort((a, b) => (a.channel < b.channel ? -1 : 1));
  return found.slice(0, MAX_LISTED + 1); // one more, so that whoever asked sees that there are
}

/** The body may be left out. */
function postTo(route: AuthRoute): Handler {
  return async ({ body, caller }) =>
    body.length === 0
      ? answer(await route(caller, undefined))
      : withJson(body, async (value) => answer(await route(caller, value)));
}

export function json(status: number, value: unknown): ApiAnswer {
  return { status, type: 'application/json', body: JSON.stringify(value) };
}

export function refusal(refused: Refusal): ApiAnswer {
  const { code, againInMs } = refused;
  const headers: Headers = againInMs === undefined ? [] : [['Retry-After', String(Math.ceil(againInMs / 1_000))]];
  return { ...json(ERROR_STATUS[code], errorBody(refused)), headers };
}

function errorBody({ code, error }: Refusal): unknown {
  return { error: { code, message: error } };
}

function answer(outcome: Outcome): ApiAnswer {
  return outcome.ok ? json(200, outcome.fields) : refusal(outcome.refusal);
}

async function publishOne(operations: Operations, caller: Caller, value: unknown, source: Source): Promise<Outcome> {
  const parsed = publication.safeParse(value);
  if (!parsed.success) return { ok: false, refusal: badRequest('publish', parsed.error) };
  return operations.publish(caller, parsed.data, source);
}

/** .NET and PowerShell write it before JSON. */
const BYTE_ORDER_MARK = /^\ufeff/;

async function withJson(body: Buffer, handle: (value: unknown) => Promise<ApiAnswer>): Promise<ApiAnswer> {
  // Told apart no more once it is text, in which all such bytes are the same U+FFFD.
  if (!isUtf8(body))
    return refusal({ code: 'bad_request', error: 'The body has bytes that are no UTF-8; send JSON in UTF-8' });
  let value: unknown;
  try {
    value = JSON.parse(body.toString().replace(BYTE_ORDER_MARK, ''));
  } catch {
    return refusal({ code: 'bad_request', error: 'The body is no valid JSON' }); // said to whoever sent it; nothing to log
  }
  return handle(value);
}
