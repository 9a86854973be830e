/** The uWebSockets.js binding of `/events`: HTTP responses in, streams out. */
import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { BrokerUnavailable } from '../broker/broker.ts';
import type { Connection, Connections } from './connections.ts';
import type { Logger } from './log.ts';
import { corsHeaders, type OriginCheck, preflightHeaders } from './origin.ts';
import { ERROR_STATUS, type Refusal, statusLine } from './protocol.ts';
import type { Stream, StreamOutlet, Streams } from './stream.ts';
import { decodeStreamRequest } from './stream-request.ts';
import type { Tally } from './tally.ts';

export interface SseOptions {
  readonly streams: Streams;
  readonly connections: Connections;
  readonly originAllowed: OriginCheck;
  readonly tally: Tally;
  readonly log: Logger;
  readonly newId: () => string;
  readonly maxChannels: number;
}

/** More than this inside one cork can get lost when the socket is full. */
const CORK_BYTES = 16_384 - 64;
const RETRY_AFTER_SECONDS = 2;

/** What is needed of a request once it is gone. */
interface Asked {
  readonly origin: string | undefined;
  /** Whether whoever asks is an EventSource, which gives up for good on any status but 200. */
  readonly eventSource: boolean;
}

export function bindSse(app: TemplatedApp, options: SseOptions): void {
  app.get('/events', (res, req) => {
    const state = { aborted: false };
    let response: Response | undefined;
    res.onAborted(() => {
      state.aborted = true;
      response?.closed('aborted');
    });
    options.tally.received++;
    const asked = readAsked(req);
    const query = new URLSearchParams(req.getQuery() ?? '');
    const decoded = decodeStreamRequest(query, req.getHeader('last-event-id'), options.maxChannels);
    if (!options.originAllowed(asked.origin, req.getHeader('host') || undefined)) {
      const error =
        'Pages of this origin may not read events; the gateway allows its own origin and those in ALLOWED_ORIGINS';
      refuse(res, { ...asked, origin: undefined }, { code: 'forbidden', error }, options.tally);
      return;
    }
    if (!decoded.ok) {
      refuse(res, asked, decoded.refusal, options.tally);
      return;
    }
    const { connections } = options;
    if (connections.draining || connections.full) {
      turnAway(res, asked, options);
      return;
    }
    options.streams.open(decoded.request).then(
      (stream) => {
        // Others may have taken the last places, or the drain may have begun, while this one was being opened.
        if (!state.aborted && (connections.draining || connections.full)) {
          stream.close();
          turnAway(res, asked, options);
          return;
        }
        response = new Response(res, stream, options);
        if (state.aborted) response.closed('aborted');
        else response.start(asked);
      },
      (error: unknown) => {
        if (!(error instanceof BrokerUnavailable)) {
          options.log.error({ err: error }, 'a stream failed through a fault of the gateway');
        }
        if (!state.aborted) turnAway(res, asked, options);
      },
    );
  });

  app.options('/events', (res, req) => {
    const { origin } = readAsked(req);
    const allowed = options.originAllowed(origin, req.getHeader('host') || undefined);
    res.cork(() => {
      res.writeStatus('204 No Content');
      if (allowed) writeHeaders(res, [...corsHeaders(origin), ...preflightHeaders('GET, OPTIONS')]);
      res.endWithoutBody();
    });
  });
}

function readAsked(req: HttpRequest): Asked {
  return {
    origin: req.getHeader('origin') || undefined,
    eventSource: req.getHeader('accept').includes('text/event-stream'),
  };
}

function writeHeaders(res: HttpResponse, headers: readonly (readonly [name: string, value: string])[]): void {
  for (const [name, value] of headers) res.writeHeader(name, value);
}

function writeStreamHead(res: HttpResponse, origin: string | undefined): void {
  res.writeStatus('200 OK');
  res.writeHeader('Content-Type', 'text/event-stream');
  res.writeHeader('Cache-Control', 'no-cache, no-transform');
  res.writeHeader('X-Accel-Buffering', 'no');
  writeHeaders(res, corsHeaders(origin));
}

/** Refuses for good: the request will not be answered otherwise when it is made again. */
function refuse(res: HttpResponse, asked: Asked, { code, error }: Refusal, tally: Tally): void {
  tally.errors++;
  res.cork(() => {
    res.writeStatus(statusLine(ERROR_STATUS[code]));
    res.writeHeader('Content-Type', 'application/json');
    writeHeaders(res, corsHeaders(asked.origin));
    res.end(JSON.stringify({ error: { code, message: error } }));
  });
}

/** This gateway cannot serve the stream now, but it, or another, will: an EventSource is told when to come back. */
function turnAway(res: HttpResponse, asked: Asked, { connections, streams, tally }: SseOptions): void {
  tally.turnedAway++;
  res.cork(() => {
    if (asked.eventSource) {
      writeStreamHead(res, asked.origin);
      res.end(`${streams.retry()}\n`);
      return;
    }
    const full = connections.full && !connections.draining;
    const error = full
      ? ({ code: 'server_full', message: 'Server full' } as const)
      : ({ code: 'unavailable', message: 'This gateway cannot serve the stream now; come back shortly' } as const);
    res.writeStatus(statusLine(ERROR_STATUS[error.code]));
    res.writeHeader('Content-Type', 'application/json');
    res.writeHeader('Retry-After', String(RETRY_AFTER_SECONDS));
    writeHeaders(res, corsHeaders(asked.origin));
    res.end(JSON.stringify({ error }));
  });
}

class Response implements StreamOutlet, Connection {
  readonly #res: HttpResponse;
  readonly #stream: Stream;
  readonly #options: SseOptions;
  readonly #id: string;
  #started = false;
  #open = true;

  constructor(res: HttpResponse, stream: Stream, options: SseOptions) {
    this.#res = res;
    this.#stream = stream;
    this.#options = options;
    this.#id = options.newId();
  }

  get laggingSince(): number {
    return this.#stream.laggingSince;
  }

  start({ origin }: Asked): void {
    const { tally, connections, log } = this.#options;
    this.#started = true;
    tally.opened.sse++;
    tally.open.sse++;
    connections.add(this);
    log.debug({ connection: this.#id, transport: 'sse' }, 'connection opened');
    // Once this is registered uWS leaves its own buffer to us: an empty write makes it send what is waiting.
    this.#res.onWritable(() => {
      if (!this.#open) return true;
      this.#res.cork(() => this.#res.write(''));
      this.#stream.drained();
      return true;
    });
    this.#res.cork(() => writeStreamHead(this.#res, origin));
    this.#stream.start(this);
  }

  write(bytes: Buffer): boolean {
    let room = true;
    for (let from = 0; from < bytes.length; from += CORK_BYTES) {
      const part = bytes.length <= CORK_BYTES ? bytes : bytes.subarray(from, from + CORK_BYTES);
      this.#res.cork(() => {
        room = this.#res.write(part);
      });
    }
    return room;
  }

  end(): void {
    this.closed('ended');
    this.#res.cork(() => this.#res.end());
  }

  closeSlow(): void {
    if (this.#open) this.#stream.end();
  }

  closeGoingAway(): void {
    if (this.#open) this.#stream.end();
  }

  /** The response is over, or about to be, and may not be written to any more. */
  closed(why: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stream.close();
    if (!this.#started) return;
    this.#options.connections.remove(this);
    this.#options.tally.closed('sse', why);
    this.#options.log.debug({ connection: this.#id, transport: 'sse', why }, 'connection closed');
  }
}
