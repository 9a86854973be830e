/** Builds what speaks to clients: WebSocket, SSE and HTTP, bound to the app that holds the port. */

import { nanoid } from 'nanoid';
import { ChatSession } from '../applications/chat.ts';
import { NotificationsSession } from '../applications/notifications.ts';
import { authRoutes } from '../auth/routes.ts';
import type { Connections } from '../connections/connections.ts';
import type { Drain } from '../drain/drain.ts';
import type { Underway } from '../drain/underway.ts';
import type { Figures } from '../figures/figures.ts';
import { Machine } from '../figures/machine.ts';
import { Monitor } from '../figures/monitoring.ts';
import { bindMonitoring } from '../figures/monitoring-sse.ts';
import { ProcessMeter } from '../figures/process-meter.ts';
import { apiRoutes } from '../http/api.ts';
import { securityHeaders } from '../http/headers.ts';
import { hostsBehind } from '../http/hosts.ts';
import { bindHttp } from '../http/http.ts';
import { InternalPort } from '../http/internal-port.ts';
import { figureRoutes, livenessRoutes, movedRoutes } from '../http/internal-routes.ts';
import { loadPages } from '../http/pages.ts';
import type { Config } from '../settings/config.ts';
import { bindSse } from '../sse/sse.ts';
import { Streams } from '../sse/stream.ts';
import type { BoundApp } from '../tls/bound-app.ts';
import type { Bind } from '../tls/listener.ts';
import { compressedFrom } from '../websocket/compression.ts';
import { afterwards, Outbox } from '../websocket/outbox.ts';
import { Session } from '../websocket/session.ts';
import { Feeds } from '../websocket/socket-feed.ts';
import { turnsOf } from '../websocket/turns.ts';
import { bindWebSockets, castBy, type WebSocketOptions } from '../websocket/ws.ts';
import type { Access } from './access.ts';
import type { Core } from './core.ts';
import type { Surroundings } from './surroundings.ts';

export interface TransportParts {
  readonly config: Config;
  readonly connections: Connections;
  readonly access: Access;
  readonly core: Core;
  readonly figures: Figures;
  readonly drain: Drain;
  readonly underway: Underway;
  readonly surroundings: Surroundings;
  /** Whether others share its port. Their supervisor then has the internal one. */
  readonly isWorker: boolean;
}

export interface Transports {
  readonly streams: Streams;
  readonly internal: InternalPort | undefined;
  /** Binds everything there is to an app. There may be several apps, one after the other. */
  readonly bind: Bind;
}

export function buildTransports(parts: TransportParts): Transports {
  const { config, connections, access, core, drain, underway, surroundings } = parts;
  const { log, tally, now, random } = surroundings;
  const streams = new Streams({
    hub: core.hub,
    tally,
    members: core.members,
    keepAliveMs: config.keepAliveSeconds * 1_000,
    retryMs: config.retryMs,
    now,
    random,
  });
  const retry = () => streams.retry();
  const monitor = buildMonitor(parts, retry);
  const { routes, internal } = buildRoutes(parts);
  const pages = loadPages(new URL('../web/', import.meta.url));
  const sockets = { turns: turnsOf(config.maxInboxBytes), compressedFrom: compressedFrom(config.compression) };
  const openEndpoints = buildEndpoints(parts, sockets.compressedFrom);
  const shared = {
    ...access,
    connections,
    tally,
    log,
    newId: nanoid,
    retry,
    headers: securityHeaders(config.tls !== undefined),
    leaving: () => drain.begun || !config.httpKeepAlive,
  };
  const bind = (app: BoundApp) => {
    bindWebSockets(app, { ...config, ...sockets, ...shared, endpoints: openEndpoints(app), now, random });
    bindSse(app, {
      ...shared,
      operations: core.operations,
      sleep: surroundings.sleep,
      streams,
      maxChannels: config.maxChannelsPerStream,
    });
    bindMonitoring(app, { ...shared, monitor });
    bindHttp(app, { ...config, ...shared, pages, routes, underway });
  };
  return { streams, internal, bind };
}

/** What requests are answered with, by the public port and by the internal one. */
function buildRoutes({ config, access, core, figures, surroundings, isWorker }: TransportParts) {
  const { internalPort: port, internalHost: host } = config;
  const api = apiRoutes({ authRoutes: authRoutes({ ...access, ...core }), ...access, ...core });
  const figured = figureRoutes(figures);
  if (port === undefined) return { routes: { ...api, ...livenessRoutes(), ...figured }, internal: undefined };
  const own = { ...livenessRoutes(), ...figured };
  const internal = isWorker
    ? undefined
    : new InternalPort({ host, port, routes: own, hostAllowed: hostsBehind(host), log: surroundings.log });
  return { routes: { ...api, ...livenessRoutes(), ...movedRoutes(figured) }, internal };
}

/** What opens the sessions of each path, over an app whose sockets they are. */
function buildEndpoints({ config, access, core, surroundings }: TransportParts, compressedFromBytes: number) {
  const { hub } = core;
  const { tally, now, random, sleep } = surroundings;
  const askAfterBytes = config.maxBackpressureBytes / 4;
  const ofSessions = {
    ...access,
    ...core,
    outbox: new Outbox(afterwards),
    tally,
    now,
    random,
    sleep,
    gatewayId: config.gatewayId,
    echo: config.echo,
    maxChannels: config.maxChannelsPerConnection,
    maxReads: config.maxReadsPerConnection,
  };
  return (app: BoundApp): WebSocketOptions['endpoints'] => {
    const feeds = new Feeds({ hub, tally, cast: castBy(app.native, compressedFromBytes), askAfterBytes });
    const context = { ...ofSessions, feeds };
    return {
      '/ws': (handshake, outlet) => new Session(handshake, context, outlet),
      '/chat': (handshake, outlet) => new ChatSession(handshake, context, outlet),
      '/notifications': (handshake, outlet) => new NotificationsSession(handshake, context, outlet),
    };
  };
}

function buildMonitor({ config, core, surroundings }: TransportParts, retry: () => string): Monitor {
  const { log, tally, now, clock, sleep } = surroundings;
  return new Monitor({
    machine: new Machine(),
    process: new ProcessMeter(),
    tally,
    hub: core.hub,
    gatewayId: config.gatewayId,
    log,
    retry,
    now,
    clock,
    sleep,
  });
}
