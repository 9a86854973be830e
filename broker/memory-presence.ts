/**
 * The embedded engine's presence. It is also the executable specification of who may enter and what is told of it: it asks
 * every question of all members anew, where an engine for many of them keeps count.
 *
 * Owns the leases and the members of one process. Must not know who hears the notices.
 */
import type { Message } from './broker.ts';
import {
  type Joining,
  MEMBERS_BYTES,
  type Member,
  type Members,
  NOTICE,
  noticesOf,
  type Presence,
} from './presence.ts';

interface Entry extends Omit<Joining, 'previous'> {
  readonly parted: boolean;
}

/** By connection. */
type Channel = Map<string, Entry>;

export interface PresenceStoreOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Sends a notice to the subscribers of a channel. */
  readonly send: (channel: string, message: Message) => void;
}

/** What the presences of several brokers share. The grace is the caller's, as it is no part of what is kept. */
export class PresenceStore {
  /** The moments at which leases end, or ended: one that has ended is kept until its members are removed. */
  readonly #leases = new Map<string, number>();
  /** None of them is empty. */
  readonly #channels = new Map<string, Channel>();
  readonly #now: () => number;
  readonly #send: PresenceStoreOptions['send'];

  constructor({ now, send }: PresenceStoreOptions) {
    this.#now = now;
    this.#send = send;
  }

