/** The end of a process that is a gateway: by a signal, or because of a fault. */
import type { Logger } from '../log.ts';
import type { Gateway } from './handle.ts';

/** What has to be ended. */
export interface Running {
  readonly gateway: Gateway;
  /** Whether another process has started it, which sees to its end. */
  readonly isWorker: boolean;
  readonly log: Logger;
}

/**
 * Ends the process: its clients are sent elsewhere, then it takes its leave of Redis. By SIGTERM it does so without haste, by SIGINT, which
 * comes from somebody at a terminal, at once. A second signal, or the deadline, ends it wherever it is. A worker may hear of the one end by several
 * signals, as from a service manager and from its supervisor, or by that one's death: it is for the supervisor to say that it was a second.
 */
export function stopper({ gateway, isWorker, log }: Running): (signal: NodeJS.Signals) => void {
  let stopping = false;
  return (signal) => {
    if (stopping && isWorker) return;
    if (stopping) {
      log.warn({ signal, connections: gateway.connections }, 'ended by a second signal');
      process.exit(1);
    }
    stopping = true;
    log.info({ signal, connections: gateway.connections }, 'stopping');
    gateway.drain({ atOnce: signal === 'SIGINT' }).then(
      (end) => {
        if (end === 'cut') process.exit(1); // it has said why
        log.info('stopped');
        process.exit(0); // a client may be slow to take note that its connection was closed
      },
      (err: unknown) => dieOf(err, log),
    );
  };
}

/** A fault that nobody expected leaves a state that nobody knows: the process ends, and whoever watches it starts another. */
export function dieOf(err: unknown, log: Logger): never {
  log.fatal({ err }, 'the gateway has a fault and ends');
  process.exit(1);
}
