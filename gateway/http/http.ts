/** The uWebSockets.js binding of everything that is neither a WebSocket nor a stream: requests in, answers out, bodies bounded. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { Authenticated } from '../auth/authenticator.ts';
import type { CredentialSources } from '../auth/credentials.ts';
import { ANONYMOUS, type Caller } from '../auth/rights.ts';
import type { ReadAddress } from '../connections/client-address.ts';
import type { Underway } from '../drain/underway.ts';
import type { Tally } from '../figures/tally.ts';
import type { Logger } from '../log.ts';
import { type Refusal, statusLine } from '../protocol.ts';
import type { BoundApp } from '../tls/bound-app.ts';
import { type ApiAnswer, type Handler, type Method, type Routes, refusal } from './api.ts';
import type { Bodies, Body } from './bodies.ts';
import { type Headers, PAGE_HEADERS } from './headers.ts';
import { corsHeaders, preflightHeaders } from './origin.ts';
import { acceptsGzip, type Page } from './pages.ts';
import type { CheckRequest } from './request-check.ts';
import type { UnreadAnswers } from './unread-answers.ts';

export interface HttpOptions {
  readonly routes: Routes;
  readonly authenticate: (sources: CredentialSources) => Promise<Authenticated>;
  readonly readAddress: ReadAddress;
  /** Files of the demo pages, by path. */
  readonly pages: ReadonlyMap<string, Page>;
  readonly checkRequest: CheckRequest;
  readonly tally: Tally;
  readonly log: Logger;
  readonly bodies: Bodies;
  /** Whether nobody is asked who they are. */
  readonly open: boolean;
  /** Counts what of large answers their clients have not taken yet. */
  readonly unread: UnreadAnswers;
  /** What every answer has. */
  readonly headers: Headers;
  /** Counts the requests that are being answered. */
  readonly underway: Underway;
  /** Whether every answer is the last of its connection: the gateway leaves, or is set so. */
  readonly leaving: () => boolean;
}

/** One request under way, and what is needed of it once uWS has taken the request object back. */
interface Exchange {
  readonly res: HttpResponse;
  readonly query: URLSearchParams;
  /** Whether who asks must be known: below `/api/`. */
  readonly guarded: boolean;
  readonly authorization: string;
  readonly accept: string;
  readonly traceparent: string;
  /** Empty where that does not matter, as where nobody is asked who they are. */
  readonly address: string;
  /** Whether the answer is to have no body: what a client reads as the next answer begins right after the headers. */
  readonly head: boolean;
  /** What lets a page of another origin see the answer, if it may. */
  readonly cors: Headers;
  /** Whether the connection ends with the answer. */
  isLast: boolean;
  /** What has come of its body. */
  body: Body | undefined;
  answered: boolean;
  aborted: boolean;
  /** Called when its client is gone. */
  onGone: (() => void) | undefined;
}

const GUARDED = '/api/';
/** Paths that other bindings own, for what they do not answer themselves. */
const WEB_SOCKETS: ReadonlySet<string> = new Set(['/ws', '/chat', '/notifications']);
const STREAMS: ReadonlySet<string> = new Set(['/events', '/monitoring']);

