/**
 * The contract of presence: which gateways live, and who is in a channel over all of them.
 *
 * A member is one connection, entered by the gateway that holds it. No member is refreshed: each gateway renews one lease for
 * itself, and when that has ended the others remove its members. What members do is told as events of an ephemeral channel beside the
 * channel, `noticesOf(channel)`, each in one step with the change that it tells of; so each is told once, whoever makes it.
 */

/** How long a member whose connection broke may come back before it has left. */
export const GRACE_MS = 5_000;

/** No client can name such a channel: the mark is outside the alphabet of channels. */
const NOTICES_MARK = '#';

/** The channel that carries the notices of a channel's presence. It lives where the channel lives, and is ephemeral whatever that one is. */
export function noticesOf(channel: string): string {
  return `${channel}${NOTICES_MARK}`;
}

/** The channel whose notices a channel carries, or undefined where it carries none. */
export function noticedChannel(name: string): string | undefined {
  return name.endsWith(NOTICES_MARK) ? name.slice(0, -NOTICES_MARK.length) : undefined;
}

/**
 * The names of notices, and the JSON that is their data; that of `renamed` also has the name before, in `old`. A user with several connections
 * joins with the first and leaves with the last. `changed` is no engine's: a gateway puts it in place of notices that it left out.
 */
export const NOTICE = { joined: 'joined', left: 'left', renamed: 'renamed', changed: 'changed' } as const;
export interface Notice {
  readonly connection: string;
  readonly user: string | null;
  readonly name: string | null;
}

/** One connection that is in a channel. */
export interface Member {
  readonly connection: string;
  /** The lease of the gateway that holds it. */
  readonly gateway: string;
  /** Null for an anonymous one, which is then a user of its own. */
  readonly user: string | null;
  readonly name: string | null;
}

export interface Joining extends Member {
  /**
   * What `name` is compared by, where it must be unique in the channel: two connections may have one claim only if they are of one
   * user. Undefined where the name need not be unique.
   */
  readonly claim?: string | undefined;
  /** By this the client proves, on another connection, that it is the same one. */
  readonly secret: string;
  /**
   * The connection that the client had before, and its secret: if that one is still a member, this one takes its place, in silence
   * if both are of one user or both anonymous. Where the client has become somebody else, that one has left.
   */
  readonly previous?: { readonly connection: string; readonly secret: string } | undefined;
  /** Whether notices are to be sent of this member. One of which none are sent does not count for whether its user is there. */
  readonly announce: boolean;
}

export interface Members {
  /** In no order; those are left out whose gateway has no lease, or one that ended more than `GRACE_MS` ago. */
  readonly members: readonly Member[];
  /** Whether `limit` or the bytes of a list left some out. */
  readonly more: boolean;
}

/** How many bytes of members one list has at most, unless it is asked for another number. The first member is always in it. */
export const MEMBERS_BYTES = 4_194_304;

/**
 * As with the broker, every method rejects with `BrokerUnavailable` when the engine cannot be reached within its time limit.
 *
 * A gateway's name is that of one broker at a time, and enters members only while its lease holds. Calls for one connection in one
 * channel don't nest: each is to be answered before the next. Where the outcome of a `join` is unknown, `leave` undoes it.
 */
export interface Presence {
  /**
   * Says that this gateway lives, for `leaseMs` from now, by the clock of the engine. True where the lease held until now. False
   * where there was none (it is begun) or where it had ended (it stays so: others may be removing this gateway's members just
   * now, so it must go on under another name).
   */
  renewLease(gateway: string, leaseMs: number): Promise<boolean>;
  /** Ends the lease now. Its members have `GRACE_MS` to come back by other gateways, then the others remove them. */
  endLease(gateway: string): Promise<void>;
  /** The gateways whose lease holds, in no order. */
  gateways(): Promise<readonly string[]>;

  /**
   * Enters a member. False, and nothing is changed, where its claim is another's: one that is there, or whose user or client is not
   * this one and whose grace is not over, which it is with `leave` or `removeDead` (only an anonymous one whose connection broke
   * gives its claim, and its place, to whoever comes with it). To join again with a connection that is a member already changes its
   * entry, and tells nobody. Sends `joined` unless the user was there already, on whatever connection; one who takes another's
   * place by `previous` or by claim sends `renamed` instead if the name differs.
   */
  join(channel: string, member: Joining): Promise<boolean>;
  /** The member's connection broke: it stays, as one that may come back. The gateway is to call `leave` after `GRACE_MS`. */
  part(channel: string, connection: string): Promise<void>;
  /** Removes a member if it is still there. Sends `left` if it was the user's last connection. */
  leave(channel: string, connection: string): Promise<void>;
  /**
   * Gives a member another name and claim, and sends `renamed` if the name differs. False where the claim is another's as for `join`,
   * or where it is no member.
   */
  rename(channel: string, connection: string, name: string, claim: string): Promise<boolean>;
  /** Who is in a channel: `limit` members at most, 0 or more, as far as what is kept of them fits into `maxBytes` (`MEMBERS_BYTES` unless given). */
  members(channel: string, limit: number, maxBytes?: number): Promise<Members>;

  /**
   * Removes the members of gateways whose lease ended more than `GRACE_MS` ago, sends `left` for them, and forgets those gateways.
   * Resolves to how many gateways that were. Many may call it at once: one does the work, and if that one dies another does the rest.
   */
  removeDead(): Promise<number>;
}
