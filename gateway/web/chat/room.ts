/**
 * One room as one member sees it: frames in, what is to be shown and sent out. Owns the position, and the messages that no gateway
 * has stored yet. Knows neither the DOM nor the connection.
 */
import { parseUsername, type UsernameFault } from '../../applications/username.ts';
import { Outbox, type Outgoing } from '../shared/outbox.ts';
import type { ChatFrame } from './frames.ts';

export type Line =
  | {
      readonly kind: 'message';
      readonly id: string;
      readonly username: string;
      readonly content: string;
      readonly timestamp: string;
      readonly mine: boolean;
    }
  | { readonly kind: 'joined' | 'left'; readonly username: string }
  | { readonly kind: 'renamed'; readonly from: string; readonly to: string }
  | { readonly kind: 'resumed' | 'gap' };

/** A message on its way. */
export type Pending = Outgoing<{ readonly type: 'message'; readonly content: string }>;

/** What went wrong, and with what. */
export interface Fault {
  readonly about: 'name' | 'message' | 'room';
  readonly code: string;
  readonly error: string;
  /** What is wrong with the name, where that could be told without asking the gateway. */
  readonly nameFault?: UsernameFault;
  /** The message that was refused: it is not pending any more, unless the code is `unavailable`. */
  readonly content?: string;
}

export interface RoomOptions {
  readonly room: string;
  /** The name wanted; empty for one that the gateway chooses. */
  readonly username: string;
  /** A fresh idempotency key. */
  newKey(): string;
}

const MAX_LINES = 500;
/** Others show somebody as typing for so long after each notice, and so notices are sent more often than that. */
const TYPING_MS = 4_000;
const TYPING_EVERY_MS = 2_000;
const NAME_REF = 'name';
const TOO_LARGE = 'too_large';

export class Room {
  readonly room: string;
  readonly #outbox: Outbox<{ readonly type: 'message'; readonly content: string }>;
  /** The last of all that happened, oldest first. A line is never changed, and is gone from the front at some point. */
  #lines: readonly Line[] = [];
  #me = '';
  #wanted: string;
  #gateway = '';
  #users = new Set<string>();
  #typers = new Map<string, number>();
  /** Ids of own messages that were stored but are not shown yet, by their refs. */
  #stored = new Map<string, number>();
  #position: string | undefined;
  #typingSentAt = Number.NEGATIVE_INFINITY;
  #fault: Fault | undefined;

  constructor({ room, username, newKey }: RoomOptions) {
    this.room = room;
    this.#wanted = username;
    this.#outbox = new Outbox(newKey);
  }

  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** The own name; empty before the first welcome. */
  get me(): string {
    return this.#me;
  }

  get gateway(): string {
    return this.#gateway;
  }

  /** The messages that may not be stored yet, as frames to be sent again. */
  get pending(): readonly Pending[] {
    return this.#outbox.frames;
  }

