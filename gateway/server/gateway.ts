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
import { ignoreUnavailable } from '../hub/history.ts';
import { createLogger, type Logger } from '../log.ts';
import type { Config } from '../settings/config.ts';
import { type Bind, Listener, type Listening } from '../tls/listener.ts';
import type { Channel } from '../workers/colleagues.ts';
import { buildAccess } from './access.ts';
import { buildCore, type Core } from './core.ts';
import { buildFigures, buildMeters } from './observability.ts';
import { processSurroundings } from './surroundings.ts';
import { startTimers, type Timers } from './timers.ts';
import { buildTransports } from './transports.ts';

export interface Gateway {
  /** Takes connections from now on, and connects the broker, which may take longer. After an error it may be called again. */
  listen(): Promise<Listening>;
  /**
   * Leaves so that clients lose nothing: they are sent elsewhere, requests under way are answered, then it takes its leave of the other gateways
   * and closes the broker. At the pace of `DRAIN_SETTLE_MS` and `DRAIN_WINDOW_MS`, or `atOnce`. Resolves when all is over.
   */
  drain(options?: { readonly atOnce?: boolean }): Promise<void>;
  /**
   * Ends at once: cuts every connection, and closes the broker. The others learn of it as of a gateway that died. Also ends a drain that is under
   * way. Resolves when nothing is left.
   */
  close(): Promise<void>;
  /** How many WebSocket and SSE connections are open. */
  readonly connections: number;
}

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

  const listener = new Listener({ ...config, shared: supervisor !== undefined, log, now });
  const stopListening = () => listener.close();
  const closed = new AbortController();
  const sleep = (ms: number) => delay(ms, undefined, { signal: closed.signal }).catch(() => delay(0));
  const drain = new Drain({ connections, stopListening, clock, random, sleep });
  const underway = new Underway();
  const figures = buildFigures({ config, broker, meters, core, drain, surroundings, supervisor });
  const transports = buildTransports({ config, connections, access, core, figures, drain, underway, surroundings });
  const { streams, bind } = transports;
  const start = () => startTimers({ config, connections, access, meters, core, streams, listener, now });
  return new Life({ config, broker, log, connections, core, listener, drain, underway, closed, bind, start });
}

interface LifeParts {
  readonly config: Config;
  readonly broker: Broker;
  readonly log: Logger;
  readonly connections: Connections;
  readonly core: Core;
  readonly listener: Listener;
  readonly drain: Drain;
  readonly underway: Underway;
  /** Aborted once nothing is to be waited for any more. */
  readonly closed: AbortController;
  readonly bind: Bind;
  readonly start: () => Timers;
}

/** How much later than by its pace a drain may be where Redis answers slowly, or not at all, if there is so much time. */
const PATIENCE_MS = 1_000;

/** From listening to the end: each begins once, and nothing begins after the end has. */
class Life implements Gateway {
  readonly #parts: LifeParts;
  #timers: Timers | undefined;
  #draining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: LifeParts) {
    this.#parts = parts;
  }

  get connections(): number {
    return this.#parts.connections.size;
  }

  async listen(): Promise<Listening> {
    if (this.#draining !== undefined || this.#closing !== undefined) return { ok: false, error: ENDED };
    if (this.#timers !== undefined) return { ok: false, error: LISTENING };
    const { listener, broker, bind, start } = this.#parts;
    const listening = listener.listen(bind);
    if (!listening.ok) return listening;
    const timers = start();
    this.#timers = timers;
    void broker.connect().then(async () => {
      if (this.#closing === undefined) await timers.begin();
    }, ignoreUnavailable); // closed before it could be used
    return listening;
  }

  drain({ atOnce = false } = {}): Promise<void> {
    this.#draining ??= this.#closing ?? this.#drain(atOnce);
    return this.#draining;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #drain(atOnce: boolean): Promise<void> {
    const { config, log, drain, underway, core } = this.#parts;
    const { drainSettleMs: settleMs, drainWindowMs: windowMs } = config;
    const spareMs = config.shutdownTimeoutSeconds * 1_000 - settleMs - windowMs;
    const patienceMs = Math.min(PATIENCE_MS, spareMs / 2);
    await drain.run(atOnce ? { settleMs: 0, windowMs: 0, patienceMs } : { settleMs, windowMs, patienceMs });
    if (this.#closing !== undefined) return this.#closing;
    log.info('every connection is closed');
    // Up to here all went on: leases were renewed, members taken out whose time to come back was over, requests answered.
    this.#timers?.stop();
    await Promise.all([underway.none(), core.members.settled()]);
    if (this.#timers !== undefined) await core.fleet.leave().catch(ignoreUnavailable); // then the lease ends by itself
    return this.close();
  }

  async #close(): Promise<void> {
    const { listener, core, broker, closed } = this.#parts;
    closed.abort();
    this.#timers?.stop();
    listener.close();
    listener.cut();
    core.hub.close();
    await broker.close();
  }
}

const LISTENING = 'This gateway listens already.';
const ENDED = 'This gateway has ended, or is about to; create another one.';
