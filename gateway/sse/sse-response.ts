/**
 * What every route that answers with an event stream shares: who may read it, how it is refused or put off, and the response
 * that a stream is written to. Knows nothing of what the streams say.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { ANONYMOUS, type Caller, endOf, nameOf, tokenIdOf, userOf } from '../auth/rights.ts';
import type { ReadAddress } from '../connections/client-address.ts';
import type { Connection, Connections } from '../connections/connections.ts';
import type { Tally } from '../figures/tally.ts';
import type { Headers } from '../http/headers.ts';
import { corsHeaders, preflightHeaders } from '../http/origin.ts';
import type { CheckRequest } from '../http/request-check.ts';
import type { Admission, Place } from '../limits/admission.ts';
import type { Logger } from '../log.ts';
import type { Membership, Person } from '../presence/members.ts';
import { ERROR_STATUS, type Refusal, statusLine } from '../protocol.ts';
import type { BoundApp } from '../tls/bound-app.ts';
import type { StreamOutlet } from './stream.ts';

export interface SseResponseOptions {
  readonly connections: Connections;
  readonly admission: Admission;
  readonly readAddress: ReadAddress;
  readonly checkRequest: CheckRequest;
  readonly tally: Tally;
  readonly log: Logger;
  readonly newId: () => string;
  /** A `retry:` line, another for each stream. */
  readonly retry: () => string;
  /** What every answer has. */
  readonly headers: Headers;
  /** Whether every answer is the last of its connection: the gateway leaves, or is set so. */
  readonly leaving: () => boolean;
}

/** What is written to a response, as the response sees it. */
export interface StreamSource {
  /** Since when it has been lagging, in milliseconds of the gateway's clock, or 0. */
  readonly laggingSince: number;
  /** Begins to write. */
  start(outlet: StreamOutlet): void;
  /** The channels of which it is a member. */
  memberships(): Iterable<Membership>;
  /** The socket has room again. */
  drained(): void;
  /** Tells the client to come back later, and ends. */
  end(): void;
  /** The connection is gone. */
  close(): void;
}

/** What is needed of a request once it is gone. */
export interface Asked {
  /** What every answer to it has: to browsers to be careful, and, if it may, to let a page of another origin see the answer. */
  readonly headers: Headers;
  /** Why it is refused, whatever it asks for: its host, or the origin of the page that asks. */
  readonly refusal: Refusal | undefined;
  /** Whether the connection must end with the answer. */
  readonly isLast: boolean;
  /** Whether it has a `Last-Event-ID`, of whatever text. */
  readonly hasLastEventId: boolean;
  /** Whether only the head of the answer is asked for. */
  readonly isHead: boolean;
  /** Whether whoever asks is an EventSource, which gives up for good on any status but 200. */
  readonly eventSource: boolean;
  /** The client's. */
  readonly address: string;
}

/** More than this inside one cork can get lost when the socket is full. */
const CORK_BYTES = 16_384 - 64;
/**
 * Follows all that is written. This build of uWebSockets.js ends a chunk only together with the next one, and a client that reads strictly by RFC
 * 9112 hands on nothing of a chunk before it has seen its end: it would have each event with the next one. So a chunk of one byte follows, to be
 * the one that stays open. A blank line means nothing where no block has begun, to event streams of every reading; a comment would be handed on by some.
 */
const CHUNK_ENDER = '\n';
const RETRY_AFTER_SECONDS = 2;

export function readAsked(
  res: HttpResponse,
  req: HttpRequest,
  { checkRequest, readAddress, headers }: SseResponseOptions,
): Asked {
  const { origin, admission, refusal, isLast, hasLastEventId } = checkRequest(res, req);
  const foreign = admission === false ? FOREIGN_ORIGIN : undefined;
  return {
    headers: [...headers, ...corsHeaders(origin, admission)],
    refusal: refusal ?? (isLast ? HAS_BODY : foreign),
    isLast,
    hasLastEventId,
    isHead: req.getMethod() === 'head',
    eventSource: req.getHeader('accept').includes('text/event-stream'),
    address: readAddress(res, req),
  };
}

