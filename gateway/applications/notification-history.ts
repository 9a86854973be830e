/**
 * What the channels of notifications keep, as those need who connect: the last ones, those after a position, and how many are unread. What
 * many ask for alike is read once. Knows no session.
 */
import {
  type Broker,
  comparePositions,
  isPosition,
  ORIGIN,
  PAGE_BYTES,
  type Page,
  type Position,
} from '../../broker/broker.ts';
import { Gap } from '../hub/outgoing.ts';
import type { Asker, ReadQueue } from '../hub/read-queue.ts';
import { parseJson } from '../json.ts';
import { MAX_PAGE } from '../protocol.ts';
import { type After, type Notification, notificationOf } from './notification-messages.ts';

/** The last notifications that somebody who connects is shown. */
const SHOWN = 10;
/** Marks that are read to find the highest: two may have been stored out of order. */
const MARKS_READ = 8;
/** What so many marks may take up: each is the id of an event. */
const MARKS_BYTES = 1_024;
/** Channels whose contents are remembered for the next who asks. */
const MAX_REMEMBERED = 1_000;

/** What somebody who connects is told. */
export interface Opening {
  /** In the order of their ids. */
  readonly notifications: readonly Notification[];
  /** For each channel where it goes on from. */
  readonly positions: readonly Position[];
  readonly gaps: readonly Gap[];
}

/** What one channel keeps. */
interface Contents {
  readonly head: Position;
  readonly ids: readonly Position[];
  readonly last: readonly Notification[];
}

export interface NotificationHistoryParts {
  readonly broker: Broker;
  /** The last id that this gateway has of a channel that it is subscribed to. */
  readonly headOf: (channel: string) => Position | undefined;
  /** About how many bytes one opening may have. */
  readonly maxBytes: number;
  readonly reads: ReadQueue;
}

export class NotificationHistory {
  readonly #parts: NotificationHistoryParts;
  readonly #contents = new Map<string, Promise<Contents>>();

  constructor(parts: NotificationHistoryParts) {
    this.#parts = parts;
  }

