/**
 * Looks at the server behind a new connection before anything is stored in it: version, role, mode and database. What a
 * server hides (INFO may be forbidden or renamed) is not held against it. Opens no connection.
 */
import { describeError } from './gate.ts';
import type { RedisTarget } from './url.ts';

export type ServerState =
  /** `instance`: by which a server is told from another, and from itself before a restart; undefined where it hides that. */
  | { readonly state: 'usable'; readonly instance?: string | undefined }
  /** It reads its data from disk and takes commands once that is done. */
  | { readonly state: 'loading' }
  /** The Sentinels named it as the master, and it is a replica by now: another connection leads to the master. */
  | { readonly state: 'replaced' }
  /** The connection ended meanwhile: another one follows. */
  | { readonly state: 'lost' }
  | { readonly state: 'unusable'; readonly reason: string };

/** Sends one command; rejects with what Redis answers. */
export type Ask = (command: string, args: readonly (string | number)[]) => Promise<unknown>;

/** The first with sharded pub/sub, and with what the scripts use. */
const OLDEST_MAJOR = 7;

export async function checkServer(ask: Ask, target: RedisTarget): Promise<ServerState> {
  const info = factsOf(String(await ask('INFO', []).catch(() => '')));
  if (info.get('loading') === '1') return { state: 'loading' };
  const server = await stateOf(ask);
  if (server.state !== 'usable') return server;
  const reason = faultOfVersion(info) ?? faultOfMode(info, target);
  if (reason !== undefined) return { state: 'unusable', reason };
  if (target.kind === 'cluster') return { state: 'usable' };
  if ((info.get('role') ?? (await roleOf(ask))) === 'slave') {
    if (target.kind === 'sentinel') return { state: 'replaced' };
    const advice = 'name its master, or use redis+sentinel:// with the Sentinels that know it';
    return { state: 'unusable', reason: `REDIS_URL leads to a replica, which takes no writes: ${advice}.` };
  }
  const fault = target.db === 0 ? undefined : await faultOfDatabase(ask, target.db);
  return fault === undefined ? { state: 'usable', instance: info.get('run_id') } : { state: 'unusable', reason: fault };
}

function factsOf(info: string): ReadonlyMap<string, string> {
  const facts = new Map<string, string>();
  for (const line of info.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0) facts.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return facts;
}

/** What a server says that takes no command now: it reads its data, wants another password, or is gone. */
async function stateOf(ask: Ask): Promise<ServerState> {
  try {
    await ask('PING', []);
    return { state: 'usable' };
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ReplyError') return { state: 'lost' };
    const reason = describeError(error);
    if (reason.startsWith('LOADING')) return { state: 'loading' };
    // PING itself may be forbidden, or renamed.
    if (/^(NOPERM|ERR unknown command)/.test(reason)) return { state: 'usable' };
    return { state: 'unusable', reason };
  }
}

function faultOfVersion(info: ReadonlyMap<string, string>): string | undefined {
  const version = info.get('redis_version');
  if (version === undefined || Number(version.split('.')[0]) >= OLDEST_MAJOR) return undefined;
  return `Redis ${version} is too old: ${OLDEST_MAJOR}.0 or later is needed.`;
}

function faultOfMode(info: ReadonlyMap<string, string>, { kind }: RedisTarget): string | undefined {
  const mode = info.get('redis_mode') ?? info.get('server_mode'); // as Valkey calls it
  if (mode === 'sentinel')
    return 'REDIS_URL leads to a Sentinel: use redis+sentinel://HOST:PORT,HOST:PORT/MASTER, with the name of the master.';
  if (mode === 'cluster' && kind !== 'cluster')
    return 'REDIS_URL leads to a node of a Redis Cluster: use redis+cluster://HOST:PORT,HOST:PORT.';
  return undefined;
}

async function roleOf(ask: Ask): Promise<string | undefined> {
  const reply = await ask('ROLE', []).catch(() => undefined);
  return Array.isArray(reply) ? String(reply[0]) : undefined;
}

/** ioredis goes on in database 0 where the one that it selects does not exist. */
async function faultOfDatabase(ask: Ask, db: number): Promise<string | undefined> {
  return ask('SELECT', [db]).then(
    () => undefined,
    (error: unknown) =>
      `Redis refuses the database ${db} that REDIS_URL names (${describeError(error)}): use another, or raise its setting "databases".`,
  );
}
