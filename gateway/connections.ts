/**
 * The register of open connections of both transports: how many there may be, which lag for too long, and closing them all when
 * the gateway leaves.
 */
import type { Tally } from './tally.ts';

/** What the register needs of a connection; `ws.ts` and `sse.ts` have one each. */
export interface Connection {
  /** Since when it has been lagging, in milliseconds of the gateway's clock, or 0. */
  readonly laggingSince: number;
  /** Ends it because its backlog is more than history should replay. */
  closeSlow(): void;
  /** Tells the client to come back elsewhere, and ends it. */
  closeGoingAway(): void;
}

export class Connections {
  readonly #max: number;
  readonly #tally: Tally;
  readonly #open = new Set<Connection>();
  #draining = false;

  constructor(max: number, tally: Tally) {
    this.#max = max;
    this.#tally = tally;
  }

  /** Whether the gateway is leaving: no connection is taken any more. */
  get draining(): boolean {
    return this.#draining;
  }

  get full(): boolean {
    return this.#open.size >= this.#max;
  }

  get size(): number {
    return this.#open.size;
  }

  add(connection: Connection): void {
    this.#open.add(connection);
  }

  remove(connection: Connection): void {
    this.#open.delete(connection);
  }

  /** Closes those that have been lagging since before the given time. */
  closeLagging(before: number): void {
    for (const connection of [...this.#open]) {
      if (connection.laggingSince === 0 || connection.laggingSince > before) continue;
      this.#tally.lagCloses++;
      connection.closeSlow();
    }
  }

  /** Takes no further connection, and sends all there are elsewhere. */
  drain(): void {
    this.#draining = true;
    for (const connection of [...this.#open]) connection.closeGoingAway();
  }
}
