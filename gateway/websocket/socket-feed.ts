/**
 * Sockets that follow a channel and have all that it has share one *feed*: one subscription for all of them, whose frames are handed to the
 * server once, for it to write to each socket what came in one tick by one write. That costs a fraction of writing to one socket after
 * the other. Speaks to the server through a `Cast`, and knows no uWS type.
 *
 * The server drops nothing of what it is handed, so the feed's position is that of each member. It does not tell which socket is full
 * either; so each member is asked, whenever so much more has been handed over, and one that is full goes on by itself.
 */

import type { Tally } from '../figures/tally.ts';
import { NOTHING_DUE, type Sink } from '../hub/channel.ts';
import type { Hub } from '../hub/hub.ts';
import { Gap, type Outgoing } from '../hub/outgoing.ts';
import type { Ring } from '../hub/ring.ts';
import { Subscription } from '../hub/subscription.ts';

/** Sends text frames to every socket that has joined a topic, to each after all that it was sent before. */
export type Cast = (topic: string, frames: readonly Buffer[]) => void;

/** One socket, as a feed sees it. */
export interface Member {
  /** Whether more waits unsent than may. */
  readonly full: boolean;
  /** From now on it is sent what is cast to the topic. */
  join(topic: string): void;
  /** From now on it is not; what was cast before still is sent. */
  leave(topic: string): void;
  /** Its subscription was taken out of the feed, since it is full. */
  fallBehind(subscription: Subscription): void;
}

export interface FeedParts {
  readonly hub: Hub;
  readonly tally: Tally;
  readonly cast: Cast;
  /** After so many bytes each member is asked whether it is full. */
  readonly askAfterBytes: number;
}

class Feed implements Sink {
  due = NOTHING_DUE;
  readonly subscription: Subscription;
  readonly members = new Map<Subscription, Member>();
  readonly #feeds: Feeds;
  /** Bytes that were cast since the members were asked whether they are full. */
  #unasked = 0;

  constructor(subscription: Subscription, feeds: Feeds) {
    this.subscription = subscription;
    this.#feeds = feeds;
  }

  get current(): boolean {
    return this.due.length === 0 && this.subscription.current;
  }

  pump(): void {
    while (this.due.length > 0 && this.members.size > 0) {
      const item = this.subscription.take();
      if (item !== undefined) {
        this.#cast(item);
        continue;
      }
      this.due = NOTHING_DUE;
      if (this.subscription.owed) this.#feeds.parts.hub.fetch(this.subscription);
    }
  }

  #cast(item: Outgoing): void {
    const { tally, cast, askAfterBytes } = this.#feeds.parts;
    const frames = item instanceof Gap ? [item.frame] : item.frames;
    cast(this.subscription.ring.channel, frames);
    let bytes = 0;
    for (const { length } of frames) bytes += length;
    if (item instanceof Gap) tally.gaps += this.members.size;
    else tally.delivered += frames.length * this.members.size;
    tally.deliveredBytes += bytes * this.members.size;
    this.#unasked += bytes;
    if (this.#unasked < askAfterBytes) return;
    this.#unasked = 0;
    for (const [subscription, member] of this.members) {
      if (!member.full) continue;
      this.#feeds.part(subscription);
      member.fallBehind(subscription);
    }
  }
}

/** All feeds of one server. */
export class Feeds {
  readonly parts: FeedParts;
  readonly #feeds = new Map<Ring, Feed>();

  constructor(parts: FeedParts) {
    this.parts = parts;
  }

  /** Takes in a subscription that is attached and current, unless the feed is not. */
  join(subscription: Subscription, member: Member): void {
    const { hub } = this.parts;
    const { ring } = subscription;
    let feed = this.#feeds.get(ring);
    if (feed === undefined) {
      feed = new Feed(new Subscription(ring, subscription.position), this);
      this.#feeds.set(ring, feed);
      hub.attach(feed.subscription, feed);
    } else {
      feed.pump(); // it may have something from this very tick still to cast
      if (!feed.current) return;
    }
    hub.detach(subscription);
    subscription.goWith(feed.subscription);
    feed.members.set(subscription, member);
    member.join(ring.channel);
  }

  /** Takes a subscription out, which then stands where the feed does; the last one takes the feed along. False where it is in none. */
  part(subscription: Subscription): boolean {
    const { ring } = subscription;
    const feed = this.#feeds.get(ring);
    const member = feed?.members.get(subscription);
    if (feed === undefined || member === undefined) return false;
    member.leave(ring.channel);
    subscription.part();
    feed.members.delete(subscription);
    if (feed.members.size > 0) return true;
    this.parts.hub.detach(feed.subscription);
    this.#feeds.delete(ring);
    return true;
  }
}
