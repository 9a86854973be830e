/**
 * Verifies the tokens of users (JSON Web Tokens) and reads from them who somebody is. Knows no connection and no channel rule.
 *
 * What it says of a token that it does not take is for whoever sent it: it quotes nothing of the token.
 */

import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import { z } from 'zod';
import { parseUsername } from '../applications/username.ts';
import { boundedText } from '../bounds.ts';
import type { Refusal } from '../protocol.ts';
import type { KeySet } from './key-set.ts';
import { type Algorithm, HEADER_NAMES, type TokenKey } from './keys.ts';
import { compilePatterns, isUser, type Patterns } from './patterns.ts';

/** Who a user is and what the token says that the user may do. */
export interface Identity {
  readonly user: string;
  /** As others are shown it; null where the token has none that can be shown. */
  readonly name: string | null;
  /** The token's `exp`; undefined for one that has no end. */
  readonly expiresAtMs: number | undefined;
  /** The token's own id, where it has one. */
  readonly tokenId: string | undefined;
  /** The channels that it may subscribe to; undefined where the token leaves that to the rules of their namespaces. */
  readonly subscribe: Patterns | undefined;
  /** The same for publishing. */
  readonly publish: Patterns | undefined;
}

export type VerifiedToken =
  | { readonly ok: true; readonly identity: Identity }
  /** `unauthorized`, or `unavailable` where keys cannot be fetched. `expired`: it was good once, and a fresh one will do. */
  | { readonly ok: false; readonly refusal: Refusal; readonly expired: boolean };

export interface TokenRules {
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  /** How far the clock of whoever issues tokens may differ from this one. */
  readonly clockToleranceSeconds: number;
  /** Whether every token must have an end. */
  readonly expiryRequired: boolean;
}

export interface TokenVerifierParts {
  /** Configured keys, of which each token's algorithm picks those that are tried in turn. */
  readonly keys: readonly TokenKey[];
  /** Keys that are fetched, tried after the configured ones. */
  readonly keySet: KeySet | undefined;
  readonly rules: TokenRules;
  readonly now: () => number;
}

/** In characters, all of which are ASCII: what is longer is not even looked at. */
export const MAX_TOKEN_LENGTH = 8_192;
export const MAX_TOKEN_ID_LENGTH = 256;
/** The last millisecond that a Date can have. */
const END_OF_TIME_MS = 8.64e15;

const header = z.object({ alg: z.string(), kid: z.string().optional(), crit: z.never().optional() });

const listOf = (claim: string) => {
  const message = `The token's "${claim}" must be a list of channel patterns`;
  return z.array(z.string(message), message).optional();
};

const claims = z.object({
  sub: z
    .string('The token names no user: its "sub" must be text')
    .refine(
      isUser,
      'The token\'s user ("sub") must be 1 to 119 characters of A-Z a-z 0-9 _ . : @ - so that there can be a channel notify:@USER',
    ),
  exp: z
    .number()
    .refine((seconds) => Math.abs(seconds) * 1_000 <= END_OF_TIME_MS, 'The token\'s end ("exp") is no time')
    .optional(),
  jti: boundedText('The token\'s id ("jti") must be text', {
    min: 0,
    max: MAX_TOKEN_ID_LENGTH,
    message: `The token's id ("jti") is longer than ${MAX_TOKEN_ID_LENGTH} characters`,
  }).optional(),
  name: z.unknown().optional(),
  subscribe: listOf('subscribe'),
  publish: listOf('publish'),
});

export class TokenVerifier {
  readonly #parts: TokenVerifierParts;

  constructor(parts: TokenVerifierParts) {
    this.#parts = parts;
  }

  /** Never rejects for anything in the token. */
  async verify(token: string): Promise<VerifiedToken> {
    if (token.length > MAX_TOKEN_LENGTH) return refused(`The token is longer than ${MAX_TOKEN_LENGTH} characters`);
    const read = header.safeParse(headerOf(token));
    if (!read.success) return refused('This is no JSON Web Token that this gateway can read');
    const { alg, kid } = read.data;
    const algorithm = algorithmOf(alg);
    if (algorithm === undefined) return refused(`The token must be signed by ${Object.keys(HEADER_NAMES).join(', ')}`);

    const configured = this.#parts.keys.filter((key) => key.algorithm === algorithm);
    const byConfigured = await this.#verifyBy(configured, token);
    if (byConfigured !== undefined) return byConfigured;
    const fetched = algorithm === 'HS256' ? [] : await this.#fetchedKeys(algorithm, kid);
    if (fetched === undefined) return { ok: false, refusal: KEYS_UNAVAILABLE, expired: false };
    return (await this.#verifyBy(fetched, token)) ?? refused("The token's signature is by no key of this gateway");
  }

  #fetchedKeys(algorithm: Algorithm, kid: string | undefined): Promise<readonly TokenKey[] | undefined> {
    return this.#parts.keySet?.find(algorithm, kid) ?? Promise.resolve([]);
  }

