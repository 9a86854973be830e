/**
 * Reads the one setting that says where Redis is. Owns its syntax; opens no connection.
 * No message made here repeats a part of the URL, as any part may hold a secret.
 */

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

interface Credentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: boolean;
  /** With `tls`: what to trust in place of the authorities that Node.js knows, and who to be, all as PEM. */
  readonly identity?: RedisIdentity | undefined;
}

export interface RedisIdentity {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export type RedisTarget = Credentials &
  (
    | { readonly kind: 'standalone'; readonly node: RedisNode; readonly db: number }
    | {
        readonly kind: 'sentinel';
        readonly sentinels: readonly RedisNode[];
        readonly sentinelPassword: string | undefined;
        readonly masterName: string;
        readonly db: number;
      }
    | { readonly kind: 'cluster'; readonly nodes: readonly RedisNode[] }
  );

export type ParsedRedisUrl =
  | { readonly ok: true; readonly target: RedisTarget }
  | { readonly ok: false; readonly error: string };

const FORMS =
  'Use redis://[user:password@]host[:port][/db], redis+sentinel://[user:password@]host:port,host:port/master[/db]' +
  ' or redis+cluster://[user:password@]host:port,host:port; with rediss in place of redis for TLS.';

const SHAPE = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^@/?]+)(?:\/([^?]*))?(?:\?(.*))?$/;
const NODE = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;

/**
 * Understands `redis://[user:pass@]host[:port][/db]`, `redis+sentinel://…@h1:p1,h2:p2/master[/db][?sentinelPassword=…]`,
 * `redis+cluster://…@h1:p1,h2:p2`, and the same with `rediss` for TLS.
 */
export function parseRedisUrl(text: string): ParsedRedisUrl {
  const match = SHAPE.exec(text.trim());
  if (match === null) return refuse(`The Redis URL has none of the known forms. ${FORMS}`);
  const [, scheme, mode, userInfo, hosts = '', path = '', query = ''] = match;

  const credentials = parseCredentials(userInfo, scheme === 'rediss');
  if (credentials === undefined)
    return refuse('The user or password in the Redis URL is not percent-encoded correctly.');

  const defaultPort = mode === 'sentinel' ? 26379 : 6379;
  const nodes = hosts.split(',').map((host) => parseNode(host, defaultPort));
  const known = nodes.filter((node) => node !== undefined);
  const [first] = known;
  if (first === undefined || known.length < nodes.length)
    return refuse('The Redis URL names a host or port that is not valid: each must be host:port, parted by commas.');

  const segments = path === '' ? [] : path.split('/');
  if (mode === 'cluster') {
    if (segments.length > 0) return refuse('A Redis Cluster has no databases: leave out what follows the hosts.');
    return { ok: true, target: { kind: 'cluster', nodes: known, ...credentials } };
  }

  const masterName = mode === 'sentinel' ? segments.shift() : undefined;
  const db = segments.length === 0 ? 0 : parseDb(segments);
  if (db === undefined) return refuse('The database in the Redis URL must be one number from 0 on.');
  if (mode === 'sentinel') {
    if (masterName === undefined) return refuse('The Redis URL for Sentinel must name the master: …/master.');
    const sentinelPassword = new URLSearchParams(query).get('sentinelPassword') ?? undefined;
    return {
      ok: true,
      target: { kind: 'sentinel', sentinels: known, sentinelPassword, masterName, db, ...credentials },
    };
  }
  if (known.length > 1)
    return refuse('The Redis URL names several hosts: say redis+sentinel:// or redis+cluster:// for that.');
  return { ok: true, target: { kind: 'standalone', node: first, db, ...credentials } };
}

function refuse(error: string): ParsedRedisUrl {
  return { ok: false, error };
}

function parseCredentials(userInfo: string | undefined, tls: boolean): Credentials | undefined {
  if (userInfo === undefined) return { username: undefined, password: undefined, tls };
  const colon = userInfo.indexOf(':');
  try {
    const username = decodeURIComponent(colon < 0 ? userInfo : userInfo.slice(0, colon));
    const password = colon < 0 ? '' : decodeURIComponent(userInfo.slice(colon + 1));
    return { username: username || undefined, password: password || undefined, tls };
  } catch {
    return undefined; // A stray % sign: the caller says so without repeating the text.
  }
}

function parseNode(text: string, defaultPort: number): RedisNode | undefined {
  const [, host, port] = NODE.exec(text) ?? [];
  if (host === undefined) return undefined;
  const number = port === undefined ? defaultPort : Number(port);
  if (number < 1 || number > 65_535) return undefined;
  return { host: host.replace(/^\[|\]$/g, ''), port: number };
}

function parseDb(segments: readonly string[]): number | undefined {
  const [db = ''] = segments;
  return segments.length === 1 && /^\d{1,5}$/.test(db) ? Number(db) : undefined;
}
