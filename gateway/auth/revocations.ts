/**
 * The tokens that were revoked before their end, as every gateway knows them: from a channel of the gateways' own that keeps them, read at
 * the start and after whatever may have been missed, and heard live in between.
 *
 * Only grows and forgets: in what order revocations come, and how often, makes no difference. Knows no connection.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type Broker, type Event, ORIGIN, type Position } from '../../broker/broker.ts';
import { MAX_REVOKED, REVOKED_KEPT_MS, REVOKED_TOKENS } from '../fleet/own-channels.ts';
import { ignoreUnavailable } from '../hub/history.ts';
import { readInternal } from '../json.ts';
import type { Refusal } from '../protocol.ts';
import type { Authenticated } from './authenticator.ts';

/** How often `tend` is to be called. */
export const REVOCATION_CHECK_MS = 5_000;
const PAGE = 1_000;
/** Revocations that are stored again at once. */
const RESTORED_AT_ONCE = 256;
/** How far this gateway's clock may be ahead of others that still take the token. */
const CLOCK_TOLERANCE_MS = 5 * 60_000;

const revocation = z.object({ jti: z.string(), untilMs: z.number() });

export interface RevocationParts {
  readonly broker: Broker;
  /** Told once of each token that is found to be revoked, wherever it was: connections that live by it are to be ended. */
  readonly onRevoked: (tokenId: string) => void;
  /** Told of each message on their channel that revokes nothing. */
  readonly onUnreadable: (channel: string) => void;
  readonly now: () => number;
}

export class Revocations {
  readonly #parts: RevocationParts;
  /** Until when each token's revocation is to be known; the oldest first. At most `MAX_REVOKED`. */
  readonly #revoked = new Map<string, number>();
  /** Up to where the channel has been read or heard. */
  #position: Position = ORIGIN;
  #listening = false;
  #ready = false;
  #reading: Promise<void> | undefined;
  /** What was read since the chain broke; undefined where it did not, or where all that Redis lost is stored again. */
  #seen: Set<string> | undefined;
  /** Whether something may have been stored that the read under way began too early to see. */
  #again = false;

  constructor(parts: RevocationParts) {
    this.#parts = parts;
  }

  /** Whether all that was revoked before the start is known. Where Redis is away at the start that cannot be told yet. */
  get ready(): boolean {
    return this.#ready;
  }

  /** How many tokens are known to be revoked. */
  get size(): number {
    return this.#revoked.size;
  }

  isRevoked(tokenId: string): boolean {
    const untilMs = this.#revoked.get(tokenId);
    return untilMs !== undefined && untilMs > this.#parts.now();
  }

  /**
   * What becomes of somebody whose token or ticket was verified. One whose token was revoked is `unauthorized`; while not even what was
   * revoked before the start is known, a token that has an id is `unavailable`, as it could be one of those.
   */
  admit(authenticated: Authenticated): Authenticated {
    if (!authenticated.ok || authenticated.caller.kind !== 'user') return authenticated;
    const { tokenId } = authenticated.caller.identity;
    if (tokenId === undefined) return authenticated;
    if (this.isRevoked(tokenId)) return { ok: false, refusal: REVOKED, expired: false };
    return this.#ready ? authenticated : { ok: false, refusal: NOT_READY, expired: false };
  }

  /**
   * Revokes a token on all gateways until it ends; one that has no end, or a later one, for `REVOKED_KEPT_MS`. When it resolves that is stored, and
   * known here; false where the token ended more than `CLOCK_TOLERANCE_MS` ago, so that there is nothing to do. Rejects with `BrokerUnavailable`, and may be repeated.
   */
  async revoke(tokenId: string, expiresAtMs: number | undefined): Promise<boolean> {
    const { now } = this.#parts;
    const untilMs = Math.min(expiresAtMs ?? Number.POSITIVE_INFINITY, now() + REVOKED_KEPT_MS);
    if (untilMs + CLOCK_TOLERANCE_MS <= now()) return false;
    await this.#store(tokenId, untilMs, false);
    this.#learn(tokenId, untilMs);
    return true;
  }

  /** Begins to listen, and reads all that was revoked. Rejects with `BrokerUnavailable`; `tend` then makes it good. */
  async start(): Promise<void> {
    if (!this.#listening) {
      await this.#parts.broker.subscribe(REVOKED_TOKENS);
      this.#listening = true;
    }
    await this.#catchUp();
  }

