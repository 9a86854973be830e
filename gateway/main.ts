/**
 * The composition root: reads the settings, picks the engine, puts the parts together, and takes them apart again. The one
 * place that knows all of them.
 */

import './uws-environment.ts'; // first: it must run before uWebSockets.js is loaded

import type { TemplatedApp } from 'uWebSockets.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { nanoid } from 'nanoid';
import { type Broker, type BrokerStatus, BrokerUnavailable, type Event, type RetentionOf } from '../broker/broker.ts';
import { MemoryBroker, MemoryStore } from '../broker/memory.ts';
import { RedisBroker } from '../broker/redis/engine.ts';
import { parseRedisUrl } from '../broker/redis/url.ts';
import { ChatSession } from './applications/chat.ts';
import { NotificationHistory } from './applications/notification-history.ts';
import { NotificationsSession } from './applications/notifications.ts';
import { ApiKeys } from './auth/api-keys.ts';
import { Authenticator } from './auth/authenticator.ts';
import { type CredentialSources, findCredential } from './auth/credentials.ts';
import { KeySet } from './auth/key-set.ts';
import { REVOCATION_CHECK_MS, Revocations } from './auth/revocations.ts';
import { Rights } from './auth/rights.ts';
import { authRoutes } from './auth/routes.ts';
import { Tickets } from './auth/tickets.ts';
import { TokenVerifier } from './auth/tokens.ts';
import { addressReader } from './connections/client-address.ts';
import { Connections } from './connections/connections.ts';
import { clientAddress } from './connections/forwarded.ts';
import { Drain } from './drain/drain.ts';
import { dieOf, stopper } from './drain/shutdown.ts';
import { Underway } from './drain/underway.ts';
import { CANARY_INTERVAL_MS, Canary } from './figures/canary.ts';
import { Durations } from './figures/durations.ts';
import { ownFigures, sharedFigures } from './figures/figures.ts';
import { Health } from './figures/health.ts';
import { Machine } from './figures/machine.ts';
import { Metrics } from './figures/metrics.ts';
import { Monitor } from './figures/monitoring.ts';
import { bindMonitoring } from './figures/monitoring-sse.ts';
import { ProcessMeter } from './figures/process-meter.ts';
import { Tally } from './figures/tally.ts';
import { Tracer } from './figures/tracing.ts';
import { Fleet, LEASE_RENEWAL_MS } from './fleet/fleet.ts';
import { CANARY_PREFIX, FLEET_PREFIX, REVOKED_TOKENS, withOwnChannels } from './fleet/own-channels.ts';
import { apiRoutes, localChannels } from './http/api.ts';
import { securityHeaders } from './http/headers.ts';
import { bindHttp } from './http/http.ts';
import { originCheck } from './http/origin.ts';
import { loadPages } from './http/pages.ts';
import { millisecondsOf } from './hub/event-time.ts';
import { Hub } from './hub/hub.ts';
import { Admission } from './limits/admission.ts';
import { LoopLag } from './limits/loop-lag.ts';
import { PublishLimits } from './limits/publish-limits.ts';
import { createLogger, type Logger } from './log.ts';
import { Operations } from './operations.ts';
import { Members } from './presence/members.ts';
import { ResumeTokens } from './presence/resume-token.ts';
import { type Config, environment, loadConfig } from './settings/config.ts';
import { presenceModeOf, retentionOf } from './settings/namespaces.ts';
import type { Environment } from './settings/setting.ts';
import { helpText, packageVersion, parseArguments } from './settings/usage.ts';
import { bindSse } from './sse/sse.ts';
import { Streams } from './sse/stream.ts';
import { announce, fail, print } from './terminal.ts';
import { every, rarely } from './timer.ts';
import { Listener } from './tls/listener.ts';
import { compressedFrom } from './websocket/compression.ts';
import { afterwards, Outbox } from './websocket/outbox.ts';
import { Session } from './websocket/session.ts';
import { Feeds } from './websocket/socket-feed.ts';
import { turnsOf } from './websocket/turns.ts';
import { bindWebSockets, castBy } from './websocket/ws.ts';
import { Colleagues, processChannel } from './workers/colleagues.ts';
import { supervise } from './workers/supervise.ts';

