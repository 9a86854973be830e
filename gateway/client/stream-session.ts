/**
 * A client's event stream: all channels on one connection, each going on at its own position (PROTOCOL.md, section 4).
 *
 * A stream names its channels once, and either all of them start at their positions or none does. So the stream is opened anew
 * where the page wants other channels; and where only some have a position yet, a stream of others is opened before, for
 * as long as it takes to be told theirs. Nothing is lost or doubled by that: what a stream has said moves the positions before
 * it is closed, and nothing that it says afterwards is listened to.
 */
import type { Block } from './event-stream.ts';
import type { Feed } from './feed.ts';
import { eventOf, type Frame, fieldsOf } from './frames.ts';
import type { End, LinkListener } from './reconnector.ts';
import type { Feeds, Session } from './session.ts';
import { openStream } from './stream-link.ts';
import { nothing, type Surroundings } from './surroundings.ts';

export interface StreamSessionParts {
  readonly fetch: typeof globalThis.fetch;
  readonly base: URL;
  readonly feeds: Feeds;
  readonly surroundings: Surroundings;
  /** Requests can be sent, also those about channels that were not subscribed to yet. */
  opened(): void;
  /** Opens the next session in place of this one. */
  reopen(): void;
}

export class StreamSession implements Session {
  /** One can only wait: in two keep-alive intervals there is one, unless the gateway was set to longer ones. */
  readonly patienceMs = 20_000;
  readonly #parts: StreamSessionParts;
  readonly #listener: LinkListener;
  /** In the order in which the stream names them, which is that of its cursor. */
  readonly #feeds: readonly Feed[];
  readonly #closeStream: (() => void) | undefined;
  #stopReopening = nothing;

  constructor(parts: StreamSessionParts, listener: LinkListener, token: string | undefined) {
    this.#parts = parts;
    this.#listener = listener;
    this.#feeds = nextStream([...parts.feeds.values()]);
    const ended = (end: End) => listener.ended(this.#weigh(end));
    const url = new URL(`events?envelope=1&${queryOf(this.#feeds)}`, parts.base);
    if (this.#feeds.length > 0)
      this.#closeStream = openStream(parts.fetch, url, token, (block) => this.#receive(block), { ...listener, ended });
    else
      queueMicrotask(() => {
        listener.heard(); // there is nothing to wait for
        listener.live();
      });
  }

  changed(): void {
    this.#stopReopening();
    this.#stopReopening = this.#parts.surroundings.after(0, () => this.#parts.reopen()); // once for all changes of this moment
  }

  ping(): void {
    if (!this.#closeStream) this.#listener.heard();
  }

  /** Which reads the token again. */
  renew(): void {
    this.#parts.reopen();
  }

  close(): void {
    this.#stopReopening();
    this.#closeStream?.();
  }

  #receive({ id, data }: Block): void {
    const positions = positionsOf(id ?? '');
    if (data === undefined) {
      if (id !== undefined) this.#begin(positions);
      return;
    }
    const fields = JSON.parse(data) as Frame;
    const feed = this.#feeds.find(({ channel }) => channel === fields.channel);
    if (fields.event !== undefined) feed?.event(eventOf(fields));
    else feed?.gap(fieldsOf(fields), positions[this.#feeds.indexOf(feed)]); // told once: the cursor is behind it
  }

  #begin(positions: readonly string[]): void {
    this.#feeds.forEach((feed, index) => {
      feed.subscribed(positions[index] ?? '', true);
    });
    this.#parts.opened();
    if (this.#feeds.length === this.#parts.feeds.size) this.#listener.live();
    else this.#parts.reopen();
  }

  /** A stream that is refused may be so because of one channel only: those that never stood are tried one by one. */
  #weigh(end: End): End {
    const suspects = this.#feeds.filter(({ stood }) => !stood);
    if (end.next !== 'never' || suspects.length === 0) return end;
    for (const feed of suspects) feed.doubtful = true;
    if (suspects.length === 1) suspects[0]?.refuse(end.error);
    return this.#parts.feeds.size > 0 ? { ...end, next: 'again' } : end;
  }
}

/** The channels that the next stream can have together: all that have a position, or those without that begin alike. */
function nextStream(feeds: readonly Feed[]): readonly Feed[] {
  const suspect = feeds.find(isSuspect);
  const together = feeds.filter((feed) => feed === suspect || !isSuspect(feed));
  const first = together.find(({ position }) => position === undefined);
  if (first === undefined) return together;
  return together.filter(({ position, tail }) => position === undefined && tail === first.tail);
}

function isSuspect({ doubtful, stood }: Feed): boolean {
  return doubtful && !stood;
}

/** The names and positions have no character that a query would take for its own. */
function queryOf(feeds: readonly Feed[]): string {
  const positions = feeds.flatMap(({ position = [] }) => position);
  const tail = feeds[0]?.tail;
  const start = positions.length > 0 ? `&after=${positions.join('.')}` : tail === undefined ? '' : `&tail=${tail}`;
  return `channel=${feeds.map(({ channel }) => channel).join()}${start}`;
}

/** The positions that an `id` of the stream stands for: as they are, or in base 36. */
function positionsOf(cursor: string): readonly string[] {
  if (!cursor.startsWith('~')) return cursor.split('.');
  const decimal = (position: string) =>
    position
      .split('-')
      .map((number) => Number.parseInt(number, 36))
      .join('-');
  return cursor.slice(1).split('.').map(decimal);
}
