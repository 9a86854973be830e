/**
 * Every setting of the gateway: the one table that parses, documents and lists them, and the one place that reads the
 * process's environment.
 *
 * It must not know any engine: whether a REDIS_URL can be used is asked of a function that is passed in.
 */
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { AUTH_SETTINGS, type AuthConfig, readAuth } from '../auth/settings.ts';
import { PROXY_HEADERS, parseTrustedProxies, type TrustedProxies } from '../connections/forwarded.ts';
import { DRAIN_SETTINGS, faultOfDrain } from '../drain/drain-settings.ts';
import { type AllowedHosts, parseHosts } from '../http/hosts.ts';
import { type AllowedOrigins, parseOrigins } from '../http/origin.ts';
import { LIMIT_SETTINGS } from '../limits/settings.ts';
import type { TlsFiles } from '../tls/certificate.ts';
import { REDIS_TLS_SETTINGS, type RedisTlsFiles, readRedisTls } from '../tls/redis-settings.ts';
import { readTls, TLS_SETTINGS } from '../tls/settings.ts';
import { COMPRESSIONS } from '../websocket/compression.ts';
import { loadNamespaces, type Namespaces } from './namespaces.ts';
import {
  choice,
  type Environment,
  faultOf,
  integer,
  matching,
  type Parsed,
  readSettings,
  type SettingTable,
  text,
  toggle,
  type ValuesOf,
} from './setting.ts';
import type { ReadFile } from './settings-file.ts';

