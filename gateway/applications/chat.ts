/**
 * One connection of `/chat`: a person in a room. The room is a channel, its people are the channel's members with a name of their own,
 * and what they say are its events. Knows no socket.
 */
import { BrokerUnavailable, ORIGIN } from '../../broker/broker.ts';
import { noticedChannel, noticesOf } from '../../broker/presence.ts';
import { type Caller, meOf, nameOf, userOf } from '../auth/rights.ts';
import type { Opened } from '../hub/channel.ts';
import { ignoreUnavailable } from '../hub/history.ts';
import type { Run } from '../hub/outgoing.ts';
import type { Subscription } from '../hub/subscription.ts';
import { type Outcome, UNAVAILABLE } from '../operations.ts';
import type { Membership, Person, UserList } from '../presence/members.ts';
import { CLOSE, type CommandOf, DEFAULT_EVENT, decodeBy, frame, type Ref, type Refusal } from '../protocol.ts';
import type { SessionContext } from '../websocket/session.ts';
import { type Handshake, type Outlet, SocketSession } from '../websocket/socket-session.ts';
import {
  type ChatRequest,
  chatCommands,
  chatMessage,
  chatNotice,
  decodeChatRequest,
  TYPING,
  typingNotice,
  typingOf,
} from './chat-messages.ts';
import { InTurn } from './in-turn.ts';
import { parseUsername } from './username.ts';

type ChatCommand = CommandOf<typeof chatCommands>;

/** A name that this connection has in the room. */
interface Name {
  readonly name: string;
  readonly claim: string;
}

/** People that one list names. */
const MAX_LISTED = 10_000;
/** How long after a name was found taken it is asked for once more. */
const ASK_AGAIN_MS = 250;
/** How often a name of four digits is tried before longer ones. */
const SHORT_NAME_TRIES = 16;

export class ChatSession extends SocketSession {
  readonly #context: SessionContext;
  readonly #asked: ChatRequest | Refusal;
  #request: ChatRequest | undefined;
  /** Resolves once it is in the room, or was turned away. */
  #entered: Promise<void> | undefined;
  /** Resolves once the room knows that the connection broke; undefined while it has not. */
  #broke: Promise<void> | undefined;
  #held: readonly Subscription[] = [];
  /** What it is called, once it is in the room. */
  #name: Name | undefined;
  /** The lease by which it has that name. */
  #nameLease: string | undefined;
  /** What is said while it enters the room, or while something else takes time, waits for that. */
  readonly #inTurn = new InTurn({ gone: () => this.closed, onFault: (fault) => this.fail(fault) });

  constructor(handshake: Handshake, context: SessionContext, outlet: Outlet) {
    super(handshake, context, outlet);
    this.#context = context;
    this.#asked = decodeChatRequest(handshake.query);
  }

