/**
 * Which publishes go to Redis together. Those of one channel that come in one turn of the event loop, from whomever, are one call: it costs a
 * fraction of as many, here and in Redis, so publishing gets cheaper the more there is of it. Their order is kept. Knows no Redis.
 */
import type { Position } from '../broker.ts';

/** Publishes of one channel, in their order. */
export interface Group {
  readonly channel: string;
  readonly bodies: string[];
}

/** Sends a group; resolves to one id for each body, in their order. All of them are stored, or none. */
export type SendGroup = (group: Group) => Promise<readonly Position[]>;

interface Waiting extends Group {
  readonly waiters: { resolve(id: Position): void; reject(error: unknown): void }[];
  length: number;
}

/** So much in one call does not hold Redis up for longer than a millisecond or two. */
const MAX_BODIES = 128;
const MAX_LENGTH = 262_144;

export class Groups {
  readonly #send: SendGroup;
  readonly #onWaiting: () => void;
  readonly #waiting = new Map<string, Waiting>();
  #flushing = false;

  /** `onWaiting` is called when something waits for `flush`. */
  constructor(send: SendGroup, onWaiting: () => void) {
    this.#send = send;
    this.#onWaiting = onWaiting;
  }

  /** Resolves to the id that the body was given. Rejects as the call does that it went by. */
  add(channel: string, body: string): Promise<Position> {
    return new Promise((resolve, reject) => {
      let group = this.#waiting.get(channel);
      if (group !== undefined && (group.bodies.length >= MAX_BODIES || group.length + body.length > MAX_LENGTH)) {
        this.#sendNow(group);
        group = undefined;
      }
      if (group === undefined) {
        group = { channel, bodies: [], waiters: [], length: 0 };
        this.#waiting.set(channel, group);
        this.#onWaiting();
      }
      group.bodies.push(body);
      group.waiters.push({ resolve, reject });
      group.length += body.length;
    });
  }

  /** Sends what waits: at the end of the turn, and before whatever else is sent, which is to come after it. */
  flush(): void {
    if (this.#waiting.size === 0 || this.#flushing) return;
    this.#flushing = true; // sending is what calls this, too
    try {
      for (const group of [...this.#waiting.values()]) this.#sendNow(group);
    } finally {
      this.#flushing = false;
    }
  }

  #sendNow(group: Waiting): void {
    this.#waiting.delete(group.channel);
    this.#sent(group).then(
      (ids) => {
        for (const [index, { resolve }] of group.waiters.entries()) resolve(ids[index] ?? '');
      },
      (error: unknown) => {
        for (const { reject } of group.waiters) reject(error);
      },
    );
  }

  /** A send that throws fails its own group only: the others are sent, and those that come later. */
  #sent(group: Group): Promise<readonly Position[]> {
    try {
      return this.#send(group);
    } catch (error) {
      return Promise.reject(error);
    }
  }
}
