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

/**
 * `origin` is undefined where the request has none, and empty where it has an empty one, which is nobody's. `isSecure`: the request is known to
 * have come by TLS.
 */
export type OriginCheck = (origin: string | undefined, host: string | undefined, isSecure?: boolean) => Admission;

/** What stands for the subdomains of a host, and for its ports. */
const SUBDOMAINS = '://*.';
const PORTS = ':*';
/** What sandboxed frames, local files and redirected requests send, whoever made them. */
const OPAQUE = 'null';
/** What the web views of some phones send for local files. */
const FILES = 'file://';

/** Reads `https://a.example, https://*.b.example:8443, http://localhost:*, capacitor://localhost, null` or `*`; gives each as browsers send it. */
export function parseOrigins(given: string): Parsed<AllowedOrigins> {
  const origins: string[] = [];
  for (const [index, text] of given.split(',').entries()) {
    const trimmed = text.trim();
    if (trimmed === '*' && !given.includes(',')) return { ok: true, value: '*' };
    const origin = normalized(trimmed);
    if (origin === undefined)
      return {
        ok: false,
        error: `has at place ${index + 1} what is no origin (scheme, host, port unless usual; no path, user or query)`,
      };
    origins.push(origin);
  }
  return { ok: true, value: [...new Set(origins)] };
}

/**
 * Allows what is no browser's cross-origin request (no `Origin` at all), pages of this very host and port, and the origins of
 * the list. Credentials are only for those that the list names, not for what a `*` stands for nor for `null`. `https://*.a.example` is every
 * subdomain at any depth, with the same scheme and port, and not `https://a.example` itself; `http://localhost:*` is every port.
 */
export function originCheck(allowed: AllowedOrigins): OriginCheck {
  if (allowed === '*') return () => 'plain';
  const isPattern = (origin: string) => origin.includes(SUBDOMAINS) || origin.endsWith(PORTS);
  const list: ReadonlySet<string> = new Set(allowed.filter((origin) => !isPattern(origin) && origin !== OPAQUE));
  const patterns = allowed.filter(isPattern).map(patternCheck);
  const takesOpaque = allowed.includes(OPAQUE);
  return (origin, host, isSecure = false) => {
    if (origin === undefined) return 'plain';
    // Browsers write hosts in lower case; of the schemes of apps that is for the app to do.
    if (list.has(WEB.test(origin) ? origin : origin.toLowerCase())) return 'credentials';
    if (origin === OPAQUE) return takesOpaque ? 'plain' : false;
    if (patterns.some((covers) => covers(origin))) return 'plain';
    return host !== undefined && isOwn(origin, host.toLowerCase(), isSecure) ? 'plain' : false;
  };
}

/** A page that came without TLS may have been changed on its way, so it is not the own one of what is reached by TLS. */
function isOwn(origin: string, host: string, isSecure: boolean): boolean {
  if (origin.startsWith('https://')) return origin.slice(8) === withoutPort(host, ':443');
  return !isSecure && origin.startsWith('http://') && origin.slice(7) === withoutPort(host, ':80');
}

function withoutPort(host: string, port: string): string {
  return host.endsWith(port) ? host.slice(0, -port.length) : host;
}

function patternCheck(pattern: string): (origin: string) => boolean {
  const anyPort = pattern.endsWith(PORTS);
  const [scheme = '', domain] = (anyPort ? pattern.slice(0, -PORTS.length) : pattern).split(SUBDOMAINS);
  const covers = (origin: string): boolean => {
    if (domain === undefined) return origin === scheme;
    const [begin, end] = [`${scheme}://`, `.${domain}`];
    return origin.startsWith(begin) && origin.endsWith(end) && LABELS.test(origin.slice(begin.length, -end.length));
  };
  return anyPort ? (origin) => covers(origin.replace(/:\d{1,5}$/, '')) : covers;
}

/** One part of a host's name or several. */
const LABELS = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;
const WEB = /^https?:\/\//i;

/** The origin or pattern as it is compared with what browsers send; undefined for what is none. */
function normalized(given: string): string | undefined {
  const lower = given.toLowerCase().replace(/(?<=:\/\/[^/]+)\/$/, '');
  if (lower === OPAQUE || lower === FILES) return lower;
  if (lower === `${FILES}/`) return FILES;
  const anyPort = lower.endsWith(PORTS);
  const [scheme = '', rest = '', ...more] = (anyPort ? lower.slice(0, -PORTS.length) : lower).split('://');
  const below = rest.startsWith('*.');
  const host = below ? rest.slice(2) : rest;
  if (more.length > 0 || host.includes('*') || (anyPort && /:\d*$/.test(host) && !host.endsWith(']'))) return undefined;
  const origin = /^https?$/.test(scheme) ? webOrigin(scheme, host) : appOrigin(scheme, host);
  if (origin === undefined) return undefined;
  const covering = below ? subdomainsOf(origin) : origin;
  return covering === undefined || !anyPort ? covering : `${covering}${PORTS}`;
}

/** Not for all of a top-level domain, which are strangers to each other; `localhost` is one's own. An address has no subdomains. */
function subdomainsOf(origin: string): string | undefined {
  const { protocol, hostname, host } = new URL(origin);
  if (!URL.canParse(`${protocol}//a.${host}`)) return undefined;
  return hostname.includes('.') || hostname === 'localhost' ? `${protocol}//*.${host}` : undefined;
}

/** The URL parser writes it as browsers do: names of other scripts in ASCII, no usual port. */
function webOrigin(scheme: string, host: string): string | undefined {
  if (host === '' || !URL.canParse(`${scheme}://${host}`)) return undefined;
  const { origin, username, password, pathname, search, hash, hostname } = new URL(`${scheme}://${host}`);
  const bare = username === '' && password === '' && pathname === '/' && search === '' && hash === '';
  return bare && /^(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])$/.test(hostname) && !/[/?#@\\]/.test(host) ? origin : undefined;
}

/** What apps and browser extensions send: `capacitor://localhost`, `tauri://localhost`, `moz-extension://0c5a…`. */
function appOrigin(scheme: string, host: string): string | undefined {
  const isOne = /^[a-z][a-z0-9+.-]*$/.test(scheme) && /^[a-z0-9_-]+(\.[a-z0-9_-]+)*(:\d{1,5})?$/.test(host);
  return isOne && !NO_ORIGINS.has(scheme) ? `${scheme}://${host}` : undefined;
}

/** Of these a mistake is more likely: browsers never send them as an origin. */
const NO_ORIGINS: ReadonlySet<string> = new Set(['ws', 'wss', 'ftp', 'file', 'data', 'blob', 'javascript']);

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
