/**
 * Decides whether the protocol's promises were kept (PROTOCOL.md, section 2): from what was published and how that was
 * answered, and from what each subscriber received. Pure; it knows no clients, no clock, and none of the gateway's code
 * but the order of ids.
 */
import { comparePositions, type Position } from '../../broker/broker.ts';

/** One event that somebody wanted stored, however often it was sent with its one key. */
export interface Publish {
  readonly channel: string;
  /** Its data as JSON text. It is what tells events apart, so no two publishes have the same. */
  readonly data: string;
  /** One for each attempt, in any order. */
  readonly answers: readonly Answer[];
}

export type Answer =
  | { readonly outcome: 'acknowledged'; readonly id: Position }
  | { readonly outcome: 'failed' }
  | { readonly outcome: 'unknown' };

/** What a subscriber got of one channel, in the order of arrival. */
export type Item =
  | { readonly type: 'event'; readonly id: Position; readonly data: string }
  | { readonly type: 'gap'; readonly after: Position; readonly id: Position }
  /** It came back and was told to continue from `position`. */
  | { readonly type: 'resumed'; readonly position: Position; readonly recovered: boolean };

export interface Subscription {
  readonly subscriber: string;
  readonly channel: string;
  /** The position it began at: everything later is owed to it. */
  readonly start: Position;
  readonly items: readonly Item[];
}

export type Fault =
  /** An event that others have, or that was acknowledged, was passed over. */
  | 'missing'
  /** The same, after the last event that the subscriber has. */
  | 'tail missing'
  | 'duplicate'
  | 'reordered'
  /** A gap notice where none is allowed. */
  | 'gap'
  /** A gap notice or a resume that does not begin at the subscriber's position. */
  | 'wrong position'
  /** Data that nobody published to this channel, or whose every publish was refused. */
  | 'foreign'
  /** One id with different data. */
  | 'altered'
  /** One publish under two ids. */
  | 'stored twice'
  /** Two publishes acknowledged with one id. */
  | 'shared id'
  /** Never acknowledged, though the caller says that it published until it was. */
  | 'unacknowledged';

export interface Violation {
  readonly fault: Fault;
  readonly channel: string;
  /** `publishers` where no single subscriber is concerned. */
  readonly subscriber: string;
  readonly count: number;
  /** The first one met. */
  readonly example: string;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly published: number;
  readonly acknowledged: number;
  /** Events received, by all subscribers together. */
  readonly deliveries: number;
  readonly gaps: number;
  readonly resumes: number;
}

export interface Rules {
  /** Whether a gap notice excuses what it names. Otherwise each is a violation. */
  readonly gapsAllowed: boolean;
  /** Whether a publish without an acknowledgement is a violation. */
  readonly allAcknowledged: boolean;
}

export function check(
  publishes: readonly Publish[],
  subscriptions: readonly Subscription[],
  rules: Rules = { gapsAllowed: false, allAcknowledged: true },
): Verdict {
  const report = new Report();
  const channels = new Map<string, Channel>();
  for (const name of new Set([...publishes, ...subscriptions].map((one) => one.channel)))
    channels.set(name, new Channel(name, report));
  for (const publish of publishes) channels.get(publish.channel)?.published(publish, rules);
  // All are told first what any of them has seen: an event of unknown outcome that one received is owed to all.
  for (const subscription of subscriptions) channels.get(subscription.channel)?.seen(subscription);
  for (const channel of channels.values()) channel.order();
  for (const subscription of subscriptions) channels.get(subscription.channel)?.verify(subscription, rules);

  const count = (type: Item['type']) =>
    subscriptions.reduce((sum, { items }) => sum + items.filter((item) => item.type === type).length, 0);
  return {
    violations: report.violations(),
    published: publishes.length,
    acknowledged: publishes.filter(({ answers }) => answers.some(({ outcome }) => outcome === 'acknowledged')).length,
    deliveries: count('event'),
    gaps: count('gap'),
    resumes: count('resumed'),
  };
}

/** Gathers the violations of one kind at one place: a lost channel would otherwise fill the screen with thousands of lines. */
class Report {
  readonly #found = new Map<string, Violation>();

  add(fault: Fault, channel: string, subscriber: string, example: string): void {
    const key = `${fault} ${channel} ${subscriber}`;
    const before = this.#found.get(key);
    this.#found.set(
      key,
      before ? { ...before, count: before.count + 1 } : { fault, channel, subscriber, count: 1, example },
    );
  }

  violations(): readonly Violation[] {
    return [...this.#found.values()];
  }
}

