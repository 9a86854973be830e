/**
 * The HTTP requests about who may come in and stay: tickets, ended connections, revoked tokens. Knows no HTTP; each takes who asks and
 * the JSON of the body.
 */

import { z } from 'zod';
import { boundedText } from '../bounds.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Operations, Outcome } from '../operations.ts';
import { badRequest, type Refusal } from '../protocol.ts';
import type { Revocations } from './revocations.ts';
import { type Caller, meOf, type Rights } from './rights.ts';
import type { Tickets } from './tickets.ts';
import { MAX_TOKEN_ID_LENGTH, type TokenVerifier } from './tokens.ts';
import { userSchema } from './users.ts';

export interface AuthRouteParts {
  readonly rights: Pick<Rights, 'refuseManaging'>;
  readonly tickets: Pick<Tickets, 'issue'>;
  readonly revocations: Pick<Revocations, 'revoke'>;
  /** Undefined where no key for tokens is configured. */
  readonly tokens: Pick<TokenVerifier, 'verify'> | undefined;
  readonly fleet: Pick<Fleet, 'ask'>;
  readonly operations: Pick<Operations, 'ask'>;
}

/** `body` is the JSON value that was sent, undefined where there was none. */
export type AuthRoute = (caller: Caller, body: unknown) => Promise<Outcome>;

/** What each path answers to `POST`. */
export interface AuthRoutes {
  readonly '/api/ticket': AuthRoute;
  readonly '/api/disconnect': AuthRoute;
  readonly '/api/revoke': AuthRoute;
}

const oneOf = <Field extends string>(first: Field, second: Field) => ({
  check: (it: Readonly<Partial<Record<Field, unknown>>>) => (it[first] === undefined) !== (it[second] === undefined),
  message: `give either "${first}" or "${second}"`,
});
const text = (field: string, max: number) => {
  const message = `"${field}" must be a string of 1 to ${max} characters`;
  return boundedText(message, { min: 1, max, message });
};

const whose = oneOf('user', 'connection');
const disconnection = z
  .object({ user: userSchema('"user"').optional(), connection: text('connection', 128).optional() })
  .refine(whose.check, whose.message)
  .transform(({ user, connection = '' }) => (user === undefined ? { connection } : { user }));

const which = oneOf('jti', 'token');
const revocation = z
  .object({
    jti: text('jti', MAX_TOKEN_ID_LENGTH).optional(),
    token: z.string('"token" must be a string').optional(),
    expires: z.number('"expires" must be a number: the token\'s "exp", in seconds').optional(),
  })
  .refine(which.check, which.message)
  .refine((it) => it.token === undefined || it.expires === undefined, 'a "token" says itself when it "expires"');

export function authRoutes(parts: AuthRouteParts): AuthRoutes {
  const { rights, tickets, fleet, operations } = parts;
  return {
    '/api/ticket': async (caller) => {
      if (caller.kind !== 'user') return refused(caller.kind === 'key' ? NO_TICKET_FOR_KEYS : NO_TICKET_FOR_NOBODY);
      // Or whoever read one in a log could go on for as long as the token holds.
      if (caller.byTicket) return refused(NO_TICKET_FOR_TICKETS);
      const [user, me] = [caller.identity.user, meOf(caller)];
      return operations.ask(async () => ({ ...(await tickets.issue(caller.identity)), user, me }));
    },
    '/api/disconnect': async (caller, body) => {
      const refusal = rights.refuseManaging(caller);
      if (refusal !== undefined) return refused(refusal);
      const parsed = disconnection.safeParse(body);
      if (!parsed.success) return refused(badRequest('disconnect', parsed.error));
      const { data } = parsed;
      return operations.ask(() => disconnectEverywhere(fleet, data));
    },
    '/api/revoke': async (caller, body) => {
      const refusal = rights.refuseManaging(caller);
      if (refusal !== undefined) return refused(refusal);
      const parsed = revocation.safeParse(body);
      if (!parsed.success) return refused(badRequest('revoke', parsed.error));
      return revoke(parts, parsed.data);
    },
  };
}

async function disconnectEverywhere(
  fleet: Pick<Fleet, 'ask'>,
  target: z.infer<typeof disconnection>,
): Promise<Record<string, unknown>> {
  const { answers, missing } = await fleet.ask({ kind: 'disconnect', ...target });
  const counts = answers.map((answer) => z.int().nonnegative().safeParse(answer).data);
  const disconnected = counts.reduce<number>((sum, count = 0) => sum + count, 0);
  return { disconnected, complete: missing.length === 0 && !counts.includes(undefined) };
}

/** A token must be one that is taken here, so that nobody takes a typing error for a revocation. */
async function revoke(
  { revocations, operations, tokens }: AuthRouteParts,
  { jti, token, expires }: z.infer<typeof revocation>,
): Promise<Outcome> {
  if (jti !== undefined) {
    const expiresAtMs = expires === undefined ? undefined : expires * 1_000;
    return operations.ask(async () => ({ revoked: await revocations.revoke(jti, expiresAtMs) }));
  }
  if (tokens === undefined) return wrongToken('this gateway takes no tokens');
  const verified = await tokens.verify(token ?? '');
  if (!verified.ok && verified.expired) return { ok: true, fields: { revoked: false } };
  if (!verified.ok && verified.refusal.code === 'unauthorized') return wrongToken(verified.refusal.error);
  if (!verified.ok) return refused(verified.refusal);
  const { tokenId, expiresAtMs } = verified.identity;
  if (tokenId === undefined) return wrongToken('the token has no id ("jti") by which it could be known again');
  return operations.ask(async () => ({ revoked: await revocations.revoke(tokenId, expiresAtMs) }));
}

const NO_TICKET_FOR_KEYS: Refusal = {
  code: 'forbidden',
  error: 'A ticket stands for a user: ask for it with a token, not with an API key',
};
const NO_TICKET_FOR_TICKETS: Refusal = {
  code: 'forbidden',
  error: 'A ticket opens one connection and buys no other ticket: ask for one with the token itself',
};
const NO_TICKET_FOR_NOBODY: Refusal = {
  code: 'unauthorized',
  error: 'A ticket stands for a user: ask for it with a token, as a Bearer in the Authorization header',
};

function wrongToken(reason: string): Outcome {
  return refused({ code: 'bad_request', error: `revoke: ${reason}` });
}

function refused(refusal: Refusal): Outcome {
  return { ok: false, refusal };
}
