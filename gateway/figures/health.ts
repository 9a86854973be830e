/** Whether this gateway should be sent clients. Those that are connected it keeps in any case. */
import type { Broker } from '../../broker/broker.ts';
import type { Drain } from '../drain/drain.ts';
import { CANARY_INTERVAL_MS, type Canary } from './canary.ts';
import { describeRefusedWrites, type StorageProbe } from './storage-probe.ts';

export interface HealthParts {
  readonly drain: Pick<Drain, 'begun'>;
  readonly broker: Pick<Broker, 'status'>;
  readonly canary: Pick<Canary, 'silentMs' | 'silences' | 'fault'>;
  readonly storage: Pick<StorageProbe, 'refusedWrites' | 'unreadable'>;
  /** How long no events may get through before that counts. */
  readonly graceMs: number;
}

export type Readiness =
  /** `degraded`: what does not work all the same, in sentences. */
  { readonly ready: true; readonly degraded: readonly string[] } | { readonly ready: false; readonly reason: string };

/** A canary is sent every second, and has to come back: before that, silence means nothing. */
const LEAST_MS = 2 * CANARY_INTERVAL_MS + 500;

export class Health {
  readonly #parts: HealthParts;
  readonly #graceMs: number;

  constructor(parts: HealthParts) {
    this.#parts = parts;
    this.#graceMs = Math.max(parts.graceMs, LEAST_MS);
  }

  /**
   * Ready is a gateway through which events get on at least one shard, and that can read what is kept. Where one of several shards fails, it
   * fails for all gateways, and to send the clients of the others away would help nobody. Nor does it help where Redis refuses writes.
   */
  readiness(): Readiness {
    const { drain, broker, canary, storage } = this.#parts;
    if (drain.begun) return { ready: false, reason: 'The gateway is draining.' };
    const { silentMs } = canary;
    const unreadable = storage.unreadable(this.#graceMs);
    if (silentMs !== undefined && silentMs <= this.#graceMs && unreadable === undefined)
      return { ready: true, degraded: this.#degraded() };
    const status = broker.status();
    if (!status.ready) return { ready: false, reason: `Redis cannot be used: ${status.reason}` };
    if (silentMs !== undefined && silentMs <= this.#graceMs)
      return { ready: false, reason: `What is kept in Redis cannot be read: ${unreadable}` };
    const fault = canary.fault === undefined ? '' : ` ${canary.fault}`;
    if (silentMs === undefined) return { ready: false, reason: `No event has come through Redis yet.${fault}` };
    return { ready: false, reason: `No event has come through Redis for ${seconds(silentMs)} seconds.${fault}` };
  }

  #degraded(): string[] {
    const { canary, storage } = this.#parts;
    const silent = canary
      .silences()
      .filter(({ silentMs }) => silentMs > this.#graceMs)
      .map(({ shard, silentMs }) => `No event has come through the shard ${shard} for ${seconds(silentMs)} seconds.`);
    return [...silent, ...storage.refusedWrites().map(describeRefusedWrites)];
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000);
}
