/** The life of a gateway: from listening, by leaving so that clients lose nothing, to the end. */
import type { Broker } from '../../broker/broker.ts';
import type { Connections } from '../connections/connections.ts';
import type { Drain } from '../drain/drain.ts';
import type { Underway } from '../drain/underway.ts';
import type { Metrics } from '../figures/metrics.ts';
import type { InternalPort } from '../http/internal-port.ts';
import { ignoreUnavailable } from '../hub/history.ts';
import type { Logger } from '../log.ts';
import type { Config } from '../settings/config.ts';
import type { Bind, Listener } from '../tls/listener.ts';
import type { Core } from './core.ts';
import type { Drained, Gateway, Listening } from './handle.ts';
import type { Timers } from './timers.ts';

/** What has to be begun and ended. */
export interface LifeParts {
  readonly config: Config;
  readonly broker: Broker;
  readonly log: Logger;
  readonly connections: Connections;
  readonly core: Core;
  readonly listener: Listener;
  readonly metrics: Metrics;
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
  /** Whether it listens, or is about to. */
  #listening = false;
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

  get #ending(): boolean {
    return this.#draining !== undefined || this.#closing !== undefined;
  }

  get connections(): number {
    return this.#parts.connections.size;
  }

  async listen(): Promise<Listening> {
    if (this.#ending) return { ok: false, error: ENDED };
    if (this.#listening) return { ok: false, error: LISTENING };
    this.#listening = true;
    const listening = await this.#listen();
    this.#listening = listening.ok;
    return listening;
  }

  async #listen(): Promise<Listening> {
    const { listener, internal, broker, bind, start } = this.#parts;
    // First: whoever asks it whether the gateway is there is answered from the moment on when it is.
    const internally = await internal?.listen();
    if (internally?.ok === false) return this.#ending ? { ok: false, error: ENDED } : internally;
    const opened = this.#ending ? { ok: false as const, error: ENDED } : listener.listen(bind);
    if (!opened.ok) {
      internal?.close();
      return { ok: false, error: await opened.error };
    }
    const timers = start();
    this.#timers = timers;
    void broker.connect().then(async () => {
      if (this.#closing === undefined) await timers.begin();
    }, ignoreUnavailable); // closed before it could be used
    return { ...opened, internalPort: internally?.port };
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
    const { listener, internal, core, broker, metrics, closed } = this.#parts;
    closed.abort();
    this.#timers?.stop();
    listener.close();
    listener.cut();
    core.hub.close();
    await broker.close();
    internal?.close(); // last: up to here it says that the gateway drains
    metrics.close();
  }
}

const LISTENING = 'This gateway listens already.';
const ENDED = 'This gateway has ended, or is about to; create another one.';