  /** What the token is by the first of the keys that has signed it; undefined where none has. */
  async #verifyBy(keys: readonly TokenKey[], token: string): Promise<VerifiedToken | undefined> {
    for (const { algorithm, key } of keys) {
      try {
        const { payload } = await jwtVerify(token, key, this.#options(algorithm));
        return this.#identityIn(payload);
      } catch (error) {
        if (error instanceof errors.JWSSignatureVerificationFailed) continue;
        if (!(error instanceof errors.JOSEError)) throw error;
        if (error instanceof errors.JWTExpired) return EXPIRED;
        return refused(sentenceFor(error));
      }
    }
    return undefined;
  }

  #options(algorithm: Algorithm): JWTVerifyOptions {
    const { rules, now } = this.#parts;
    return {
      algorithms: [...HEADER_NAMES[algorithm]],
      currentDate: new Date(now()),
      clockTolerance: rules.clockToleranceSeconds,
      requiredClaims: rules.expiryRequired ? ['exp'] : [],
      ...(rules.issuer === undefined ? {} : { issuer: rules.issuer }),
      ...(rules.audience === undefined ? {} : { audience: rules.audience }),
    };
  }

  #identityIn(payload: JWTPayload): VerifiedToken {
    const parsed = claims.safeParse(payload);
    if (!parsed.success) return refused(parsed.error.issues[0]?.message ?? 'The token has a claim of another form');
    const { sub, exp, jti, name, ...lists } = parsed.data;
    const expiresAtMs = exp === undefined ? undefined : exp * 1_000;
    // The tolerance is for tokens that begin: one that ends too soon is renewed too soon, and nothing is lost.
    if (expiresAtMs !== undefined && expiresAtMs <= this.#parts.now()) return EXPIRED;
    const subscribe = patternsIn('subscribe', lists.subscribe, sub);
    if (!subscribe.ok) return refused(subscribe.error);
    const publish = patternsIn('publish', lists.publish, sub);
    if (!publish.ok) return refused(publish.error);
    const identity: Identity = {
      user: sub,
      name: nameFrom(name),
      expiresAtMs,
      tokenId: jti,
      subscribe: subscribe.patterns,
      publish: publish.patterns,
    };
    return { ok: true, identity };
  }
}

/** The three parts of a token are looked at before anything decodes them. An unsigned token lacks the last. */
function headerOf(token: string): unknown {
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) return undefined;
  try {
    return decodeProtectedHeader(token);
  } catch {
    return undefined; // it is not JSON: no token, as the caller says
  }
}

function algorithmOf(name: string): Algorithm | undefined {
  const names: Readonly<Record<Algorithm, readonly string[]>> = HEADER_NAMES;
  return ALGORITHMS.find((algorithm) => names[algorithm].includes(name));
}

const ALGORITHMS: readonly Algorithm[] = ['HS256', 'RS256', 'ES256', 'EdDSA'];

function patternsIn(
  claim: string,
  given: readonly string[] | undefined,
  user: string,
): { readonly ok: true; readonly patterns: Patterns | undefined } | { readonly ok: false; readonly error: string } {
  if (given === undefined) return { ok: true, patterns: undefined };
  const compiled = compilePatterns(given, user);
  return compiled.ok ? compiled : { ok: false, error: `The token's list "${claim}" ${compiled.error}` };
}

/** A name that cannot be shown is no reason to turn somebody away: then there is none. */
function nameFrom(given: unknown): string | null {
  const parsed = typeof given === 'string' ? parseUsername(given) : undefined;
  return parsed?.ok === true ? parsed.name : null;
}

function sentenceFor(error: errors.JOSEError): string {
  if (!(error instanceof errors.JWTClaimValidationFailed))
    return 'This is no JSON Web Token that this gateway can read';
  const missing = error.reason === 'missing';
  switch (error.claim) {
    case 'exp':
      return missing
        ? 'The token has no end ("exp"), and this gateway demands one'
        : 'The token\'s end ("exp") is no time';
    case 'nbf':
      return error.reason === 'check_failed' ? 'The token is not valid yet ("nbf")' : 'The token\'s "nbf" is no time';
    case 'iss':
      return 'The token is by another issuer ("iss") than this gateway trusts';
    case 'aud':
      return 'The token is for somebody else ("aud") than this gateway';
    default:
      return 'The token has a claim of another form than it must have';
  }
}

const KEYS_UNAVAILABLE: Refusal = {
  code: 'unavailable',
  error: 'The keys by which tokens are verified cannot be fetched now; try again shortly',
};

const EXPIRED: VerifiedToken = {
  ok: false,
  refusal: { code: 'unauthorized', error: 'The token has expired; get a fresh one' },
  expired: true,
};

function refused(error: string): VerifiedToken & { readonly ok: false } {
  return { ok: false, refusal: { code: 'unauthorized', error }, expired: false };
}
