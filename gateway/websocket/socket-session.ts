/**
 * What every kind of session on a WebSocket has: subscriptions whose events it writes as far as the socket takes them, and replies.
 * Speaks to the socket through an `Outlet`; knows no uWS type, and no command.
 */
import type { Authenticator } from '../auth/authenticator.ts';
import { renewalOf } from '../auth/renewal.ts';
import { type Caller, endOf, tokenIdOf, userOf } from '../auth/rights.ts';
import type { Tally } from '../figures/tally.ts';
import { markDue, NOTHING_DUE, type Sink } from '../hub/channel.ts';
import type { Hub } from '../hub/hub.ts';
import { BATCH_BYTES, Gap, type Outgoing, type Run } from '../hub/outgoing.ts';
import type { Asker } from '../hub/read-queue.ts';
import type { Subscription } from '../hub/subscription.ts';
import type { PublishLimits } from '../limits/publish-limits.ts';
import type { Operations, Source } from '../operations.ts';
import type { Membership } from '../presence/members.ts';
import { CLOSE, errorFrame, frame, type Ref, type Refusal } from '../protocol.ts';
import type { Outbox, Sender } from './outbox.ts';
import { ReadLane } from './read-lane.ts';
import type { Feeds, Member } from './socket-feed.ts';

/** The socket, as a session sees it. None of these may be called after the session was closed. */
export interface Outlet {
  /** Writes text frames at once. False when the socket is full: `drained` tells when it is not any more. */
  send(frames: readonly (string | Buffer)[]): boolean;
  /** Writes one binary frame. */
  sendBinary(bytes: ArrayBuffer): void;
  /** Whether more waits unsent than may. */
  readonly full: boolean;
  /** From now on the socket is sent what is cast to the topic. */
  join(topic: string): void;
  /** From now on it is not; what was cast before still is sent. */
  leave(topic: string): void;
  /** Ends the connection with a close code, after what was sent. */
  close(code: number, reason: string): void;
  /** Ends the connection because of a fault of the gateway's own, which is logged. */
  fail(fault: unknown): void;
}

/** What a connection brought along when it was opened. */
export interface Handshake {
  /** The connection's id. */
  readonly connection: string;
  /** Who opened it. */
  readonly caller: Caller;
  readonly query: URLSearchParams;
  /** To whom the address belongs that it came from, as far as limits go. */
  readonly address: string;
}

/** What all sessions of a gateway share. */
export interface SessionParts {
  readonly authenticator: Authenticator;
  readonly publishLimits: PublishLimits;
  readonly hub: Hub;
  readonly feeds: Feeds;
  readonly operations: Operations;
  readonly outbox: Outbox;
  readonly tally: Tally;
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
  /** Requests of one connection that are being read for at a time. */
  readonly maxReads: number;
}

const NO_FRAMES: readonly Buffer[] = [];

export abstract class SocketSession implements Sink, Member, Sender {
  readonly id: string;
  due = NOTHING_DUE;
  protected readonly outlet: Outlet;
  /** Who is at the other end. */
  protected caller: Caller;
  readonly #parts: SessionParts;
  readonly #address: string;
  /** Whether it is being closed for going on beyond its limits. */
  #struck = false;
  #closed = false;
  /** Replies that were not written yet; undefined while there are none. */
  #replies: string[] | undefined;
  /** Whether the outbox knows that there is something to write. */
  #listed = false;
  /** Since when the socket has been full, in milliseconds of the clock; 0 while it is not. */
  #fullSince = 0;
  /** What the client asks to be read; undefined until it asks for something. */
  #lane: ReadLane | undefined;
  #asker: Asker | undefined;

  constructor({ connection, caller, address }: Handshake, parts: SessionParts, outlet: Outlet) {
    this.id = connection;
    this.#address = address;
    this.caller = caller;
    this.#parts = parts;
    this.outlet = outlet;
  }

  /** The connection stands: the first frames may be written. */
  abstract start(): void;
  /** Takes one text frame. */
  abstract text(text: string): void;
  /** Takes one binary frame. */
  abstract binary(bytes: ArrayBuffer): void;
  /** The channels of which this connection is a member. */
  abstract memberships(): Iterable<Membership>;
  /** Gives back all that is held for the connection, which is gone. */
  protected abstract release(): void;
  /** Who is at the other end has shown a fresh token: what it does not allow ends at once. `before`: by what it was known until now. */
  protected abstract renewed(before: Caller): Promise<void> | undefined;
  /** The frames of a run that was taken from a subscription. */
  protected abstract framesOf(run: Run, subscription: Subscription): readonly Buffer[];

  /** Whether what it writes of a subscription is just what every other one does, so that they may share a feed. */
  protected isPlain(_subscription: Subscription): boolean {
    return false;
  }

