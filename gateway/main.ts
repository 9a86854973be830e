/**
 * The composition root: reads the settings, picks the engine, puts the parts together, and takes them apart again. The one
 * place that knows all of them.
 */

import './uws-environment.ts'; // first: it must run before uWebSockets.js is loaded

import { App, LIBUS_LISTEN_EXCLUSIVE_PORT, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
import { nanoid } from 'nanoid';
import { type Broker, type BrokerStatus, BrokerUnavailable, type Event, type RetentionOf } from '../broker/broker.ts';
import { MemoryBroker, MemoryStore } from '../broker/memory.ts';
import { RedisBroker } from '../broker/redis/engine.ts';
import { parseRedisUrl } from '../broker/redis/url.ts';
import { apiRoutes, localChannels } from './api.ts';
import { type Config, environment, loadConfig } from './config.ts';
import { Connections } from './connections.ts';
import { FLEET_PREFIX, Fleet, LEASE_RENEWAL_MS } from './fleet.ts';
import { Health } from './health.ts';
import { bindHttp } from './http.ts';
import { Hub } from './hub.ts';
import { createLogger, type Logger } from './log.ts';
import { Metrics } from './metrics.ts';
import { retentionOf } from './namespaces.ts';
import { Operations } from './operations.ts';
import { originCheck } from './origin.ts';
import { loadPages } from './pages.ts';
import type { Environment } from './setting.ts';
import { bindSse } from './sse.ts';
import { Streams } from './stream.ts';
import { Tally } from './tally.ts';
import { every, rarely } from './timer.ts';
import { helpText, packageVersion, parseArguments } from './usage.ts';
import { bindWebSocket } from './ws.ts';

const SECOND = 1_000;
/** How often it is logged that requests fail because of Redis: of a storm of them one line says enough. */
const COMPLAINT_MS = 5_000;
/** What the fleet says is for the moment; nothing of it is kept. */
const FLEET_RETENTION = { size: 0, retentionMs: 0 };

main();

function main(): void {
  const args = parseArguments(process.argv.slice(2));
  if (!args.ok) fail([args.error]);
  else if (args.command === 'help') print(helpText());
  else if (args.command === 'version') print(packageVersion());
  else startFrom(environment());
}

function startFrom(env: Environment): void {
  const loaded = loadConfig(env, {
    generateId: () => nanoid(10),
    checkRedisUrl: (url) => {
      const parsed = parseRedisUrl(url);
      return parsed.ok ? undefined : parsed.error;
    },
  });
  if (loaded.ok) start(loaded.config);
  else fail(loaded.faults);
}

function start(config: Config): void {
  const log = createLogger({ level: config.logLevel, gateway: config.gatewayId });
  process.on('unhandledRejection', (err) => dieOf(err, log));
  process.on('uncaughtException', (err) => dieOf(err, log));

  const now = Date.now;
  const configured = retentionOf(config.namespaces);
  const retention: RetentionOf = (channel) =>
    channel.startsWith(FLEET_PREFIX) ? FLEET_RETENTION : configured(channel);
  const broker = openBroker(config, retention, log);

  const tally = new Tally();
  const connections = new Connections(config.maxConnections, tally);
  const hub = new Hub(broker, retention, { ...config, historyPage: 256, historyRetryMs: 500 }, now);
  const fleet = new Fleet(broker, config.gatewayId, nanoid, (prefix) => localChannels(hub, prefix));
  broker.listen({
    event: (channel: string, event: Event) =>
      channel.startsWith(FLEET_PREFIX) ? fleet.event(channel, event) : hub.event(channel, event),
    resubscribed: (channels) => hub.resubscribed(channels),
  });

  const limits = { maxMessageBytes: config.maxMessageBytes, maxReplyBytes: config.maxBodyBytes };
  const complaint = rarely(COMPLAINT_MS, (err: BrokerUnavailable) =>
    log.warn({ err }, 'requests are answered "unavailable"'),
  );
  const operations = new Operations(broker, retention, limits, tally, complaint);
  const health = new Health(broker, connections, config.readyGraceSeconds * SECOND, now);
  const metrics = new Metrics({ tally, hub, broker, gatewayId: config.gatewayId, now });
  const streams = new Streams({
    hub,
    tally,
    keepAliveMs: config.keepAliveSeconds * SECOND,
    retryMs: config.retryMs,
    now,
    random: Math.random,
  });
  const context = {
    hub,
    operations,
    tally,
    now,
    gatewayId: config.gatewayId,
    echo: config.echo,
    maxChannels: config.maxChannelsPerConnection,
  };
  const originAllowed = originCheck(config.allowedOrigins);
  const shared = { connections, originAllowed, tally, log, newId: nanoid };

  const app = App();
  bindWebSocket(app, { ...config, ...shared, context, random: Math.random });
  bindSse(app, { ...shared, streams, maxChannels: config.maxChannelsPerStream });
  const pages = loadPages(new URL('./web/', import.meta.url));
  bindHttp(app, { ...config, ...shared, pages, routes: apiRoutes({ operations, fleet, metrics, health }) });

  const timers = [
    every(SECOND, () => streams.keepAlive()),
    every(SECOND, () => connections.closeLagging(now() - config.lagTimeoutSeconds * SECOND)),
    every(config.positionCheckSeconds * SECOND, () => hub.sweep()),
    every(config.positionCheckSeconds * SECOND, () => whileAvailable(hub.check())),
    every(LEASE_RENEWAL_MS, () => whileAvailable(fleet.renew())),
  ];
  void broker.connect().then(() => whileAvailable(fleet.renew()));

  app.listen(config.host, config.port, LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
    if (socket === false) {
      fail([`Cannot listen on ${config.host}:${config.port}: the port is taken, or the address is not this machine's`]);
    } else {
      const stop = stopper({
        config,
        log,
        connections,
        hub,
        fleet,
        broker,
        timers,
        close: () => us_listen_socket_close(socket),
      });
      process.once('SIGTERM', stop);
      process.once('SIGINT', stop);
      // Last: whoever reads it may at once do anything to this process.
      announce(config, us_socket_local_port(socket));
    }
  });
}

