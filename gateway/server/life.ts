/** The life of a gateway: from listening, by leaving so that clients lose nothing, to the end. */
import type { Broker } from '../../broker/broker.ts';
import type { Connections } from '../connections/connections.ts';
import type { Drain } from '../drain/drain.ts';
import type { Underway } from '../drain/underway.ts';
import type { InternalPort } from '../http/internal-port.ts';
import { ignoreUnavailable } from '../hub/history.ts';
import type { Logger } from '../log.ts';
import type { Config } from '../settings/config.ts';
import type { Bind, Listener, Listening } from '../tls/listener.ts';
import type { Core } from './core.ts';
import type { Timers } from './timers.ts';

export interface Gateway {
  /** Takes connections from now on, and connects the broker, which may take longer. After an error it may be called again. */
  listen(): Promise<Listening>;
  /**
   * Leaves so that clients lose nothing: they are sent elsewhere, requests under way are answered, then it takes its leave of the other gateways
   * and closes the broker. At the pace of `DRAIN_SETTLE_MS` and `DRAIN_WINDOW_MS`, or `atOnce`. Resolves when all is over: `cut` where that was not so
   * within `SHUTDOWN_TIMEOUT_SECONDS`, or because of `close`, so that what was left has been closed at once.
   */
  drain(options?: { readonly atOnce?: boolean }): Promise<Drained>;
  /**
   * Ends at once: cuts every connection, and closes the broker. The others learn of it as of a gateway that died. Also ends a drain that is under
   * way. Resolves when nothing is left.
   */
  close(): Promise<void>;
  /** How many WebSocket and SSE connections are open. */
  readonly connections: number;
}

/** How a drain went. */
export type Drained = 'drained' | 'cut';

/** What has to be begun and ended. */
export interface LifeParts {
  readonly config: Config;
  readonly broker: Broker;
  readonly log: Logger;
  readonly connections: Connections;
  readonly core: Core;
  readonly listener: Listener;
  /** Undefined where there is none, or the supervisor has it. */
  readonly internal: InternalPort | undefined;
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
export class Life implements Gateway {
  readonly #parts: LifeParts;
  #timers: Timers | undefined;
  #draining: Promise<Drained> | undefined;
  #closing: Promise<void> | undefined;
  /** Resolves once `close` was called, whatever is under way. */
  readonly #cut: Promise<Drained>;

  constructor(parts: LifeParts) {
    this.#parts = parts;
    const { signal } = parts.closed;
    this.#cut = new Promise((resolve) => signal.addEventListener('abort', () => resolve('cut'), { once: true }));
  }

  get connections(): number {
    return this.#parts.connections.size;
  }

  async listen(): Promise<Listening> {
    if (this.#draining !== undefined || this.#closing !== undefined) return { ok: false, error: ENDED };
    if (this.#timers !== undefined) return { ok: false, error: LISTENING };
    const { listener, internal, broker, bind, start } = this.#parts;
    // First: whoever asks it whether the gateway is there is answered from the moment on when it is.
    const internally = await internal?.listen();
    if (internally?.ok === false) return internally;
    const listening: Listening = this.#closing === undefined ? listener.listen(bind) : { ok: false, error: ENDED };
    if (!listening.ok) {
      internal?.close();
      return listening;
    }
    const timers = start();
    this.#timers = timers;
    void broker.connect().then(async () => {
      if (this.#closing === undefined) await timers.begin();
    }, ignoreUnavailable); // closed before it could be used
    return { ...listening, internalPort: internally?.port };
  }

  drain({ atOnce = false } = {}): Promise<Drained> {
    this.#draining ??= this.#closing?.then(() => 'cut' as const) ?? this.#drainInTime(atOnce);
    return this.#draining;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #drainInTime(atOnce: boolean): Promise<Drained> {
    const { config, log, connections } = this.#parts;
    const deadline = setTimeout(() => {
      log.error({ connections: connections.size }, 'the gateway could not stop in time; ending it');
      void this.close();
    }, config.shutdownTimeoutSeconds * 1_000);
    try {
      return await Promise.race([this.#drain(atOnce), this.#cut]);
    } finally {
      clearTimeout(deadline);
      await this.close();
    }
  }

  async #drain(atOnce: boolean): Promise<Drained> {
    const { config, log, drain, underway, core } = this.#parts;
    const { drainSettleMs: settleMs, drainWindowMs: windowMs } = config;
    const spareMs = config.shutdownTimeoutSeconds * 1_000 - settleMs - windowMs;
    const patienceMs = Math.min(PATIENCE_MS, spareMs / 2);
    await drain.run(atOnce ? { settleMs: 0, windowMs: 0, patienceMs } : { settleMs, windowMs, patienceMs });
    if (this.#closing !== undefined) return 'cut';
    log.info('every connection is closed');
    // Up to here all went on: leases were renewed, members taken out whose time to come back was over, requests answered.
    this.#timers?.stop();
    await Promise.all([underway.none(), core.members.settled()]);
    if (this.#timers !== undefined) await core.fleet.leave().catch(ignoreUnavailable); // then the lease ends by itself
    return 'drained';
  }

  async #close(): Promise<void> {
    const { listener, internal, core, broker, closed } = this.#parts;
    closed.abort();
    this.#timers?.stop();
    listener.close();
    listener.cut();
    core.hub.close();
    await broker.close();
    internal?.close(); // last: up to here it says that the gateway drains
  }
}

const LISTENING = 'This gateway listens already.';
const ENDED = 'This gateway has ended, or is about to; create another one.';
