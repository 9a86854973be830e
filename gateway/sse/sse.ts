/** The uWebSockets.js binding of `/events`: HTTP responses in, streams out. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { BrokerUnavailable } from '../../broker/broker.ts';
import type { Authenticated } from '../auth/authenticator.ts';
import type { CredentialSources } from '../auth/credentials.ts';
import { type Rights, userOf } from '../auth/rights.ts';
import type { Asker } from '../hub/read-queue.ts';
import type { Operations } from '../operations.ts';
import type { BoundApp } from '../tls/bound-app.ts';
import {
  type Asked,
  answerHead,
  bindPreflight,
  CANNOT_SERVE,
  readAsked,
  refuse,
  refuseAsked,
  SseResponse,
  type SseResponseOptions,
  turnAway,
} from './sse-response.ts';
import type { Stream, StreamRequest, Streams } from './stream.ts';
import { decodeStreamRequest } from './stream-request.ts';

export interface SseOptions extends SseResponseOptions {
  readonly streams: Streams;
  readonly authenticate: (sources: CredentialSources) => Promise<Authenticated>;
  readonly rights: Rights;
  readonly operations: Operations;
  readonly sleep: (ms: number) => Promise<unknown>;
  readonly maxChannels: number;
}

/** One request, which its client may give up at any time. Held for as long as its stream flows: what it was asked for is not part of it. */
interface Exchange {
  response: SseResponse | undefined;
  aborted: boolean;
}

export function bindSse(app: BoundApp, options: SseOptions): void {
  const take = (res: HttpResponse, req: HttpRequest) => {
    const exchange: Exchange = { response: undefined, aborted: false };
    res.onAborted(() => {
      exchange.aborted = true;
      exchange.response?.closed('aborted');
    });
    begin(exchange, res, req, options);
  };
  app.get('/events', take);
  app.head('/events', take);

  bindPreflight(app, '/events', options);
}

/** Reads the request while it is there. */
function begin(exchange: Exchange, res: HttpResponse, req: HttpRequest, options: SseOptions): void {
  const asked = readAsked(res, req, options);
  options.tally.received++;
  const query = new URLSearchParams(req.getQuery() ?? '');
  const lastEventId = asked.hasLastEventId ? req.getHeader('last-event-id') : undefined;
  const decoded = decodeStreamRequest(query, lastEventId, options.maxChannels);
  if (asked.refusal !== undefined) {
    refuseAsked(res, asked, () => exchange.aborted, options);
  } else if (!decoded.ok) {
    if (decoded.refusal.code === 'too_many') options.tally.refusals.channels++;
    refuse(res, asked, decoded.refusal, options);
  } else {
    const sources = { authorization: req.getHeader('authorization'), query, protocols: '' };
    serve(exchange, res, asked, decoded.request, sources, options).catch((err: unknown) => {
      options.log.error({ err }, 'a stream failed through a fault of the gateway');
      if (!exchange.aborted && exchange.response === undefined) turnAway(res, asked, CANNOT_SERVE, options);
    });
  }
}

/** Finds out who asks, and lets the stream flow, or refuses it. */
async function serve(
  exchange: Exchange,
  res: HttpResponse,
  asked: Asked,
  request: StreamRequest,
  sources: CredentialSources,
  options: SseOptions,
): Promise<void> {
  const { connections, admission, rights, operations } = options;
  const authenticated = await options.authenticate(sources);
  if (exchange.aborted) return;
  if (!authenticated.ok) {
    const { refusal } = authenticated;
    if (refusal.code === 'unavailable') turnAway(res, asked, { refusal }, options);
    else refuse(res, asked, refusal, options);
    return;
  }
  const { caller } = authenticated;
  for (const channel of request.channels) {
    const refusal = rights.refuse(caller, 'subscribe', channel);
    if (refusal === undefined) continue;
    refuse(res, asked, refusal, options);
    return;
  }
  if (asked.isHead) {
    answerHead(res, asked);
    return;
  }
  // First: what is begun for a stream that has no place would only be given back.
  const verdict = !connections.taking ? undefined : admission.admit(asked.address, userOf(caller) ?? undefined);
  if (verdict === undefined || !verdict.admitted) {
    turnAway(res, asked, verdict ?? CANNOT_SERVE, options);
    return;
  }
  const { place } = verdict;
  const source = { address: asked.address, gone: () => exchange.aborted };
  const replays = request.starts.some((start) => start !== undefined);
  const tooMuch = replays ? await operations.mayReplay(caller, source, options.sleep) : undefined;
  if (tooMuch !== undefined || exchange.aborted) {
    admission.release(place);
    if (tooMuch !== undefined && !exchange.aborted) turnAway(res, asked, { refusal: tooMuch }, options);
    return;
  }
  const stream = await openStream(request, operations.askerFor(caller, source), options).catch((fault: unknown) => {
    admission.release(place);
    throw fault;
  });
  // The drain may have begun while it was being opened.
  if (stream === undefined || exchange.aborted || !connections.taking) {
    admission.release(place);
    stream?.close();
    if (!exchange.aborted) turnAway(res, asked, CANNOT_SERVE, options);
    return;
  }
  exchange.response = new SseResponse(res, stream, options);
  exchange.response.start(asked, caller, place);
}

/** Undefined where the broker cannot be reached now. */
async function openStream(request: StreamRequest, asker: Asker, { streams }: SseOptions): Promise<Stream | undefined> {
  try {
    return await streams.open(request, asker);
  } catch (error) {
    if (!(error instanceof BrokerUnavailable)) throw error;
    return undefined;
  }
}