/** What one channel holds, as far as publishers and subscribers together know. */
class Channel {
  readonly #name: string;
  readonly #report: Report;
  /** Data that may be in the channel: published, and not refused each time. */
  readonly #data = new Set<string>();
  readonly #idOf = new Map<string, Position>();
  readonly #dataOf = new Map<Position, string>();
  #ids: Position[] = [];

  constructor(name: string, report: Report) {
    this.#name = name;
    this.#report = report;
  }

  published({ data, answers }: Publish, { allAcknowledged }: Rules): void {
    if (this.#data.has(data)) throw new Error(`Two publishes to ${this.#name} have the data ${data}`);
    if (answers.some(({ outcome }) => outcome !== 'failed')) this.#data.add(data);
    for (const answer of answers) if (answer.outcome === 'acknowledged') this.#acknowledged(data, answer.id);
    if (allAcknowledged && !this.#idOf.has(data)) this.#fault('unacknowledged', 'publishers', data);
  }

  #acknowledged(data: string, id: Position): void {
    const other = this.#dataOf.get(id);
    if (other !== undefined && other !== data) this.#fault('shared id', 'publishers', `${id}: ${other} and ${data}`);
    this.#stored('publishers', data, id);
  }

  seen({ subscriber, items }: Subscription): void {
    for (const item of items) {
      if (item.type !== 'event') continue;
      if (!this.#data.has(item.data)) {
        this.#fault('foreign', subscriber, `${item.id}: ${item.data}`);
        continue;
      }
      const known = this.#dataOf.get(item.id);
      if (known !== undefined && known !== item.data) {
        this.#fault('altered', subscriber, `${item.id}: ${item.data}, elsewhere ${known}`);
        continue;
      }
      this.#stored(subscriber, item.data, item.id);
    }
  }

  #stored(subscriber: string, data: string, id: Position): void {
    const before = this.#idOf.get(data);
    if (before !== undefined && before !== id) this.#fault('stored twice', subscriber, `${data}: ${before} and ${id}`);
    if (before === undefined) this.#idOf.set(data, id);
    if (!this.#dataOf.has(id)) this.#dataOf.set(id, data);
  }

  /** Call when everything that was published and seen is known. */
  order(): void {
    this.#ids = [...this.#dataOf.keys()].sort(comparePositions);
  }

  verify({ subscriber, start, items }: Subscription, { gapsAllowed }: Rules): void {
    const had = new Set<Position>();
    const excused: { after: Position; id: Position }[] = [];
    let position = start;
    for (const item of items) {
      const from = item.type === 'gap' ? item.after : item.type === 'resumed' ? item.position : position;
      // Where a resume was not complete, it continues from wherever the gap notice says.
      const free = item.type === 'resumed' && !item.recovered;
      if (from !== position && !free)
        this.#fault('wrong position', subscriber, `${item.type} at ${from}, not ${position}`);
      if (item.type === 'gap') {
        if (gapsAllowed) excused.push(item);
        else this.#fault('gap', subscriber, `after ${item.after} until ${item.id}`);
      }
      if (item.type !== 'event') continue;
      if (had.has(item.id)) this.#fault('duplicate', subscriber, `${item.id}: ${item.data}`);
      else if (comparePositions(item.id, position) <= 0)
        this.#fault('reordered', subscriber, `${item.id} after ${position}`);
      had.add(item.id);
      if (comparePositions(item.id, position) > 0) position = item.id;
    }
    this.#verifyWhole(subscriber, start, position, had, excused);
  }

  #verifyWhole(
    subscriber: string,
    start: Position,
    end: Position,
    had: ReadonlySet<Position>,
    excused: readonly { after: Position; id: Position }[],
  ): void {
    for (const id of this.#ids) {
      if (comparePositions(id, start) <= 0 || had.has(id)) continue;
      // Where nothing was left after the hole, the notice names the last event that is gone: that one is excused too.
      const gone = excused.some((gap) => comparePositions(id, gap.after) > 0 && comparePositions(id, gap.id) <= 0);
      if (gone) continue;
      this.#fault(
        comparePositions(id, end) > 0 ? 'tail missing' : 'missing',
        subscriber,
        `${id}: ${this.#dataOf.get(id)}`,
      );
    }
  }

  #fault(fault: Fault, subscriber: string, example: string): void {
    this.#report.add(fault, this.#name, subscriber, example);
  }
}
