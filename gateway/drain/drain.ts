/**
 * How a gateway sends its clients elsewhere: first it only says that it is leaving, so that whoever spreads connections learns of it; then
 * it takes no more, and closes those that it has at a pace that the others bear. What comes after that is in `server/gateway.ts`.
 */
import type { Connection, Connections } from '../connections/connections.ts';
import { PACE_STEP_MS, Pace } from './pace.ts';

export interface DrainParts {
  readonly connections: Pick<Connections, 'size' | 'stopTaking' | 'inRandomOrder'>;
  /** Takes no more of what comes to the port. */
  readonly stopListening: () => void;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  readonly random: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

export interface DrainTimes {
  readonly settleMs: number;
  readonly windowMs: number;
  /** How much later than by its pace it may be, so that the others know of each client before it comes. */
  readonly patienceMs: number;
}

export class Drain {
  readonly #parts: DrainParts;
  #begun = false;

  constructor(parts: DrainParts) {
    this.#parts = parts;
  }

  /** Whether the gateway is leaving. It may still take connections: the news takes its time to spread. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Resolves once no connection is open. */
  async run({ settleMs, windowMs, patienceMs }: DrainTimes): Promise<void> {
    const { connections, stopListening, clock, random, sleep } = this.#parts;
    this.#begun = true;
    if (settleMs > 0) await sleep(settleMs);

    stopListening();
    connections.stopTaking();
    const open = connections.inRandomOrder(random);
    const pace = new Pace({ count: open.length, windowMs, random });
    for (let now = clock(), before = now; connections.size > 0; before = now, now = clock()) {
      await this.#sendAway(open.splice(0, pace.due(now - before)), patienceMs - pace.behindMs);
      if (connections.size > 0) await sleep(PACE_STEP_MS);
    }
  }

  /** Sends away at once those of whom nobody need know before. The others after that is known, or when so much time has passed. */
  async #sendAway(connections: readonly Connection[], limitMs: number): Promise<void> {
    const known: Promise<void>[] = [];
    const waiting: Connection[] = [];
    for (const connection of connections) {
      const leave = connection.takeLeave();
      if (leave === undefined) {
        connection.closeGoingAway();
      } else {
        known.push(leave);
        waiting.push(connection);
      }
    }
    if (waiting.length === 0) return;
    await Promise.race([Promise.all(known), this.#parts.sleep(Math.max(0, limitMs))]);
    for (const connection of waiting) connection.closeGoingAway();
  }
}
