/**
 * The internal port: what operators and their tools ask, by node:http, on an address that strangers do not reach. It speaks HTTP/1.0
 * and 1.1, has no TLS and asks for no credentials. It goes on answering while the gateway drains, until the process ends.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ANONYMOUS } from '../auth/rights.ts';
import type { Logger } from '../log.ts';
import type { PortOpened } from '../tls/listener.ts';
import { refusedBecause } from '../tls/refused-port.ts';
import { type ApiAnswer, type Handler, json, type Routes, refusal } from './api.ts';
import { securityHeaders } from './headers.ts';
import type { HostCheck } from './hosts.ts';

export interface InternalPortOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** What each path answers to `GET`; other methods are not served here. */
  readonly routes: Routes;
  /** What is on a loopback address is asked by this machine only: a page could have its own name lead there. */
  readonly hostAllowed: HostCheck;
  readonly log: Logger;
}

/** Probes and scrapers are few. */
const MAX_CONNECTIONS = 256;
const HEADERS_LIMIT_MS = 5_000;
const REQUEST_LIMIT_MS = 10_000;
/** Longer than scrapers and proxies usually keep a silent connection: they are to be the first to close it. */
const KEEP_ALIVE_MS = 75_000;

export class InternalPort {
  readonly #options: InternalPortOptions;
  readonly #server: Server;

  constructor(options: InternalPortOptions) {
    this.#options = options;
    const limits = { headersTimeout: HEADERS_LIMIT_MS, requestTimeout: REQUEST_LIMIT_MS };
    // A check by HTTP/1.1 without a Host is answered, too: nothing here depends on it.
    const how = { ...limits, keepAliveTimeout: KEEP_ALIVE_MS, requireHostHeader: false };
    this.#server = createServer(how, (request, response) => {
      request.resume(); // a body is of no use here
      void this.#answer(request, response);
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Resolves once it listens, or with the reason why it cannot; also where it is closed meanwhile. */
  listen(): Promise<PortOpened> {
    const { host, port } = this.#options;
    return new Promise((resolve) => {
      this.#server.once('error', (error) => {
        const settings = { hostSetting: 'INTERNAL_HOST', portSetting: 'INTERNAL_PORT' };
        resolve({ ok: false, error: refusedBecause(error, { host, port, ...settings }) });
      });
      this.#server.once('close', () => resolve({ ok: false, error: `${host}:${port} (INTERNAL_PORT) was closed` }));
      this.#server.listen({ host, port, exclusive: true }, () => {
        const address = this.#server.address();
        resolve({ ok: true, port: address === null || typeof address === 'string' ? port : address.port });
      });
    });
  }

  /** Ends every connection, also those that are silent. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, type, headers = [], body } = await this.#ask(request);
    const given = [
      ['Content-Type', type],
      ['Cache-Control', 'no-store'],
      ...securityHeaders(false),
      ...headers,
    ] as const;
    for (const [name, value] of given) response.setHeader(name, value);
    response.writeHead(status);
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #ask({ method, url = '/', headers }: IncomingMessage): Promise<ApiAnswer> {
    const { routes, hostAllowed, log } = this.#options;
    // Whoever sends none, by HTTP/1.0, is no browser.
    if (headers.host !== undefined && !hostAllowed(headers.host)) {
      const error = 'The internal port answers for this machine only, unless INTERNAL_HOST says otherwise';
      return refusal({ code: 'forbidden', error });
    }
    const [path = '', query] = url.split('?', 2);
    const handler: Handler | undefined = Object.hasOwn(routes, path) ? routes[path]?.GET : undefined;
    if (handler === undefined) return refusal({ code: 'not_found', error: 'There is nothing under this path' });
    if (method !== 'GET' && method !== 'HEAD') {
      const error = `${method} is not allowed here; ${path} answers GET`;
      return { ...refusal({ code: 'method_not_allowed', error }), headers: [['Allow', 'GET, HEAD']] };
    }
    const { accept = '' } = headers;
    const asked = {
      query: new URLSearchParams(query),
      accept,
      traceparent: '',
      address: '',
      body: NOTHING,
      gone: () => false,
    };
    try {
      return await handler({ ...asked, caller: ANONYMOUS });
    } catch (err) {
      log.error({ err }, 'a request to the internal port failed through a fault of the gateway');
      return json(500, { error: { code: 'internal', message: 'The gateway failed to answer; this is its fault' } });
    }
  }
}

const NOTHING = Buffer.alloc(0);
