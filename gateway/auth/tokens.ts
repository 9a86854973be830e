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
import { type Algorithm, PUBLIC_ALGORITHMS, SECRET_ALGORITHMS, type TokenKey } from './keys.ts';
import { compilePatterns, type Patterns } from './patterns.ts';
import { segmentOf, userSchema } from './users.ts';

/** Who a user is and what the token says that the user may do. */
export interface Identity {
  /** The token's `sub`; null for a visitor whose token names no user, and who has the rights that it lists. */
  readonly user: string | null;
  /** How the user stands in the names of channels; undefined where there is none. */
  readonly segment: string | undefined;
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
/** What ends later than that is no end, but milliseconds that were taken for seconds. */
const CENTURY_S = 100 * 365.25 * 24 * 3_600;

const header = z.object({ alg: z.string(), kid: z.string().optional(), crit: z.never().optional() });

/** `null` is no list, and a single pattern a list of one. */
const listOf = (claim: string) => {
  const message = `The token's "${claim}" must be a list of channel patterns`;
  const list = z.union([z.array(z.string(message)), z.string().transform((pattern) => [pattern])], message);
  return list.nullish().transform((given) => given ?? undefined);
};

const claims = z.object({
  sub: userSchema('The token\'s user ("sub")').optional(),
  exp: z.number().optional(),
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
    if (algorithm === undefined) return refused(`The token must be signed by ${[...ALGORITHMS].join(', ')}`);

    const configured = this.#parts.keys.filter((key) => key.algorithms.includes(algorithm));
    const byConfigured = await this.#verifyBy(configured, algorithm, token);
    if (byConfigured !== undefined) return byConfigured;
    const fetched = isPublic(algorithm) ? await this.#fetchedKeys(algorithm, kid) : [];
    if (fetched === undefined) return { ok: false, refusal: KEYS_UNAVAILABLE, expired: false };
    const byFetched = await this.#verifyBy(fetched, algorithm, token);
    return byFetched ?? refused(this.#noKeyFor(algorithm));
  }

  #fetchedKeys(algorithm: Algorithm, kid: string | undefined): Promise<readonly TokenKey[] | undefined> {
    return this.#parts.keySet?.find(algorithm, kid) ?? Promise.resolve([]);
  }

  /** A secret that is too short for the algorithm would else look like a wrong one. */
  #noKeyFor(algorithm: Algorithm): string {
    const { keys } = this.#parts;
    const short = !isPublic(algorithm) && keys.some(({ key }) => key.type === 'secret');
    return short && !keys.some(({ algorithms }) => algorithms.includes(algorithm))
      ? `The token is signed by ${algorithm}, for which this gateway's secret is too short`
      : "The token's signature is by no key of this gateway";
  }

  /** What the token is by the first of the keys that has signed it; undefined where none has. */
  async #verifyBy(keys: readonly TokenKey[], algorithm: Algorithm, token: string): Promise<VerifiedToken | undefined> {
    for (const { key } of keys) {
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
      algorithms: [algorithm],
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
    if (exp !== undefined && !(exp <= this.#parts.now() / 1_000 + CENTURY_S)) return refused(END_TOO_FAR);
    // One that says neither who somebody is nor what somebody may do was made for something else.
    if (sub === undefined && lists.subscribe === undefined && lists.publish === undefined) return refused(NOBODY);
    const segment = sub === undefined ? undefined : segmentOf(sub);
    const expiresAtMs = exp === undefined ? undefined : exp * 1_000;
    // The tolerance is for tokens that begin: one that ends too soon is renewed too soon, and nothing is lost.
    if (expiresAtMs !== undefined && expiresAtMs <= this.#parts.now()) return EXPIRED;
    const subscribe = patternsIn('subscribe', lists.subscribe, segment);
    if (!subscribe.ok) return refused(subscribe.error);
    const publish = patternsIn('publish', lists.publish, segment);
    if (!publish.ok) return refused(publish.error);
    const identity: Identity = {
      user: sub ?? null,
      segment,
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

const ALGORITHMS: readonly Algorithm[] = [...SECRET_ALGORITHMS, ...PUBLIC_ALGORITHMS];
const MACS: ReadonlySet<string> = new Set(SECRET_ALGORITHMS);

function algorithmOf(name: string): Algorithm | undefined {
  return ALGORITHMS.find((algorithm) => algorithm === name);
}

function isPublic(algorithm: Algorithm): boolean {
  return !MACS.has(algorithm);
}

function patternsIn(
  claim: string,
  given: readonly string[] | undefined,
  segment: string | undefined,
): { readonly ok: true; readonly patterns: Patterns | undefined } | { readonly ok: false; readonly error: string } {
  if (given === undefined) return { ok: true, patterns: undefined };
  const compiled = compilePatterns(given, segment);
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

const NOBODY =
  'The token names no user ("sub") and lists no rights ("subscribe", "publish"): it must have one or the other';

const END_TOO_FAR =
  'The token\'s end ("exp") is more than a century away: it must be in seconds, and this looks like milliseconds';

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
