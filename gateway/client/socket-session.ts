/**
 * A client's WebSocket: keeps what it is subscribed to equal to what the page wants, and matches replies to requests. Frames
 * are handled in the order in which they come, which is what the order of events rests on.
 */
import { backoff } from './backoff.ts';
import { unavailable } from './errors.ts';
import type { Feed } from './feed.ts';
import { errorOf, eventOf, type Fields, type Frame, fieldsOf } from './frames.ts';
import type { LinkListener } from './reconnector.ts';
import type { Feeds, Request, Session } from './session.ts';
import type { OpenSocket, SocketLink, SocketUser } from './socket-link.ts';
import { nothing, type Surroundings } from './surroundings.ts';

export interface SocketSessionParts {
  readonly openSocket: OpenSocket;
  readonly feeds: Feeds;
  readonly surroundings: Surroundings;
  /** Requests can be sent. */
  opened(): void;
}

/** A channel that the gateway was asked to subscribe to, until it has said that it does not any more. */
interface Slot {
  readonly feed: Feed;
  /** A request about it is under way: the reply decides what is asked next. */
  asking: boolean;
}

/** `undefined`: the connection ended before there was one. */
type Reply = (frame: Frame | undefined) => void;

export class SocketSession implements Session, SocketUser {
  readonly #parts: SocketSessionParts;
  readonly #listener: LinkListener;
  readonly #link: SocketLink;
  readonly #slots = new Map<string, Slot>();
  readonly #replies = new Map<unknown, Reply>();
  /** Channels that were wanted when the link was opened and are not answered yet: until then the session is not live. */
  #awaited = new Set<string>();
  #welcomed = false;
  #refs = 0;
  #attempt = 0;
  #stopRetry = nothing;

  constructor(parts: SocketSessionParts, listener: LinkListener, token: string | undefined) {
    this.#parts = parts;
    this.#listener = listener;
    this.#link = parts.openSocket(this, listener, token);
  }

  opened(): void {
    this.#awaited = new Set(this.#parts.feeds.keys());
    this.#subscribeAll();
    this.#parts.opened();
  }

  frame(frame: Frame): void {
    const { type, ref, channel, code } = frame;
    const reply = this.#replies.get(ref);
    if (!reply) {
      if (type === 'welcome') this.#welcomed = true;
      const slot = this.#slots.get(channel);
      if (slot) deliver(slot.feed, frame);
    } else if (code === 'unauthorized') {
      this.#listener.ended({ next: 'token', error: errorOf(frame) }); // all replies are lost by that
    } else {
      this.#replies.delete(ref);
      reply(frame);
    }
    if (this.#welcomed && this.#awaited.size === 0) this.#listener.live();
  }

  changed(channel: string): void {
    const wanted = this.#parts.feeds.get(channel);
    const slot = this.#slots.get(channel);
    if (!this.#link.isOpen) return; // once it is, all are subscribed to
    if (!wanted) this.#awaited.delete(channel);
    if (!slot) {
      if (wanted) this.#subscribe(wanted);
    } else if (slot.feed !== wanted && !slot.asking) this.#unsubscribe(channel, slot);
  }

  ask(request: Request, fields: string): Promise<Fields> | undefined {
    if (!this.#link.isOpen) return undefined;
    return new Promise((resolve, reject) => {
      this.#send(request, fields, (frame) => {
        if (!frame) reject(unavailable(''));
        else if (frame.type === 'error') reject(errorOf(frame));
        else resolve(fieldsOf(frame));
      });
    });
  }

  ping(): void {
    this.#link.ping();
  }

  renew(token: string): void {
    this.#link.renew(token);
  }

  close(): void {
    this.#link.close();
    this.#stopRetry();
    const replies = [...this.#replies.values()];
    this.#replies.clear();
    for (const reply of replies) reply(undefined);
  }

  #subscribeAll(): void {
    for (const channel of this.#parts.feeds.keys()) this.changed(channel);
  }

  #subscribe(feed: Feed): void {
    const { channel, position, tail } = feed;
    const slot = { feed, asking: true };
    this.#slots.set(channel, slot);
    const start = position ? { after: position } : { tail };
    this.#send('subscribe', JSON.stringify({ channel, ...start }), (frame) => {
      if (!frame) return;
      slot.asking = false;
      if (frame.type !== 'error') {
        feed.subscribed(frame.position, frame.recovered);
        this.#awaited.delete(channel);
        this.#parts.opened();
        this.changed(channel); // it may not be wanted any more
        return;
      }
      this.#slots.delete(channel);
      if (frame.code === 'unavailable') this.#subscribeLater(frame.error);
      else {
        feed.refuse(errorOf(frame));
        this.changed(channel); // another may be wanted since
      }
    });
  }

  #unsubscribe(channel: string, slot: Slot): void {
    slot.asking = true;
    this.#send('unsubscribe', JSON.stringify({ channel }), (frame) => {
      if (!frame) return;
      this.#slots.delete(channel);
      this.changed(channel);
    });
  }

  /** The gateway cannot reach the events now, which may be so for this channel only: the others are left in peace. */
  #subscribeLater(reason: string): void {
    const { after, random } = this.#parts.surroundings;
    this.#listener.delayed(reason);
    this.#stopRetry();
    this.#stopRetry = after(backoff(this.#attempt++, random()), () => this.#subscribeAll());
  }

  #send(type: string, fields: string, reply: Reply): void {
    const ref = ++this.#refs;
    this.#replies.set(ref, reply);
    if (this.#link.send(`{"type":"${type}","ref":${ref},${fields.slice(1)}`)) return;
    this.#replies.delete(ref);
    reply(undefined);
  }
}

function deliver(feed: Feed, frame: Frame): void {
  const { type } = frame;
  if (type === 'event') feed.event(eventOf(frame));
  if (type === 'gap') feed.gap(fieldsOf(frame));
  if (type === 'joined' || type === 'left') feed.presence(type, fieldsOf(frame));
}