export function bindHttp(app: BoundApp, options: HttpOptions): void {
  app.any('/*', (res, req) => {
    options.tally.received++;
    const method = req.getMethod().toUpperCase();
    const path = req.getUrl();
    const { origin, admission, refusal: refused, isLast } = options.checkRequest(res, req);
    const guarded = path.startsWith(GUARDED);
    const exchange: Exchange = {
      res,
      query: new URLSearchParams(req.getQuery() ?? ''),
      guarded,
      authorization: req.getHeader('authorization'),
      accept: req.getHeader('accept'),
      traceparent: req.getHeader('traceparent'),
      address: guarded || hasBody(req) ? options.readAddress(res, req) : '',
      head: method === 'HEAD',
      cors: corsHeaders(origin, admission),
      isLast,
      body: undefined,
      answered: false,
      aborted: false,
      onGone: undefined,
    };
    res.onAborted(() => {
      exchange.aborted = true;
      exchange.body?.letGo();
      exchange.onGone?.();
    });

    if (refused !== undefined) {
      send(exchange, refusal(refused), options);
      return;
    }
    const page = method === 'GET' || method === 'HEAD' ? options.pages.get(path) : undefined;
    if (isLast && (page !== undefined || method === 'OPTIONS')) {
      send(exchange, refusal({ code: 'bad_request', error: 'This request takes no body' }), options);
      return;
    }
    if (page !== undefined) {
      sendPage(res, req, page, everywhere(options), method === 'HEAD');
      return;
    }
    const methods = Object.hasOwn(options.routes, path) ? options.routes[path] : undefined;
    const allow =
      methods === undefined ? allowElsewhere(path, options.pages) : [...Object.keys(methods), 'OPTIONS'].join(', ');
    const handler = methods?.[(method === 'HEAD' ? 'GET' : method) as Method];
    if (handler !== undefined && admission === false && method === 'POST') {
      const error =
        'Pages of this origin may not publish; the gateway allows its own origin and those in ALLOWED_ORIGINS';
      send(exchange, refusal({ code: 'forbidden', error }), options);
    } else if (handler !== undefined && guarded && method !== 'POST' && options.unread.isFull(exchange.address)) {
      options.tally.refusals.unread_answers++;
      send(exchange, refusal(UNREAD), options);
    } else if (handler !== undefined) {
      serveWith(exchange, handler, hasBody(req), req.getHeader('content-encoding'), options);
    } else if (method === 'OPTIONS' && allow !== undefined) {
      res.cork(() => {
        res.writeStatus('204 No Content');
        writeHeaders(res, [['Allow', allow], ...everywhere(options)]);
        if (admission !== false) writeHeaders(res, [...exchange.cors, ...preflightHeaders(allow)]);
        res.endWithoutBody();
      });
    } else if (WEB_SOCKETS.has(path) && method === 'GET') {
      const error = 'Only a WebSocket can be opened here, and this request did not ask for one';
      send(exchange, refusal({ code: 'bad_request', error }), options);
    } else if (allow !== undefined) {
      const error = `${method} is not allowed here; ${path} answers ${allow}`;
      send(exchange, refusal({ code: 'method_not_allowed', error }), options, [['Allow', allow]]);
    } else {
      send(exchange, refusal({ code: 'not_found', error: 'There is nothing under this path' }), options);
    }
  });
}

function serveWith(
  exchange: Exchange,
  handler: Handler,
  withBody: boolean,
  encoding: string,
  options: HttpOptions,
): void {
  if (withBody && encoding !== '' && encoding.toLowerCase() !== 'identity') {
    const error = `The body has the Content-Encoding ${JSON.stringify(encoding)}; send it as it is, without one`;
    refuseEarly(exchange, { code: 'unsupported', error }, options);
    return;
  }
  void serve(exchange, handler, withBody ? receive(exchange, options) : undefined, options);
}

function allowElsewhere(path: string, pages: ReadonlyMap<string, Page>): string | undefined {
  if (pages.has(path) || WEB_SOCKETS.has(path)) return 'GET';
  return STREAMS.has(path) ? 'GET, OPTIONS' : undefined;
}

/**
 * Answers by what the handler says. Who asks below `/api/` is found out before the body has come: a stranger's is not kept.
 * The gateway waits for what is being worked out before it leaves, not for bodies that have not ended.
 */
async function serve(
  exchange: Exchange,
  handler: Handler,
  incoming: Incoming | undefined,
  options: HttpOptions,
): Promise<void> {
  const { underway } = options;
  let caller: Caller | undefined;
  let isDone = false;
  const respond = (body: Buffer, asking: Caller) =>
    answer(exchange, () => ask(exchange, handler, body, asking), options);
  await underway.run(async () => {
    caller = await identify(exchange, incoming, options);
    const body = incoming === undefined ? NOTHING : incoming.whole;
    isDone = caller === undefined || body !== undefined;
    if (caller !== undefined && body !== undefined) await respond(body, caller);
  });
  if (!isDone && incoming !== undefined && caller !== undefined) {
    const [body, asking] = [await incoming.ended, caller];
    await underway.run(() => respond(body, asking));
  }
  incoming?.body.letGo();
}

