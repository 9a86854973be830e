/**
 * One subscriber of one channel: its position, and what it is to be sent next. Pure and synchronous; it knows neither the
 * socket it feeds nor where history comes from.
 *
 * A subscriber is *live* while the channel's ring holds everything after its position, and *replaying* while history is
 * owed to it. It is *lagging* while whoever takes from it does not, because its socket is full: that costs nothing here, for
 * nothing is queued, only the position is kept.
 */
import type { Position } from '../../broker/broker.ts';
import { batchOf, Gap, type Outgoing, type OutgoingEvent, Run } from './outgoing.ts';
import type { Ring } from './ring.ts';

/** A run of history, ready encoded; see `Page` of the broker. */
export interface Replay {
  readonly events: readonly OutgoingEvent[];
  /** The `prev` of the first event, or with no event where the reader stands after the read. */
  readonly start: Position;
  /** What the gap names where the read ends in one: the next event there is, or the channel's last id. */
  readonly head: Position;
}

const OFF_RING = -1;

export class Subscription {
  readonly ring: Ring;
  #position: Position;
  /** The number of the next event in the ring; below the ring's first one it means nothing. */
  #seq: number;
  #replay: readonly OutgoingEvent[] = NOTHING;
  #replayed = 0;
  /** A read of the history ended in a gap with nothing after it: the gap, and where it leads. */
  #finalGap: { readonly gap: Gap; readonly to: Position } | undefined;
  /** The one that takes for it, too. */
  #leader: Subscription | undefined;

  /** A subscriber that has everything up to `position`. */
  constructor(ring: Ring, position: Position) {
    this.ring = ring;
    this.#position = position;
    this.#seq = ring.seqAfter(position) ?? OFF_RING;
  }

  /** The last event that was taken, or where it began. */
  get position(): Position {
    return this.#leader === undefined ? this.#position : this.#leader.position;
  }

  /** From now on another one, which stands at the same place, takes for both, until they part. */
  goWith(leader: Subscription): void {
    this.release();
    this.#leader = leader;
  }

  /** From now on it takes for itself again, from where the other one is. */
  part(): void {
    this.#position = this.position;
    this.#leader = undefined;
  }

  /** Whether history must be read after `position`, and handed to `supply`, before anything can be taken. */
  get owed(): boolean {
    return !this.#replaying && !this.#onRing();
  }

  /** Whether everything that the ring has was taken. */
  get current(): boolean {
    return !this.#replaying && this.#seq === this.ring.nextSeq;
  }

  /**
   * What comes next: a run of events up to one write's worth, or the one gap that stands for what is missing before them.
   * Undefined where nothing is at hand: then it is either `current` or `owed`.
   */
  take(): Outgoing | undefined {
    if (this.#replaying) return this.#takeReplay();
    const { ring } = this;
    if (!this.#onRing() || this.#seq === ring.nextSeq) return undefined;
    const run = ring.runFrom(this.#seq); // the ring has no holes, so none has to be looked for
    this.#seq += run.events.length;
    this.#position = ring.positionBefore(this.#seq);
    return run;
  }

  /** Takes in a read of the history after `position`. */
  supply(replay: Replay): void {
    this.release();
    if (replay.events.length > 0) {
      this.#replay = replay.events;
    } else if (replay.start !== this.#position) {
      this.#finalGap = { gap: new Gap(this.ring.channel, this.#position, replay.head), to: replay.start };
    }
  }

  /** Gives back what history it holds, so that a reader that is stuck costs no memory; it will be owed again. */
  release(): void {
    this.#replay = NOTHING;
    this.#replayed = 0;
    this.#finalGap = undefined;
    this.#seq = OFF_RING;
  }

  get #replaying(): boolean {
    return this.#replayed < this.#replay.length || this.#finalGap !== undefined;
  }

  #takeReplay(): Outgoing | undefined {
    const event = this.#replay[this.#replayed];
    if (event === undefined) return this.#takeFinalGap();
    if (event.prev !== this.#position) {
      const gap = new Gap(this.ring.channel, this.#position, event.id);
      this.#position = event.prev;
      return gap;
    }
    const run = new Run(batchOf(this.#replay, this.#replayed));
    this.#replayed += run.events.length;
    this.#position = run.events.at(-1)?.id ?? this.#position;
    if (this.#replayed === this.#replay.length) this.release();
    return run;
  }

  #takeFinalGap(): Gap | undefined {
    const final = this.#finalGap;
    if (final === undefined) return undefined;
    this.#finalGap = undefined;
    this.#position = final.to;
    return final.gap;
  }

  #onRing(): boolean {
    if (this.#seq >= this.ring.firstSeq) return true;
    this.#seq = this.ring.seqAfter(this.#position) ?? OFF_RING;
    return this.#seq !== OFF_RING;
  }
}

const NOTHING: readonly OutgoingEvent[] = [];
