/**
 * Who may open a connection now: how many there are in all, of one address and of one user, how many come at a time, and whether the
 * process keeps up. Pure: knows no transport, and is told addresses and users by whoever does.
 */
import { CLOSE, type Refusal } from '../protocol.ts';
import { Bucket } from './bucket.ts';
import { holderOf, isLoopback } from './holder.ts';
import type { Limit, Refusals } from './limits.ts';
import { FIRST_PENALTY_MS, Penalties } from './penalties.ts';
import { LIMIT_SETTINGS } from './settings.ts';
import { Spread } from './spread.ts';

export interface AdmissionOptions {
  readonly maxConnections: number;
  /** Each 0 for no limit. */
  readonly maxConnectionsPerAddress: number;
  readonly maxConnectionsPerUser: number;
  readonly maxConnectsPerSecond: number;
  readonly maxEventLoopLagMs: number;
  /** How long at most whoever was closed for flooding has to stay away; 0 for not at all. */
  readonly maxPenaltySeconds: number;
  /** How far the event loop is behind now. */
  readonly lagMs: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  readonly random: () => number;
  /** Where refusals are counted. */
  readonly refusals: Refusals;
}

/** What connections have in common, an address or a user, and how many of them are open. */
interface Share {
  readonly name: string;
  count: number;
}