  /** The channels that have members. */
  channels(): readonly string[] {
    return [...this.#channels.keys()];
  }

  renewLease(gateway: string, leaseMs: number): boolean {
    const now = this.#now();
    const end = this.#leases.get(gateway);
    if (end !== undefined && end <= now) return false;
    this.#leases.set(gateway, now + leaseMs);
    return end !== undefined;
  }

  endLease(gateway: string): void {
    const end = this.#leases.get(gateway);
    if (end !== undefined) this.#leases.set(gateway, Math.min(end, this.#now()));
  }

  gateways(): string[] {
    return [...this.#leases.keys()].filter((gateway) => this.#isAlive(gateway, 0));
  }

  join(channel: string, joining: Joining): boolean {
    const members: Channel = this.#channels.get(channel) ?? new Map();
    const own = members.get(joining.connection);
    const previous = provenPrevious(members, joining);
    const claim = askClaim(members, joining, [own, previous]);
    if (!claim.free) return false;

    const wasThere = isThere(members, joining.user);
    const place = own ?? [previous, claim.giver].find((each) => each !== undefined && isKin(each, joining));
    const entry = entryOf(joining);
    const gone = remove(members, [previous, claim.giver]);
    members.set(entry.connection, entry);
    this.#channels.set(channel, members);

    for (const each of gone) if (each !== place) this.#tellLeft(channel, members, each);
    if (own !== undefined) return true;
    if (place !== undefined) this.#tellRenamed(channel, entry, place.name);
    else if (!wasThere) this.#tell(channel, NOTICE.joined, entry);
    return true;
  }

  part(channel: string, connection: string): void {
    const members = this.#channels.get(channel);
    const entry = members?.get(connection);
    if (entry !== undefined) members?.set(connection, { ...entry, parted: true });
  }

  leave(channel: string, connection: string): void {
    const members = this.#channels.get(channel);
    if (members === undefined) return;
    for (const each of remove(members, [members.get(connection)])) this.#tellLeft(channel, members, each);
    if (members.size === 0) this.#channels.delete(channel);
  }

  rename(channel: string, connection: string, name: string, claim: string): boolean {
    const members = this.#channels.get(channel);
    const own = members?.get(connection);
    if (members === undefined || own === undefined) return false;
    const entry = { ...own, name, claim };
    const { free, giver } = askClaim(members, entry, [own]);
    if (!free) return false;
    const gone = remove(members, [giver]);
    members.set(connection, entry);
    for (const each of gone) this.#tellLeft(channel, members, each);
    this.#tellRenamed(channel, entry, own.name);
    return true;
  }

  members(channel: string, limit: number, graceMs: number, maxBytes: number): Members {
    const entries = [...(this.#channels.get(channel)?.values() ?? [])];
    const alive = entries.filter(({ gateway }) => this.#isAlive(gateway, graceMs));
    let bytes = 0;
    const beyond = alive.findIndex((entry, index) => {
      bytes += JSON.stringify(entry).length;
      return index >= limit || (index > 0 && bytes > maxBytes);
    });
    const listed = beyond < 0 ? alive : alive.slice(0, beyond);
    return { members: listed.map(memberOf), more: beyond >= 0 };
  }

  removeDead(graceMs: number): number {
    const dead = [...this.#leases.keys()].filter((gateway) => !this.#isAlive(gateway, graceMs));
    for (const gateway of dead) {
      for (const [channel, members] of this.#channels)
        for (const { connection } of [...members.values()].filter((entry) => entry.gateway === gateway))
          this.leave(channel, connection);
      this.#leases.delete(gateway);
    }
    return dead.length;
  }

  /** Whether the gateway's lease holds, or ended less than this long ago. */
  #isAlive(gateway: string, graceMs: number): boolean {
    const end = this.#leases.get(gateway);
    return end !== undefined && end + graceMs > this.#now();
  }

  #tellLeft(channel: string, members: Channel, entry: Entry): void {
    if (!isThere(members, entry.user)) this.#tell(channel, NOTICE.left, entry);
  }

  #tellRenamed(channel: string, entry: Entry, old: string | null): void {
    if (entry.name !== old) this.#tell(channel, NOTICE.renamed, entry, { old });
  }

  #tell(channel: string, notice: string, entry: Entry, more: object = {}): void {
    if (!entry.announce) return;
    const { connection, user, name } = entry;
    this.#send(noticesOf(channel), { name: notice, data: JSON.stringify({ connection, user, name, ...more }) });
  }
}

/** One broker's presence: the store, for as long as the broker is open. */
export class MemoryPresence implements Presence {
  readonly #store: PresenceStore;
  readonly #graceMs: number;
  readonly #assertOpen: () => void;

  constructor(store: PresenceStore, graceMs: number, assertOpen: () => void) {
    this.#store = store;
    this.#graceMs = graceMs;
    this.#assertOpen = assertOpen;
  }

  async renewLease(gateway: string, leaseMs: number): Promise<boolean> {
    this.#assertOpen();
    return this.#store.renewLease(gateway, leaseMs);
  }

  async endLease(gateway: string): Promise<void> {
    this.#assertOpen();
    this.#store.endLease(gateway);
  }

  async gateways(): Promise<readonly string[]> {
    this.#assertOpen();
    return this.#store.gateways();
  }

  async join(channel: string, member: Joining): Promise<boolean> {
    this.#assertOpen();
    return this.#store.join(channel, member);
  }

  async part(channel: string, connection: string): Promise<void> {
    this.#assertOpen();
    this.#store.part(channel, connection);
  }

  async leave(channel: string, connection: string): Promise<void> {
    this.#assertOpen();
    this.#store.leave(channel, connection);
  }

  async rename(channel: string, connection: string, name: string, claim: string): Promise<boolean> {
    this.#assertOpen();
    return this.#store.rename(channel, connection, name, claim);
  }

  async members(channel: string, limit: number, maxBytes = MEMBERS_BYTES): Promise<Members> {
    this.#assertOpen();
    return this.#store.members(channel, limit, this.#graceMs, maxBytes);
  }

  async removeDead(): Promise<number> {
    this.#assertOpen();
    return this.#store.removeDead(this.#graceMs);
  }
}

/** The member whose place the client may take, as it knows that one's secret. */
function provenPrevious(members: Channel, { connection, previous }: Joining): Entry | undefined {
  if (previous === undefined || previous.connection === connection) return undefined;
  const entry = members.get(previous.connection);
  return entry?.secret === previous.secret ? entry : undefined;
}

/** Whether a claim is free for one who asks, not counting what the same client holds; and who gives it up for that, if anybody. */
function askClaim(
  members: Channel,
  asking: Pick<Entry, 'claim' | 'user'>,
  own: readonly (Entry | undefined)[],
): { readonly free: boolean; readonly giver?: Entry } {
  if (asking.claim === undefined) return { free: true };
  // If there are several, they are of one user.
  const holder = [...members.values()].find((entry) => entry.claim === asking.claim && !own.includes(entry));
  if (holder === undefined || (holder.user !== null && holder.user === asking.user)) return { free: true };
  return holder.user === null && holder.parted ? { free: true, giver: holder } : { free: false };
}

/** Whether notices have told of this user as there. An anonymous one is known by its connection alone, so it never was. */
function isThere(members: Channel, user: string | null): boolean {
  return user !== null && [...members.values()].some((entry) => entry.user === user && entry.announce);
}

/** Whether one may take the other's place without a word: both are anonymous or of one user, and both or neither are told of. */
function isKin(one: Pick<Entry, 'user' | 'announce'>, other: Pick<Entry, 'user' | 'announce'>): boolean {
  return one.user === other.user && one.announce === other.announce;
}

/** Returns those that were there. */
function remove(members: Channel, entries: readonly (Entry | undefined)[]): Entry[] {
  return entries.filter((entry) => entry !== undefined).filter(({ connection }) => members.delete(connection));
}

function entryOf({ connection, gateway, user, name, claim, secret, announce }: Joining): Entry {
  return { connection, gateway, user, name, claim, secret, announce, parted: false };
}

function memberOf({ connection, gateway, user, name }: Entry): Member {
  return { connection, gateway, user, name };
}
