/**
 * The notifications of one user, or of everybody: frames in, what is to be shown and sent out. Owns the position in each channel,
 * and what is not known to be stored yet. Knows neither the DOM nor the connection.
 */
import { Outbox } from '../shared/outbox.ts';
import { earlier } from '../shared/positions.ts';
import type { Notification, NotificationFrame, Priority } from './frames.ts';

export interface Draft {
  readonly title: string;
  readonly message: string;
  readonly priority: Priority;
  /** A user, or empty for everybody. */
  readonly to: string;
}

/** How the last thing that was asked for went, or what happened on the return. */
export type News =
  | { readonly kind: 'stored'; readonly id: string }
  | { readonly kind: 'failed'; readonly code: string; readonly error: string; readonly again: boolean }
  | { readonly kind: 'returned'; readonly missed: number; readonly gap: boolean };

const EVERYBODY = 'notify:all';
const MAX_ITEMS = 200;

export class Inbox {
  readonly #asked: string;
  #user: string;
  /** The user's own channel; undefined for everybody's only, and before the gateway has told. */
  #own: string | undefined;
  readonly #outbox: Outbox<object>;
  #items: readonly Notification[] = [];
  #unread = 0;
  /** By channel; empty before the first history. */
  readonly #positions = new Map<string, string>();
  #gap = false;
  #news: News | undefined;
  /** Of what was created last. */
  #lastRef: number | undefined;

  /** `user`: whose it is to be; empty for everybody's, or for whom the gateway knows by the token. `newKey`: a fresh idempotency key. */
  constructor(user: string, newKey: () => string) {
    this.#asked = user;
    this.#user = user;
    this.#outbox = new Outbox(newKey);
  }

  /** Whose it is, as far as the gateway has said. Empty: everybody's notifications only. */
  get user(): string {
    return this.#user;
  }

  /** Newest first. */
  get items(): readonly Notification[] {
    return this.#items;
  }

  /** How many are unread: these are the newest. There may be more than there are items. */
  get unread(): number {
    return this.#unread;
  }

  /** The last of it. */
  get news(): News | undefined {
    return this.#news;
  }

  /** What may not be stored yet, as frames to be sent again. */
  get pending(): readonly object[] {
    return this.#outbox.frames;
  }

  /** Where the next connection goes to. */
  get query(): URLSearchParams {
    const query = new URLSearchParams();
    if (this.#asked !== '') query.set('user', this.#asked);
    if (this.#positions.size > 0) {
      query.set('after', this.#channels.map((channel) => this.#positions.get(channel) ?? '0-0').join('.'));
    }
    return query;
  }

  /** Takes what the gateway said, and returns what it is to be answered. */
  receive(frame: NotificationFrame): readonly object[] {
    switch (frame.type) {
      case 'history':
        return this.#open(frame);
      case 'notification': {
        const { channel, id, title, message, priority, timestamp } = frame;
        this.#add([{ channel, id, title, message, priority, timestamp }]);
        this.#positions.set(channel, id);
        this.#unread++;
        return [];
      }
      case 'read':
        this.#unread = frame.unread;
        return [];
      case 'published':
        this.#outbox.settle(frame.ref);
        // Of earlier ones nothing is told: the draft that the reader sees is the last.
        if (frame.ref === this.#lastRef) this.#news = { kind: 'stored', id: frame.id };
        return [];
      case 'gap':
        this.#gap = true;
        return [];
      case 'error':
        this.#fail(frame);
        return [];
    }
  }

  /**
   * The frame that creates it. It stays pending, also where it could not be sent: the next history sends it again. Undefined for
   * what is too long to be sent.
   */
  create({ title, message, priority, to }: Draft): object | undefined {
    this.#news = undefined;
    const frame = this.#outbox.add({ type: 'create', title, message, priority, ...(to === '' ? {} : { to }) });
    this.#lastRef = frame?.ref;
    return frame;
  }

  /** The frame that marks everything up to an item as read. */
  read({ id }: Notification): object {
    return { type: 'read', id };
  }

  get #channels(): readonly string[] {
    return this.#own === undefined ? [EVERYBODY] : [EVERYBODY, this.#own];
  }

  #open(history: NotificationFrame & { readonly type: 'history' }): readonly object[] {
    const returned = this.#positions.size > 0;
    this.#add(history.notifications);
    this.#unread = history.unread;
    this.#user = history.user ?? '';
    const { user, me = user === null ? null : `@${user}` } = history;
    this.#own = me === null ? undefined : `notify:${me}`;
    const positions = history.position.split('.');
    for (const [index, channel] of this.#channels.entries()) this.#positions.set(channel, positions[index] ?? '0-0');
    if (returned) this.#news = { kind: 'returned', missed: history.notifications.length, gap: this.#gap };
    this.#gap = false;
    return this.pending;
  }

  #fail({ ref, code, error }: NotificationFrame & { readonly type: 'error' }): void {
    const again = code === 'unavailable' && this.#outbox.find(ref) !== undefined;
    // A frame that was too large to be read is refused without its ref.
    if (code === 'too_large' && ref === undefined) this.#outbox.dropLargest();
    else if (!again) this.#outbox.settle(ref);
    this.#news = { kind: 'failed', code, error, again };
  }

  /** In the order of the ids, whatever the channel. */
  #add(notifications: readonly Notification[]): void {
    const newestFirst = (a: Notification, b: Notification) => (earlier(a.id, b.id) === a.id ? 1 : -1);
    this.#items = [...notifications, ...this.#items].sort(newestFirst).slice(0, MAX_ITEMS);
  }
}
