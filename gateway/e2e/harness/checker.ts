/**
 * Decides whether the protocol's promises were kept (PROTOCOL.md, section 2): from what was published and how that was
 * answered, from what each subscriber received, and, where Redis may have lost something, from what its history holds in the
 * end. Pure; it knows no clients, no clock, and none of the gateway's code but the order of ids.
 */
import type { Position } from '../../../broker/broker.ts';
import { ChannelRecord } from './channel-record.ts';

/** One event that somebody wanted stored, however often it was sent with its one key. */
export interface Publish {
  readonly channel: string;
  /** Its data as JSON text. It is what tells events apart, so no two publishes have the same. */
  readonly data: string;
  /** One for each attempt, in any order. */
  readonly answers: readonly Answer[];
  /** It was sent once, whatever became of it: it need not have been acknowledged. */
  readonly once?: boolean;
}

export type Answer =
  | { readonly outcome: 'acknowledged'; readonly id: Position }
  | { readonly outcome: 'failed' }
  | { readonly outcome: 'unknown' };

/** What a subscriber got of one channel, in the order of arrival. */
export type Item =
  | { readonly type: 'event'; readonly id: Position; readonly data: string }
  /** `stands`: where the subscriber continues from, where the transport tells. */
  | { readonly type: 'gap'; readonly after: Position; readonly id: Position; readonly stands?: Position }
  /** It came back and was told to continue from `position`. */
  | { readonly type: 'resumed'; readonly position: Position; readonly recovered: boolean };

export interface Subscription {
  readonly subscriber: string;
  readonly channel: string;
  /** The position it began at: everything later is owed to it. */
  readonly start: Position;
  readonly items: readonly Item[];
}

export interface Stored {
  readonly id: Position;
  readonly data: string;
}

/** What is left of a channel. */
export interface History {
  /** The predecessor of the first event; `0-0` where that is the first that ever was. */
  readonly start: Position;
  /**
   * Whether the channel keeps only its last events: then `start` says nothing, whatever is older than the first event may just have been trimmed, and
   * what subscribers got of that is held against what the others got.
   */
  readonly trimmed?: boolean;
  /** Oldest first. */
  readonly events: readonly Stored[];
}

/** A span of Redis's clock, in epoch milliseconds: what was stored in it Redis may have lost. */
export interface Loss {
  readonly from: number;
  readonly until: number;
  /** All, unless given. */
  readonly channels?: readonly string[];
}

export type Fault =
  /** An event that is in the history, or that others have, was passed over. */
  | 'missing'
  /** The same, after the last event that the subscriber has. */
  | 'tail missing'
  | 'duplicate'
  | 'reordered'
  /** The subscriber's position was lost, and it was given later events, or none, without a gap notice. */
  | 'untold'
  /** A gap notice after a position that the history holds: nothing is missing there. */
  | 'gap'
  /** A resume that was not recovered, without the gap notice that must come first. */
  | 'gap missing'
  /** A gap notice or a resume that does not begin at the subscriber's position. */
  | 'wrong position'
  /** Data that nobody published to this channel, or whose every publish was refused. */
  | 'foreign'
  /** One id with different data. */
  | 'altered'
  /** Acknowledged or delivered, and not in the history, though Redis lost nothing of that time. */
  | 'lost'
  /** One publish under two ids. */
  | 'stored twice'
  /** Two publishes acknowledged with one id. */
  | 'shared id'
  /** It fell behind by more than it may while events went on being acknowledged (liveness.ts). */
  | 'stalled'
  /** Never acknowledged, though the caller says that it published until it was. */
  | 'unacknowledged';

export interface Violation {
  readonly fault: Fault;
  readonly channel: string;
  /** `publishers` or `history` where no single subscriber is concerned. */
  readonly subscriber: string;
  readonly count: number;
  /** The first one met. */
  readonly example: string;
  /** The event or position that the first one is about. */
  readonly id: Position | undefined;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly published: number;
  readonly acknowledged: number;
  /** Events that were acknowledged or received, and that Redis then lost. */
  readonly lost: number;
  /** Events received, by all subscribers together. */
  readonly deliveries: number;
  readonly gaps: number;
  readonly resumes: number;
}

export interface Rules {
  /** Whether a publish that was not sent just once must have been acknowledged. */
  readonly allAcknowledged?: boolean;
  /**
   * What each channel's history holds in the end. A channel without one holds whatever was acknowledged or received, in the order
   * of ids: nothing was lost there.
   */
  readonly histories?: ReadonlyMap<string, History>;
  readonly losses?: readonly Loss[];
}

export function check(
  publishes: readonly Publish[],
  subscriptions: readonly Subscription[],
  { allAcknowledged = true, histories = new Map(), losses = [] }: Rules = {},
): Verdict {
  const report = new Report();
  const channels = new Map<string, ChannelRecord>();
  for (const name of new Set([...publishes, ...subscriptions].map((one) => one.channel)))
    channels.set(name, new ChannelRecord(name, losses.filter(concerning(name)), report));
  for (const publish of publishes) channels.get(publish.channel)?.published(publish, allAcknowledged);
  // All are told first what any of them has seen: an event of unknown outcome that one received is owed to all.
  for (const subscription of subscriptions) channels.get(subscription.channel)?.seen(subscription);
  for (const [name, channel] of channels) channel.settle(histories.get(name));
  for (const subscription of subscriptions) channels.get(subscription.channel)?.verify(subscription);
  for (const channel of channels.values()) channel.compare();

  const count = (type: Item['type']) =>
    subscriptions.reduce((sum, { items }) => sum + items.filter((item) => item.type === type).length, 0);
  return {
    violations: report.violations(),
    published: publishes.length,
    acknowledged: publishes.filter(({ answers }) => answers.some(({ outcome }) => outcome === 'acknowledged')).length,
    lost: [...channels.values()].reduce((sum, channel) => sum + channel.lost, 0),
    deliveries: count('event'),
    gaps: count('gap'),
    resumes: count('resumed'),
  };
}

function concerning(channel: string): (loss: Loss) => boolean {
  return ({ channels }) => channels === undefined || channels.includes(channel);
}

/** Gathers the violations of one kind at one place: a lost channel would otherwise fill the screen with thousands of lines. */
export class Report {
  readonly #found = new Map<string, Violation>();

  add(fault: Fault, channel: string, subscriber: string, example: string, id?: Position): void {
    const key = `${fault} ${channel} ${subscriber}`;
    const before = this.#found.get(key);
    const first: Violation = { fault, channel, subscriber, count: 1, example, id };
    this.#found.set(key, before ? { ...before, count: before.count + 1 } : first);
  }

  violations(): readonly Violation[] {
    return [...this.#found.values()];
  }
}