/** The levels of the log, from the most to the least told. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The settings by the field that each becomes. The order is the order in which they are listed. */
const OWN_SETTINGS = {
  port: integer('PORT', 8080, {
    min: 0,
    max: 65_535,
    unit: '',
    about: 'The TCP port to listen on. 0 takes any free one, which the log then names.',
  }),
  host: text('HOST', '127.0.0.1', {
    allowed: 'an IP address of this machine, or a host name',
    about:
      'The address to listen on. The default can be reached from this machine only; 0.0.0.0 opens the gateway to the network.',
    parse: parseHost,
  }),
  internalPort: text<number | undefined>('INTERNAL_PORT', undefined, {
    allowed: '0 to 65535',
    about:
      'The TCP port on which the gateway answers /healthz, /readyz, /metrics and /stats to operators and their tools, by plain HTTP/1.0 and 1.1 and until the process ends. ' +
      'The public port then no longer answers /readyz, /metrics and /stats. 0 takes any free one. Without it all of them are on the public port.',
    parse: parsePort,
  }),
  internalHost: text('INTERNAL_HOST', '127.0.0.1', {
    allowed: 'an IP address of this machine, or a host name',
    about:
      'The address of INTERNAL_PORT. It asks for no credentials: where others than this machine must reach it, as in Kubernetes, let only probes and Prometheus do so.',
    parse: parseHost,
  }),
  nodeEnv: choice('NODE_ENV', 'development', {
    // A word that was mistyped would leave the gateway open without a word.
    words: ['development', 'test', 'production'],
    about:
      'With production the gateway does not start without authentication, unless ALLOW_ANONYMOUS is on. Nothing else depends on it.',
  }),
  redisUrl: text<string | undefined>('REDIS_URL', undefined, {
    secret: true,
    allowed:
      'redis://[user:password@]host:port[/db], redis+sentinel://[user:password@]host:port,…/master[/db], ' +
      'redis+cluster://[user:password@]host:port,…, or unix:///path/redis.sock[?db=N]; valkey for redis as well, ' +
      'rediss or valkeys for TLS; ?sentinelPassword= and &sentinelUsername= where the Sentinels ask for them',
    about:
      'The Redis that carries and keeps the events. Without it everything is kept in the memory of this one process and lost with it.',
    parse: matching(/^((redis|valkey)s?(\+sentinel|\+cluster)?:\/\/|unix:)\S+$/, 'is not a Redis URL'),
  }),
  redisRequired: toggle('REDIS_REQUIRED', false, {
    about:
      'Whether the gateway starts only with a REDIS_URL. Where several gateways are one deployment, each that lacks it would keep events of its own.',
  }),
  redisPrefix: text('REDIS_PREFIX', 'passerelle', {
    allowed: '1 to 64 characters of A-Z a-z 0-9 _ . : -',
    about:
      'What every key and Redis channel name begins with. Gateways with one prefix in one database of one Redis are one deployment.',
    parse: matching(/^[\w.:-]{1,64}$/, 'has a character that is not allowed, or is too long'),
  }),
  redisTimeoutMs: integer('REDIS_TIMEOUT_MS', 5_000, {
    min: 100,
    max: 60_000,
    unit: 'milliseconds',
    about: 'How long one command may take before its outcome counts as unknown.',
  }),
  gatewayId: text<string | undefined>('GATEWAY_ID', undefined, {
    allowed: '1 to 64 characters of A-Z a-z 0-9 _ . -',
    fallbackText: 'generated',
    about:
      'The name of this gateway in logs, metrics and presence. No two running gateways may share one; in Kubernetes use the name of the pod.',
    parse: matching(/^[\w.-]{1,64}$/, 'has a character that is not allowed, or is too long'),
  }),
  workers: text('WORKERS', 1, {
    allowed: '1 to 64, or auto for one for each core',
    about:
      'How many processes share the port on this machine, with one more that starts them. Each is a gateway of its own, with its own limits, ' +
      'connections to Redis and memory, and the name GATEWAY_ID with its number; they need REDIS_URL. In Kubernetes leave it at 1 and add pods.',
    parse: parseWorkers,
  }),
  logLevel: choice('LOG_LEVEL', 'info', {
    words: LOG_LEVELS,
    about: 'The least weighty messages that are still logged, as JSON lines on standard output.',
  }),
  otlpEndpoint: text<string | undefined>('OTEL_EXPORTER_OTLP_ENDPOINT', undefined, {
    allowed: 'an http or https URL, without user and password',
    about:
      'The OpenTelemetry collector (OTLP by HTTP, usually port 4318) that gets the traces of events, from publishing to delivery. Without it there are none, and they cost nothing.',
    parse: matching(/^https?:\/\/[\w.:[\]-]+(\/[\w./-]*)?$/, 'is no such URL'),
  }),
  traceShare: text('OTEL_TRACES_SAMPLER_ARG', 1, {
    allowed: 'a number from 0 to 1',
    about: 'The share of events that are traced, the same ones by all gateways.',
    parse: (given) => {
      const share = /^(0|1|0?\.\d{1,9})$/.test(given) ? Number(given) : undefined;
      return share === undefined ? { ok: false, error: 'is no such number' } : { ok: true, value: share };
    },
  }),
  channelsFile: text<string | undefined>('CHANNELS_FILE', undefined, {
    allowed: 'the path of a JSON file',
    about: 'Namespaces and their settings, beside the built-in ones. It must be the same on every gateway.',
    parse: (path) => ({ ok: true, value: path }),
  }),
  allowedOrigins: text<AllowedOrigins>('ALLOWED_ORIGINS', [], {
    allowed:
      'origins such as https://a.example, https://*.a.example (all subdomains), http://localhost:* (all ports), capacitor://localhost or chrome-extension://ID (apps and extensions) ' +
      'or null, separated by commas; or *',
    fallbackText: 'same origin',
    about:
      "The origins, besides the gateway's own, whose pages may connect and publish. null is what local files and sandboxed frames send, whoever made them.",
    parse: parseOrigins,
  }),
  allowedHosts: text<AllowedHosts | undefined>('ALLOWED_HOSTS', undefined, {
    allowed:
      'names and addresses without ports such as gateway.example.com or, for all subdomains, *.example.com, separated by commas, or *',
    fallbackText: 'see there',
    about:
      'The hosts by which the gateway may be reached: another Host is answered with 403. Those of this machine (localhost, 127.0.0.0/8, [::1]) always may. Without it any host may, but where ' +
      'there is no authentication, HOST is of this machine and no TRUSTED_PROXIES are set, only those of this machine: a page could otherwise have its own name lead to a gateway that is not for it.',
    parse: parseHosts,
  }),
  trustedProxies: text<TrustedProxies | undefined>('TRUSTED_PROXIES', undefined, {
    allowed: 'addresses and networks such as 10.0.0.0/8, separated by commas, or how many proxies there are, 1 to 16',
    about:
      'The proxies in front of the gateway whose word counts on which address a client has. Without it a client has the address that is connected, which behind a proxy is the proxy.',
    parse: parseTrustedProxies,
  }),
  proxyHeader: choice('PROXY_HEADER', 'x-forwarded-for', {
    words: PROXY_HEADERS,
    about:
      'The header into which those proxies write from whom they got a request. The other one is not read: proxies may pass it on as a client has written it.',
  }),
  proxyProtocol: toggle('PROXY_PROTOCOL', false, {
    about:
      'Whether the proxy in front begins each connection with a PROXY protocol header (version 2), which then says where the connection comes from. Only where nobody can reach the gateway but by that proxy: anybody else could claim any address.',
  }),
  echo: toggle('ECHO', true, {
    about: 'Whether a WebSocket frame that is no command is echoed. With off it is answered with an error.',
  }),
  maxMessageBytes: integer('MAX_MESSAGE_BYTES', 65_536, {
    min: 1_024,
    max: 16_777_216,
    unit: 'bytes',
    about:
      'The largest WebSocket frame, and the largest data of one event. A larger frame closes its connection with 1009.',
  }),
  compression: choice('COMPRESSION', 'off', {
    words: COMPRESSIONS,
    about:
      'Whether WebSockets may be compressed (permessage-deflate), where the client offers it, as browsers do; SSE never is. It saves bytes and costs each single delivery ' +
      'several times the CPU. shared is one compressor for all connections, which takes no memory for each, and begins anew with every frame; there is no word for one of their own, ' +
      'as that takes 75 KB for each connection.',
  }),
  httpKeepAlive: toggle('HTTP_KEEP_ALIVE', true, {
    about:
      'Whether a connection takes another HTTP request after an answer. The socket library closes one that is silent for 8 to 12 seconds, and has no setting for that: with off every answer says Connection: close, ' +
      'for load balancers that keep connections for longer and cannot be told otherwise.',
  }),
  maxBodyBytes: integer('MAX_BODY_BYTES', 1_048_576, {
    min: 1_024,
    max: 67_108_864,
    unit: 'bytes',
    about:
      'The largest body of an HTTP request, such as a batch of publishes, and about the largest answer to a request for history.',
  }),
  maxConnections: integer('MAX_CONNECTIONS', 15_000, {
    min: 1,
    max: 1_000_000,
    unit: 'connections',
    about:
      'WebSocket and SSE connections together; one more is told that the server is full. Each takes a file descriptor, so keep it ' +
      'at most three quarters of the limit (ulimit -n; the default suits 20000): the rest is for HTTP requests and Redis.',
  }),
  maxChannelsPerConnection: integer('MAX_CHANNELS_PER_CONNECTION', 128, {
    min: 1,
    max: 10_000,
    unit: 'channels',
    about: 'How many channels one WebSocket connection may be subscribed to at a time.',
  }),
  maxChannelsPerStream: integer('MAX_CHANNELS_PER_STREAM', 128, {
    min: 1,
    max: 256,
    unit: 'channels',
    about:
      'How many channels one SSE stream may name. Not fewer than MAX_CHANNELS_PER_CONNECTION, or the browser client cannot fall back to SSE with all of its channels. Each adds about 16 bytes to the position that a browser sends back; beyond 8 channels a reconnect from another origin needs a preflight.',
  }),
  ...LIMIT_SETTINGS,
  idleTimeoutSeconds: integer('IDLE_TIMEOUT_SECONDS', 40, {
    min: 8,
    max: 960,
    unit: 'seconds',
    about:
      'A WebSocket that sends nothing for this long, not even a pong, is closed. The ping goes out 8 seconds earlier, so stay below ' +
      'the idle timeout of every proxy in front (nginx: 60 seconds), or the proxy cuts the connection before the first ping.',
  }),
  maxBackpressureBytes: integer('MAX_BACKPRESSURE_BYTES', 16_384, {
    min: 1_024,
    max: 16_777_216,
    unit: 'bytes',
    about:
      'How much may wait in memory for one slow reader, and a quarter of it more for each channel that it follows. Beyond it the connection lags: nothing is queued for it, ' +
      'and it replays from history once it reads again.',
  }),
  lagTimeoutSeconds: integer('LAG_TIMEOUT_SECONDS', 30, {
    min: 1,
    max: 3_600,
    unit: 'seconds',
    about: 'How long a connection may lag without reading anything before it is closed with 4408.',
  }),
  ringEvents: integer('RING_EVENTS', 256, {
    min: 1,
    max: 65_536,
    unit: 'events',
    about: 'How many of its latest events each channel in use keeps ready in memory, so that a resume needs no Redis.',
  }),
  ringBytes: integer('RING_BYTES', 67_108_864, {
    min: 1_048_576,
    max: 17_179_869_184,
    unit: 'bytes',
    about: 'The memory of all those events together.',
  }),
  historyReads: integer('HISTORY_READS', 64, {
    min: 1,
    max: 1_024,
    unit: 'reads',
    about:
      'How many reads of what Redis keeps (history, lists of who is there, tails, resumes) may be under way at a time, a quarter of them by one user or address; further ones wait, ' +
      'in turn, for REDIS_TIMEOUT_MS at most. It bounds what a storm of resumes costs Redis.',
  }),
  readWindowBytes: integer('READ_WINDOW_BYTES', 8_388_608, {
    min: 1_048_576,
    max: 1_073_741_824,
    unit: 'bytes',
    about: 'How many bytes the reads under way may bring together, at most.',
  }),
  keepAliveSeconds: integer('KEEP_ALIVE_SECONDS', 15, {
    min: 1,
    max: 300,
    unit: 'seconds',
    about: 'After this much silence an SSE stream sends a comment, so that no proxy takes it for dead.',
  }),
  retryMs: integer('RETRY_MS', 2_000, {
    min: 100,
    max: 600_000,
    unit: 'milliseconds',
    about: 'How long an SSE client waits before it reconnects; each stream is told a jittered value around it.',
  }),
  positionCheckSeconds: integer('POSITION_CHECK_SECONDS', 5, {
    min: 1,
    max: 300,
    unit: 'seconds',
    about:
      "How often every channel's position is compared with Redis, so that a subscription that died without a word is noticed.",
  }),
  readyGraceSeconds: integer('READY_GRACE_SECONDS', 10, {
    min: 0,
    max: 600,
    unit: 'seconds',
    about:
      'How long no event may come through Redis before /readyz says 503: a short failover need not empty every replica at once. Less than 3 counts as 3, as it is tried once a second.',
  }),
  ...DRAIN_SETTINGS,
} satisfies SettingTable;

