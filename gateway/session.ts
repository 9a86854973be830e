/**
 * One WebSocket connection: its commands, its subscriptions, its limits. Speaks to the socket through an `Outlet`; knows no
 * uWS type.
 */
import { BrokerUnavailable, ORIGIN } from '../broker/broker.ts';
import type { Sink, Start } from './channel.ts';
import type { Hub } from './hub.ts';
import { type Operations, type Outcome, UNAVAILABLE } from './operations.ts';
import { BATCH_BYTES, Gap, type Outgoing } from './outgoing.ts';
import { type Command, decodeCommand, errorFrame, frame, type Ref, type Refusal } from './protocol.ts';
import type { Subscription } from './subscription.ts';
import type { Tally } from './tally.ts';

/** The socket, as a session sees it. None of these may be called after the session was closed. */
export interface Outlet {
  /** Writes text frames at once. False when the socket is full: `Session.drained` tells when it is not any more. */
  send(frames: readonly (string | Buffer)[]): boolean;
  /** Writes one binary frame. */
  sendBinary(bytes: ArrayBuffer): void;
  /** Ends the connection because of a fault of the gateway's own, which is logged. */
  fail(fault: unknown): void;
}

/** What all sessions of a gateway share. */
export interface SessionContext {
  readonly hub: Hub;
  readonly operations: Operations;
  readonly tally: Tally;
  readonly gatewayId: string;
  readonly echo: boolean;
  readonly maxChannels: number;
  readonly now: () => number;
}

const NO_FRAMES: readonly Buffer[] = [];

/** A subscription, or, while it is being made or ended, the promise of that. */
type Slot = Subscription | Promise<void>;

export class Session implements Sink {
  readonly id: string;
  readonly due: Subscription[] = [];
  readonly #context: SessionContext;
  readonly #outlet: Outlet;
  readonly #slots = new Map<string, Slot>();
  #closed = false;
  /** Since when the socket has been full, in milliseconds of the context's clock; 0 while it is not. */
  #fullSince = 0;

  constructor(id: string, context: SessionContext, outlet: Outlet) {
    this.id = id;
    this.#context = context;
    this.#outlet = outlet;
  }

  /** Since when the connection has been lagging, or 0. */
  get laggingSince(): number {
    return this.#fullSince;
  }

  welcome(): void {
    const { gatewayId } = this.#context;
    const message = 'Connected to Passerelle';
    this.#send(frame('welcome', { message, connection: this.id, user: null, gateway: gatewayId }));
  }

  binary(bytes: ArrayBuffer): void {
    this.#context.tally.received++;
    if (this.#context.echo) this.#outlet.sendBinary(bytes);
    else this.#refuse({ code: 'bad_request', error: 'Commands are text frames; this gateway echoes no binary ones' });
  }

  text(text: string): void {
    this.#context.tally.received++;
    const decoded = decodeCommand(text);
    switch (decoded.kind) {
      case 'command':
        this.#run(decoded.command);
        return;
      case 'refused':
        this.#refuse(decoded.refusal, decoded.ref);
        return;
      case 'other':
        this.#echo(text, decoded.type);
        return;
    }
  }

  /** The socket has room again. */
  drained(): void {
    if (this.#fullSince === 0) return;
    this.#fullSince = 0;
    this.#context.tally.lagging--;
    this.pump();
  }

  pump(): void {
    while (this.due.length > 0 && this.#fullSince === 0 && !this.#closed) {
      const frames = this.#gather();
      if (frames.length > 0 && !this.#outlet.send(frames)) this.#lag();
    }
    if (this.#fullSince !== 0) this.#releaseDue();
  }

  /** The connection is gone: nothing is written any more, and every channel is given back. */
  close(): void {
    this.#closed = true;
    if (this.#fullSince !== 0) this.#context.tally.lagging--;
    for (const [channel, slot] of this.#slots) {
      if (slot instanceof Promise) continue; // it finds the session closed when it is done
      this.#context.hub.detach(slot);
      this.#context.hub.leave(channel);
    }
    this.#slots.clear();
    this.due.length = 0;
  }

  /** Takes what is next, of one due subscription after the other, until one write is full. */
  #gather(): readonly Buffer[] {
    let gathered: readonly Buffer[] = NO_FRAMES;
    let bytes = 0;
    let subscription = this.due.at(-1);
    while (subscription !== undefined && bytes < BATCH_BYTES) {
      const item: Outgoing | undefined = subscription.take();
      if (item === undefined) {
        this.due.pop();
        if (subscription.owed) this.#context.hub.fetch(subscription);
        subscription = this.due.at(-1);
        continue;
      }
      const frames = this.#framesOf(item);
      for (const { length } of frames) bytes += length;
      gathered = gathered === NO_FRAMES ? frames : [...gathered, ...frames]; // most often there is one run, shared by all
    }
    this.#context.tally.deliveredBytes += bytes;
    return gathered;
  }

  #framesOf(item: Outgoing): readonly Buffer[] {
    if (item instanceof Gap) {
      this.#context.tally.gaps++;
      return [item.frame];
    }
    this.#context.tally.delivered += item.events.length;
    return item.frames;
  }

  #lag(): void {
    if (this.#closed) return; // the outlet closed it for being too full
    this.#fullSince = this.#context.now();
    this.#context.tally.lagging++;
    this.#context.tally.lags++;
  }

  /** What history was read for it is not kept while nobody reads: it is read again when there is room. */
  #releaseDue(): void {
    for (const subscription of this.due) subscription.release();
  }

  #run(command: Command): void {
    switch (command.type) {
      case 'subscribe':
        this.#subscribe(command);
        return;
      case 'unsubscribe':
        this.#unsubscribe(command);
        return;
      case 'publish':
        this.#answer('published', this.#context.operations.publish(command), command.ref);
        return;
      case 'history':
        this.#answer('history', this.#context.operations.history(command), command.ref);
        return;
      case 'presence':
        this.#refuse({ code: 'bad_request', error: 'This gateway does not track presence' }, command.ref);
        return;
      case 'auth':
        this.#refuse(
          { code: 'unauthorized', error: 'This gateway takes no tokens: everyone is anonymous' },
          command.ref,
        );
        return;
      case 'ping':
        this.#send(frame('pong', {}, command.ref));
        return;
    }
  }

