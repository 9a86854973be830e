/**
 * What one channel holds, as far as publishers, subscribers and the surviving history together know, and whether what one
 * subscriber got of it is what was owed. Part of the checker, and as pure.
 *
 * Every event has one predecessor. So whoever is given an event without a notice must stand at that very predecessor: for an
 * event that survived the history names it, and for one that Redis lost all who received it must agree on it. From
 * this follow order and completeness on every branch that the history ever had, also on those that a failover cut off.
 */
import { comparePositions, ORIGIN, type Position } from '../../../broker/broker.ts';
import type { History, Loss, Publish, Report, Stored, Subscription, Fault as Violated } from './checker.ts';

interface Claim {
  readonly subscriber: string;
  readonly prev: Position;
}

export class ChannelRecord {
  readonly #name: string;
  readonly #losses: readonly Loss[];
  readonly #report: Report;
  /** Data that may be in the channel: published, and not refused each time. */
  readonly #data = new Set<string>();
  readonly #idsOf = new Map<string, Set<Position>>();
  readonly #dataOf = new Map<Position, string>();
  /** Who first told of an event. */
  readonly #toldBy = new Map<Position, string>();
  #history: readonly Position[] = [];
  /** The position before all that the history holds. */
  #start: Position | undefined = ORIGIN;
  #trimmed = false;
  readonly #indexOf = new Map<Position, number>();
  /** After what subscribers got events that are lost. */
  readonly #claims = new Map<Position, Claim[]>();

  /** `losses` are those of this channel. */
  constructor(name: string, losses: readonly Loss[], report: Report) {
    this.#name = name;
    this.#losses = losses;
    this.#report = report;
  }

