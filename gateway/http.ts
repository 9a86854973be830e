/** The uWebSockets.js binding of everything that is neither a WebSocket nor a stream: requests in, answers out, bodies bounded. */
import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { type ApiAnswer, type Method, type Routes, refusal } from './api.ts';
import type { Logger } from './log.ts';
import { corsHeaders, type OriginCheck, preflightHeaders } from './origin.ts';
import type { Page } from './pages.ts';
import { statusLine } from './protocol.ts';
import type { Tally } from './tally.ts';

export interface HttpOptions {
  readonly routes: Routes;
  /** Files of the demo pages, by path. */
  readonly pages: ReadonlyMap<string, Page>;
  readonly originAllowed: OriginCheck;
  readonly tally: Tally;
  readonly log: Logger;
  readonly maxBodyBytes: number;
}

/** One request under way, and what is needed of it once uWS has taken the request object back. */
interface Exchange {
  readonly res: HttpResponse;
  readonly query: URLSearchParams;
  readonly accept: string;
  /** Whether the answer is to have no body: what a client reads as the next answer begins right after the headers. */
  readonly head: boolean;
  /** The page's origin where it may see the answer. */
  readonly origin: string | undefined;
  aborted: boolean;
}

const WEB_SOCKET_PATH = '/ws';
/** Paths that other bindings own, for what they do not answer themselves. */
const ELSEWHERE: Readonly<Record<string, string>> = { [WEB_SOCKET_PATH]: 'GET', '/events': 'GET, OPTIONS' };

export function bindHttp(app: TemplatedApp, options: HttpOptions): void {
  for (const [path, page] of options.pages) app.get(path, (res, req) => sendPage(res, req, page));

  app.any('/*', (res, req) => {
    options.tally.received++;
    const method = req.getMethod().toUpperCase();
    const path = req.getUrl();
    const given = req.getHeader('origin') || undefined;
    const allowed = options.originAllowed(given, req.getHeader('host') || undefined);
    const exchange: Exchange = {
      res,
      query: new URLSearchParams(req.getQuery() ?? ''),
      accept: req.getHeader('accept'),
      head: method === 'HEAD',
      origin: allowed ? given : undefined,
      aborted: false,
    };
    res.onAborted(() => {
      exchange.aborted = true;
    });

    const methods = Object.hasOwn(options.routes, path) ? options.routes[path] : undefined;
    const allow =
      methods === undefined ? allowElsewhere(path, options.pages) : [...Object.keys(methods), 'OPTIONS'].join(', ');
    const handler = methods?.[method as Method];
    if (handler !== undefined && !allowed && method === 'POST') {
      const error =
        'Pages of this origin may not publish; the gateway allows its own origin and those in ALLOWED_ORIGINS';
      send(exchange, refusal({ code: 'forbidden', error }), options);
    } else if (handler !== undefined) {
      readBody(res, options.maxBodyBytes, (body) => {
        if (body === undefined) {
          const error = `The body is more than MAX_BODY_BYTES, which is ${options.maxBodyBytes}`;
          send(exchange, refusal({ code: 'too_large', error }), options, [['Connection', 'close']]);
          return;
        }
        const { query, accept } = exchange;
        void answer(exchange, async () => handler({ query, accept, body }), options);
      });
    } else if (method === 'OPTIONS' && allow !== undefined) {
      res.cork(() => {
        res.writeStatus('204 No Content');
        writeHeaders(res, [['Allow', allow]]);
        if (allowed) writeHeaders(res, [...corsHeaders(given), ...preflightHeaders(allow)]);
        res.endWithoutBody();
      });
    } else if (path === WEB_SOCKET_PATH && method === 'GET') {
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

function allowElsewhere(path: string, pages: ReadonlyMap<string, Page>): string | undefined {
  return pages.has(path) ? 'GET' : ELSEWHERE[path];
}

async function answer(exchange: Exchange, ask: () => Promise<ApiAnswer>, options: HttpOptions): Promise<void> {
  try {
    send(exchange, await ask(), options);
  } catch (err) {
    options.log.error({ err }, 'a request failed through a fault of the gateway');
    send(exchange, refusal({ code: 'internal', error: 'The gateway failed to answer; this is its fault' }), options);
  }
}

type Headers = readonly (readonly [name: string, value: string])[];

function send(
  exchange: Exchange,
  { status, type, body }: ApiAnswer,
  { tally }: HttpOptions,
  headers: Headers = [],
): void {
  if (status >= 400) tally.errors++;
  if (exchange.aborted) return;
  const { res, origin, head } = exchange;
  res.cork(() => {
    res.writeStatus(statusLine(status));
    res.writeHeader('Content-Type', type);
    res.writeHeader('Cache-Control', 'no-store');
    writeHeaders(res, corsHeaders(origin));
    writeHeaders(res, headers);
    if (head)
      res.endWithoutBody(); // without the length: told one, this uWS waits for the body and answers nothing more
    else res.end(body);
  });
}

function writeHeaders(res: HttpResponse, headers: Headers): void {
  for (const [name, value] of headers) res.writeHeader(name, value);
}

/** Collects the body; hands over undefined, once, as soon as it turns out too large. Never calls back where the client gives up. */
function readBody(res: HttpResponse, maxBytes: number, done: (body: Buffer | undefined) => void): void {
  const parts: Buffer[] = [];
  let bytes = 0;
  res.onData((chunk, isLast) => {
    if (bytes > maxBytes) return;
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      parts.length = 0;
      done(undefined);
      return;
    }
    parts.push(Buffer.from(chunk.slice(0))); // uWS takes its chunk back when this returns
    if (isLast) done(Buffer.concat(parts, bytes));
  });
}

function sendPage(res: HttpResponse, req: HttpRequest, page: Page): void {
  const fresh = req.getHeader('if-none-match') === page.etag;
  res.cork(() => {
    res.writeStatus(statusLine(fresh ? 304 : 200));
    writeHeaders(res, [
      ['Content-Type', page.type],
      ['ETag', page.etag],
      ['Cache-Control', 'no-cache'],
      ['Content-Security-Policy', CONTENT_SECURITY_POLICY],
      ['X-Content-Type-Options', 'nosniff'],
      ['Referrer-Policy', 'no-referrer'],
    ]);
    if (fresh) res.endWithoutBody();
    else res.end(page.body);
  });
}

/** The pages load nothing from elsewhere, run no inline script, and may be framed by nobody. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
