/**
 * Reads the one setting that says where Redis is. Owns its syntax; opens no connection.
 * No message made here repeats a part of the URL, as any part may hold a secret.
 */

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** Where one server listens: a TCP address, or the path of a Unix domain socket. */
export type RedisAddress = RedisNode | { readonly path: string };

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
    | { readonly kind: 'standalone'; readonly address: RedisAddress; readonly db: number }
    | {
        readonly kind: 'sentinel';
        readonly sentinels: readonly RedisNode[];
        /** What the Sentinels themselves ask for, where they do. */
        readonly sentinelUsername: string | undefined;
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
  'Use redis://[user:password@]host[:port][/db], redis+sentinel://[user:password@]host:port,host:port/master[/db],' +
  ' redis+cluster://[user:password@]host:port,host:port or unix:///path/redis.sock[?db=N];' +
  ' valkey stands for redis as well, and rediss or valkeys for TLS.';

const SHAPE = /^((?:redis|valkey)s?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^@/?]+)(?:\/([^?]*))?(?:\?(.*))?$/;
const SOCKET_SHAPE = /^unix:(?:\/\/(?:([^@/]*)@)?)?(\/(?!\/)[^?]+)(?:\?(.*))?$/;
const NODE = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;

/** The parameters that a URL of each form may have behind its `?`. */
const PARAMETERS = {
  standalone: [],
  sentinel: ['sentinelPassword', 'sentinelUsername'],
  cluster: [],
  unix: ['db'],
} as const;

/**
 * Reads a URL of one of the forms that `FORMS` lists. Two parameters belong to Sentinels that ask for a password of their own:
 * `sentinelPassword` and, where they know users, `sentinelUsername`.
 */
export function parseRedisUrl(text: string): ParsedRedisUrl {
  const trimmed = text.trim();
  return trimmed.startsWith('unix:') ? parseSocketUrl(trimmed) : parseNetworkUrl(trimmed);
}

function parseSocketUrl(text: string): ParsedRedisUrl {
  const [, userInfo, path, query = ''] = SOCKET_SHAPE.exec(text) ?? [];
  if (path === undefined) return refuse(`The Redis URL has none of the known forms. ${FORMS}`);
  const credentials = parseCredentials(userInfo, false);
  if (credentials === undefined) return refuse(NOT_ENCODED);
  const parameters = parseParameters(query, 'unix');
  if (typeof parameters === 'string') return refuse(parameters);
  const db = parseDb([parameters.get('db') ?? '0']);
  if (db === undefined) return refuse(NO_DATABASE);
  const decoded = decode(path);
  if (decoded === undefined) return refuse(NOT_ENCODED);
  return { ok: true, target: { kind: 'standalone', address: { path: decoded }, db, ...credentials } };
}

function parseNetworkUrl(text: string): ParsedRedisUrl {
  const match = SHAPE.exec(text);
  if (match === null) return refuse(`The Redis URL has none of the known forms. ${FORMS}`);
  const [, scheme = '', mode = 'standalone', userInfo, hosts = '', path = '', query = ''] = match;

  const credentials = parseCredentials(userInfo, scheme === 'rediss' || scheme === 'valkeys');
  if (credentials === undefined) return refuse(NOT_ENCODED);

  const defaultPort = mode === 'sentinel' ? 26379 : 6379;
  const nodes = hosts.split(',').map((host) => parseNode(host, defaultPort));
  const known = nodes.filter((node) => node !== undefined);
  const [first] = known;
  if (first === undefined || known.length < nodes.length)
    return refuse('The Redis URL names a host or port that is not valid: each must be host:port, separated by commas.');

  const parameters = parseParameters(query, mode === 'sentinel' || mode === 'cluster' ? mode : 'standalone');
  if (typeof parameters === 'string') return refuse(parameters);

  const segments = path === '' ? [] : path.split('/');
  if (mode === 'cluster') {
    if (segments.length > 0) return refuse('A Redis Cluster has no databases: leave out what follows the hosts.');
    return { ok: true, target: { kind: 'cluster', nodes: known, ...credentials } };
  }

  const masterName = mode === 'sentinel' ? segments.shift() : undefined;
  const db = segments.length === 0 ? 0 : parseDb(segments);
  if (db === undefined) return refuse(NO_DATABASE);
  if (mode === 'sentinel') {
    if (masterName === undefined) return refuse('The Redis URL for Sentinel must name the master: …/master.');
    const sentinelUsername = parameters.get('sentinelUsername');
    const sentinelPassword = parameters.get('sentinelPassword');
    return {
      ok: true,
      target: {
        kind: 'sentinel',
        sentinels: known,
        sentinelUsername,
        sentinelPassword,
        masterName,
        db,
        ...credentials,
      },
    };
  }
  if (known.length > 1)
    return refuse('The Redis URL names several hosts: say redis+sentinel:// or redis+cluster:// for that.');
  return { ok: true, target: { kind: 'standalone', address: first, db, ...credentials } };
}

const NOT_ENCODED = 'The user, password or path in the Redis URL is not percent-encoded correctly.';
const NO_DATABASE = 'The database in the Redis URL must be one number from 0 on.';

/** What stands behind the `?`, or what is wrong with it: one that is misspelt would else change nothing in silence. */
function parseParameters(query: string, form: keyof typeof PARAMETERS): Map<string, string> | string {
  const known: readonly string[] = PARAMETERS[form];
  const parameters = new Map(new URLSearchParams(query));
  if ([...parameters.keys()].every((name) => known.includes(name))) return parameters;
  const allowed = known.length === 0 ? 'a URL of this form has none' : `there are ${known.join(' and ')}`;
  return `The Redis URL has a parameter behind its ? that is not known: ${allowed}.`;
}

function refuse(error: string): ParsedRedisUrl {
  return { ok: false, error };
}

function parseCredentials(userInfo: string | undefined, tls: boolean): Credentials | undefined {
  if (userInfo === undefined) return { username: undefined, password: undefined, tls };
  const colon = userInfo.indexOf(':');
  const username = decode(colon < 0 ? userInfo : userInfo.slice(0, colon));
  const password = colon < 0 ? '' : decode(userInfo.slice(colon + 1));
  if (username === undefined || password === undefined) return undefined;
  return { username: username || undefined, password: password || undefined, tls };
}

/** Undefined where a % sign begins no encoded byte. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // The caller says so, without repeating the text.
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