const SECOND = 1_000;
/** How often it is logged that requests fail because of Redis: of a storm of them one line says enough. */
const COMPLAINT_MS = 5_000;
/** How often full sockets are kept from being given up: uWS does that after 8 seconds at the earliest. */
const HOLD_MS = 2_500;
/** How often it is looked after members whose time to come back is over. */
const LEAVE_CHECK_MS = 500;
/** How often the files of the certificate are looked at. */
const RENEWAL_CHECK_MS = 2_000;

main();

function main(): void {
  const args = parseArguments(process.argv.slice(2));
  if (!args.ok) fail([args.error]);
  else if (args.command === 'help') print(helpText());
  else if (args.command === 'version') print(packageVersion());
  else startFrom(environment(), args.command === 'worker');
}

function startFrom(env: Environment, isWorker: boolean): void {
  const loaded = loadConfig(env, {
    generateId: () => nanoid(10),
    checkRedisUrl: (url) => {
      const parsed = parseRedisUrl(url);
      return parsed.ok ? undefined : parsed.error;
    },
  });
  if (!loaded.ok) fail(loaded.faults);
  else if (loaded.config.workers > 1) supervise(loaded.config, env, fileURLToPath(import.meta.url));
  else start(loaded.config, isWorker);
}

/** `isWorker`: others share its port, and it is one that started them that hears how it goes. */
function start(config: Config, isWorker: boolean): void {
  const log = createLogger({ level: config.logLevel, gateway: config.gatewayId });
  process.on('unhandledRejection', (err) => dieOf(err, log));
  process.on('uncaughtException', (err) => dieOf(err, log));

  const now = Date.now;
  const retention = withOwnChannels(retentionOf(config.namespaces));
  const presenceMode = presenceModeOf(config.namespaces);
  const tally = new Tally();
  const broker = openBroker(config, retention, tally, log);

  const connections = new Connections(tally);
  const loopLag = new LoopLag(() => performance.now());
  const measured = { clock: () => performance.now(), random: Math.random, refusals: tally.refusals };
  const admission = new Admission({ ...config, ...measured, lagMs: () => loopLag.read() });
  const publishLimits = new PublishLimits({ ...config, ...measured });
  const turns = turnsOf(config.maxInboxBytes);
  const { trustedProxies, proxyHeader, proxyProtocol } = config;
  const readAddress = addressReader(
    clientAddress(trustedProxies, proxyHeader),
    trustedProxies && proxyHeader,
    proxyProtocol,
  );
  const durations = new Durations();
  const tracer = openTracer(config, log);
  const hubLimits = { ...config, historyPage: 256, historyRetryMs: 500 };
  const hub = new Hub(broker, retention, hubLimits, now, (channel, id, writtenMs, subscriptions) => {
    const storedMs = millisecondsOf(id);
    durations.delivered(writtenMs - storedMs);
    tracer?.delivered({ channel, id, storedMs, writtenMs, subscriptions });
  });
  const fleet = new Fleet({
    broker,
    gatewayId: config.gatewayId,
    newId: () => nanoid(8),
    now,
    answerer: (ask) => (ask.kind === 'channels' ? localChannels(hub, ask.prefix) : connections.disconnect(ask)),
  });
  const canary = new Canary({
    broker,
    id: nanoid(8),
    clock: () => performance.now(),
    onReturn: (shard, delayMs) => durations.returned(shard, delayMs),
  });
  const resumeTokens = new ResumeTokens();
  const members = new Members({ broker, modeOf: presenceMode, tokens: resumeTokens, lease: () => fleet.lease, now });
  broker.listen({
    event: (channel: string, event: Event) => {
      if (channel.startsWith(CANARY_PREFIX)) canary.event(channel, event);
      else if (channel.startsWith(FLEET_PREFIX)) fleet.event(channel, event);
      else if (channel === REVOKED_TOKENS) revocations.event(event);
      else hub.event(channel, event);
    },
    resubscribed: (channels) => {
      if (channels.includes(REVOKED_TOKENS)) revocations.resubscribed();
      hub.resubscribed(channels);
      members.doubt(); // a failover may have lost the last of them
    },
  });

  const limits = { maxMessageBytes: config.maxMessageBytes, maxReplyBytes: config.maxBodyBytes };
  const complaint = rarely(COMPLAINT_MS, (err: BrokerUnavailable) =>
    log.warn({ err }, 'requests are answered "unavailable"'),
  );
  const { rights, tickets, revocations, tokens, authenticator } = openAccess(config, broker, connections, log);
  const authenticate = (sources: CredentialSources) => authenticator.authenticate(findCredential(sources));
  const operations = new Operations({
    broker,
    rights,
    publishLimits,
    members,
    retentionOf: retention,
    presenceMode,
    limits,
    tally,
    clock: () => performance.now(),
    onPublished: (ms, channel, id, traceparent) => {
      durations.published(ms);
      tracer?.published({ channel, id, beganMs: now() - ms, endedMs: now(), traceparent });
    },
    onUnavailable: complaint,
  });
  const underway = new Underway();
  const drain = new Drain({
    connections,
    stopListening: () => listener.close(),
    clock: () => performance.now(),
    random: Math.random,
    sleep,
  });
  const health = new Health({ drain, broker, canary, graceMs: config.readyGraceSeconds * SECOND });
  const version = packageVersion();
  const metrics = new Metrics({ ...config, tally, durations, hub, broker, members, canary, health, version, now });
  const streams = new Streams({
    hub,
    tally,
    members,
    keepAliveMs: config.keepAliveSeconds * SECOND,
    retryMs: config.retryMs,
    now,
    random: Math.random,
  });
  const history = new NotificationHistory({
    broker,
    headOf: (channel) => hub.headOf(channel),
    maxBytes: config.maxBodyBytes,
    maxReads: config.historyReads,
  });
  const retry = () => streams.retry();
  const monitor = new Monitor({
    machine: new Machine(),
    process: new ProcessMeter(),
    tally,
    hub,
    gatewayId: config.gatewayId,
    log,
    retry,
    now,
    clock: () => performance.now(),
    sleep,
  });
  const askAfterBytes = config.maxBackpressureBytes / 4;
  const ofSessions = {
    hub,
    outbox: new Outbox(afterwards),
    operations,
    members,
    authenticator,
    rights,
    publishLimits,
    history,
    presenceMode,
    resumeTokens,
    tally,
    now,
    random: Math.random,
    sleep,
    gatewayId: config.gatewayId,
    echo: config.echo,
    maxChannels: config.maxChannelsPerConnection,
  };
  const originAllowed = originCheck(config.allowedOrigins);
  const shared = {
    connections,
    admission,
    readAddress,
    originAllowed,
    authenticate,
    rights,
    tally,
    log,
    newId: nanoid,
    retry,
    headers: securityHeaders(config.tls !== undefined),
  };

  const toSupervisor = isWorker ? processChannel() : undefined;
  const guarded = authRoutes({ rights, tickets, revocations, tokens, fleet, operations });
  const colleagues =
    toSupervisor &&
    new Colleagues(toSupervisor, (question) => {
      if (question === 'readiness') return health.readiness();
      return question === 'stats' ? metrics.stats() : metrics.text();
    });
  const figures = colleagues
    ? sharedFigures(colleagues, config.gatewayId, metrics.contentType)
    : ownFigures(metrics, health);
  const routes = apiRoutes({ authRoutes: guarded, operations, rights, fleet, figures });
  const pages = loadPages(new URL('./web/', import.meta.url));
  const frames = { compressedFrom: compressedFrom(config.compression) };
  const bind = (app: TemplatedApp) => {
    const cast = castBy(app, frames.compressedFrom);
    const context = { ...ofSessions, feeds: new Feeds({ hub, tally, cast, askAfterBytes }) };
    bindWebSockets(app, {
      ...config,
      ...frames,
      ...shared,
      turns,
      endpoints: {
        '/ws': (handshake, outlet) => new Session(handshake, context, outlet),
        '/chat': (handshake, outlet) => new ChatSession(handshake, context, outlet),
        '/notifications': (handshake, outlet) => new NotificationsSession(handshake, context, outlet),
      },
      now,
      random: Math.random,
    });
    bindSse(app, { ...shared, streams, maxChannels: config.maxChannelsPerStream });
    bindMonitoring(app, { ...shared, monitor });
    bindHttp(app, { ...config, ...shared, pages, routes, underway, leaving: () => drain.begun });
  };
  const listener = new Listener({ ...config, shared: isWorker, bind, log, now });

  const timers = [
    every(REVOCATION_CHECK_MS, () => whileAvailable(knowRevocations())),
    loopLag.start(),
    every(SECOND, () => streams.keepAlive()),
    every(SECOND, () => connections.closeExpired(now())),
    every(HOLD_MS, () => connections.holdLagging()),
    every(SECOND, () => connections.closeLagging(now() - config.lagTimeoutSeconds * SECOND)),
    every(config.positionCheckSeconds * SECOND, () => hub.sweep()),
    every(config.positionCheckSeconds * SECOND, () => whileAvailable(hub.check())),
    every(CANARY_INTERVAL_MS, () => canary.send()),
    every(LEASE_RENEWAL_MS, () => whileAvailable(renew())),
    every(LEASE_RENEWAL_MS, () => whileAvailable(fleet.removeDead())),
    ...(tracer === undefined ? [] : [every(SECOND, () => tracer.flush())]),
    every(LEAVE_CHECK_MS, () => members.leaveDue()),
    every(RENEWAL_CHECK_MS, () => listener.renew()),
  ];
  const knowRevocations = async () => (config.auth.takesTokens ? revocations.tend() : undefined);
  const renew = async () => members.reenter(connections.memberships(), await fleet.renew());

  const listening = listener.listen();
  if (!listening.ok) {
    fail([listening.error]);
    return;
  }
  void broker.connect().then(() => {
    canary.send();
    return Promise.all([whileAvailable(renew()), whileAvailable(knowRevocations())]);
  });
  const cut = () => listener.cut();
  const stop = stopper({
    isWorker,
    config,
    log,
    drain,
    connections,
    underway,
    hub,
    fleet,
    members,
    broker,
    timers,
    cut,
  });
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  toSupervisor?.onEnd(() => stop('SIGTERM')); // nobody would end it, nor start it again
  // Last: whoever reads it may at once do anything to this process.
  if (colleagues === undefined) announce(config, listening.port);
  else colleagues.listening();
}