/** Undefined where it has answered that whoever asks may not. */
async function identify(
  exchange: Exchange,
  incoming: Incoming | undefined,
  options: HttpOptions,
): Promise<Caller | undefined> {
  const { guarded, authorization, query } = exchange;
  if (!guarded) return ANONYMOUS;
  try {
    const authenticated = await options.authenticate({ authorization, query, protocols: '' });
    const refused = authenticated.ok ? restriction(authenticated.caller, incoming, options) : authenticated.refusal;
    if (authenticated.ok && refused === undefined) return authenticated.caller;
    if (refused !== undefined && incoming !== undefined && incoming.whole === undefined)
      refuseEarly(exchange, refused, options);
    else if (refused !== undefined) send(exchange, refusal(refused), options);
  } catch (err) {
    fail(exchange, err, options);
  }
  return undefined;
}

/** Where somebody may show who they are, the bodies of those who don't are small. */
function restriction(caller: Caller, incoming: Incoming | undefined, { open }: HttpOptions): Refusal | undefined {
  return open || caller.kind !== 'anonymous' ? undefined : incoming?.body.restrict();
}

function ask(exchange: Exchange, handler: Handler, body: Buffer, caller: Caller) {
  const { query, accept, traceparent, address } = exchange;
  const gone = () => exchange.aborted;
  return handler({ query, accept, traceparent, address, body, gone, caller });
}

const NOTHING = Buffer.alloc(0);

async function answer(
  exchange: Exchange,
  asked: () => ApiAnswer | Promise<ApiAnswer>,
  options: HttpOptions,
): Promise<void> {
  try {
    send(exchange, await asked(), options);
  } catch (err) {
    fail(exchange, err, options);
  }
}

function fail(exchange: Exchange, err: unknown, options: HttpOptions): void {
  options.log.error({ err }, 'a request failed through a fault of the gateway');
  send(exchange, refusal({ code: 'internal', error: 'The gateway failed to answer; this is its fault' }), options);
}

function send(
  exchange: Exchange,
  { status, type, headers: own = [], body }: ApiAnswer,
  options: HttpOptions,
  headers: Headers = [],
): void {
  if (exchange.answered) return;
  exchange.answered = true;
  exchange.body?.letGo();
  if (status >= 400) options.tally.errors++;
  if (exchange.isLast) {
    // Never at once: what the library takes for the next request would be served before the connection ends. In a later turn it ends it.
    setImmediate(() => write(exchange, { status, type, headers: [...own, ...headers], body }, options));
  } else write(exchange, { status, type, headers: [...own, ...headers], body }, options);
}

function write(exchange: Exchange, { status, type, headers = [], body }: ApiAnswer, options: HttpOptions): void {
  if (exchange.aborted) return;
  const { res, cors, head, isLast } = exchange;
  res.cork(() => {
    res.writeStatus(statusLine(status));
    res.writeHeader('Content-Type', type);
    res.writeHeader('Cache-Control', 'no-store');
    if (status === 401) res.writeHeader('WWW-Authenticate', 'Bearer');
    writeHeaders(res, everywhere(options));
    writeHeaders(res, cors);
    writeHeaders(res, headers);
    if (head && isLast) res.endWithoutBody(0, true);
    else if (head)
      res.endWithoutBody(); // without the length: told one, this uWS waits for the body and answers nothing more
    else if (exchange.guarded && !isLast && body.length > LARGE_LENGTH) endLarge(exchange, body, options.unread);
    else res.end(body, isLast);
  });
}

/** Answers from this length on are written as their clients take them. */
const LARGE_LENGTH = 16_384;