/** Every setting: the gateway's own, those of TLS and those of authentication. */
export const SETTINGS = {
  ...OWN_SETTINGS,
  ...REDIS_TLS_SETTINGS,
  ...TLS_SETTINGS,
  ...AUTH_SETTINGS,
} satisfies SettingTable;

/** What the gateway runs with. Read once, at the start; every number is within the range that its setting documents. */
export interface Config extends Omit<ValuesOf<typeof OWN_SETTINGS>, 'gatewayId'> {
  readonly gatewayId: string;
  readonly auth: AuthConfig;
  /** Undefined for plain HTTP. */
  readonly tls: TlsFiles | undefined;
  /** By what Redis is trusted, and what it is shown; undefined for what Node.js does by itself. */
  readonly redisTls: RedisTlsFiles | undefined;
  /** The built-in namespaces and those of `channelsFile`. */
  readonly namespaces: Namespaces;
}

/** What reading the settings needs from elsewhere. */
export interface Sources {
  /** The id of a gateway that has not been given one. */
  readonly generateId: () => string;
  /** What is wrong with a REDIS_URL, continuing the sentence "REDIS_URL …", or undefined. Must not repeat any part of its credentials. */
  readonly checkRedisUrl?: (url: string) => string | undefined;
  /** Reads a file as UTF-8 text; throws as `readFileSync` does, which is what it is unless given. */
  readonly readFile?: ReadFile;
  /** Epoch milliseconds, by which certificates are valid; the time of day unless given. */
  readonly now?: () => number;
}

