/**
 * This gateway's part in presence: enters its connections as members of their channels, takes them out again, and makes good
 * what failed while the broker was away. Knows no sockets.
 */
import { type Broker, BrokerUnavailable } from '../../broker/broker.ts';
import { GRACE_MS, type Member } from '../../broker/presence.ts';
import { ignoreUnavailable } from '../hub/history.ts';
import type { PresenceMode } from '../settings/namespaces.ts';
import type { ResumeTokens } from './resume-token.ts';

/** Who a connection is, for presence. */
export interface Person {
  readonly connection: string;
  readonly user: string | null;
  readonly name: string | null;
  /** What the client gave as the `resume` of its connection before this one; empty where it gave none. */
  readonly resume: string;
}

/** A channel in which a connection is a member. */
export interface Membership {
  readonly channel: string;
  readonly person: Person;
  /** What the name is compared by where it must be unique in the channel. */
  readonly claim: string | undefined;
  /** Its name was taken by another while this gateway could not hold it. */
  readonly nameLost: () => void;
  /** It has its name by this lease, also where it had it before. */
  readonly nameKept?: (lease: string) => void;
}

export interface MembersParts {
  readonly broker: Broker;
  readonly modeOf: (channel: string) => PresenceMode;
  readonly tokens: ResumeTokens;
  /** The lease by which this gateway lives just now; undefined while it has none. */
  readonly lease: () => string | undefined;
  /** The same, as long as it surely holds by this gateway's own clock. */
  readonly sureLease: () => string | undefined;
  readonly now: () => number;
}

export interface User {
  readonly connection: string;
  readonly user: string | null;
  readonly name: string | null;
  readonly connections: readonly string[];
}

export interface UserList {
  readonly users: readonly User[];
  readonly count: number;
  readonly complete: boolean;
  /** About how much was read for it. */
  readonly bytes: number;
}

/** Members that are read for one list. */
const MAX_READ = 10_000;
/** What a member takes up beside its user and its name. */
const MEMBER_BYTES = 96;
/** Members that are entered at once when all are entered anew. */
const REENTER_BATCH = 256;

/** A failover may lose what was acknowledged before it: members who left so lately are taken out again, and no more of them than that. */
const REPEATED_MS = 60_000;
const MAX_REPEATED = 10_000;

interface Leaving {
  readonly channel: string;
  readonly connection: string;
  readonly dueMs: number;
}

interface Left {
  readonly channel: string;
  readonly connection: string;
  readonly atMs: number;
}

export class Members {
  readonly #parts: MembersParts;
  /** Connections that ended, oldest first: each leaves when its grace is over. */
  readonly #leaving = new Map<string, Leaving>();
  /** Leavings that the broker is told of, or is about to be, and whether the member has come back since. */
  readonly #going = new Map<string, { isBack: boolean }>();
  /** Those who have left lately, oldest first. */
  readonly #left = new Map<string, Left>();
  /** What the broker is being told of connections that broke. */
  readonly #telling = new Set<Promise<void>>();
  /** Members that are being entered: they are taken out only after that, or they would stay. */
  readonly #entering = new Map<string, Promise<unknown>>();
  /** Whether the broker may have forgotten members, so that all must be entered anew. */
  #stale = false;
  /** Those that could not be entered. */
  readonly #missing = new Set<string>();
  /** There was a lease before: members may have been entered by it. */
  #hadLease = false;

  constructor(parts: MembersParts) {
    this.#parts = parts;
  }

  /** Connections whose grace is running, or that could not be taken out yet. */
  get leaving(): number {
    return this.#leaving.size;
  }

  /** The lease by which members are entered now; undefined while there is none. */
  get lease(): string | undefined {
    return this.#parts.lease();
  }

  /**
   * The same, as long as it surely holds: who took a unique name by it has it still. Undefined where others may have taken this gateway for
   * dead, and the names of its members with it.
   */
  get sureLease(): string | undefined {
    return this.#parts.sureLease();
  }

