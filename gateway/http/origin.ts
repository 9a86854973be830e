/** Which web pages may talk to this gateway, by the `Origin` that their browser sends. Pure. */

import type { Parsed } from '../settings/setting.ts';
import type { Headers } from './headers.ts';

/** Which origins a browser may come from: the page's own is always allowed, `'*'` is every one. */
export type AllowedOrigins = '*' | readonly string[];

/**
 * What a page may: nothing, talk to the gateway, or that with the credentials which a browser keeps for the gateway's host, such as
 * the cookie of a proxy in front. The gateway itself never looks at those.
 */
export type Admission = false | 'plain' | 'credentials';

export type OriginCheck = (origin: string | undefined, host: string | undefined) => Admission;

/** What stands for the subdomains of a host. */
const WILDCARD = '://*.';

/** Reads `https://a.example, https://*.b.example:8443` or `*`. */
export function parseOrigins(given: string): Parsed<AllowedOrigins> {
  const origins = given.split(',').map((origin) => origin.trim());
  if (origins.length === 1 && origins[0] === '*') return { ok: true, value: '*' };
  const wrong = origins.findIndex((origin) => !isOrigin(origin) && !isWildcard(origin));
  if (wrong === -1) return { ok: true, value: [...new Set(origins)] };
  return {
    ok: false,
    error: `has at place ${wrong + 1} what is no origin (http or https, host, port unless usual; lower case, no path, no slash at the end)`,
  };
}

/**
 * Allows what is no browser's cross-origin request (no `Origin` at all), pages of this very host and port, and the origins of
 * the list. Credentials are only for those that the list names, not for what a `*` stands for. `https://*.a.example` is every subdomain at any depth, with the same scheme and port, and not `https://a.example` itself.
 */
export function originCheck(allowed: AllowedOrigins): OriginCheck {
  if (allowed === '*') return () => 'plain';
  const list: ReadonlySet<string> = new Set(allowed.filter((origin) => !origin.includes(WILDCARD)));
  const wildcards = allowed.filter((origin) => origin.includes(WILDCARD)).map(subdomainCheck);
  return (origin, host) => {
    if (origin !== undefined && list.has(origin)) return 'credentials';
    if (origin === undefined || wildcards.some((covers) => covers(origin))) return 'plain';
    return host !== undefined && origin.slice(origin.indexOf('://') + 3) === host.toLowerCase() ? 'plain' : false;
  };
}

function subdomainCheck(wildcard: string): (origin: string) => boolean {
  const [scheme = '', domain = ''] = wildcard.split(WILDCARD);
  const [begin, end] = [`${scheme}://`, `.${domain}`];
  return (origin) =>
    origin.startsWith(begin) && origin.endsWith(end) && LABELS.test(origin.slice(begin.length, -end.length));
}

/** One part of a host's name or several. */
const LABELS = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;

/** Whether the text is exactly what a browser sends as `Origin`, since that is what it will be compared with. */
function isOrigin(given: string): boolean {
  if (!/^https?:\/\//.test(given) || given.includes('*') || !URL.canParse(given)) return false;
  return new URL(given).origin === given;
}

/** Not for all of a top-level domain, which are strangers to each other; `localhost` is one's own. */
function isWildcard(given: string): boolean {
  const [scheme = '', domain = '', ...rest] = given.split(WILDCARD);
  if (rest.length > 0 || !isOrigin(`${scheme}://${domain}`) || !isOrigin(`${scheme}://a.${domain}`)) return false;
  const { hostname } = new URL(`${scheme}://${domain}`);
  return hostname.includes('.') || hostname === 'localhost';
}

/** The CORS headers of an answer; none where no origin was sent, or one that is not allowed. */
export function corsHeaders(origin: string | undefined, admission: Admission): Headers {
  if (origin === undefined || admission === false) return [];
  return [
    ['Access-Control-Allow-Origin', origin],
    ...(admission === 'credentials' ? ([['Access-Control-Allow-Credentials', 'true']] as const) : []),
    ['Vary', 'Origin'],
  ];
}

/** The further headers that answer a preflight (`OPTIONS`). */
export function preflightHeaders(methods: string): Headers {
  return [
    ['Access-Control-Allow-Methods', methods],
    ['Access-Control-Allow-Headers', 'Authorization, Content-Type, Last-Event-ID, Cache-Control'],
    ['Access-Control-Max-Age', '86400'],
  ];
}