  #subscribe({ channel, after, tail, ref }: Command & { type: 'subscribe' }): void {
    const { maxChannels } = this.#context;
    if (this.#slots.get(channel) !== undefined) {
      const error = `Already subscribed to ${channel}; unsubscribe first to start from another position`;
      this.#refuse({ code: 'bad_request', error }, ref);
      return;
    }
    if (this.#slots.size >= maxChannels) {
      const error = `A connection may have ${maxChannels} channels; unsubscribe from one, or open another connection`;
      this.#refuse({ code: 'too_many', error }, ref);
      return;
    }
    const start = after !== undefined ? { after } : tail !== undefined ? { tail } : undefined;
    this.#slots.set(channel, this.#begin(channel, start, ref));
  }

  async #begin(channel: string, start: Start, ref: Ref | undefined): Promise<void> {
    const { hub } = this.#context;
    try {
      const { subscription, position, recovered } = await hub.subscribe(channel, start);
      if (this.#closed) {
        hub.leave(channel);
        return;
      }
      this.#slots.set(channel, subscription);
      this.#send(frame('subscribed', { channel, position: position || ORIGIN, recovered }, ref));
      hub.attach(subscription, this);
      this.due.push(subscription);
      this.pump();
    } catch (error) {
      this.#slots.delete(channel);
      if (error instanceof BrokerUnavailable) this.#refuse(UNAVAILABLE, ref);
      else this.#fail(error);
    }
  }

  #unsubscribe({ channel, ref }: Command & { type: 'unsubscribe' }): void {
    const { hub } = this.#context;
    const slot = this.#slots.get(channel);
    if (slot instanceof Promise) {
      // Answered in the order asked: first that the subscription stands, then that it ended.
      void slot.then(() => {
        if (!this.#closed) this.#unsubscribe({ type: 'unsubscribe', channel, ref });
      });
      return;
    }
    if (slot === undefined) {
      this.#refuse({ code: 'bad_request', error: `Not subscribed to ${channel}` }, ref);
      return;
    }
    this.#slots.delete(channel);
    hub.detach(slot);
    hub.leave(channel);
    const due = this.due.indexOf(slot);
    if (due >= 0) this.due.splice(due, 1);
    this.#send(frame('unsubscribed', { channel }, ref));
  }

  #answer(type: string, asked: Promise<Outcome>, ref: Ref | undefined): void {
    asked
      .then((outcome) => {
        if (outcome.ok) this.#send(frame(type, outcome.fields, ref));
        else this.#refuse(outcome.refusal, ref);
      })
      .catch((fault: unknown) => this.#fail(fault));
  }

  #fail(fault: unknown): void {
    if (!this.#closed) this.#outlet.fail(fault);
  }

  #echo(text: string, type: string | undefined): void {
    const known = 'subscribe, unsubscribe, publish, history, presence, auth and ping';
    if (!this.#context.echo) {
      const error =
        type === undefined
          ? 'Send a JSON object with a "type"'
          : `Unknown type ${JSON.stringify(type)}; there are ${known}`;
      this.#refuse({ code: 'bad_request', error });
      return;
    }
    const timestamp = new Date(this.#context.now()).toISOString();
    const hint = type === undefined ? {} : { hint: `Unknown type ${JSON.stringify(type)}; there are ${known}` };
    this.#send(frame('echo', { original: text, timestamp, ...hint }));
  }

  #refuse(refusal: Refusal, ref?: Ref | undefined): void {
    this.#context.tally.errors++;
    if (!this.#closed) this.#send(errorFrame(refusal, ref));
  }

  /** Replies are not held back while the socket is full: a client that asks without reading is closed by the binding. */
  #send(text: string): void {
    if (!this.#closed && !this.#outlet.send([text]) && this.#fullSince === 0) this.#lag();
  }
}
