/**
 * One connection of `/notifications`: everybody's notifications and the user's own in one list, and up to where the user has read.
 * The mark is the highest of the last events of a channel of its own, so that it lasts, and reaches the user's other connections.
 */
import { BrokerUnavailable, comparePositions, ORIGIN, type Position } from '../../broker/broker.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { type Rights, userOf } from '../auth/rights.ts';
import { readMarksOf } from '../fleet/own-channels.ts';
import type { Run } from '../hub/outgoing.ts';
import type { Subscription } from '../hub/subscription.ts';
import { type Outcome, UNAVAILABLE } from '../operations.ts';
import type { Membership } from '../presence/members.ts';
import { CLOSE, type CommandOf, decodeBy, frame, type Ref, type Refusal } from '../protocol.ts';
import { type Handshake, type Outlet, type SessionParts, SocketSession } from '../websocket/socket-session.ts';
import { InTurn } from './in-turn.ts';
import { later, markIn, type NotificationHistory, type Opening } from './notification-history.ts';
import {
  decodeNotificationsRequest,
  NOTIFICATION,
  type NotificationsRequest,
  notificationCommands,
  notificationFrame,
  recipientChannel,
} from './notification-messages.ts';

type NotificationCommand = CommandOf<typeof notificationCommands>;

export interface NotificationsContext extends SessionParts {
  readonly authenticator: Authenticator;
  readonly rights: Rights;
  readonly history: NotificationHistory;
}

export class NotificationsSession extends SocketSession {
  readonly #context: NotificationsContext;
  readonly #asked: NotificationsRequest | Refusal;
  #request: NotificationsRequest | undefined;
  #held: readonly Subscription[] = [];
  #mark: Position = ORIGIN;
  /** What comes before the history was sent waits for that. */
  readonly #inTurn = new InTurn({ gone: () => this.closed, onFault: (fault) => this.fail(fault) });

  constructor(handshake: Handshake, context: NotificationsContext, outlet: Outlet) {
    super(handshake, context, outlet);
    this.#context = context;
    const { open } = context.authenticator;
    // Where there is no authentication everybody is who they say they are.
    this.#asked = decodeNotificationsRequest(handshake.query, open ? undefined : { user: userOf(handshake.caller) });
  }