  /** Since when the connection has been lagging, or 0. */
  get laggingSince(): number {
    return this.#fullSince;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get user(): string | null {
    return userOf(this.caller);
  }

  /** By what a publish of this connection comes. */
  protected get source(): Source {
    return { connection: this.id, address: this.#address };
  }

  /** By what a read for this connection comes. */
  protected get readSource(): Source {
    return { connection: this.id, address: this.#address, gone: () => this.#closed };
  }

  /** For whom its history is read. */
  get asker(): Asker {
    this.#asker ??= this.#parts.operations.askerFor(this.caller, this.readSource);
    return this.#asker;
  }

  get tokenId(): string | undefined {
    return tokenIdOf(this.caller);
  }

  /** When who is at the other end must have proved itself anew, in epoch milliseconds; undefined for never. */
  get expiresAtMs(): number | undefined {
    return endOf(this.caller);
  }

  /** Counts a frame that has come. False where there were too many: who sends them is told so and closed, and no more of them are looked at. */
  takesFrame(): boolean {
    if (this.#struck) return false;
    const refusal = this.#parts.publishLimits.frame(this.id);
    if (refusal === undefined) return true;
    this.#struck = true;
    this.turnAway(refusal, CLOSE.tooMany);
    return false;
  }

  /** Ends the connection because too much of what it sent still waits for its turn. */
  refuseInbox(): void {
    this.#struck = true;
    this.turnAway(this.#parts.publishLimits.inboxFull(), CLOSE.tooMany);
  }

  /** Whether that time has come. */
  get expired(): boolean {
    const { expiresAtMs } = this;
    return expiresAtMs !== undefined && expiresAtMs <= this.#parts.now();
  }

  /** Ends the connection because who is at the other end may not stay. */
  end(refusal: Refusal): void {
    this.turnAway(refusal, CLOSE.unauthorized);
  }

  /** The socket has room again. */
  drained(): void {
    if (this.#fullSince === 0) return;
    this.#fullSince = 0;
    this.#parts.tally.lagging--;
    this.pump();
    this.#lane?.resume();
  }

  pump(): void {
    while (this.due.length > 0 && this.#fullSince === 0 && !this.#closed) this.#write(this.#gather());
    if (this.#fullSince !== 0) this.#releaseDue();
  }

  /** Writes what there is, replies first. They are not held back while the socket is full: a client that asks without reading is closed by the binding. */
  flush(): void {
    this.#listed = false;
    this.pump();
    this.#write(NO_FRAMES);
  }

  get full(): boolean {
    return this.outlet.full;
  }

  join(topic: string): void {
    this.outlet.join(topic);
  }

  leave(topic: string): void {
    this.outlet.leave(topic);
  }

  fallBehind(subscription: Subscription): void {
    this.#lag();
    this.#parts.hub.attach(subscription, this);
    markDue(this, subscription);
  }

  /**
   * The client is about to be sent elsewhere. Resolves once it can have there what it has here and nobody may have beside it, such as a name;
   * undefined where it has nothing like that.
   */
  takeLeave(): Promise<void> | undefined {
    return undefined;
  }

  /** The connection is gone: nothing is written any more, and every channel is given back. */
  close(): void {
    this.#closed = true;
    this.#replies = undefined;
    this.#lane?.clear();
    if (this.#fullSince !== 0) this.#parts.tally.lagging--;
    this.release();
    this.due = NOTHING_DUE;
  }

  /** From now on writes what comes by a subscription, beginning with what there is. */
  protected follow(subscription: Subscription): void {
    this.#parts.hub.attach(subscription, this);
    markDue(this, subscription);
    this.#list();
  }

  /** Ends a subscription and gives its channel back. */
  protected unfollow(subscription: Subscription): void {
    const { hub, feeds } = this.#parts;
    if (!feeds.part(subscription)) hub.detach(subscription);
    hub.leave(subscription.ring.channel);
    this.#settle(subscription);
  }

  /** Writes a reply, after those before it and before any event of a subscription that is followed only afterwards. */
  protected send(text: string): void {
    if (this.#closed) return;
    this.#parts.tally.replies++;
    this.#replies ??= [];
    this.#replies.push(text);
    this.#list();
  }

  /** Writes a binary reply. */
  protected sendBinary(bytes: ArrayBuffer): void {
    this.flush();
    this.#parts.tally.replies++;
    this.outlet.sendBinary(bytes);
  }

  /** Reads something for the client, and answers, when few enough reads are under way and the answers before have been taken. */
  protected reading(read: () => Promise<void>, ref: Ref | undefined): void {
    this.#lane ??= new ReadLane(this.#parts.maxReads, () => this.#hasRoom());
    if (this.#lane.offer(read)) return;
    this.#parts.tally.refusals.waiting_reads++;
    const error = 'Too many requests of this connection wait to be read for; wait for their answers, and read them';
    this.refuse({ code: 'too_many', error }, ref);
  }

  /** Resolves once a subscription of this connection may be replayed; to why not where it may not. */
  protected mayReplay(): Promise<Refusal | undefined> {
    return this.#parts.operations.mayReplay(this.caller, this.readSource, this.#parts.sleep);
  }

  /** Whether the socket has taken what was sent, so that another answer may be made for it; where not, `drained` will tell. */
  #hasRoom(): boolean {
    if (this.#replies !== undefined) this.flush();
    if (this.#closed) return false;
    if (this.#fullSince === 0 && this.outlet.full) this.#lag();
    return this.#fullSince === 0;
  }

  /** Ends the connection, after what was sent. */
  protected disconnect(code: number, reason: string): void {
    this.flush();
    if (!this.#closed) this.outlet.close(code, reason);
  }

  /** A client that goes on meeting limits is closed. */
  protected refuse(refusal: Refusal, ref?: Ref | undefined): void {
    this.#parts.tally.errors++;
    this.send(errorFrame(refusal, ref));
    if (refusal.code !== 'too_many' || this.#closed || this.#struck) return;
    this.#struck = this.#parts.publishLimits.strike(this.id);
    if (this.#struck) this.disconnect(CLOSE.tooMany, 'Too many requests beyond the limits');
  }

  /** Takes a fresh token before the old one ends, and answers. */
  protected async renew(token: string, ref: Ref | undefined): Promise<void> {
    const before = this.caller;
    const renewal = await renewalOf(this.#parts.authenticator, before, token);
    if (this.#closed) return;
    if (!renewal.ok) {
      this.refuse(renewal.refusal, ref);
      if (renewal.ends) this.disconnect(CLOSE.unauthorized, 'Unauthorized');
      return;
    }
    this.caller = renewal.caller;
    this.#asker = undefined;
    const { expiresAtMs: end, user } = this;
    const expires = end === undefined ? null : Math.max(0, Math.floor((end - this.#parts.now()) / 1_000));
    this.send(frame('authenticated', { user, expires }, ref));
    await this.renewed(before);
  }

  /** Refuses the whole connection. */
  protected turnAway(refusal: Refusal, code: number): void {
    this.refuse(refusal);
    this.disconnect(code, refusal.error.slice(0, MAX_REASON));
  }

  protected fail(fault: unknown): void {
    if (!this.#closed) this.outlet.fail(fault);
  }

  #list(): void {
    if (this.#listed) return;
    this.#listed = true;
    this.#parts.outbox.add(this);
  }

  #write(frames: readonly Buffer[]): void {
    const replies = this.#replies;
    this.#replies = undefined;
    if (this.#closed || (replies === undefined && frames.length === 0)) return;
    if (!this.outlet.send(replies === undefined ? frames : [...replies, ...frames])) this.#lag();
  }

  /** Takes what is next, of one due subscription after the other, until one write is full. */
  #gather(): readonly Buffer[] {
    let gathered: readonly Buffer[] = NO_FRAMES;
    let bytes = 0;
    let subscription = this.due[0]; // in the order in which they had news
    while (subscription !== undefined && bytes < BATCH_BYTES) {
      const item: Outgoing | undefined = subscription.take();
      if (item === undefined) {
        this.#settle(subscription);
        if (subscription.owed) this.#parts.hub.fetch(subscription);
        else if (this.isPlain(subscription)) this.#parts.feeds.join(subscription, this);
        subscription = this.due[0];
        continue;
      }
      const frames = this.#framesOf(item, subscription);
      for (const { length } of frames) bytes += length;
      gathered = gathered === NO_FRAMES ? frames : [...gathered, ...frames]; // most often there is one run, shared by all
    }
    this.#parts.tally.deliveredBytes += bytes;
    return gathered;
  }

  /** Nothing is due of this one any more. */
  #settle(subscription: Subscription): void {
    this.due =
      this.due.length === 1 && this.due[0] === subscription
        ? NOTHING_DUE
        : this.due.filter((each) => each !== subscription);
  }

  #framesOf(item: Outgoing, subscription: Subscription): readonly Buffer[] {
    if (item instanceof Gap) {
      this.#parts.tally.gaps++;
      return [item.frame];
    }
    const frames = this.framesOf(item, subscription);
    this.#parts.tally.delivered += frames.length;
    return frames;
  }

  #lag(): void {
    if (this.#closed || this.#fullSince !== 0) return; // the outlet closed it for being too full, or it lags already
    this.#fullSince = this.#parts.now();
    this.#parts.tally.lagging++;
    this.#parts.tally.lags++;
  }

  /** What history was read for it is not kept while nobody reads: it is read again when there is room. */
  #releaseDue(): void {
    for (const subscription of this.due) subscription.release();
  }
}

/** Bytes that the reason of a close may have; ours are ASCII. */
const MAX_REASON = 123;
