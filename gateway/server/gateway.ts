/**
 * A gateway, put together from its settings and a broker, and taken apart again. It touches nothing of its process: neither signals nor exit
 * codes, nor the environment. Several can run in one process, each with a broker of its own.
 */
import '../uws-environment.ts'; // first: it must run before uWebSockets.js is loaded

import { setTimeout as delay } from 'node:timers/promises';
import type { Broker } from '../../broker/broker.ts';
import { Connections } from '../connections/connections.ts';
import { Drain } from '../drain/drain.ts';
import { Underway } from '../drain/underway.ts';
import { Tally } from '../figures/tally.ts';
import { createLogger, type Logger } from '../log.ts';
import type { Config } from '../settings/config.ts';
import { Listener } from '../tls/listener.ts';
import type { Channel } from '../workers/colleagues.ts';
import { buildAccess } from './access.ts';
import { buildCore } from './core.ts';
import type { Gateway } from './handle.ts';
import { Life } from './life.ts';
import { buildFigures, buildMeters } from './observability.ts';
import { processSurroundings } from './surroundings.ts';
import { startTimers } from './timers.ts';
import { buildTransports } from './transports.ts';

/** What else a gateway may be given. */
export interface GatewayOptions {
  /** Standard output unless given. */
  readonly log?: Logger;
  /** Where it counts, where something outside of it counts as well. */
  readonly tally?: Tally;
  /** The channel to the supervisor of a worker, whose port others share. */
  readonly supervisor?: Channel | undefined;
}

/** The broker must not have been listened to, and is the gateway's own from here on: it connects it, and closes it. Nothing runs before `listen`. */
export function createGateway(config: Config, broker: Broker, options: GatewayOptions = {}): Gateway {
  const log = options.log ?? createLogger({ level: config.logLevel, gateway: config.gatewayId });
  const surroundings = processSurroundings(log, options.tally ?? new Tally());
  const { supervisor } = options;
  const { clock, random, now } = surroundings;

  const connections = new Connections(surroundings.tally);
  const access = buildAccess(config, broker, connections, surroundings);
  const meters = buildMeters(config, broker, surroundings);
  const core = buildCore({ config, broker, connections, access, meters, surroundings });

  const isWorker = supervisor !== undefined;
  const listener = new Listener({ ...config, shared: isWorker, log, now });
  const stopListening = () => listener.close();
  const closed = new AbortController();
  const sleep = (ms: number) => delay(ms, undefined, { signal: closed.signal }).catch(() => delay(0));
  const drain = new Drain({ connections, stopListening, clock, random, sleep });
  const underway = new Underway();
  const { metrics, figures } = buildFigures({
    config,
    broker,
    meters,
    access,
    core,
    drain,
    surroundings,
    supervisor,
  });
  const transports = buildTransports({
    config,
    connections,
    access,
    core,
    figures,
    drain,
    underway,
    surroundings,
    isWorker,
  });
  const { streams, internal, bind } = transports;
  const start = () => startTimers({ config, connections, access, meters, core, streams, listener, now });
  return new Life({
    config,
    metrics,
    broker,
    log,
    connections,
    core,
    listener,
    internal,
    drain,
    underway,
    closed,
    bind,
    start,
  });
}
