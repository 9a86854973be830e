/** Turns what a request shows into who sent it. Knows no transport, and nothing of what somebody may do. */
import type { Refusal } from '../protocol.ts';
import type { ApiKeys } from './api-keys.ts';
import type { Credential, FoundCredential } from './credentials.ts';
import type { Revocations } from './revocations.ts';
import { ANONYMOUS, type Caller } from './rights.ts';
import type { TokenVerifier } from './tokens.ts';

export type Authenticated =
  | { readonly ok: true; readonly caller: Caller }
  /** `unauthorized`, or `unavailable` where that cannot be told now. `expired`: the token was good once, and a fresh one will do. */
  | { readonly ok: false; readonly refusal: Refusal; readonly expired: boolean };

export interface AuthenticatorParts {
  /** Undefined where no key for tokens is configured. */
  readonly tokens: TokenVerifier | undefined;
  readonly keys: ApiKeys;
  /** Whether somebody who shows nothing is let in, where authentication is configured. */
  readonly allowAnonymous: boolean;
  /** Takes a ticket back for whom it was handed out to, once; undefined where tickets are not handed out. */
  readonly redeem: ((ticket: string) => Promise<Authenticated>) | undefined;
  /** Which tokens were taken back before their end. */
  readonly revocations: Pick<Revocations, 'admit'>;
}

export class Authenticator {
  readonly #parts: AuthenticatorParts;

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts;
  }

  /** Whether no authentication is configured: then everybody is let in and is anonymous, whatever they show. */
  get open(): boolean {
    const { tokens, keys } = this.#parts;
    return tokens === undefined && keys.size === 0;
  }

  /** Who sent a request. What is shown must hold, also where somebody who shows nothing would be let in. */
  async authenticate(found: FoundCredential): Promise<Authenticated> {
    if (this.open) return { ok: true, caller: ANONYMOUS };
    if (!found.ok) return { ok: false, refusal: found.refusal, expired: false };
    if (found.credential !== undefined) return this.#verify(found.credential);
    if (this.#parts.allowAnonymous) return { ok: true, caller: ANONYMOUS };
    return unauthorized(
      'A token is needed here: as ?token=, as a subprotocol beside "passerelle", or as a Bearer in the Authorization header',
    );
  }

  /** Who a token is of, as for the fresh one of a connection that goes on. */
  async verifyToken(token: string): Promise<Authenticated> {
    const { tokens, revocations } = this.#parts;
    if (tokens === undefined) return unauthorized('This gateway takes no tokens');
    const verified = await tokens.verify(token);
    if (!verified.ok) return verified;
    return revocations.admit({ ok: true, caller: { kind: 'user', identity: verified.identity } });
  }

  async #verify({ kind, text }: Credential): Promise<Authenticated> {
    const { keys, tokens, redeem, revocations } = this.#parts;
    if (kind === 'ticket')
      return redeem === undefined
        ? unauthorized('This gateway hands out no tickets')
        : revocations.admit(await redeem(text));
    const key = kind === 'bearer' ? keys.find(text) : undefined;
    if (key !== undefined) return { ok: true, caller: { kind: 'key', key } };
    // Who shows an API key is not told of tokens.
    if (kind === 'bearer' && (tokens === undefined || !text.includes('.')))
      return unauthorized('This API key is not known here');
    return this.verifyToken(text);
  }
}

function unauthorized(error: string): Authenticated {
  return { ok: false, refusal: { code: 'unauthorized', error }, expired: false };
}
