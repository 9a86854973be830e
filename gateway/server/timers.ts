/** What the gateway does by time, from when it listens until it has left. */
import { REVOCATION_CHECK_MS } from '../auth/revocations.ts';
import type { Connections } from '../connections/connections.ts';
import { CANARY_INTERVAL_MS } from '../figures/canary.ts';
import { LEASE_RENEWAL_MS } from '../fleet/fleet.ts';
import type { Config } from '../settings/config.ts';
import type { Streams } from '../sse/stream.ts';
import { every } from '../timer.ts';
import type { Listener } from '../tls/listener.ts';
import type { Access } from './access.ts';
import { whileAvailable } from './complaints.ts';
import type { Core } from './core.ts';
import type { Meters } from './observability.ts';

const SECOND = 1_000;
/** How often full sockets are kept from being given up: uWS does that after 8 seconds at the earliest. */
const HOLD_MS = 2_500;
/** How often it is looked after members whose time to come back is over. */
const LEAVE_CHECK_MS = 500;
/** How soon members are entered anew once that is needed. Apart from the lease, which must be renewed however long they take. */
const REENTRY_CHECK_MS = 1_000;
/** How often the files of the certificate are looked at. */
const RENEWAL_CHECK_MS = 2_000;

export interface TimerParts {
  readonly config: Config;
  readonly connections: Connections;
  readonly access: Access;
  readonly meters: Meters;
  readonly core: Core;
  readonly streams: Streams;
  readonly listener: Listener;
  readonly now: () => number;
}

export interface Timers {
  /** What is done once before its time, as soon as the broker is connected. */
  begin(): Promise<void>;
  stop(): void;
}

/** Starts them all. */
export function startTimers(parts: TimerParts): Timers {
  const { config, connections, access, meters, core, streams, listener, now } = parts;
  const { hub, fleet, members, notices } = core;
  const { canary, storage, tracer } = meters;
  const knowRevocations = async () => (config.auth.takesTokens ? access.revocations.tend() : undefined);
  const renew = async () => {
    if (await fleet.renew()) members.leaseBegan();
  };

  const timers = [
    every(REVOCATION_CHECK_MS, () => whileAvailable(knowRevocations())),
    access.loopLag.start(),
    every(SECOND, () => streams.keepAlive()),
    every(SECOND, () => connections.closeExpired(now())),
    every(SECOND, () => access.bodies.expire()),
    every(HOLD_MS, () => connections.holdLagging()),
    every(SECOND, () => connections.closeLagging(now() - config.lagTimeoutSeconds * SECOND)),
    every(config.positionCheckSeconds * SECOND, () => hub.sweep()),
    every(config.positionCheckSeconds * SECOND, () => whileAvailable(hub.check())),
    every(CANARY_INTERVAL_MS, () => canary.send()),
    every(CANARY_INTERVAL_MS, () => storage.check()),
    every(LEASE_RENEWAL_MS, () => whileAvailable(renew())),
    every(LEASE_RENEWAL_MS, () => whileAvailable(fleet.removeDead())),
    every(REENTRY_CHECK_MS, () => members.reenter(connections.memberships())),
    every(SECOND, () => notices.tellChanged()),
    ...(tracer === undefined ? [] : [every(SECOND, () => tracer.flush())]),
    every(LEAVE_CHECK_MS, () => members.leaveDue()),
    every(RENEWAL_CHECK_MS, () => listener.renew()),
  ];
  return {
    async begin() {
      canary.send();
      storage.check();
      await Promise.all([whileAvailable(renew()), whileAvailable(knowRevocations())]);
    },
    stop() {
      for (const timer of timers) timer.stop();
    },
  };
}
