/**
 * Bounds what a crowd costs that comes or goes at once: each of N members is told to N others. What is over the limit is left out, as these
 * notices may be, and a channel whose subscribers were not told all is told once, afterwards, that its list has changed.
 */
import type { Event } from '../../broker/broker.ts';
import { NOTICE } from '../../broker/presence.ts';
import { Bucket } from '../limits/bucket.ts';

export interface NoticeLimitParts {
  /** Notices written to connections per second, all channels together; 0 sets no limit. */
  readonly maxPerSecond: number;
  /** How many connections of this gateway a notice of the channel goes to. */
  readonly audienceOf: (channel: string) => number;
  /** Takes what is let through. */
  readonly forward: (channel: string, event: Event) => void;
  /** Hears of each notice that is left out, with the number of connections that it would have gone to. */
  readonly onLeftOut: (connections: number) => void;
  /** Milliseconds that only go forward. */
  readonly clock: () => number;
}

/** No member did this: the list of members has changed more than was told. */
const CHANGED: Event = { id: '', prev: '', name: NOTICE.changed, data: Buffer.from('{}') };

export class NoticeLimit {
  readonly #parts: NoticeLimitParts;
  readonly #bucket: Bucket | undefined;
  /** Channels of notices whose subscribers were not told all, in the order in which they are to be told that. */
  readonly #changed = new Set<string>();

  constructor(parts: NoticeLimitParts) {
    this.#parts = parts;
    const { maxPerSecond } = parts;
    this.#bucket = maxPerSecond === 0 ? undefined : new Bucket({ perSecond: maxPerSecond, burst: maxPerSecond });
  }

  /** An event of a channel that carries notices. */
  event(channel: string, event: Event): void {
    const { audienceOf, forward, onLeftOut } = this.#parts;
    const audience = audienceOf(channel);
    if (this.#takes(audience)) {
      forward(channel, event);
      return;
    }
    onLeftOut(audience);
    if (MEMBERSHIP.has(event.name)) this.#changed.add(channel);
  }

  /** Tells the channels whose notices were left out, as far as the limit allows. Called every second. */
  tellChanged(): void {
    for (const channel of this.#changed) {
      if (!this.#takes(this.#parts.audienceOf(channel))) return; // the others, too, in a second
      this.#changed.delete(channel);
      this.#parts.forward(channel, CHANGED);
    }
  }

  #takes(audience: number): boolean {
    return this.#bucket === undefined || audience === 0 || this.#bucket.take(this.#parts.clock(), audience);
  }
}

/** The notices that tell of members; others, such as that somebody types, are of the moment. */
const MEMBERSHIP: ReadonlySet<string> = new Set(Object.values(NOTICE));