export type LoadedConfig =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly faults: readonly string[] };

/** Reads and checks every setting. Either all of them can be used, or every fault is listed, and none shows a secret. */
export function loadConfig(env: Environment, sources: Sources): LoadedConfig {
  const { values, faults: own } = readSettings(OWN_SETTINGS, env);
  const { auth, faults: ofAuth } = readAuth(env, sources.readFile);
  const { tls, faults: ofTls } = readTls(env, (sources.now ?? Date.now)(), sources.readFile);
  const { files: redisTls, faults: ofRedisTls } = readRedisTls(env, values.redisUrl, sources.readFile);
  const faults = [...own, ...ofRedisTls, ...ofTls, ...ofAuth];
  if (ofAuth.length === 0 && values.nodeEnv === 'production' && auth.open && !auth.allowAnonymous) faults.push(OPEN);

  const drainFault = faultOfDrain(values);
  if (drainFault !== undefined) faults.push(drainFault);

  const withoutRedis = (env[OWN_SETTINGS.redisUrl.name]?.trim() ?? '') === '';
  if (values.redisRequired && withoutRedis) faults.push(NO_REDIS);
  const redisError = values.redisUrl === undefined ? undefined : sources.checkRedisUrl?.(values.redisUrl);
  if (redisError !== undefined) faults.push(faultOf(OWN_SETTINGS.redisUrl, '', redisError));

  if (values.internalPort === values.port && values.port !== 0) faults.push(ONE_PORT);
  if (values.workers > 1 && values.redisUrl === undefined) faults.push(APART);
  if (values.workers > 1 && (values.gatewayId?.length ?? 0) > MAX_SHARED_ID) faults.push(LONG_ID);
  const namespaces = loadNamespaces(values.channelsFile, sources.readFile);
  if (!namespaces.ok) faults.push(...namespaces.faults.map((fault) => `${OWN_SETTINGS.channelsFile.name}: ${fault}`));

  if (faults.length > 0 || !namespaces.ok) return { ok: false, faults };
  return {
    ok: true,
    config: Object.freeze({
      ...values,
      gatewayId: values.gatewayId ?? sources.generateId(),
      auth,
      tls,
      redisTls,
      namespaces: namespaces.namespaces,
    }),
  };
}

