/** Whether this gateway should be sent clients. */
import type { Broker } from '../broker/broker.ts';
import type { Connections } from './connections.ts';

export class Health {
  readonly #broker: Broker;
  readonly #connections: Connections;
  readonly #graceMs: number;
  readonly #now: () => number;

  /** `graceMs`: how long the broker may be away before that counts; what is connected meanwhile stays served from the rings. */
  constructor(broker: Broker, connections: Connections, graceMs: number, now: () => number) {
    this.#broker = broker;
    this.#connections = connections;
    this.#graceMs = graceMs;
    this.#now = now;
  }

  /** Why it should not, in a sentence, or undefined where it should. */
  unready(): string | undefined {
    if (this.#connections.draining) return 'The gateway is draining.';
    const status = this.#broker.status();
    if (status.ready || this.#now() - status.sinceMs <= this.#graceMs) return undefined;
    return `Redis cannot be used: ${status.reason}`;
  }
}
