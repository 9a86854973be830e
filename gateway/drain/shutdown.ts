/** The gateway's end: by a signal, in the order in which clients lose nothing, or because of a fault. */
import type { Broker } from '../../broker/broker.ts';
import type { Connections } from '../connections/connections.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { ignoreUnavailable } from '../hub/history.ts';
import type { Hub } from '../hub/hub.ts';
import type { Logger } from '../log.ts';
import type { Members } from '../presence/members.ts';
import type { Config } from '../settings/config.ts';
import type { Drain } from './drain.ts';
import type { Underway } from './underway.ts';

/** What has to be ended. */
export interface Running {
  /** Whether another process has started it, which sees to its end. */
  readonly isWorker: boolean;
  readonly config: Config;
  readonly log: Logger;
  readonly drain: Drain;
  readonly connections: Connections;
  readonly underway: Underway;
  readonly hub: Hub;
  readonly fleet: Fleet;
  readonly members: Members;
  readonly broker: Broker;
  readonly timers: readonly { stop(): void }[];
  /** Cuts what is connected still. */
  readonly cut: () => void;
}

/**
 * Ends the gateway: its clients are sent elsewhere, then it takes its leave of Redis. By SIGTERM it does so without haste, by SIGINT, which
 * comes from somebody at a terminal, at once. A second signal, or the deadline, ends it wherever it is. A worker may hear of the one end by several
 * signals, as from a service manager and from its supervisor, or by that one's death: it is for the supervisor to say that it was a second.
 */
export function stopper(running: Running): (signal: NodeJS.Signals) => void {
  const { isWorker, config, log, connections } = running;
  let stopping = false;
  return (signal) => {
    if (stopping && isWorker) return;
    if (stopping) {
      log.warn({ signal, connections: connections.size }, 'ended by a second signal');
      process.exit(1);
    }
    stopping = true;
    log.info({ signal, connections: connections.size }, 'stopping');
    setTimeout(() => {
      log.error({ connections: connections.size }, 'the gateway could not stop in time; ending it');
      process.exit(1);
    }, config.shutdownTimeoutSeconds * 1_000).unref();

    stop(running, signal === 'SIGINT').then(
      () => {
        log.info('stopped');
        process.exit(0); // a client may be slow to take note that its connection was closed
      },
      (err: unknown) => dieOf(err, log),
    );
  };
}

/** How much later than by its pace a drain may be where Redis answers slowly, or not at all, if there is so much time. */
const PATIENCE_MS = 1_000;

async function stop(running: Running, atOnce: boolean): Promise<void> {
  const { config, log, drain, underway, hub, fleet, members, broker, timers, cut } = running;
  const { drainSettleMs: settleMs, drainWindowMs: windowMs } = config;
  const spareMs = config.shutdownTimeoutSeconds * 1_000 - settleMs - windowMs;
  const patienceMs = Math.min(PATIENCE_MS, spareMs / 2);
  await drain.run(atOnce ? { settleMs: 0, windowMs: 0, patienceMs } : { settleMs, windowMs, patienceMs });
  log.info('every connection is closed');
  // Up to here all went on: leases were renewed, members taken out whose time to come back was over, requests answered.
  for (const timer of timers) timer.stop();
  await Promise.all([underway.none(), members.settled()]);
  await fleet.leave().catch(ignoreUnavailable); // then the lease ends by itself
  cut();
  hub.close();
  await broker.close();
}

/** A fault that nobody expected leaves a state that nobody knows: the process ends, and whoever watches it starts another. */
export function dieOf(err: unknown, log: Logger): never {
  log.fatal({ err }, 'the gateway has a fault and ends');
  process.exit(1);
}