/** The share of an address; those that nobody is known to have hold one place together. */
class AddressShare implements Share {
  readonly name: string;
  readonly place: Place = { address: this, user: undefined };
  count = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** What an open connection holds, to be released when it is closed: once, however that happens. */
export interface Place {
  /** Of IPv6 the network. */
  readonly address: Share;
  readonly user: Share | undefined;
}

export type Verdict = { readonly admitted: true; readonly place: Place } | TurnedAway;

export interface TurnedAway {
  readonly admitted: false;
  readonly limit: Limit;
  /**
   * `later`: nothing is wrong but the moment. A WebSocket is told by a `reconnect` frame, with nothing of an error. `full`: one limit has to
   * be told, by an `error` frame.
   */
  readonly how: 'later' | 'full';
  readonly refusal: Refusal;
  /** What a WebSocket is closed with. */
  readonly code: number;
  /** For the `reconnect` frame, `retry:` or Retry-After; whole, and another one for each. */
  readonly comeBackAfterMs: number;
}

/** At most so many connect at once where a second's worth is less. */
const MIN_BURST = 10;
/** When those come back who found the process behind, or no place: from the first time on, within the second. */
const AFTER_LAG_MS = [1_000, 5_000] as const;
const AFTER_FULL_MS = [5_000, 15_000] as const;

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #byAddress = new Map<string, AddressShare>();
  readonly #byUser = new Map<string, Share>();
  readonly #connects: { readonly bucket: Bucket; readonly spread: Spread } | undefined;
  readonly #penalties: Penalties | undefined;
  #size = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const { maxConnectsPerSecond: perSecond, maxPenaltySeconds, random } = options;
    if (maxPenaltySeconds > 0) this.#penalties = new Penalties(maxPenaltySeconds * 1_000);
    if (perSecond > 0) {
      const bucket = new Bucket({ perSecond, burst: Math.max(perSecond, MIN_BURST) });
      this.#connects = { bucket, spread: new Spread(perSecond, random) };
    }
  }

  /** How many places are held. */
  get size(): number {
    return this.#size;
  }

  /** The counts that are kept, for whoever checks them: none is 0. */
  get counts(): { readonly addresses: ReadonlyMap<string, number>; readonly users: ReadonlyMap<string, number> } {
    return { addresses: countsOf(this.#byAddress), users: countsOf(this.#byUser) };
  }

  /**
   * Gives a place, which is then held until it is released, or says why there is none and counts that. `from` is an address in the one form
   * that `clientAddress` gives it; `user` is that of a verified token.
   */
  admit(from: string, user: string | undefined): Verdict {
    const address = holderOf(from);
    const { maxConnections, maxConnectionsPerAddress, maxConnectionsPerUser, maxEventLoopLagMs, lagMs } = this.#options;
    if (this.#size >= maxConnections) return this.#full('connections', SERVER_FULL, CLOSE.serverFull);
    if (!isLoopback(address) && reached(maxConnectionsPerAddress, this.#byAddress, address)) {
      const error = `Your address has ${maxConnectionsPerAddress} connections here, as many as it may (${LIMIT_SETTINGS.maxConnectionsPerAddress.name})`;
      return this.#full('address', { code: 'server_full', error }, CLOSE.serverFull);
    }
    if (user !== undefined && reached(maxConnectionsPerUser, this.#byUser, user)) {
      const error = `You have ${maxConnectionsPerUser} connections here, as many as a user may (${LIMIT_SETTINGS.maxConnectionsPerUser.name})`;
      return this.#full('user', { code: 'too_many', error }, CLOSE.tooMany);
    }
    const nowMs = this.#options.clock();
    const penaltyMs = this.#penalties?.waitMs(offender(address, user), nowMs) ?? 0;
    if (penaltyMs > 0) return this.#later('penalties', FLOODED, Math.ceil(penaltyMs));
    if (maxEventLoopLagMs > 0 && lagMs() > maxEventLoopLagMs)
      return this.#later('event_loop_lag', BEHIND, this.#between(AFTER_LAG_MS));
    // Last: a token is taken only by who gets a place.
    if (this.#connects !== undefined && !this.#connects.bucket.take(nowMs))
      return this.#later('connects', STORM, this.#connects.spread.comeBackAfterMs(nowMs));

    this.#size++;
    return { admitted: true, place: this.#place(address, user) };
  }

  /** Gives back what one connection held. */
  release({ address, user }: Place): void {
    this.#size--;
    if (--address.count === 0) this.#byAddress.delete(address.name);
    if (user !== undefined && --user.count === 0) this.#byUser.delete(user.name);
  }

  #place(address: string, user: string | undefined): Place {
    const ofAddress = this.#byAddress.get(address) ?? new AddressShare(address);
    if (ofAddress.count++ === 0) this.#byAddress.set(address, ofAddress);
    if (user === undefined) return ofAddress.place;
    const ofUser = this.#byUser.get(user) ?? { name: user, count: 0 };
    if (ofUser.count++ === 0) this.#byUser.set(user, ofUser);
    return { address: ofAddress, user: ofUser };
  }

  /**
   * Who held this place was closed because it sent more than it may, again and again. Its user, or, where it is nobody's, its address has to
   * stay away for a while, longer each time; connections that are open stay. All who come through an unnamed proxy of this machine have a
   * loopback address, so that one is never away for long.
   */
  punish({ address, user }: Place): void {
    const limitMs = user === undefined && isLoopback(address.name) ? FIRST_PENALTY_MS : undefined;
    this.#penalties?.punish(offender(address.name, user?.name), this.#options.clock(), limitMs);
  }

  #full(limit: Limit, refusal: Refusal, code: number): TurnedAway {
    this.#options.refusals[limit]++;
    const comeBackAfterMs = this.#between(AFTER_FULL_MS);
    return { admitted: false, how: 'full', limit, refusal, code, comeBackAfterMs };
  }

  #later(limit: Limit, refusal: Refusal, comeBackAfterMs: number): TurnedAway {
    this.#options.refusals[limit]++;
    return { admitted: false, how: 'later', limit, refusal, code: CLOSE.tryAgain, comeBackAfterMs };
  }

  #between([from, to]: readonly [number, number]): number {
    return Math.round(from + this.#options.random() * (to - from));
  }
}

const SERVER_FULL: Refusal = { code: 'server_full', error: 'Server full' };
const STORM: Refusal = {
  code: 'unavailable',
  error: 'More connect now than this gateway takes at a time; come back shortly',
};
const BEHIND: Refusal = { code: 'unavailable', error: 'This gateway has too much to do now; come back shortly' };

const FLOODED: Refusal = {
  code: 'unavailable',
  error: 'You were closed for sending more than you may; come back when your time is over',
};

/** Addresses have no `@` in them. */
function offender(address: string, user: string | undefined): string {
  return user === undefined ? address : `@${user}`;
}

function reached(limit: number, shares: ReadonlyMap<string, Share>, name: string): boolean {
  return limit > 0 && (shares.get(name)?.count ?? 0) >= limit;
}

function countsOf(shares: ReadonlyMap<string, Share>): ReadonlyMap<string, number> {
  return new Map([...shares.values()].map(({ name, count }) => [name, count]));
}
