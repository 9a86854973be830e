/**
 * What every request is checked for, whatever it asks: that it is framed so that all on the way agree where it ends, that its host is one of
 * the gateway's, and what the page may that sends it. The one place that reads `Host` and `Origin`.
 *
 * The library takes some requests for good that RFC 9112 has refused; what it gives no answer to, or drops, is never seen here.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { ReadSecure } from '../connections/client-address.ts';
import type { Refusal } from '../protocol.ts';
import type { HostCheck } from './hosts.ts';
import type { Admission, OriginCheck } from './origin.ts';

export interface CheckedRequest {
  /** Undefined where none was sent; empty where it was, and has nothing that the library leaves. */
  readonly origin: string | undefined;
  /** What a page of this origin may. */
  readonly admission: Admission;
  /** Why it is refused, whatever it asks for. */
  readonly refusal: Refusal | undefined;
  /** Whether the library may take what follows its body for another request: it must be the last of its connection. */
  readonly isLast: boolean;
  /** A `Last-Event-ID` was sent; where it has no text, it had only bytes that the library drops. */
  readonly hasLastEventId: boolean;
}

export type CheckRequest = (res: HttpResponse, req: HttpRequest) => CheckedRequest;

export interface RequestCheckParts {
  readonly originAllowed: OriginCheck;
  readonly hostAllowed: HostCheck;
  readonly readSecure: ReadSecure;
}

export function requestCheck({ originAllowed, hostAllowed, readSecure }: RequestCheckParts): CheckRequest {
  return (res, req) => {
    const head = readHead(req);
    const { origin, host } = head;
    const fault = faultOfFraming(head);
    const refusal = fault ?? (hostAllowed(host) ? undefined : wrongHost(host));
    // The own origin is that of the host, so it takes a host that is the gateway's.
    const own = refusal === undefined ? host || undefined : undefined;
    const admission = originAllowed(origin, own, origin !== undefined && readSecure(res, req));
    const isLast = fault !== undefined || head.codings > 0;
    return { origin, admission, refusal, isLast, hasLastEventId: head.hasLastEventId };
  };
}

interface Head {
  host: string;
  hosts: number;
  origin: string | undefined;
  hasLastEventId: boolean;
  length: string | undefined;
  /** Whether two headers tell different lengths. */
  lengthsDiffer: boolean;
  coding: string;
  codings: number;
}

/** In one pass: `getHeader` gives the first of several, and does not tell an empty one from none. */
function readHead(req: HttpRequest): Head {
  const head: Head = {
    host: '',
    hosts: 0,
    origin: undefined,
    hasLastEventId: false,
    length: undefined,
    lengthsDiffer: false,
    coding: '',
    codings: 0,
  };
  req.forEach((name, value) => {
    switch (name) {
      case 'host':
        head.host = value;
        head.hosts++;
        return;
      case 'origin':
        head.origin = head.origin === undefined ? value : ''; // of two none is believed
        return;
      case 'last-event-id':
        head.hasLastEventId = true;
        return;
      case 'content-length':
        if (head.length !== undefined && head.length !== value) head.lengthsDiffer = true;
        head.length = value;
        return;
      case 'transfer-encoding':
        head.coding = value;
        head.codings++;
        return;
    }
  });
  return head;
}

function faultOfFraming({ hosts, lengthsDiffer, coding, codings }: Head): Refusal | undefined {
  if (hosts > 1) return { code: 'bad_request', error: 'The request has several Host headers; send one' };
  if (lengthsDiffer)
    return { code: 'bad_request', error: 'The request has Content-Length headers that differ; send one' };
  if (codings > 1 || (codings === 1 && coding.toLowerCase() !== 'chunked')) {
    const error = 'The only Transfer-Encoding that is understood is "chunked"; send that one, or a Content-Length';
    return { code: 'bad_request', error };
  }
  return undefined;
}

function wrongHost(host: string): Refusal {
  const shown = JSON.stringify(host.length > SHOWN ? `${host.slice(0, SHOWN)}…` : host);
  const error = `This gateway does not answer for the host ${shown}; whoever runs it can name it in ALLOWED_HOSTS`;
  return { code: 'forbidden', error };
}

const SHOWN = 64;
