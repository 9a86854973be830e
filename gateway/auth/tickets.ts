/**
 * Tickets: what a page shows in a URL in place of its token, so that no log keeps what could be used again. Each stands for one
 * user, holds for a short while, and opens one connection, on whatever gateway.
 *
 * Whoever can read the vault learns nothing by which to come in: it is told a digest of the ticket only.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { BrokerUnavailable } from '../../broker/broker.ts';
import type { Vault } from '../../broker/vault.ts';
import type { Refusal } from '../protocol.ts';
import type { Authenticated } from './authenticator.ts';
import { Patterns } from './patterns.ts';
import type { Identity } from './tokens.ts';
import { segmentOf } from './users.ts';

/** For how long a ticket may be used: a page asks for one and connects by it at once. */
export const TICKET_LIFETIME_MS = 30_000;

export interface TicketParts {
  readonly vault: Vault;
  /** Makes a new ticket, of 1 to 128 characters of A-Z a-z 0-9 _ -, that nobody can guess. */
  readonly newTicket: () => string;
  readonly now: () => number;
}

export interface IssuedTicket {
  readonly ticket: string;
  readonly expiresInMs: number;
}

export class Tickets {
  readonly #parts: TicketParts;

  constructor(parts: TicketParts) {
    this.#parts = parts;
  }

  /** A ticket by which somebody comes in as this user, until the user's own token ends. Rejects with `BrokerUnavailable`. */
  async issue(identity: Identity): Promise<IssuedTicket> {
    const { vault, newTicket, now } = this.#parts;
    const ticket = newTicket();
    const leftMs = (identity.expiresAtMs ?? Number.POSITIVE_INFINITY) - now();
    const expiresInMs = Math.max(1, Math.min(TICKET_LIFETIME_MS, Math.floor(leftMs)));
    await vault.put(digestOf(ticket), encode(identity), expiresInMs);
    return { ticket, expiresInMs };
  }

  /** Whom a ticket stands for; nobody, the second time. Whether that token was revoked meanwhile is not looked at here. Never rejects for a broker that is away. */
  async redeem(ticket: string): Promise<Authenticated> {
    const { vault, now } = this.#parts;
    let kept: string | undefined;
    try {
      kept = await vault.take(digestOf(ticket));
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) throw error;
      return refused(UNAVAILABLE);
    }
    const identity = kept === undefined ? undefined : decode(kept);
    if (identity === undefined) return refused(UNKNOWN);
    if (identity.expiresAtMs !== undefined && identity.expiresAtMs <= now())
      return { ok: false, refusal: ENDED, expired: true };
    return { ok: true, caller: { kind: 'user', identity, byTicket: true } };
  }
}

const UNKNOWN: Refusal = {
  code: 'unauthorized',
  error: `This ticket was used before, is older than ${TICKET_LIFETIME_MS / 1_000} seconds, or was never handed out; get a fresh one`,
};
const ENDED: Refusal = {
  code: 'unauthorized',
  error: 'The token for which this ticket was handed out has expired; get a fresh one',
};
/** The ticket may be used up by now. */
const UNAVAILABLE: Refusal = {
  code: 'unavailable',
  error: 'Tickets cannot be looked up now; try again shortly, with a fresh one',
};

const sources = z.array(z.string()).optional();
const stored = z.object({
  user: z.string().nullable(),
  name: z.string().nullable(),
  expiresAtMs: z.number().optional(),
  tokenId: z.string().optional(),
  subscribe: sources,
  publish: sources,
});

function encode({ subscribe, publish, segment, ...rest }: Identity): string {
  const identity: z.infer<typeof stored> = {
    ...rest,
    ...(subscribe === undefined ? {} : { subscribe: [...subscribe.sources] }),
    ...(publish === undefined ? {} : { publish: [...publish.sources] }),
  };
  return JSON.stringify(identity);
}

/** Undefined for what a gateway of another version has put there in another form. */
function decode(kept: string): Identity | undefined {
  const parsed = stored.safeParse(JSON.parse(kept));
  if (!parsed.success) return undefined;
  const { user, name, expiresAtMs, tokenId, subscribe, publish } = parsed.data;
  const segment = user === null ? undefined : segmentOf(user);
  const patterns = (list: readonly string[] | undefined) => list && new Patterns(list, segment);
  return { user, segment, name, expiresAtMs, tokenId, subscribe: patterns(subscribe), publish: patterns(publish) };
}

function digestOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url');
}

function refused(refusal: Refusal): Authenticated {
  return { ok: false, refusal, expired: false };
}
