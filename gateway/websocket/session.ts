/**
 * One connection of `/ws`: its commands, its subscriptions, its limits. What it writes, and when, is `socket-session.ts`.
 */
import { BrokerUnavailable, ORIGIN } from '../../broker/broker.ts';
import { NOTICE, noticedChannel, noticesOf } from '../../broker/presence.ts';
import { meOf, nameOf, type Rights, userOf } from '../auth/rights.ts';
import type { Start } from '../hub/channel.ts';
import type { Form, Run } from '../hub/outgoing.ts';
import type { Subscription } from '../hub/subscription.ts';
import { parseJson } from '../json.ts';
import { type Outcome, UNAVAILABLE } from '../operations.ts';
import type { Members, Membership, Person } from '../presence/members.ts';
import type { ResumeTokens } from '../presence/resume-token.ts';
import { type Command, decodeCommand, frame, type Ref } from '../protocol.ts';
import type { PresenceMode } from '../settings/namespaces.ts';
import { SmallMap } from './small-map.ts';
import { type Handshake, type Outlet, type SessionParts, SocketSession } from './socket-session.ts';

/** What all sessions of a gateway share. */
export interface SessionContext extends SessionParts {
  readonly members: Members;
  readonly rights: Rights;
  readonly presenceMode: (channel: string) => PresenceMode;
  readonly resumeTokens: ResumeTokens;
  readonly gatewayId: string;
  readonly random: () => number;
  readonly echo: boolean;
  readonly maxChannels: number;
}

/** A subscription, or, while it is being made, the promise of that. */
type Slot = Subscription | Promise<void>;

/** Requests of one connection that may wait for subscriptions, each of them as large as a frame may be. */
const MAX_WAITING = 256;

export class Session extends SocketSession {
  readonly #context: SessionContext;
  readonly #resume: string;
  readonly #slots = new SmallMap<Slot>();
  /** Requests that wait for a subscription. */
  #waiting = 0;
  /** The notices of presence, of the channels whose namespace announces them. */
  #notices: Map<string, Subscription> | undefined;

  constructor(handshake: Handshake, context: SessionContext, outlet: Outlet) {
    super(handshake, context, outlet);
    this.#context = context;
    this.#resume = handshake.query.get('resume') ?? '';
  }

  start(): void {
    const { gatewayId, resumeTokens } = this.#context;
    const message = 'Connected to Passerelle';
    const resume = resumeTokens.issue(this.id);
    const [user, me] = [userOf(this.caller), meOf(this.caller)];
    this.send(frame('welcome', { message, connection: this.id, user, me, gateway: gatewayId, resume }));
  }