  /** Forgets tokens that have ended, and reads what may have been missed, or could not be read before. Rejects as `start` does. */
  async tend(): Promise<void> {
    this.#forget();
    await this.start();
  }

  /** The subscription was interrupted and holds again. */
  resubscribed(): void {
    this.#catchUp().catch(ignoreUnavailable); // `tend` tries again
  }

  /** Takes an event of `REVOKED_TOKENS`. */
  event(event: Event): void {
    this.#take(event);
    if (event.prev === this.#position) this.#position = event.id;
    else if (event.id !== this.#position) this.#catchUp().catch(ignoreUnavailable); // `tend` tries again
  }

  /** Resolves once all is known that was stored before the call. */
  #catchUp(): Promise<void> {
    this.#again = true;
    this.#reading ??= this.#readOn();
    return this.#reading;
  }

  async #readOn(): Promise<void> {
    try {
      while (this.#again) {
        this.#again = false;
        while (await this.#readPage());
      }
      this.#ready = true;
      await this.#restore();
    } finally {
      this.#reading = undefined; // in one step with the last look at `#again`, or a call in between would wait for nothing
    }
  }

  /** Whether there is more to read. */
  async #readPage(): Promise<boolean> {
    const from = this.#position;
    const page = await this.#parts.broker.readAfter(REVOKED_TOKENS, from, PAGE);
    for (const event of page.events) this.#take(event);
    // What was lost in a failover may have had any ids, so where the chain is broken nothing but the beginning is a safe place.
    const broken = !page.known && from !== ORIGIN;
    if (broken) this.#seen = new Set();
    this.#position = broken ? ORIGIN : (page.events.at(-1)?.id ?? page.head);
    return broken || page.more;
  }

  /**
   * Stores again what Redis has lost and this gateway knows, so that gateways that start later know it, too. All gateways that know do so, each
   * with the same key: one of them stores it.
   */
  async #restore(): Promise<void> {
    const seen = this.#seen;
    if (seen === undefined) return;
    const now = this.#parts.now();
    const lost = [...this.#revoked].filter(([tokenId, untilMs]) => untilMs > now && !seen.has(tokenId));
    for (let from = 0; from < lost.length; from += RESTORED_AT_ONCE)
      await Promise.all(
        lost.slice(from, from + RESTORED_AT_ONCE).map(([jti, untilMs]) => this.#store(jti, untilMs, true)),
      );
    this.#seen = undefined; // not where that failed: `tend` tries again
  }

  async #store(jti: string, untilMs: number, restored: boolean): Promise<void> {
    const data: z.infer<typeof revocation> = { jti, untilMs };
    const key = restored ? { key: `restored ${createHash('sha256').update(jti).digest('base64url')}` } : {};
    await this.#parts.broker.publish(REVOKED_TOKENS, { name: 'revoked', data: JSON.stringify(data), ...key });
  }

  #take({ data }: Event): void {
    const parsed = revocation.safeParse(readInternal(data));
    // What a gateway of another version revokes in another form is none of this one's tokens.
    if (parsed.success) {
      this.#seen?.add(parsed.data.jti);
      this.#learn(parsed.data.jti, parsed.data.untilMs);
    } else this.#parts.onUnreadable(REVOKED_TOKENS);
  }

  #learn(tokenId: string, untilMs: number): void {
    const known = this.#revoked.get(tokenId);
    if (untilMs <= this.#parts.now() || (known !== undefined && known >= untilMs)) return;
    this.#revoked.set(tokenId, untilMs);
    if (this.#revoked.size > MAX_REVOKED) this.#forget();
    for (const oldest of this.#revoked.keys()) {
      if (this.#revoked.size <= MAX_REVOKED) break;
      this.#revoked.delete(oldest);
    }
    if (known === undefined) this.#parts.onRevoked(tokenId);
  }

  #forget(): void {
    const now = this.#parts.now();
    for (const [tokenId, untilMs] of this.#revoked) if (untilMs <= now) this.#revoked.delete(tokenId);
  }
}

const REVOKED: Refusal = { code: 'unauthorized', error: 'The token was revoked; get a fresh one' };
const NOT_READY: Refusal = {
  code: 'unavailable',
  error: 'Whether the token was revoked cannot be told yet; try again shortly',
};