/** Ends with a body of which no more is handed over than the client takes, so that it is known how much it has not. */
function endLarge(exchange: Exchange, body: string, unread: UnreadAnswers): void {
  const { res, address } = exchange;
  const bytes = Buffer.from(body);
  const begin = res.getWriteOffset();
  if (res.tryEnd(bytes, bytes.length)[1]) return;
  const taken = unread.add(address, bytes.length);
  exchange.onGone = taken;
  res.onWritable((offset) => {
    const [isWritten, isDone] = res.tryEnd(bytes.subarray(offset - begin), bytes.length);
    if (isDone) {
      exchange.onGone = undefined;
      taken();
    }
    return isWritten;
  });
}

const UNREAD: Refusal = {
  code: 'too_many',
  error: 'Too much of earlier answers waits to be read (MAX_UNREAD_ANSWER_BYTES); read them first',
  againInMs: 1_000,
};

/** A client that reads this opens another connection for its next request, which may then lead to another gateway. */
const LAST_ANSWER = ['Connection', 'close'] as const;

function everywhere({ headers, leaving }: HttpOptions): Headers {
  return leaving() ? [...headers, LAST_ANSWER] : headers;
}

function writeHeaders(res: HttpResponse, headers: Headers): void {
  for (const [name, value] of headers) res.writeHeader(name, value);
}

/** uWS tells nothing of a body that has no bytes where the headers came in pieces: it would be waited for in vain. */
function hasBody(req: HttpRequest): boolean {
  return req.getHeader('transfer-encoding') !== '' || !/^0*$/.test(req.getHeader('content-length'));
}

/** A body on its way. */
interface Incoming {
  readonly body: Body;
  /** All of it, once that is there. */
  whole: Buffer | undefined;
  /** Resolves then; never where the request was answered before, or its client has gone. */
  readonly ended: Promise<Buffer>;
}

/** Collects the body. Where it is refused, because of its size or its slowness, that is answered at once. */
function receive(exchange: Exchange, options: HttpOptions): Incoming {
  const refuse = (refused: Refusal) => refuseEarly(exchange, refused, options);
  const body = options.bodies.begin(exchange.address, (refused) => {
    exchange.isLast = true; // whoever is so slow would go on
    refuse(refused);
  });
  exchange.body = body;
  let done: (whole: Buffer) => void = () => undefined;
  const ended = new Promise<Buffer>((resolve) => {
    done = resolve;
  });
  const incoming: Incoming = { body, whole: undefined, ended };
  exchange.res.onData((chunk, isLast) => {
    if (exchange.answered) return;
    const refused = body.add(chunk);
    if (refused !== undefined) refuse(refused);
    else if (isLast) {
      incoming.whole = body.end();
      done(incoming.whole);
    }
  });
  return incoming;
}

/** Answers before the body has ended: the connection is of no use for another request. */
function refuseEarly(exchange: Exchange, refused: Refusal, options: HttpOptions): void {
  const isLast = options.leaving() || exchange.isLast;
  send(exchange, refusal(refused), options, isLast ? [] : [LAST_ANSWER]);
}

function sendPage(res: HttpResponse, req: HttpRequest, page: Page, headers: Headers, head: boolean): void {
  const zipped = acceptsGzip(req.getHeader('accept-encoding'));
  const { etag, body } = zipped ? page.zipped : page.plain;
  const fresh = req.getHeader('if-none-match') === etag;
  res.cork(() => {
    res.writeStatus(statusLine(fresh ? 304 : 200));
    writeHeaders(res, [
      ['Content-Type', page.type],
      ['ETag', etag],
      ['Cache-Control', 'no-cache'],
      ['Vary', 'Accept-Encoding'],
      ...(zipped ? ZIPPED : []),
      ...headers,
      ...PAGE_HEADERS,
      ...(page.anywhere ? ANYWHERE : [HERE]),
    ]);
    if (fresh || head) res.endWithoutBody();
    else res.end(body);
  });
}

const ZIPPED = [['Content-Encoding', 'gzip']] as const;

/** What pages of every origin may load: it is the same for all, and says nothing of anybody. */
const ANYWHERE = [
  ['Access-Control-Allow-Origin', '*'],
  ['Cross-Origin-Resource-Policy', 'cross-origin'],
] as const;
const HERE = ['Cross-Origin-Resource-Policy', 'same-origin'] as const;