  *memberships(): Iterable<Membership> {
    for (const [channel, slot] of this.#slots) {
      if (!(slot instanceof Promise)) yield { channel, person: this.#person(), claim: undefined, nameLost: nothing };
    }
  }

  binary(bytes: ArrayBuffer): void {
    this.#context.tally.received++;
    if (this.#context.echo) this.sendBinary(bytes);
    else this.refuse({ code: 'bad_request', error: 'Commands are text frames; this gateway echoes no binary ones' });
  }

  text(text: string): void {
    this.#context.tally.received++;
    const decoded = decodeCommand(text);
    switch (decoded.kind) {
      case 'command':
        this.#take(decoded.command);
        return;
      case 'refused':
        this.refuse(decoded.refusal, decoded.ref);
        return;
      case 'other':
        this.#echo(text, decoded.type);
        return;
    }
  }

  protected release(): void {
    const { members } = this.#context;
    for (const [channel, slot] of this.#slots) {
      if (slot instanceof Promise) continue; // it finds the session closed when it is done
      this.#give(channel, slot);
      void members.broke(channel, this.id);
    }
    this.#slots.clear();
  }

  protected renewed(): undefined {
    const { rights } = this.#context;
    for (const [channel, slot] of this.#slots) {
      if (slot instanceof Promise) continue; // it looks at its rights by itself
      if (rights.refuse(this.caller, 'presence', channel) !== undefined) this.#giveNotices(channel);
      const refusal = rights.refuse(this.caller, 'subscribe', channel);
      if (refusal === undefined) continue;
      this.refuse(refusal);
      this.#unsubscribe({ type: 'unsubscribe', channel, ref: undefined });
    }
  }

  protected override isPlain({ ring: { channel } }: Subscription): boolean {
    return noticedChannel(channel) === undefined;
  }

  protected framesOf(run: Run, { ring: { channel } }: Subscription): readonly Buffer[] {
    const noticed = noticedChannel(channel);
    return noticed === undefined ? run.frames : run.framesAs(noticeFrame, noticed);
  }

  /** What is asked of a channel whose subscription is being made waits for that: its own publish then reaches who asked for both at once. */
  #take(command: Command): void {
    const slot = 'channel' in command ? this.#slots.get(command.channel) : undefined;
    if (!(slot instanceof Promise)) {
      this.#run(command);
    } else if (this.#waiting >= MAX_WAITING) {
      const error = `More than ${MAX_WAITING} requests wait for subscriptions that are being made; wait for their replies`;
      this.refuse({ code: 'too_many', error }, command.ref);
    } else {
      this.#waiting++;
      void slot.then(() => {
        this.#waiting--;
        if (!this.closed) this.#take(command);
      });
    }
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
        void this.#answer(
          'published',
          this.#context.operations.publish(this.caller, command, this.source),
          command.ref,
        );
        return;
      case 'history':
        this.reading(() => this.#history(command), command.ref);
        return;
      case 'presence':
        this.reading(() => this.#presence(command), command.ref);
        return;
      case 'auth':
        this.renew(command.token, command.ref).catch((fault: unknown) => this.fail(fault));
        return;
      case 'ping':
        this.send(frame('pong', {}, command.ref));
        return;
    }
  }

  #history(command: Command & { type: 'history' }): Promise<void> {
    const asked = this.#context.operations.history(this.caller, command, this.readSource);
    return this.#answer('history', asked, command.ref);
  }