  start(): void {
    const request = this.#asked;
    if ('error' in request) {
      this.turnAway(request, request.code === 'forbidden' ? CLOSE.forbidden : CLOSE.badRequest);
      return;
    }
    if (!this.#mayRead(request)) return;
    this.#request = request;
    this.#inTurn.run(() => this.#open(request));
  }

  binary(): void {
    this.#context.tally.received++;
    this.refuse({ code: 'bad_request', error: 'Notifications take text frames only' });
  }

  text(text: string): void {
    this.#context.tally.received++;
    const decoded = decodeBy(notificationCommands, text);
    if (decoded.kind === 'refused') {
      this.refuse(decoded.refusal, decoded.ref);
    } else if (decoded.kind === 'other') {
      const error = `Send a JSON object whose "type" is one of ${Object.keys(notificationCommands).join(', ')}`;
      this.refuse({ code: 'bad_request', error });
    } else {
      const { command } = decoded;
      const refusal = this.#inTurn.offer(() => this.#run(command));
      if (refusal !== undefined) this.refuse(refusal, command.ref);
    }
  }

  /** Nobody is shown who else reads everybody's notifications. */
  memberships(): Iterable<Membership> {
    return [];
  }

  protected release(): void {
    for (const subscription of this.#held) this.unfollow(subscription);
    this.#held = [];
  }

  protected renewed(): undefined {
    if (this.#request !== undefined) this.#mayRead(this.#request);
  }

  protected framesOf(run: Run, { ring: { channel } }: Subscription): readonly Buffer[] {
    if (channel !== this.#marks) return run.framesAs(notificationFrame, channel);
    for (const { text } of run.events) this.#mark = later(this.#mark, markIn(text));
    this.#tellMark().catch((fault: unknown) => this.fail(fault));
    return NO_FRAMES;
  }

  get #marks(): string {
    return readMarksOf(this.#request?.segment);
  }

  /** The positions up to which the client was sent everything: everybody's, and the user's. */
  get #positions(): readonly Position[] {
    return this.#held.slice(1).map(({ position }) => position);
  }

  /** Ends the connection where one of its channels is not for who is at the other end. */
  #mayRead({ channels }: NotificationsRequest): boolean {
    for (const channel of channels) {
      const refusal = this.#context.rights.refuse(this.caller, 'subscribe', channel);
      if (refusal === undefined) continue;
      this.turnAway(refusal, CLOSE.forbidden);
      return false;
    }
    return true;
  }

  async #open({ channels, after }: NotificationsRequest): Promise<void> {
    const { hub, history } = this.#context;
    const { asker } = this;
    const held: Subscription[] = [];
    let opening: Opening;
    let unread: number;
    try {
      const tooMuch = await this.mayReplay();
      if (tooMuch !== undefined) {
        this.turnAway(tooMuch, CLOSE.tryAgain);
        return;
      }
      const marks = await history.readMark(this.#marks, asker);
      this.#mark = marks.mark;
      opening =
        after === undefined ? await history.latest(channels, asker) : await history.after(channels, after, asker);
      held.push((await hub.subscribe(this.#marks, { after: marks.head }, asker)).subscription);
      for (const [index, channel] of channels.entries())
        held.push((await hub.subscribe(channel, { after: opening.positions[index] ?? ORIGIN }, asker)).subscription);
      unread = await history.unread(channels, this.#mark, opening.positions, asker);
    } catch (error) {
      for (const { ring } of held) hub.leave(ring.channel);
      if (!(error instanceof BrokerUnavailable)) throw error;
      this.turnAway(UNAVAILABLE, CLOSE.tryAgain);
      return;
    }
    if (this.closed) {
      for (const { ring } of held) hub.leave(ring.channel);
      return;
    }
    this.#held = held;
    for (const gap of opening.gaps) this.send(gap.frame.toString());
    const { notifications, positions } = opening;
    const { user = null, segment } = this.#request ?? {};
    const me = segment === undefined ? null : `@${segment}`;
    this.send(frame('history', { notifications, unread, user, me, position: positions.join('.') }));
    for (const subscription of held) this.follow(subscription);
  }

  /** What takes no time returns nothing. A fresh token does, and what comes after it is done by its rights. */
  #run(command: NotificationCommand): Promise<void> | undefined {
    switch (command.type) {
      case 'create':
        this.#create(command);
        return undefined;
      case 'read':
        this.#read(command);
        return undefined;
      case 'auth':
        return this.renew(command.token, command.ref);
      case 'ping':
        this.send(frame('pong', {}, command.ref));
        return undefined;
    }
  }

  #create({ title, message, priority, to, key, ref }: NotificationCommand & { type: 'create' }): void {
    const data = { title, message, priority };
    const publication = { channel: recipientChannel(to), event: NOTIFICATION, data, key };
    this.#answer(this.#context.operations.publish(this.caller, publication, this.source), ref);
  }

  /** Marks as read what there is up to an id: what is yet to come can't have been read. */
  #read({ id, ref }: NotificationCommand & { type: 'read' }): void {
    if (this.#request?.user === null && !this.#context.authenticator.open) {
      const error = 'Nobody knows who you are, so what you have read cannot be kept; connect with a token';
      this.refuse({ code: 'forbidden', error }, ref);
      return;
    }
    const mark = later(this.#mark, earlier(id, this.#positions.reduce(later, ORIGIN)));
    if (mark === this.#mark) this.#tellMark(ref).catch((fault: unknown) => this.fail(fault));
    else this.#answer(this.#context.operations.store({ channel: this.#marks, event: 'read', data: mark }), undefined);
  }

  async #tellMark(ref?: Ref): Promise<void> {
    const { operations, history } = this.#context;
    const id = this.#mark;
    const channels = this.#request?.channels ?? [];
    const outcome = await operations.ask(async () => ({
      unread: await history.unread(channels, id, this.#positions, this.asker),
    }));
    if (outcome.ok) this.send(frame('read', { id, ...outcome.fields }, ref));
    else this.refuse(outcome.refusal, ref);
  }

  #answer(publishing: Promise<Outcome>, ref: Ref | undefined): void {
    publishing
      .then((outcome) => {
        if (!outcome.ok) this.refuse(outcome.refusal, ref);
        else if (ref !== undefined) this.send(frame('published', outcome.fields, ref));
      })
      .catch((fault: unknown) => this.fail(fault));
  }
}

const NO_FRAMES: readonly Buffer[] = [];

function earlier(a: Position, b: Position): Position {
  return comparePositions(a, b) < 0 ? a : b;
}