  start(): void {
    const request = this.#asked;
    if ('error' in request) {
      this.turnAway(request, CLOSE.badRequest);
      return;
    }
    if (!this.#mayEnter(request)) return;
    this.#request = request;
    this.#inTurn.run(() => {
      this.#entered = this.#enter(request);
      return this.#entered;
    });
  }

  binary(): void {
    this.#context.tally.received++;
    this.refuse({ code: 'bad_request', error: 'The chat takes text frames only' });
  }

  text(text: string): void {
    this.#context.tally.received++;
    const decoded = decodeBy(chatCommands, text);
    if (decoded.kind === 'refused') {
      this.refuse(decoded.refusal, decoded.ref);
    } else if (decoded.kind === 'other') {
      const error = `Send a JSON object whose "type" is one of ${Object.keys(chatCommands).join(', ')}`;
      this.refuse({ code: 'bad_request', error });
    } else {
      const { command } = decoded;
      const refusal = this.#inTurn.offer(() => this.#request && this.#run(this.#request, command));
      if (refusal !== undefined) this.refuse(refusal, command.ref);
    }
  }

  *memberships(): Iterable<Membership> {
    const [request, name] = [this.#request, this.#name];
    if (request === undefined || name === undefined || this.#broke !== undefined) return;
    const nameLost = () => this.#inTurn.run(() => this.#loseName(request));
    const nameKept = (lease: string) => {
      this.#nameLease = lease;
    };
    yield { channel: request.channel, person: this.#person(name.name), claim: name.claim, nameLost, nameKept };
  }

  protected release(): void {
    for (const subscription of this.#held) this.unfollow(subscription);
    this.#held = [];
    void this.#break();
  }

  /** The room is told before the client is: another gateway could else be asked for the name while it still counts as taken. */
  override takeLeave(): Promise<void> {
    return Promise.allSettled([this.#entered]).then(() => this.#break());
  }

  /** Tells the room once that the connection broke, or is about to. */
  async #break(): Promise<void> {
    if (this.#request === undefined || this.#name === undefined) return;
    this.#broke ??= this.#context.members.broke(this.#request.channel, this.id);
    await this.#broke;
  }

  /** A name that comes from the token is another one when the token's is. */
  protected async renewed(before: Caller): Promise<void> {
    const request = this.#request;
    if (request === undefined || !this.#mayEnter(request)) return;
    const name = nameOf(this.caller);
    if (name === null || name === nameOf(before)) return;
    const parsed = parseUsername(name);
    const refusal = parsed.ok ? await this.#changeName(request, parsed) : undefined;
    // It is not to stay under the old one; which other one it gets is decided where it enters.
    if (refusal !== undefined) this.turnAway(refusal, CLOSE.tryAgain);
  }

  protected framesOf(run: Run, { ring: { channel } }: Subscription): readonly Buffer[] {
    const noticed = noticedChannel(channel);
    if (noticed === undefined) return run.framesAs(chatMessage, channel);
    // Who may not see who is there is told of who types and says something, and of nobody else.
    const mayKnow = this.#context.rights.refuse(this.caller, 'presence', noticed) === undefined;
    const frames = run.framesAs(mayKnow ? chatNotice : typingNotice, noticed);
    const own = run.events.flatMap((event) => typingOf(event, this.id) ?? []);
    return own.length === 0 ? frames : frames.filter((each) => !own.includes(each.toString()));
  }

  /** Ends the connection where the room is not for who is at the other end. */
  #mayEnter({ channel }: ChatRequest): boolean {
    const refusal = this.#context.rights.refuse(this.caller, 'subscribe', channel);
    if (refusal !== undefined) this.turnAway(refusal, CLOSE.forbidden);
    return refusal === undefined;
  }

  async #enter(request: ChatRequest): Promise<void> {
    const { hub, members } = this.#context;
    const opened: Opened[] = [];
    let refusal: Refusal | undefined;
    const tooMuch = await this.mayReplay();
    if (tooMuch !== undefined) {
      this.turnAway(tooMuch, CLOSE.tryAgain);
      return;
    }
    try {
      // The notices first, and both before the name is taken: so nothing that happens from then on is missed.
      opened.push(await hub.subscribe(noticesOf(request.channel), undefined));
      opened.push(await hub.subscribe(request.channel, request.start, this.asker));
      refusal = await this.#takeName(request);
    } catch (error) {
      for (const { subscription } of opened) hub.leave(subscription.ring.channel);
      if (!(error instanceof BrokerUnavailable)) throw error;
      // Whether the name was taken is not known: without this nobody could have it for as long as this gateway lives.
      members.exit(request.channel, this.id);
      this.turnAway(UNAVAILABLE, CLOSE.tryAgain);
      return;
    }
    if (this.closed) {
      for (const { subscription } of opened) hub.leave(subscription.ring.channel);
      void this.#break();
      return;
    }
    this.#held = opened.map(({ subscription }) => subscription);
    this.#welcome(request, opened.at(-1));
    if (refusal !== undefined) this.refuse(refusal);
    for (const subscription of this.#held) this.follow(subscription);
  }

  #welcome({ room }: ChatRequest, messages: Opened | undefined): void {
    const { gatewayId, resumeTokens } = this.#context;
    const username = this.#name?.name ?? '';
    const fields = {
      message: `Connected to room ${room} as ${username}`,
      connection: this.id,
      user: userOf(this.caller),
      me: meOf(this.caller),
      gateway: gatewayId,
      room,
      username,
      position: messages?.position || ORIGIN,
      recovered: messages?.recovered ?? true,
      resume: resumeTokens.issue(this.id),
    };
    this.send(frame('welcome', fields));
  }

  /** Takes the name that the URL asks for, or another one where that can't be had: then says why. */
  async #takeName(request: ChatRequest): Promise<Refusal | undefined> {
    const username = nameOf(this.caller) ?? request.username;
    let refusal: Refusal | undefined;
    if (username !== undefined) {
      const parsed = parseUsername(username);
      if (parsed.ok && (await this.#claimTwice(request, parsed))) return undefined;
      refusal = parsed.ok ? taken(parsed.name) : { code: 'bad_request', error: parsed.error };
    }
    if (!this.closed) await this.#takeAnyName(request);
    return refusal;
  }

  /** Who comes back by itself, as a page does that is loaded anew, may be here before the gateway that it left has said so. */
  async #claimTwice(request: ChatRequest, name: Name): Promise<boolean> {
    if (await this.#claim(request, name)) return true;
    await this.#context.sleep(ASK_AGAIN_MS);
    return !this.closed && this.#claim(request, name);
  }

  async #takeAnyName(request: ChatRequest): Promise<void> {
    for (let tries = 0; ; tries++) {
      const digits = tries < SHORT_NAME_TRIES ? 4 : 8;
      const number = Math.floor((1 + 9 * this.#context.random()) * 10 ** (digits - 1));
      const parsed = parseUsername(`User${number}`);
      if (parsed.ok && (await this.#claim(request, parsed))) return;
    }
  }

  async #claim({ channel, resume }: ChatRequest, { name, claim }: Name): Promise<boolean> {
    const { members } = this.#context;
    const { lease } = members;
    const claimed = await members.claim(channel, { ...this.#person(name), resume }, claim);
    if (claimed) [this.#name, this.#nameLease] = [{ name, claim }, lease];
    return claimed;
  }

  /** Whether its name may be another's by now: the lease by which it took that one is over, or may be. Then nothing is said under it. */
  get #nameDoubtful(): boolean {
    const lease = this.#context.members.sureLease;
    return lease === undefined || lease !== this.#nameLease;
  }

  /** Whether it surely has its name by the same lease still, for as long as something waits to be sent under that. */
  #whileNamed(): () => boolean {
    const { members } = this.#context;
    const lease = this.#nameLease;
    return () => members.sureLease === lease;
  }

  /** Somebody took its name while this gateway could not hold it. Where no other can be had now it is to come back, and enters as everyone does. */
  async #loseName(request: ChatRequest): Promise<void> {
    const old = this.#name?.name ?? '';
    try {
      await this.#takeAnyName(request);
    } catch (error) {
      ignoreUnavailable(error);
      this.turnAway(UNAVAILABLE, CLOSE.tryAgain);
      return;
    }
    this.refuse(taken(old));
    this.send(frame('username_changed', { old_username: old, new_username: this.#name?.name }));
  }

  #person(name: string): Person {
    return { connection: this.id, user: userOf(this.caller), name, resume: '' };
  }

  /** What takes no time returns nothing: messages are stored in the order in which they are said, without waiting for each other. */
  #run(request: ChatRequest, command: ChatCommand): Promise<void> | undefined {
    switch (command.type) {
      case 'set_username':
        return this.#rename(request, command.username, command.ref);
      case 'message':
        this.#say(request, command);
        return undefined;
      case 'get_users':
        this.#listUsers(request, command.ref);
        return undefined;
      case 'typing':
        this.#tellTyping(request, command.ref);
        return undefined;
      case 'auth':
        return this.renew(command.token, command.ref);
      case 'ping':
        this.send(frame('pong', {}, command.ref));
        return undefined;
    }
  }

  async #rename(request: ChatRequest, username: string, ref: Ref | undefined): Promise<void> {
    const parsed = parseUsername(username);
    if (!parsed.ok) {
      this.refuse({ code: 'bad_request', error: parsed.error }, ref);
      return;
    }
    if (nameOf(this.caller) !== null) {
      this.refuse({ code: 'forbidden', error: 'Your name is the one in your token, and cannot be changed here' }, ref);
      return;
    }
    const refusal = this.#nameDoubtful ? NAME_DOUBTFUL : await this.#changeName(request, parsed);
    if (refusal !== undefined) this.refuse(refusal, ref);
  }

  /** Takes another name in the room, or says why that can't be had: then it has the one before. */
  async #changeName({ channel }: ChatRequest, { name, claim }: Name): Promise<Refusal | undefined> {
    const { members, operations } = this.#context;
    const outcome = await operations.ask(async () => ({
      renamed: await members.rename(channel, this.id, name, claim),
    }));
    if (!outcome.ok) return outcome.refusal;
    if (outcome.fields.renamed !== true) return taken(name);
    this.#name = { name, claim };
    return undefined;
  }

  #say({ channel }: ChatRequest, { content, key, ref }: ChatCommand & { type: 'message' }): void {
    if (this.#nameDoubtful) {
      this.refuse(NAME_DOUBTFUL, ref);
      return;
    }
    const data = { username: this.#name?.name, content };
    const publication = { channel, event: DEFAULT_EVENT, data, key };
    const stillHolds = this.#whileNamed();
    const publishing = this.#context.operations.publish(this.caller, publication, this.source, stillHolds);
    void this.#answer(publishing, ref, (fields) => {
      if (ref !== undefined) this.send(frame('published', fields, ref));
    });
  }

  /** Who may not speak is not seen to type. */
  #tellTyping({ channel }: ChatRequest, ref: Ref | undefined): void {
    const { operations, rights } = this.#context;
    const refusal = rights.refuse(this.caller, 'publish', channel) ?? (this.#nameDoubtful ? NAME_DOUBTFUL : undefined);
    if (refusal !== undefined) {
      this.refuse(refusal, ref);
      return;
    }
    const data = { username: this.#name?.name, connection: this.id };
    const stillHolds = this.#whileNamed();
    void this.#answer(
      operations.store({ channel: noticesOf(channel), event: TYPING, data }, stillHolds),
      ref,
      () => undefined,
    );
  }

  #listUsers({ channel }: ChatRequest, ref: Ref | undefined): void {
    const { operations, rights } = this.#context;
    const refusal = rights.refuse(this.caller, 'presence', channel);
    if (refusal !== undefined) {
      this.refuse(refusal, ref);
      return;
    }
    const list = () =>
      this.#answer(operations.users(this.caller, channel, MAX_LISTED, this.readSource), ref, (fields) => {
        const { users } = fields as unknown as UserList;
        const names = users.flatMap(({ name }) => (name === null ? [] : [name]));
        this.send(frame('userlist', { users: [...new Set(names)].sort() }, ref));
      });
    this.reading(list, ref);
  }

  #answer(
    asked: Promise<Outcome>,
    ref: Ref | undefined,
    done: (fields: Record<string, unknown>) => void,
  ): Promise<void> {
    return asked
      .then((outcome) => {
        if (outcome.ok) done(outcome.fields);
        else this.refuse(outcome.refusal, ref);
      })
      .catch((fault: unknown) => this.fail(fault));
  }
}

/** Nothing was stored: the same may be sent again as it is. */
const NAME_DOUBTFUL: Refusal = {
  code: 'unavailable',
  error: 'This gateway was away from the others for so long that your name may be taken; try again shortly',
};

function taken(name: string): Refusal {
  return { code: 'name_taken', error: `The name ${JSON.stringify(name)} is taken in this room; choose another one` };
}