export function bindPreflight(app: BoundApp, path: string, options: SseResponseOptions): void {
  app.options(path, (res, req) => {
    const asked = readAsked(res, req, options);
    const { headers, refusal } = asked;
    let aborted = false;
    res.onAborted(() => {
      aborted = true;
    });
    if (refusal !== undefined && refusal !== FOREIGN_ORIGIN) {
      refuseAsked(res, asked, () => aborted, options);
      return;
    }
    res.cork(() => {
      res.writeStatus('204 No Content');
      writeHeaders(res, headers);
      if (refusal === undefined) writeHeaders(res, preflightHeaders('GET, OPTIONS'));
      res.endWithoutBody();
    });
  });
}

function writeHeaders(res: HttpResponse, headers: Headers): void {
  for (const [name, value] of headers) res.writeHeader(name, value);
}

function writeStreamHeadCorked(res: HttpResponse, headers: Headers): void {
  res.cork(() => writeStreamHead(res, headers));
}

function writeStreamHead(res: HttpResponse, headers: Headers): void {
  res.writeStatus('200 OK');
  res.writeHeader('Content-Type', 'text/event-stream; charset=utf-8');
  res.writeHeader('Cache-Control', 'no-cache, no-transform');
  res.writeHeader('X-Accel-Buffering', 'no');
  // Who comes back after its end shall do so by another connection, which may lead to another gateway.
  res.writeHeader('Connection', 'close');
  writeHeaders(res, headers);
}

const HAS_BODY: Refusal = { code: 'bad_request', error: 'A request for a stream takes no body' };
const FOREIGN_ORIGIN: Refusal = {
  code: 'forbidden',
  error: 'Pages of this origin may not read events; the gateway allows its own origin and those in ALLOWED_ORIGINS',
};

/** Refuses a request for what it is, in a later turn where it must be the last of its connection: or what the library takes for the next one would be served before. */
export function refuseAsked(
  res: HttpResponse,
  asked: Asked,
  aborted: () => boolean,
  options: SseResponseOptions,
): void {
  const { refusal, isLast } = asked;
  if (refusal === undefined) return;
  if (!isLast) refuse(res, asked, refusal, options);
  else
    setImmediate(() => {
      if (!aborted()) refuse(res, asked, refusal, options);
    });
}

/** Refuses for good: the request will not be answered otherwise when it is made again. */
export function refuse(
  res: HttpResponse,
  asked: Asked,
  { code, error }: Refusal,
  { tally, leaving }: SseResponseOptions,
): void {
  tally.errors++;
  res.cork(() => {
    res.writeStatus(statusLine(ERROR_STATUS[code]));
    res.writeHeader('Content-Type', 'application/json');
    if (code === 'unauthorized') res.writeHeader('WWW-Authenticate', 'Bearer');
    writeHeaders(res, asked.headers);
    if (leaving() && !asked.isLast) res.writeHeader('Connection', 'close');
    end(res, asked, JSON.stringify({ error: { code, message: error } }));
  });
}

function end(res: HttpResponse, { isHead, isLast }: Asked, body: string): void {
  if (!isHead) res.end(body, isLast);
  else if (isLast) res.endWithoutBody(0, true);
  else res.endWithoutBody();
}

/** What a stream would begin with, for whoever asks for no more. */
export function answerHead(res: HttpResponse, asked: Asked): void {
  res.cork(() => {
    writeStreamHead(res, asked.headers);
    res.endWithoutBody();
  });
}

/** Why a stream is turned away, and when its client is to come back; the latter is the gateway's usual time unless given. */
export interface Absence {
  readonly refusal: Refusal;
  readonly comeBackAfterMs?: number;
}

/** The gateway is leaving, or Redis is away. */
export const CANNOT_SERVE: Absence = {
  refusal: { code: 'unavailable', error: 'This gateway cannot serve the stream now; come back shortly' },
};

/** This gateway cannot serve the stream now, but it, or another, will: an EventSource is told when to come back. */
export function turnAway(
  res: HttpResponse,
  asked: Asked,
  { refusal: { code, error }, comeBackAfterMs }: Absence,
  { retry, tally, leaving }: SseResponseOptions,
): void {
  tally.turnedAway++;
  res.cork(() => {
    if (asked.eventSource) {
      writeStreamHead(res, asked.headers);
      end(res, asked, comeBackAfterMs === undefined ? `${retry()}\n` : `retry: ${comeBackAfterMs}\n\n`);
      return;
    }
    const seconds = comeBackAfterMs === undefined ? RETRY_AFTER_SECONDS : Math.ceil(comeBackAfterMs / 1_000);
    res.writeStatus(statusLine(ERROR_STATUS[code]));
    res.writeHeader('Content-Type', 'application/json');
    res.writeHeader('Retry-After', String(seconds));
    writeHeaders(res, asked.headers);
    if (leaving() && !asked.isLast) res.writeHeader('Connection', 'close');
    end(res, asked, JSON.stringify({ error: { code, message: error } }));
  });
}