  /** Events that were there and are not in the history. Call after `settle`. */
  get lost(): number {
    return [...this.#dataOf.keys()].filter((id) => !this.#indexOf.has(id)).length;
  }

  published({ data, answers, once = false }: Publish, allAcknowledged: boolean): void {
    if (this.#data.has(data)) throw new Error(`Two publishes to ${this.#name} have the data ${data}`);
    if (answers.some(({ outcome }) => outcome !== 'failed')) this.#data.add(data);
    for (const answer of answers) if (answer.outcome === 'acknowledged') this.#acknowledged(data, answer.id);
    if (allAcknowledged && !once && !this.#idsOf.has(data)) this.#violated('unacknowledged', 'publishers', data);
  }

  seen({ subscriber, items }: Subscription): void {
    for (const item of items) if (item.type === 'event') this.#told(subscriber, item);
  }

  /** Call when everything that was published and seen is known. Without a history, that is what it holds. */
  settle(history: History | undefined): void {
    for (const stored of history?.events ?? []) this.#told('history', stored);
    this.#trimmed = history?.trimmed === true;
    this.#start = this.#trimmed ? undefined : (history?.start ?? ORIGIN);
    this.#history = history?.events.map(({ id }) => id) ?? [...this.#dataOf.keys()].sort(comparePositions);
    for (const [index, id] of this.#history.entries()) this.#indexOf.set(id, index);
    for (const [id, data] of this.#dataOf) {
      if (this.#indexOf.has(id) || this.#mayBeLost(id) || this.#mayBeTrimmed(id)) continue;
      this.#violated('lost', this.#toldBy.get(id) ?? '', `${id}: ${data}`, id);
    }
    for (const [data, ids] of this.#idsOf) {
      const [first, second] = [...ids].filter((id) => this.#indexOf.has(id) || !this.#mayBeLost(id));
      if (second === undefined) continue;
      this.#violated('stored twice', this.#toldBy.get(second) ?? '', `${data}: ${first} and ${second}`, second);
    }
  }

  /** Walks along what one subscriber got. */
  verify({ subscriber, start, items }: Subscription): void {
    const fault = (kind: Violated, example: string, id: Position) => this.#violated(kind, subscriber, example, id);
    const had = new Set<Position>();
    /** Passed over so far: what comes later all the same is out of order, and not missing. */
    const skipped: Position[] = [];
    let position = start;
    /** A notice came since the last event: events up to here, by their ids, can't be had. */
    let notice: Position | undefined;
    /** Where it stood at a resume that was not recovered, until its gap notice comes. */
    let announced: { readonly position: Position; readonly notice: Position | undefined } | undefined;
    const expectNotice = (id: Position) => {
      if (announced !== undefined)
        fault('gap missing', `${id} after ${announced.position}, which was not recovered`, id);
      announced = undefined;
    };
    for (const item of items) {
      switch (item.type) {
        case 'event':
          expectNotice(item.id);
          if (!this.#dataOf.has(item.id)) continue; // foreign, which was told
          if (had.has(item.id)) {
            fault('duplicate', `${item.id}: ${item.data}`, item.id);
            continue;
          }
          had.add(item.id);
          if (notice === undefined && comparePositions(item.id, position) <= 0) {
            fault('reordered', `${item.id} after ${position}`, item.id);
            continue;
          }
          skipped.push(
            ...(notice === undefined
              ? this.#between(subscriber, position, item.id)
              : this.#owed(notice, had, this.#indexOf.get(item.id) ?? 0)),
          );
          position = item.id;
          notice = undefined;
          break;
        case 'gap': {
          const from = announced?.position ?? position;
          // Of two notices in a row the second begins where the first led to, which not every transport tells.
          if (item.after !== from && (notice === undefined || announced !== undefined))
            fault('wrong position', `gap after ${item.after}, not ${from}`, item.after);
          if (this.#held(item.after, item.id)) fault('gap', `after ${item.after} until ${item.id}`, item.after);
          announced = undefined;
          notice = item.after;
          position = item.stands ?? position;
          break;
        }
        case 'resumed':
          // The connection ended before the notice came: it comes back from where it stood.
          if (announced !== undefined) ({ position, notice } = announced);
          announced = undefined;
          if (!item.recovered) {
            if (this.#held(position, item.position))
              fault('gap', `resumed at ${item.position}, not at ${position}`, position);
            announced = { position, notice };
            notice = position;
            position = item.position;
          } else if (item.position !== position)
            fault('wrong position', `resumed at ${item.position}, not ${position}`, position);
          break;
      }
    }
    expectNotice(position);
    for (const id of skipped) if (!had.has(id)) fault('missing', `${id}: ${this.#dataOf.get(id)}`, id);
    for (const id of notice === undefined ? this.#between(subscriber, position) : this.#owed(notice, had))
      fault('tail missing', `${id}: ${this.#dataOf.get(id)}`, id);
  }

  /** Compares what subscribers got before each event that is lost. Call after all were verified. */
  compare(): void {
    for (const [id, claims] of this.#claims) {
      const latest = claims.reduce(
        (prev, claim) => (comparePositions(claim.prev, prev) > 0 ? claim.prev : prev),
        ORIGIN,
      );
      for (const { subscriber, prev } of claims) {
        if (prev !== latest)
          this.#violated('missing', subscriber, `${latest}: ${this.#dataOf.get(latest)}, before ${id}`, latest);
      }
    }
  }

  #acknowledged(data: string, id: Position): void {
    const other = this.#dataOf.get(id);
    if (other !== undefined && other !== data)
      this.#violated('shared id', 'publishers', `${id}: ${other} and ${data}`, id);
    this.#note('publishers', data, id);
  }

  #told(by: string, { id, data }: Stored): void {
    const known = this.#dataOf.get(id);
    if (!this.#data.has(data)) this.#violated('foreign', by, `${id}: ${data}`, id);
    else if (known !== undefined && known !== data)
      this.#violated('altered', by, `${id}: ${data}, elsewhere ${known}`, id);
    else this.#note(by, data, id);
  }

  #note(by: string, data: string, id: Position): void {
    const ids = this.#idsOf.get(data) ?? new Set();
    this.#idsOf.set(data, ids.add(id));
    if (this.#dataOf.has(id)) return;
    this.#dataOf.set(id, data);
    this.#toldBy.set(id, by);
  }

  #holds(position: Position): boolean {
    return position === this.#start || this.#indexOf.has(position);
  }

  /**
   * Whether a position was good when its subscriber was sent on to another place. One that is good in the end always was, but
   * for the origin: it is good again after all was lost. Then the place it was sent on to is lost, too.
   */
  #held(position: Position, sentTo: Position): boolean {
    return this.#holds(position) && (position !== ORIGIN || this.#holds(sentTo));
  }

  #mayBeLost(id: Position): boolean {
    const ms = Number.parseInt(id, 10);
    return this.#losses.some(({ from, until }) => from <= ms && ms <= until);
  }

  #mayBeTrimmed(id: Position): boolean {
    const [first] = this.#history;
    return this.#trimmed && (first === undefined || comparePositions(id, first) < 0);
  }

  /** What the history holds between a position and the event that came next with no notice between them, or its end. */
  #between(subscriber: string, position: Position, id?: Position): readonly Position[] {
    const index = id === undefined ? this.#history.length : this.#indexOf.get(id);
    const gone = !this.#holds(position);
    if (id !== undefined && (index === undefined || (gone && this.#trimmed))) {
      const claims = this.#claims.get(id) ?? [];
      this.#claims.set(id, claims);
      claims.push({ subscriber, prev: position });
      return [];
    }
    if (gone && this.#trimmed) return this.#history.filter((kept) => comparePositions(kept, position) > 0);
    if (!gone) return this.#history.slice(this.#indexAfter(position), index);
    this.#violated('untold', subscriber, `${id ?? 'nothing'} after ${position}, which is gone`, position);
    return [];
  }

  /** What is owed after a notice, up to and without the index: by id, all after the position that is gone. */
  #owed(notice: Position, had: ReadonlySet<Position>, index?: number): readonly Position[] {
    return this.#history.slice(0, index).filter((id) => comparePositions(id, notice) > 0 && !had.has(id));
  }

  #indexAfter(position: Position): number {
    return position === this.#start ? 0 : (this.#indexOf.get(position) ?? -1) + 1;
  }

  #violated(kind: Violated, subscriber: string, example: string, id?: Position): void {
    this.#report.add(kind, this.#name, subscriber, example, id);
  }
}