/** Undefined where no collector of traces is configured. */
function openTracer({ otlpEndpoint: endpoint, traceShare: share, gatewayId }: Config, log: Logger): Tracer | undefined {
  if (endpoint === undefined) return undefined;
  const onFailure = rarely(COMPLAINT_MS, (err: unknown) => log.warn({ err }, 'traces are lost'));
  return new Tracer({ endpoint, share, gatewayId, version: packageVersion(), onFailure });
}

/** Who may come in, and what they may do. */
function openAccess(config: Config, broker: Broker, connections: Connections, log: Logger) {
  const { auth, namespaces } = config;
  const now = Date.now;
  const tickets = new Tickets({ vault: broker.vault, newTicket: nanoid, now });
  const revocations = new Revocations({ broker, now, onRevoked: (token) => connections.disconnect({ token }) });
  const tokens = openTokens(config, log);
  const authenticator = new Authenticator({
    tokens,
    keys: new ApiKeys(auth.apiKeys),
    allowAnonymous: auth.allowAnonymous,
    redeem: tokens && ((ticket) => tickets.redeem(ticket)),
    revocations,
  });
  return { rights: new Rights(namespaces, auth.open), tickets, revocations, tokens, authenticator };
}

/** Undefined where no key for tokens is configured. */
function openTokens({ auth }: Config, log: Logger): TokenVerifier | undefined {
  if (!auth.takesTokens) return undefined;
  const onFailure = rarely(COMPLAINT_MS, (err: unknown) => log.warn({ err }, 'the keys of tokens cannot be fetched'));
  const keySet = auth.jwksUrl === undefined ? undefined : new KeySet({ url: auth.jwksUrl, now: Date.now, onFailure });
  return new TokenVerifier({ keys: auth.tokenKeys, keySet, rules: auth.tokenRules, now: Date.now });
}

function openBroker(config: Config, retention: RetentionOf, tally: Tally, log: Logger): Broker {
  if (config.redisUrl === undefined) return new MemoryBroker(new MemoryStore({ retentionOf: retention }));
  const parsed = parseRedisUrl(config.redisUrl);
  if (!parsed.ok) throw new Error(parsed.error); // loadConfig has checked it
  return new RedisBroker({
    target: { ...parsed.target, identity: config.redisTls },
    retentionOf: retention,
    prefix: config.redisPrefix,
    timeoutMs: config.redisTimeoutMs,
    onStatus: (status: BrokerStatus) => {
      if (status.ready) {
        log.info('Redis is ready');
        return;
      }
      tally.interruptions++;
      log.warn({ reason: status.reason }, 'Redis cannot be used; trying on');
    },
  });
}

/** Waits for something that may fail for as long as Redis is away, and that will be tried again. */
async function whileAvailable(task: Promise<void>): Promise<void> {
  try {
    await task;
  } catch (error) {
    if (!(error instanceof BrokerUnavailable)) throw error; // its status is in the log and in the metrics
  }
}
