/**
 * Every setting of the gateway: the one table that parses, documents and lists them, and the one place that reads the
 * process's environment.
 *
 * It must not know any engine: whether a REDIS_URL can be used is asked of a function that is passed in.
 */
import { isIP } from 'node:net';
import { loadNamespaces, type Namespaces, type ReadFile } from './namespaces.ts';
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

/** The levels of the log, from the most to the least told. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Which origins a browser may come from: the page's own is always allowed, `'*'` is every one. */
export type AllowedOrigins = '*' | readonly string[];

/** The settings by the field that each becomes. The order is the order in which they are listed. */
export const SETTINGS = {
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
  redisUrl: text<string | undefined>('REDIS_URL', undefined, {
    secret: true,
    allowed:
      'redis://[user:password@]host:port[/db], redis+sentinel://[user:password@]host:port,host:port/master[/db], ' +
      'redis+cluster://[user:password@]host:port,host:port; rediss for TLS',
    about:
      'The Redis that carries and keeps the events. Without it everything is kept in the memory of this one process and lost with it.',
    parse: matching(/^rediss?(\+sentinel|\+cluster)?:\/\/\S+$/, 'is not a Redis URL'),
  }),
  redisPrefix: text('REDIS_PREFIX', 'passerelle', {
    allowed: '1 to 64 characters of A-Z a-z 0-9 _ . : -',
    about:
      'What every key and Redis channel name begins with. Gateways with one prefix on one Redis are one deployment.',
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
  logLevel: choice('LOG_LEVEL', 'info', {
    words: LOG_LEVELS,
    about: 'The least weighty messages that are still logged, as JSON lines on standard output.',
  }),
  channelsFile: text<string | undefined>('CHANNELS_FILE', undefined, {
    allowed: 'the path of a JSON file',
    about: 'Namespaces and their settings, beside the built-in ones. It must be the same on every gateway.',
    parse: (path) => ({ ok: true, value: path }),
  }),
  allowedOrigins: text<AllowedOrigins>('ALLOWED_ORIGINS', [], {
    allowed: 'origins such as https://a.example, separated by commas, or *',
    fallbackText: 'same origin',
    about: "The origins, besides the gateway's own, whose pages may connect and publish.",
    parse: parseOrigins,
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
  maxBodyBytes: integer('MAX_BODY_BYTES', 1_048_576, {
    min: 1_024,
    max: 67_108_864,
    unit: 'bytes',
    about: 'The largest body of an HTTP request, such as a batch of publishes.',
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
  maxChannelsPerStream: integer('MAX_CHANNELS_PER_STREAM', 64, {
    min: 1,
    max: 256,
    unit: 'channels',
    about:
      'How many channels one SSE stream may name. Each adds about 16 bytes to the position that a browser sends back; beyond 8 channels a reconnect from another origin needs a preflight.',
  }),
  idleTimeoutSeconds: integer('IDLE_TIMEOUT_SECONDS', 40, {
    min: 8,
    max: 960,
    unit: 'seconds',
    about:
      'A WebSocket that sends nothing for this long, not even a pong, is closed. The ping goes out 8 seconds earlier, so stay below ' +
      'the idle timeout of every proxy in front (nginx: 60 seconds), or the proxy cuts the connection before the first ping.',
  }),
  maxBackpressureBytes: integer('MAX_BACKPRESSURE_BYTES', 65_536, {
    min: 1_024,
    max: 16_777_216,
    unit: 'bytes',
    about:
      'How much may wait in memory for one slow reader. Beyond it the connection lags: nothing is queued for it, and it replays from history once it reads again.',
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
      'How many reads of history may be under way at a time; further ones wait. It bounds what a storm of resumes costs Redis.',
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
    about: 'How long Redis may be away before /readyz says 503. A short failover need not empty every replica at once.',
  }),
  shutdownTimeoutSeconds: integer('SHUTDOWN_TIMEOUT_SECONDS', 10, {
    min: 1,
    max: 600,
    unit: 'seconds',
    about:
      'How long a drain may take after SIGTERM, with connections closed paced over it. Keep it below the grace period of what stops the gateway.',
  }),
} satisfies SettingTable;

/** What the gateway runs with. Read once, at the start; every number is within the range that its setting documents. */
export interface Config extends Omit<ValuesOf<typeof SETTINGS>, 'gatewayId'> {
  readonly gatewayId: string;
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
}

export type LoadedConfig =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly faults: readonly string[] };

/** Reads and checks every setting. Either all of them can be used, or every fault is listed, and none shows a secret. */
export function loadConfig(env: Environment, sources: Sources): LoadedConfig {
  const { values, faults: own } = readSettings(SETTINGS, env);
  const faults = [...own];

  const redisError = values.redisUrl === undefined ? undefined : sources.checkRedisUrl?.(values.redisUrl);
  if (redisError !== undefined) faults.push(faultOf(SETTINGS.redisUrl, '', redisError));

  const namespaces = loadNamespaces(values.channelsFile, sources.readFile);
  if (!namespaces.ok) faults.push(...namespaces.faults.map((fault) => `${SETTINGS.channelsFile.name}: ${fault}`));

  if (faults.length > 0 || !namespaces.ok) return { ok: false, faults };
  return {
    ok: true,
    config: Object.freeze({
      ...values,
      gatewayId: values.gatewayId ?? sources.generateId(),
      namespaces: namespaces.namespaces,
    }),
  };
}

/** The process's environment: for `main.ts` and for test harnesses to pass on, never to be read at the place of use. */
export function environment(): Environment {
  // biome-ignore lint/style/noProcessEnv: the one place that reads it; everything else is handed a Config.
  return process.env;
}

function parseHost(given: string): Parsed<string> {
  const isName =
    given.length <= 253 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(given);
  // A name of digits and dots only is an address gone wrong, such as 127.0.0.
  if (isIP(given) !== 0 || (isName && !/^[\d.]+$/.test(given))) return { ok: true, value: given };
  return { ok: false, error: 'is neither an IP address nor a host name (a port goes into PORT)' };
}

function parseOrigins(given: string): Parsed<AllowedOrigins> {
  const origins = given.split(',').map((origin) => origin.trim());
  if (origins.length === 1 && origins[0] === '*') return { ok: true, value: '*' };
  const wrong = origins.findIndex((origin) => !isOrigin(origin));
  if (wrong === -1) return { ok: true, value: [...new Set(origins)] };
  return {
    ok: false,
    error: `has at place ${wrong + 1} what is no origin (http or https, host, port unless usual; lower case, no path, no slash at the end)`,
  };
}

/** Whether the text is exactly what a browser sends as `Origin`, since that is what it will be compared with. */
function isOrigin(given: string): boolean {
  if (!/^https?:\/\//.test(given) || !URL.canParse(given)) return false;
  return new URL(given).origin === given;
}