  /** What went wrong since the last `welcome` or success; told until then. That a message was given back is told until the next one. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  /** By the alphabet of the reader's language. */
  users(locale: string): readonly string[] {
    const { compare } = new Intl.Collator(locale);
    return [...this.#users].sort(compare);
  }

  typers(now: number): readonly string[] {
    return [...this.#typers].filter(([, until]) => until > now).map(([username]) => username);
  }

  /** Where the next connection goes to. */
  get query(): URLSearchParams {
    const query = new URLSearchParams({ room: this.room });
    const username = this.#me || this.#wanted;
    if (username !== '') query.set('username', username);
    if (this.#position !== undefined) query.set('after', this.#position);
    return query;
  }

  /** Takes what the gateway said, and returns what it is to be answered. */
  receive(frame: ChatFrame, now: number): readonly object[] {
    switch (frame.type) {
      case 'welcome':
        return this.#enter(frame);
      case 'message': {
        const { id, username, content, timestamp } = frame;
        this.#position = id;
        this.#typers.delete(username);
        this.#add({ kind: 'message', id, username, content, timestamp, mine: username === this.#me });
        this.#settle(this.#stored.get(id));
        return [];
      }
      case 'published':
        if (this.#lines.some((line) => line.kind === 'message' && line.id === frame.id)) this.#settle(frame.ref);
        else this.#stored.set(frame.id, Number(frame.ref));
        this.#recover();
        return [];
      case 'username_changed':
        this.#rename(frame.old_username, frame.new_username);
        return [];
      case 'user_joined':
        if (this.#users.has(frame.username)) return []; // it has been seen by the list already
        this.#users.add(frame.username);
        this.#add({ kind: 'joined', username: frame.username });
        return [];
      case 'user_left':
        this.#typers.delete(frame.username);
        this.#users.delete(frame.username);
        this.#add({ kind: 'left', username: frame.username });
        return [];
      case 'userlist':
        this.#users = new Set(frame.users);
        return [];
      case 'typing':
        this.#typers.set(frame.username, now + TYPING_MS);
        return [];
      case 'error':
        this.#fail(frame);
        return [];
    }
  }

  /**
   * The frame that says it. It stays pending, also where it could not be sent: the next welcome sends it again. Undefined, with a
   * fault, for what is too long to be said.
   */
  say(content: string): object | undefined {
    const message = this.#outbox.add({ type: 'message', content });
    this.#fault = message === undefined ? { about: 'message', code: TOO_LARGE, error: '', content } : undefined;
    if (message !== undefined) this.#typingSentAt = Number.NEGATIVE_INFINITY;
    return message;
  }

  /** The frame that asks for another name; undefined, with a fault, for what can be none. */
  rename(username: string): object | undefined {
    const parsed = parseUsername(username);
    this.#fault = parsed.ok
      ? undefined
      : { about: 'name', code: 'bad_request', error: parsed.error, nameFault: parsed.fault };
    if (!parsed.ok) return undefined;
    return { type: 'set_username', username, ref: NAME_REF };
  }

  /** The frame that tells the others, where it is time for one. */
  typing(now: number): object | undefined {
    if (now - this.#typingSentAt < TYPING_EVERY_MS) return undefined;
    this.#typingSentAt = now;
    return { type: 'typing' };
  }

  #enter(welcome: ChatFrame & { readonly type: 'welcome' }): readonly object[] {
    const back = this.#position !== undefined;
    this.#me = welcome.username;
    this.#gateway = welcome.gateway;
    this.#position = welcome.position;
    this.#users.add(welcome.username);
    this.#typers.clear();
    this.#recover();
    if (back) this.#add({ kind: welcome.recovered ? 'resumed' : 'gap' });
    for (const ref of this.#stored.values()) this.#outbox.settle(ref); // what is stored comes by itself
    this.#stored.clear();
    return [{ type: 'get_users' }, ...this.pending];
  }

  #rename(from: string, to: string): void {
    this.#users.delete(from);
    this.#users.add(to);
    this.#typers.delete(from);
    if (from === this.#me) {
      this.#me = to;
      this.#fault = undefined;
    }
    this.#add({ kind: 'renamed', from, to });
  }

  #fail({ ref, code, error }: ChatFrame & { readonly type: 'error' }): void {
    // A frame that was too large to be read is refused without its ref.
    const unread = code === TOO_LARGE && ref === undefined;
    const refused = unread ? this.#outbox.dropLargest() : this.#outbox.find(ref);
    if (refused !== undefined) {
      if (code !== 'unavailable') this.#settle(refused.ref); // else it may be stored, and is to be sent again
      this.#fault = { about: 'message', code, error, content: refused.content };
    } else if (ref === NAME_REF || code === 'name_taken') {
      this.#fault = { about: 'name', code, error };
    } else {
      this.#fault = { about: 'room', code, error };
    }
  }

  #recover(): void {
    const { code, content } = this.#fault ?? {};
    if (content === undefined || code === 'unavailable') this.#fault = undefined;
  }

  #settle(ref: unknown): void {
    this.#outbox.settle(ref);
    for (const [id, of] of this.#stored) if (of === ref) this.#stored.delete(id);
  }

  #add(line: Line): void {
    this.#lines = [...this.#lines, line].slice(-MAX_LINES);
  }
}
