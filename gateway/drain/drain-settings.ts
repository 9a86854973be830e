/** The settings of a drain, which `config.ts` lists among the gateway's own, and whether they go together. */
import { integer, type SettingTable, type ValuesOf } from '../settings/setting.ts';

export const DRAIN_SETTINGS = {
  drainSettleMs: integer('DRAIN_SETTLE_MS', 3_000, {
    min: 0,
    max: 300_000,
    unit: 'milliseconds',
    about:
      'How long after SIGTERM a gateway goes on as before while /readyz says 503: whoever sends it clients needs that time to learn of it. Where nobody asks /readyz, 0 will do.',
  }),
  drainWindowMs: integer('DRAIN_WINDOW_MS', 5_000, {
    min: 0,
    max: 3_600_000,
    unit: 'milliseconds',
    about:
      'Over how long a gateway that leaves then closes its connections, evenly: its number of connections divided by this is how many a second come to the other gateways. 0 closes all at once.',
  }),
  shutdownTimeoutSeconds: integer('SHUTDOWN_TIMEOUT_SECONDS', 10, {
    min: 1,
    max: 3_900,
    unit: 'seconds',
    about:
      'After this long a gateway that leaves ends at once, whatever is left. It must be more than DRAIN_SETTLE_MS and DRAIN_WINDOW_MS together; keep it below the grace period of what stops the gateway (Docker: 10 seconds, Kubernetes: 30).',
  }),
} satisfies SettingTable;

/** Why a drain with these settings could never come to its end, or undefined. */
export function faultOfDrain({
  drainSettleMs,
  drainWindowMs,
  shutdownTimeoutSeconds,
}: ValuesOf<typeof DRAIN_SETTINGS>): string | undefined {
  const needsMs = drainSettleMs + drainWindowMs;
  if (needsMs < shutdownTimeoutSeconds * 1_000) return undefined;
  const { drainSettleMs: settle, drainWindowMs: window, shutdownTimeoutSeconds: timeout } = DRAIN_SETTINGS;
  return (
    `${timeout.name}=${shutdownTimeoutSeconds} ends a drain before it is done: ${settle.name} (${drainSettleMs}) and ` +
    `${window.name} (${drainWindowMs}) together are ${needsMs} ms. Make it more than that, or one of them less.`
  );
}