function openBroker(config: Config, retention: RetentionOf, log: Logger): Broker {
  if (config.redisUrl === undefined) return new MemoryBroker(new MemoryStore({ retentionOf: retention }));
  const parsed = parseRedisUrl(config.redisUrl);
  if (!parsed.ok) throw new Error(parsed.error); // loadConfig has checked it
  return new RedisBroker({
    target: parsed.target,
    retentionOf: retention,
    prefix: config.redisPrefix,
    timeoutMs: config.redisTimeoutMs,
    onStatus: (status: BrokerStatus) => {
      if (status.ready) log.info('Redis is ready');
      else log.warn({ reason: status.reason }, 'Redis cannot be used; trying on');
    },
  });
}

function announce(config: Config, port: number): void {
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  const loopback = ['127.0.0.1', '::1', 'localhost'].includes(config.host);
  const reach = loopback
    ? 'this machine only; HOST=0.0.0.0 opens it to the network'
    : 'the network, with no authentication';
  const engine =
    config.redisUrl === undefined ? 'embedded: kept in this process only' : `Redis, prefix ${config.redisPrefix}`;
  print(`
Passerelle is listening on http://${host}:${port}
  try it      http://${host}:${port}/
  WebSocket   ws://${host}:${port}/ws
  events      http://${host}:${port}/events?channel=NAME
  engine      ${engine}
  reach       ${reach}
`);
}

interface Running {
  readonly config: Config;
  readonly log: Logger;
  readonly connections: Connections;
  readonly hub: Hub;
  readonly fleet: Fleet;
  readonly broker: Broker;
  readonly timers: readonly { stop(): void }[];
  readonly close: () => void;
}

/** Ends the gateway: no new connections, all there are sent elsewhere, then away from Redis. A second signal ends it at once. */
function stopper({ config, log, connections, hub, fleet, broker, timers, close }: Running): (signal: string) => void {
  return (signal) => {
    log.info({ signal, connections: connections.size }, 'stopping');
    const deadline = config.shutdownTimeoutSeconds * SECOND;
    setTimeout(() => {
      log.error('the gateway could not stop in time; ending it');
      process.exit(1);
    }, deadline).unref();
    process.once('SIGTERM', () => process.exit(1));
    process.once('SIGINT', () => process.exit(1));

    close();
    connections.drain();
    for (const timer of timers) timer.stop();
    hub.close();
    whileAvailable(fleet.leave())
      .then(() => broker.close())
      .then(
        () => {
          log.info('stopped');
          process.exit(0); // keep-alive connections of idle HTTP clients would hold the process
        },
        (err: unknown) => dieOf(err, log),
      );
  };
}

/** Waits for something that may fail for as long as Redis is away, and that will be tried again. */
async function whileAvailable(task: Promise<void>): Promise<void> {
  try {
    await task;
  } catch (error) {
    if (!(error instanceof BrokerUnavailable)) throw error; // its status is in the log and in the metrics
  }
}

function dieOf(err: unknown, log: Logger): never {
  log.fatal({ err }, 'the gateway has a fault and ends');
  process.exit(1);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function fail(faults: readonly string[]): void {
  process.stderr.write(`Passerelle cannot start:\n${faults.map((fault) => `  - ${fault}\n`).join('')}`);
  process.exit(2);
}
