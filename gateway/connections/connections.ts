/**
 * The register of open connections of both transports: which lag for too long, whose token has ended, and closing them all when
 * the gateway leaves. Who may become one is decided in `limits/admission.ts`.
 */

import type { Tally } from '../figures/tally.ts';
import type { Membership } from '../presence/members.ts';
import type { Refusal } from '../protocol.ts';
import { disconnect, type Endable, type Target } from './disconnect.ts';

/** What the register needs of a connection; `ws.ts` and `sse-response.ts` have one each. */
export interface Connection extends Endable {
  /** Since when it has been lagging, in milliseconds of the gateway's clock, or 0. */
  readonly laggingSince: number;
  /** When its token ends, in epoch milliseconds; undefined for never. */
  readonly expiresAtMs: number | undefined;
  /** The channels of which it is a member. */
  memberships(): Iterable<Membership>;
  /** Its socket is full: sees to it that it is kept nevertheless. Called every few seconds while it lags. */
  holdOpen(): void;
  /** Ends it because its backlog is more than history should replay. */
  closeSlow(): void;
  /**
   * Its client is about to be sent elsewhere. Resolves once the others know what they must know before it comes; undefined where that is
   * nothing. It may end by itself meanwhile.
   */
  takeLeave(): Promise<void> | undefined;
  /** Tells the client to come back elsewhere, and ends it. */
  closeGoingAway(): void;
}

const EXPIRED: Refusal = { code: 'unauthorized', error: 'Your token has expired; connect again with a new one' };

export class Connections {
  readonly #tally: Tally;
  readonly #open = new Set<Connection>();
  #taking = true;

  constructor(tally: Tally) {
    this.#tally = tally;
  }

  /** Whether connections are still taken. Whoever comes when they are not is sent elsewhere. */
  get taking(): boolean {
    return this.#taking;
  }

  get size(): number {
    return this.#open.size;
  }

  /** The memberships of all connections. Connections may come and go while it is walked. */
  *memberships(): Iterable<Membership> {
    for (const connection of [...this.#open]) yield* connection.memberships();
  }

  add(connection: Connection): void {
    this.#open.add(connection);
  }

  remove(connection: Connection): void {
    this.#open.delete(connection);
  }

  /** Keeps those that lag: how long they may is for `closeLagging` to say, and for nobody else. */
  holdLagging(): void {
    for (const connection of this.#open) if (connection.laggingSince !== 0) connection.holdOpen();
  }

  /** Closes those that have been lagging since before the given time. */
  closeLagging(before: number): void {
    for (const connection of [...this.#open]) {
      if (connection.laggingSince === 0 || connection.laggingSince > before) continue;
      this.#tally.lagCloses++;
      connection.closeSlow();
    }
  }

  /** Closes those whose token has ended. */
  closeExpired(now: number): void {
    for (const connection of [...this.#open]) {
      const { expiresAtMs } = connection;
      if (expiresAtMs !== undefined && expiresAtMs <= now) connection.end(EXPIRED);
    }
  }

  /** Ends those that are meant, and returns how many they were. */
  disconnect(target: Target): number {
    return disconnect(this.#open, target);
  }

  /** The gateway is leaving: from now on no connection is taken. */
  stopTaking(): void {
    this.#taking = false;
  }

  /** Those that are open, so shuffled that those who came together do not go together. */
  inRandomOrder(random: () => number): Connection[] {
    const drawn = [...this.#open].map((connection) => ({ connection, at: random() }));
    return drawn.sort((a, b) => a.at - b.at).map(({ connection }) => connection);
  }
}
