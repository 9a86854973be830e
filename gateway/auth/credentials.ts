/**
 * Finds in a request what its sender shows to prove who it is. Pure: it verifies nothing, and knows no socket.
 *
 * One request shows one thing. The same shown twice counts once; two different ones are refused, as whichever were taken, somebody
 * would be surprised by whose rights count.
 */
import type { Refusal } from '../protocol.ts';

/** The subprotocol of the gateway, which also says that what is offered beside it is a token. */
export const SUBPROTOCOL = 'passerelle';

export interface Credential {
  /**
   * Where it was found says what it may be: `bearer`, from the header, an API key or a token; `token`, from a URL or the subprotocols, a token
   * only, since keys of servers have no place in URLs; `ticket`, what was handed out to be used once.
   */
  readonly kind: 'bearer' | 'token' | 'ticket';
  readonly text: string;
}

/** Where a request may show something; a header that is not there is empty. */
export interface CredentialSources {
  readonly authorization: string;
  readonly query: URLSearchParams;
  /** `Sec-WebSocket-Protocol`, of a request to open a WebSocket. */
  readonly protocols: string;
}

export type FoundCredential =
  | { readonly ok: true; readonly credential: Credential | undefined }
  | { readonly ok: false; readonly refusal: Refusal };

/** The schemes that belong to a proxy in front, which may pass them on. */
const FOREIGN_SCHEMES: ReadonlySet<string> = new Set(['basic', 'digest', 'negotiate', 'ntlm']);
const BEARER = /^[\w.~+/-]+=*$/;
const TICKET = /^[\w-]{1,128}$/;

/** What the request shows; undefined where that is nothing. */
export function findCredential({ authorization, query, protocols }: CredentialSources): FoundCredential {
  const found: Credential[] = [];
  for (const read of [bearerIn(authorization), tokensIn(query), tokenOffered(protocols), ticketsIn(query)]) {
    if (typeof read === 'string') return { ok: false, refusal: { code: 'unauthorized', error: read } };
    found.push(...read);
  }
  const [first, ...others] = found;
  if (others.some(({ kind, text }) => text !== first?.text || (kind === 'ticket') !== (first.kind === 'ticket'))) {
    const error = 'The request shows two different tokens, keys or tickets; send one of them';
    return { ok: false, refusal: { code: 'unauthorized', error } };
  }
  return { ok: true, credential: first };
}

/** The subprotocol to answer a client that offers some; undefined for none. It is never the token, and a browser insists on one. */
export function answeredProtocol(protocols: string): string | undefined {
  return offered(protocols).includes(SUBPROTOCOL) ? SUBPROTOCOL : undefined;
}

/** What was read, or the sentence about what is wrong with it. */
type Read = readonly Credential[] | string;

function bearerIn(authorization: string): Read {
  const given = authorization.trim();
  if (given === '') return [];
  const [scheme = '', text = '', ...rest] = given.split(/ +/);
  if (FOREIGN_SCHEMES.has(scheme.toLowerCase())) return [];
  if (scheme.toLowerCase() !== 'bearer' || rest.length > 0 || !BEARER.test(text))
    return 'The Authorization header must be "Bearer", a space, and a token or an API key';
  return [{ kind: 'bearer', text }];
}

function tokensIn(query: URLSearchParams): Read {
  const given = query.getAll('token');
  return given.every((text) => BEARER.test(text))
    ? given.map((text) => ({ kind: 'token', text }))
    : 'The "token" in the URL is empty, or has a character that no token has';
}

function ticketsIn(query: URLSearchParams): Read {
  const given = query.getAll('ticket');
  return given.every((text) => TICKET.test(text))
    ? given.map((text) => ({ kind: 'ticket', text }))
    : 'The "ticket" in the URL is empty, or has a character that no ticket has';
}

function tokenOffered(protocols: string): Read {
  const names = offered(protocols);
  if (!names.includes(SUBPROTOCOL)) return [];
  const [text, ...others] = names.filter((name) => name !== SUBPROTOCOL);
  if (text === undefined) return [];
  return others.length === 0 && BEARER.test(text)
    ? [{ kind: 'token', text }]
    : `Beside "${SUBPROTOCOL}" only a token may be offered as a subprotocol`;
}

function offered(protocols: string): readonly string[] {
  return protocols
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