  #presence({ channel, ref }: Command & { type: 'presence' }): Promise<void> {
    return this.#answer('presence', this.#context.operations.presence(this.caller, channel, this.readSource), ref);
  }

  #subscribe({ channel, after, tail, ref }: Command & { type: 'subscribe' }): void {
    const { maxChannels, tally } = this.#context;
    if (this.#slots.get(channel) !== undefined) {
      const error = `Already subscribed to ${channel}; unsubscribe first to start from another position`;
      this.refuse({ code: 'bad_request', error }, ref);
      return;
    }
    const refusal = this.#context.rights.refuse(this.caller, 'subscribe', channel);
    if (refusal !== undefined) {
      this.refuse(refusal, ref);
      return;
    }
    if (this.#slots.size >= maxChannels) {
      tally.refusals.channels++;
      const error = `A connection may have ${maxChannels} channels; unsubscribe from one, or open another connection`;
      this.refuse({ code: 'too_many', error }, ref);
      return;
    }
    const start = after !== undefined ? { after } : tail !== undefined ? { tail } : undefined;
    this.#slots.set(channel, this.#begin(channel, start, ref));
  }

  async #begin(channel: string, start: Start, ref: Ref | undefined): Promise<void> {
    const { hub, members } = this.#context;
    const held: string[] = [];
    try {
      const tooMuch = start === undefined ? undefined : await this.mayReplay();
      if (tooMuch !== undefined || this.closed) {
        this.#slots.delete(channel);
        if (tooMuch !== undefined) this.refuse(tooMuch, ref);
        return;
      }
      const notices = await this.#beginNotices(channel, held);
      const { subscription, position, recovered } = await hub.subscribe(channel, start, start && this.asker);
      held.push(channel);
      // A fresh token that came meanwhile may allow less than the one before it.
      const refusal = this.#context.rights.refuse(this.caller, 'subscribe', channel);
      if (this.closed || refusal !== undefined) {
        for (const name of held) hub.leave(name);
        this.#slots.delete(channel);
        if (refusal !== undefined) this.refuse(refusal, ref);
        return;
      }
      this.#slots.set(channel, subscription);
      this.send(frame('subscribed', { channel, position: position || ORIGIN, recovered }, ref));
      this.follow(subscription);
      if (notices !== undefined) {
        this.#notices ??= new Map();
        this.#notices.set(channel, notices);
        this.follow(notices);
      }
      members.enter(channel, this.#person());
    } catch (error) {
      for (const name of held) hub.leave(name);
      this.#slots.delete(channel);
      if (error instanceof BrokerUnavailable) this.refuse(UNAVAILABLE, ref);
      else this.fail(error);
    }
  }

  /** Begins with the notices where there are to be any, before the channel itself: so no later one is missed. */
  async #beginNotices(channel: string, held: string[]): Promise<Subscription | undefined> {
    const { hub, presenceMode, rights } = this.#context;
    if (presenceMode(channel) !== 'announce') return undefined;
    // Who may not see who is there is not told who comes and goes either.
    if (rights.refuse(this.caller, 'presence', channel) !== undefined) return undefined;
    const name = noticesOf(channel);
    const { subscription } = await hub.subscribe(name, undefined);
    held.push(name);
    return subscription;
  }

  #unsubscribe({ channel, ref }: Command & { type: 'unsubscribe' }): void {
    const slot = this.#slots.get(channel);
    if (slot === undefined || slot instanceof Promise) {
      this.refuse({ code: 'bad_request', error: `Not subscribed to ${channel}` }, ref);
      return;
    }
    this.#slots.delete(channel);
    this.#give(channel, slot);
    this.#context.members.exit(channel, this.id);
    this.send(frame('unsubscribed', { channel }, ref));
  }

  /** Gives a channel back, and its notices. */
  #give(channel: string, subscription: Subscription): void {
    this.unfollow(subscription);
    this.#giveNotices(channel);
  }

  #giveNotices(channel: string): void {
    const notices = this.#notices?.get(channel);
    if (notices === undefined) return;
    this.unfollow(notices);
    this.#notices?.delete(channel);
  }

  #person(): Person {
    return { connection: this.id, user: userOf(this.caller), name: nameOf(this.caller), resume: this.#resume };
  }

  #answer(type: string, asked: Promise<Outcome>, ref: Ref | undefined): Promise<void> {
    return asked
      .then((outcome) => {
        if (outcome.ok) this.send(frame(type, outcome.fields, ref));
        else this.refuse(outcome.refusal, ref);
      })
      .catch((fault: unknown) => this.fail(fault));
  }

  #echo(text: string, type: string | undefined): void {
    const known = 'subscribe, unsubscribe, publish, history, presence, auth and ping';
    if (!this.#context.echo) {
      const error =
        type === undefined
          ? 'Send a JSON object with a "type"'
          : `Unknown type ${JSON.stringify(type)}; there are ${known}`;
      this.refuse({ code: 'bad_request', error });
      return;
    }
    const timestamp = new Date(this.#context.now()).toISOString();
    const hint = type === undefined ? {} : { hint: `Unknown type ${JSON.stringify(type)}; there are ${known}` };
    this.send(frame('echo', { original: text, timestamp, ...hint }));
  }
}

const noticeFrame: Form = ({ name, text }, channel) => {
  if (name === NOTICE.changed) return frame('presence_changed', { channel });
  if (name !== NOTICE.joined && name !== NOTICE.left) return undefined;
  const notice = parseJson(text);
  // From a gateway of another version, or from anybody who may publish in Redis.
  if (typeof notice !== 'object' || notice === null || Array.isArray(notice)) return undefined;
  return frame(name, { ...notice, channel, type: name });
};

function nothing(): void {
  // A connection of this kind has no name that must be unique.
}
