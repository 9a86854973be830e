/**
 * The keys that tokens are verified by. Which algorithms a key takes follows from its type, and never from a token: so no token can
 * have its signature checked as another kind, such as a MAC whose secret is a public key. Pure.
 */
import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import type { Parsed } from '../settings/setting.ts';

/** The algorithms that public keys take, as a token's header names them (RFC 9864 has given EdDSA over this curve a name of its own). */
const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const;
const P256 = ['ES256'] as const;
const P384 = ['ES384'] as const;
const P521 = ['ES512'] as const;
const ED25519 = ['EdDSA', 'Ed25519'] as const;
/** Those of a secret, each from so many bytes on: a shorter secret could be found by trying (RFC 7518, 3.2, demands as much as the hash has). */
const SECRET = { HS256: 32, HS384: 48, HS512: 64 } as const;

export const PUBLIC_ALGORITHMS = [...RSA, ...P256, ...P384, ...P521, ...ED25519] as const;
export const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'] as const;
export type Algorithm = (typeof PUBLIC_ALGORITHMS)[number] | (typeof SECRET_ALGORITHMS)[number];

export interface TokenKey {
  /** Those that it takes; never both of a MAC and of signatures. */
  readonly algorithms: readonly Algorithm[];
  /** By which a token may name it (`kid`); a configured key has none and is tried for each token of its algorithms. */
  readonly id: string | undefined;
  readonly key: KeyObject;
}

const MIN_RSA_BITS = 2_048;
const MAX_PUBLIC_KEYS = 16;

/** Reads the secret of HS256, and of HS384 and HS512 where it is long enough: the bytes of the text. The error continues the sentence "… " and shows nothing of it. */
export function parseSecret(given: string): Parsed<TokenKey> {
  const bytes = Buffer.from(given);
  if (bytes.length < SECRET.HS256)
    return { ok: false, error: `has ${bytes.length} bytes, and at least ${SECRET.HS256} are needed` };
  if (given.startsWith('-----BEGIN '))
    return { ok: false, error: 'is a key in PEM form; a public key goes into TOKEN_PUBLIC_KEYS' };
  const algorithms = SECRET_ALGORITHMS.filter((algorithm) => bytes.length >= SECRET[algorithm]);
  return { ok: true, value: { algorithms, id: undefined, key: createSecretKey(bytes) } };
}

/** Reads public keys in PEM form, one after the other. The error continues the sentence "… " and shows nothing of them. */
export function parsePublicKeys(pem: string): Parsed<readonly TokenKey[]> {
  const blocks = [...pem.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]*-----END \1-----/g)];
  const rest = blocks.reduce((text, [block]) => text.replace(block, ''), pem);
  if (blocks.length === 0) return { ok: false, error: 'has no key in PEM form' };
  if (rest.trim() !== '') return { ok: false, error: 'has something besides keys in PEM form' };
  if (blocks.length > MAX_PUBLIC_KEYS) return { ok: false, error: `has more than ${MAX_PUBLIC_KEYS} keys` };
  const keys: TokenKey[] = [];
  for (const [index, [block, kind = '']] of blocks.entries()) {
    const parsed = parsePublicKey(block, kind);
    if (!parsed.ok) return { ok: false, error: `has as key ${index + 1} ${parsed.error}` };
    keys.push(parsed.value);
  }
  return { ok: true, value: keys };
}

function parsePublicKey(pem: string, kind: string): Parsed<TokenKey> {
  if (kind.endsWith('PRIVATE KEY'))
    return {
      ok: false,
      error: 'a private key, which belongs to who issues tokens and nowhere else; give its public key',
    };
  try {
    return tokenKey(createPublicKey(pem), undefined);
  } catch {
    return { ok: false, error: 'what is no public key' }; // OpenSSL's reason helps nobody, and could quote
  }
}

const jwkSchema = z.object({
  kty: z.enum(['RSA', 'EC', 'OKP']),
  kid: z.string().optional(),
  use: z.literal('sig').optional(),
  key_ops: z
    .array(z.string())
    .refine((uses) => uses.includes('verify'))
    .optional(),
  alg: z.string().optional(),
  crv: z.string().optional(),
  n: z.string().optional(),
  e: z.string().optional(),
  x: z.string().optional(),
  y: z.string().optional(),
  d: z.never().optional(), // a private key is known to whoever can fetch it
});

/**
 * A key of a key set; undefined where it is not for verifying tokens, or for an algorithm that this gateway does not take. One that names
 * its algorithm (`alg`) takes that one only.
 */
export function keyFromJwk(jwk: unknown): TokenKey | undefined {
  const parsed = jwkSchema.safeParse(jwk);
  if (!parsed.success) return undefined;
  const { kid, alg, use, key_ops, d, ...material } = parsed.data;
  try {
    const key = tokenKey(createPublicKey({ key: material as JsonWebKey, format: 'jwk' }), kid);
    if (!key.ok) return undefined;
    if (alg === undefined) return key.value;
    // Both names of EdDSA are of one algorithm.
    const algorithms = key.value.algorithms === ED25519 ? ED25519 : key.value.algorithms.filter((name) => name === alg);
    return algorithms.some((name) => name === alg) ? { ...key.value, algorithms } : undefined;
  } catch {
    return undefined; // numbers that are no key: the others of the set may be good
  }
}

function tokenKey(key: KeyObject, id: string | undefined): Parsed<TokenKey> {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if (modulusLength >= MIN_RSA_BITS) return { ok: true, value: { algorithms: RSA, id, key } };
      return { ok: false, error: `an RSA key of ${modulusLength} bits, and at least ${MIN_RSA_BITS} are needed` };
    case 'ec': {
      const algorithms = CURVES.get(namedCurve ?? '');
      if (algorithms !== undefined) return { ok: true, value: { algorithms, id, key } };
      return { ok: false, error: 'a key on another elliptic curve than P-256, P-384 and P-521' };
    }
    case 'ed25519':
      return { ok: true, value: { algorithms: ED25519, id, key } };
    default:
      return { ok: false, error: 'a key for no algorithm of RSA, ECDSA and EdDSA (Ed25519)' };
  }
}

/** By OpenSSL's names of the curves. */
const CURVES: ReadonlyMap<string, readonly Algorithm[]> = new Map<string, readonly Algorithm[]>([
  ['prime256v1', P256],
  ['secp384r1', P384],
  ['secp521r1', P521],
]);