  /** The last notifications of all channels together. */
  async latest(channels: readonly string[], asker: Asker): Promise<Opening> {
    const contents = await Promise.all(channels.map((channel) => this.#read(channel, asker)));
    const notifications = inOrder(contents.flatMap(({ last }) => last)).slice(-SHOWN);
    return { notifications, positions: contents.map(({ head }) => head), gaps: [] };
  }

  /** The first notifications after where somebody stood. What does not fit is left to come after the `positions`. */
  async after(channels: readonly string[], after: After, asker: Asker): Promise<Opening> {
    const asked = channels.map((_, index) => ('all' in after ? after.all : (after.each[index] ?? ORIGIN)));
    const { broker, reads, maxBytes } = this.#parts;
    const pages = await Promise.all(
      channels.map((channel, index) =>
        reads.run(asker, maxBytes, () => broker.readAfter(channel, asked[index] ?? ORIGIN, MAX_PAGE, maxBytes)),
      ),
    );
    for (const { events } of pages) asker.onRead?.(bytesOf(events));
    const found = channels.flatMap((channel, index) =>
      (pages[index]?.events ?? []).map((event) => notificationOf(channel, event)),
    );
    const notifications = fitting(inOrder(found), maxBytes, endOf(pages));
    const gaps: Gap[] = [];
    const positions = channels.map((channel, index) => {
      const [page, position] = [pages[index], asked[index] ?? ORIGIN];
      if (page === undefined) return position;
      // One id for all channels is an event of one of them: in the others it only says up to when.
      const lost = 'all' in after ? comparePositions(page.start, position) > 0 : !page.known;
      if (lost) gaps.push(new Gap(channel, position, page.events[0]?.id ?? page.head));
      return notifications.findLast((each) => each.channel === channel)?.id ?? page.start;
    });
    return { notifications, positions, gaps };
  }

  /** How many notifications lie after a mark, up to a position in each channel; of the last 1,000 of each. */
  async unread(channels: readonly string[], mark: Position, upTo: readonly Position[], asker: Asker): Promise<number> {
    const contents = await Promise.all(channels.map((channel) => this.#read(channel, asker)));
    const counts = contents.map(({ ids }, index) => {
      const last = upTo[index] ?? ORIGIN;
      return ids.filter((id) => comparePositions(id, mark) > 0 && comparePositions(id, last) <= 0).length;
    });
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** The highest of the marks that a channel of marks keeps, and where that channel ends. */
  async readMark(marks: string, asker: Asker): Promise<{ readonly mark: Position; readonly head: Position }> {
    const { broker, reads } = this.#parts;
    const { events, head } = await reads.run(asker, MARKS_BYTES, () => broker.readTail(marks, MARKS_READ));
    const mark = events.map(({ data }) => markIn(Buffer.from(data).toString())).reduce(later, ORIGIN);
    return { mark, head };
  }

  /** As long as nothing new has come to the channel, the first who asks has read for all. */
  async #read(channel: string, { holder, onRead }: Asker): Promise<Contents> {
    const remembered = this.#contents.get(channel);
    if (remembered !== undefined) {
      const contents = await remembered;
      if (contents.head === this.#parts.headOf(channel)) return contents;
      const newer = this.#contents.get(channel);
      if (newer !== undefined && newer !== remembered) return newer; // begun since: it has all that there was when this was asked
    }
    const reading = this.#readAnew(channel, { holder, onRead }); // also where its first asker goes: others wait for it
    this.#contents.delete(channel);
    this.#contents.set(channel, reading);
    const [oldest] = this.#contents.keys();
    if (this.#contents.size > MAX_REMEMBERED && oldest !== undefined) this.#contents.delete(oldest);
    reading.catch(() => this.#contents.get(channel) === reading && this.#contents.delete(channel)); // told to who asked
    return reading;
  }

  /** The last 1,000, by pages from the newest on. */
  async #readAnew(channel: string, asker: Asker): Promise<Contents> {
    const { broker, reads } = this.#parts;
    const ids: Position[] = [];
    const last: Notification[] = [];
    let head: Position | undefined;
    for (let more = true; more; ) {
      const [left, before] = [MAX_PAGE - ids.length, ids[0]];
      const page = await reads.run(asker, PAGE_BYTES, () => broker.readTail(channel, left, before));
      asker.onRead?.(bytesOf(page.events));
      head ??= page.head;
      ids.unshift(...page.events.map(({ id }) => id));
      const missing = page.events.slice(Math.max(0, page.events.length - (SHOWN - last.length)));
      last.unshift(...missing.map((event) => notificationOf(channel, event)));
      more = page.more && ids.length < MAX_PAGE;
    }
    return { head: head ?? ORIGIN, ids, last };
  }
}

/** The mark in an event of a channel of marks, from its data. */
export function markIn(data: string): Position {
  const mark = parseJson(data);
  return typeof mark === 'string' && isPosition(mark) ? mark : ORIGIN;
}

export function later(a: Position, b: Position): Position {
  return comparePositions(a, b) < 0 ? b : a;
}

function bytesOf(events: Page['events']): number {
  return events.reduce((sum, { data }) => sum + data.length, 0);
}

function inOrder(notifications: readonly Notification[]): Notification[] {
  return notifications.toSorted((a, b) => comparePositions(a.id, b.id));
}

/** Where the shortest of pages ends that are not the last ones: beyond it another channel may have more to come before. */
function endOf(pages: readonly Page[]): Position | undefined {
  const ends = pages.filter(({ more }) => more).flatMap(({ events }) => events.at(-1)?.id ?? []);
  return ends.toSorted(comparePositions)[0];
}

function fitting(notifications: readonly Notification[], maxBytes: number, end: Position | undefined): Notification[] {
  const fit: Notification[] = [];
  let bytes = 0;
  for (const notification of notifications) {
    bytes += Buffer.byteLength(notification.message) + Buffer.byteLength(notification.title);
    if (bytes > maxBytes || fit.length === MAX_PAGE) break;
    if (end !== undefined && comparePositions(notification.id, end) > 0) break;
    fit.push(notification);
  }
  return fit;
}