const NO_REDIS =
  'REDIS_REQUIRED is on, and there is no REDIS_URL: events would be kept in this one process. Set REDIS_URL (in Kubernetes: is the Secret there, and does it have it?).';

const OPEN =
  'NODE_ENV=production, and there is no authentication: everybody could do everything. Set TOKEN_SECRET, TOKEN_PUBLIC_KEYS or ' +
  'TOKEN_JWKS_URL for users, API_KEYS or API_KEYS_FILE for servers, or ALLOW_ANONYMOUS=1 where it is meant to be open.';

const ONE_PORT =
  'INTERNAL_PORT and PORT are the same: one is for clients, the other for operators. Give it another one.';

const APART =
  'WORKERS is more than 1, and REDIS_URL is not set: each process would keep its events for itself. Set REDIS_URL, or WORKERS=1.';
/** What is left of an id for the name that the workers have in common. */
const MAX_SHARED_ID = 60;
const LONG_ID = `GATEWAY_ID has more than ${MAX_SHARED_ID} characters, and each of the WORKERS adds its number to it. Shorten it, or set WORKERS=1.`;

/** The process's environment: for `program.ts` and for test harnesses to pass on, never to be read at the place of use. */
export function environment(): Environment {
  // biome-ignore lint/style/noProcessEnv: the one place that reads it; everything else is handed a Config.
  return process.env;
}

function parseWorkers(given: string): Parsed<number> {
  if (given === 'auto') return { ok: true, value: Math.min(availableParallelism(), MAX_WORKERS) };
  const value = Number(given);
  if (/^\d{1,3}$/.test(given) && value >= 1 && value <= MAX_WORKERS) return { ok: true, value };
  return { ok: false, error: 'is neither such a number nor "auto"' };
}

const MAX_WORKERS = 64;

function parsePort(given: string): Parsed<number> {
  const value = Number(given);
  if (/^\d{1,5}$/.test(given) && value <= MAX_PORT) return { ok: true, value };
  return { ok: false, error: 'is no port' };
}

const MAX_PORT = 65_535;

function parseHost(given: string): Parsed<string> {
  const isName =
    given.length <= 253 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(given);
  // A name of digits and dots only is an address gone wrong, such as 127.0.0.
  if (isIP(given) !== 0 || (isName && !/^[\d.]+$/.test(given))) return { ok: true, value: given };
  return { ok: false, error: 'is neither an IP address nor a host name (a port goes into PORT)' };
}