  /** Enters a member whose name need not be unique; where that fails it is made good later. */
  enter(channel: string, person: Person): void {
    if (this.#parts.modeOf(channel) === 'off') return;
    this.#join(channel, person, undefined).catch((error: unknown) => this.#missed(channel, person, error));
  }

  /** Enters a member whose name must be unique in the channel; false where another has it. Rejects with `BrokerUnavailable`. */
  claim(channel: string, person: Person, claim: string): Promise<boolean> {
    return this.#join(channel, person, claim);
  }

  /** Gives a member another unique name; false where another has it. Rejects with `BrokerUnavailable`. */
  rename(channel: string, connection: string, name: string, claim: string): Promise<boolean> {
    return this.#parts.broker.presence.rename(channel, connection, name, claim);
  }

  /** A member leaves on purpose. */
  exit(channel: string, connection: string): void {
    this.#missing.delete(keyOf(channel, connection));
    if (this.#parts.modeOf(channel) !== 'off') void this.#tell(this.#leave(channel, connection));
  }

  /**
   * A member's connection ended, or is about to. It may come back: where joining and leaving are announced it stays for a while. Resolves
   * once the broker knows, or could not be told.
   */
  broke(channel: string, connection: string): Promise<void> {
    const mode = this.#parts.modeOf(channel);
    if (mode === 'off') return Promise.resolve();
    this.#missing.delete(keyOf(channel, connection));
    if (mode === 'list') return this.#tell(this.#leave(channel, connection));
    this.#leaveLater(channel, connection, GRACE_MS);
    return this.#tell(this.#part(channel, connection));
  }

  /** Takes out those whose grace is over. Called about every half second. */
  leaveDue(): void {
    const now = this.#parts.now();
    for (const [key, { channel, connection, dueMs }] of this.#leaving) {
      if (dueMs > now) break;
      this.#leaving.delete(key);
      void this.#tell(this.#leave(channel, connection));
    }
  }

  /** The broker may have forgotten who came and who left: at the next occasion all members are entered anew, and those who left lately taken out again. */
  doubt(): void {
    this.#stale = true;
    const since = this.#parts.now() - REPEATED_MS;
    for (const { channel, connection, atMs } of this.#left.values())
      if (atMs > since) this.#leaveLater(channel, connection, 0);
    this.#left.clear();
  }

  /** This gateway lives by another lease from now on: its members must be entered by that one. By its first one all are that are entered at all. */
  leaseBegan(): void {
    if (!this.#hadLease) {
      this.#hadLease = true;
      return;
    }
    this.#stale = true;
    // The old lease's members are the others' to remove.
    this.#leaving.clear();
    this.#left.clear();
  }

  /**
   * Enters members anew: all where the lease is another or the broker may have forgotten some, else those that could not be entered. So many at once and
   * no more, so that others are served meanwhile. Where the lease becomes another meanwhile it ends, and the next call begins anew; those that fail wait for that, too.
   */
  async reenter(memberships: Iterable<Membership>): Promise<void> {
    const lease = this.#parts.sureLease(); // by one that may have ended names would be lost to who has them by now
    if (lease === undefined || (!this.#stale && this.#missing.size === 0)) return;
    const isAll = this.#stale;
    this.#stale = false;
    if (isAll) this.#missing.clear();
    let batch: Promise<void>[] = [];
    for (const membership of memberships) {
      if (!isAll && !this.#missing.has(keyOf(membership.channel, membership.person.connection))) continue;
      batch.push(this.#reenter(membership));
      if (batch.length < REENTER_BATCH) continue;
      await Promise.all(batch);
      if (this.#parts.lease() !== lease) return; // the others are entered by that one
      batch = [];
    }
    await Promise.all(batch);
  }

  /** Who is in a channel, each user once: `limit` users at most, as far as they fit into about `maxBytes`. Rejects with `BrokerUnavailable`. */
  async list(channel: string, limit: number, maxBytes = Number.POSITIVE_INFINITY): Promise<UserList> {
    const { members, more } = await this.#parts.broker.presence.members(channel, MAX_READ);
    const users = new Map<string, Member[]>();
    for (const member of members) {
      const identity = member.user === null ? `connection ${member.connection}` : `user ${member.user}`;
      const connections = users.get(identity);
      if (connections === undefined) users.set(identity, [member]);
      else connections.push(member);
    }
    const listed: User[] = [];
    let bytes = 0;
    for (const each of users.values()) {
      bytes += bytesOf(each);
      if (listed.length === limit || (listed.length > 0 && bytes > maxBytes)) break;
      listed.push(userOf(each));
    }
    const complete = !more && listed.length === users.size;
    return { users: listed, count: users.size, complete, bytes: bytesOf(members) };
  }

  /**
   * Resolves once the broker knows of every connection that broke. Those that may still come back are left to the other gateways, where
   * this one ends its lease: they take them out in time.
   */
  async settled(): Promise<void> {
    await Promise.all(this.#telling);
  }

  #tell(told: Promise<void>): Promise<void> {
    const telling: Promise<void> = told.finally(() => this.#telling.delete(telling));
    this.#telling.add(telling);
    return telling;
  }

  #join(channel: string, person: Person, claim: string | undefined): Promise<boolean> {
    const key = keyOf(channel, person.connection);
    // It has come back: what is still to be told of its leaving is no longer true.
    this.#leaving.delete(key);
    this.#left.delete(key);
    this.#missing.delete(key);
    const going = this.#going.get(key);
    if (going !== undefined) going.isBack = true;
    const entering: Promise<boolean> = this.#enter(channel, person, claim).finally(() => {
      if (this.#entering.get(key) === entering) this.#entering.delete(key);
    });
    this.#entering.set(key, entering);
    return entering;
  }

  async #enter(channel: string, { resume, ...person }: Person, claim: string | undefined): Promise<boolean> {
    const { broker, modeOf, tokens, lease } = this.#parts;
    const gateway = lease();
    // Whom no lease vouches for nobody would remove.
    if (gateway === undefined) throw new BrokerUnavailable('This gateway has no lease yet.');
    return broker.presence.join(channel, {
      ...person,
      gateway,
      claim,
      secret: tokens.secretOf(person.connection),
      previous: tokens.parse(resume),
      announce: modeOf(channel) === 'announce',
    });
  }

  async #part(channel: string, connection: string): Promise<void> {
    await this.#entered(channel, connection);
    await this.#parts.broker.presence.part(channel, connection).catch(ignoreUnavailable); // then its name is not free before it has left
  }

  async #leave(channel: string, connection: string): Promise<void> {
    const key = keyOf(channel, connection);
    const going = { isBack: false };
    this.#going.set(key, going);
    try {
      await this.#entered(channel, connection);
      if (going.isBack) return;
      this.#missing.delete(key);
      await this.#parts.broker.presence.leave(channel, connection);
      if (!going.isBack) this.#hasLeft(channel, connection);
    } catch (error) {
      ignoreUnavailable(error);
      if (!going.isBack) this.#leaveLater(channel, connection, GRACE_MS);
    } finally {
      if (this.#going.get(key) === going) this.#going.delete(key);
    }
  }

  #leaveLater(channel: string, connection: string, afterMs: number): void {
    const key = keyOf(channel, connection);
    this.#leaving.delete(key); // it goes to the end
    this.#leaving.set(key, { channel, connection, dueMs: this.#parts.now() + afterMs });
  }

  #hasLeft(channel: string, connection: string): void {
    const key = keyOf(channel, connection);
    const now = this.#parts.now();
    this.#left.delete(key);
    this.#left.set(key, { channel, connection, atMs: now });
    for (const [oldest, { atMs }] of this.#left) {
      if (this.#left.size <= MAX_REPEATED && atMs > now - REPEATED_MS) break;
      this.#left.delete(oldest);
    }
  }

  async #entered(channel: string, connection: string): Promise<void> {
    const entering = this.#entering.get(keyOf(channel, connection));
    if (entering !== undefined) await entering.catch(ignoreUnavailable); // told to who entered it
  }

  async #reenter({ channel, person, claim, nameLost, nameKept }: Membership): Promise<void> {
    if (this.#parts.modeOf(channel) === 'off') return;
    const lease = this.#parts.lease();
    try {
      if (!(await this.#join(channel, person, claim))) nameLost();
      else if (lease !== undefined) nameKept?.(lease);
    } catch (error) {
      this.#missed(channel, person, error);
    }
  }

  #missed(channel: string, { connection }: Person, error: unknown): void {
    if (!(error instanceof BrokerUnavailable)) throw error;
    this.#missing.add(keyOf(channel, connection));
  }
}

/** About what members take up in a list. */
function bytesOf(members: readonly Member[]): number {
  return members.reduce((sum, { user, name }) => sum + MEMBER_BYTES + (user?.length ?? 0) + (name?.length ?? 0), 0);
}

function userOf(members: readonly Member[]): User {
  const [first] = members;
  if (first === undefined) throw new Error('A user without a connection');
  const { connection, user, name } = first;
  return { connection, user, name, connections: members.map((member) => member.connection) };
}

function keyOf(channel: string, connection: string): string {
  return `${connection} ${channel}`;
}