/** The response to one stream, from its head to its end, and its place among the connections. */
export class SseResponse implements StreamOutlet, Connection {
  readonly #res: HttpResponse;
  readonly #stream: StreamSource;
  readonly #options: SseResponseOptions;
  readonly #id: string;
  #caller: Caller = ANONYMOUS;
  #place: Place | undefined;
  #started = false;
  #open = true;

  constructor(res: HttpResponse, stream: StreamSource, options: SseResponseOptions) {
    this.#res = res;
    this.#stream = stream;
    this.#options = options;
    this.#id = options.newId();
  }

  get laggingSince(): number {
    return this.#stream.laggingSince;
  }

  memberships(): Iterable<Membership> {
    return this.#stream.memberships();
  }

  get id(): string {
    return this.#id;
  }

  get user(): string | null {
    return userOf(this.#caller);
  }

  get tokenId(): string | undefined {
    return tokenIdOf(this.#caller);
  }

  /** When the token of who reads ends, in epoch milliseconds; undefined for never. */
  get expiresAtMs(): number | undefined {
    return endOf(this.#caller);
  }

  /** Begins to write. The place is given back when the response is over. */
  start({ headers }: Asked, caller: Caller, place: Place): void {
    this.#caller = caller;
    this.#place = place;
    const { tally, connections, log } = this.#options;
    this.#started = true;
    tally.opened.sse++;
    tally.open.sse++;
    connections.add(this);
    log.debug({ connection: this.#id, transport: 'sse' }, 'connection opened');
    this.#res.onWritable(() => this.#drained());
    writeStreamHeadCorked(this.#res, headers);
    this.#stream.start(this);
  }

  get person(): Person {
    return { connection: this.#id, user: this.user, name: nameOf(this.#caller), resume: '' };
  }

  write(bytes: Buffer): boolean {
    let room = true;
    for (let from = 0; from < bytes.length; from += CORK_BYTES) {
      const part = bytes.length <= CORK_BYTES ? bytes : bytes.subarray(from, from + CORK_BYTES);
      const last = from + CORK_BYTES >= bytes.length;
      this.#res.cork(() => {
        room = this.#res.write(part);
        if (last) this.#res.write(CHUNK_ENDER);
      });
    }
    return room;
  }

  /** Once there is this uWS leaves its own buffer to us: an empty write makes it send what is waiting. */
  #drained(): boolean {
    if (!this.#open) return true;
    this.#res.cork(() => this.#res.write(''));
    this.#stream.drained();
    return true;
  }

  /**
   * uWS gives a socket up that has been full for about ten seconds. This pair of calls starts that time anew, and leaves what is
   * waited for as it was. On a socket with room it would start it with nothing to end it: to be called only between a `write` that
   * was false and the next `onWritable`. That leaves one who stalls when its very last write has filled the socket: nobody is
   * told of that before the next write, and after ten seconds it has to come back.
   */
  holdOpen(): void {
    if (!this.#open) return;
    this.#res.pause();
    this.#res.resume();
  }

  close(): void {
    this.closed('ended');
    this.#res.cork(() => this.#res.end());
  }

  /** An event stream cannot say why: the client comes back, and is then told, as an answer to its request. */
  end(): void {
    if (this.#open) this.#stream.end();
  }

  closeSlow(): void {
    if (this.#open) this.#stream.end();
  }

  /** A stream has no name that must be unique. */
  takeLeave(): undefined {
    return undefined;
  }

  closeGoingAway(): void {
    if (this.#open) this.#stream.end();
  }

  /** The response is over, or about to be, and may not be written to any more. */
  closed(why: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stream.close();
    if (this.#place !== undefined) this.#options.admission.release(this.#place);
    if (!this.#started) return;
    this.#options.connections.remove(this);
    this.#options.tally.closed('sse', why);
    this.#options.log.debug({ connection: this.#id, transport: 'sse', why }, 'connection closed');
  }
}
