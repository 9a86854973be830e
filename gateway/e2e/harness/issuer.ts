/**
 * Somebody who issues tokens, for tests: keys of each kind made anew, some given as PEM and some published by a real server, and tokens
 * as good and as bad as they come. Knows of a gateway only what its settings are called.
 */
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type JWTHeaderParameters, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';

/** A user's claims unless given otherwise; the end is relative, in seconds from now. */
export interface Claims extends JWTPayload {
  /** Seconds from now; null for a token without an end. */
  readonly endsIn?: number | null;
}

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const KIND = { RS256: 'rsa', ES256: 'ec', EdDSA: 'ed25519' } as const;
export type PublicAlgorithm = keyof typeof KIND;
const ALGORITHMS = Object.keys(KIND) as PublicAlgorithm[];
/** Whose keys: `pem` and `next` are given to the gateway, `jwks` are published, `foreign` are somebody else's. */
export type Owner = 'pem' | 'next' | 'jwks' | 'foreign';

const SECRET = 'the secret of the tests, which has more than 32 bytes';
const HOUR = 3_600;

export class Issuer {
  readonly #keys = new Map<string, Pair>();
  readonly #server: Server;
  /** How often the key set was fetched. */
  fetches = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Issuer> {
    const issuer: Issuer = new Issuer(
      createServer((_request, response) => {
        issuer.fetches++;
        response
          .setHeader('content-type', 'application/jwk-set+json')
          .end(JSON.stringify({ keys: issuer.#published() }));
      }),
    );
    await new Promise<void>((resolve) => issuer.#server.listen(0, '127.0.0.1', resolve));
    return issuer;
  }

  stop(): void {
    this.#server?.close();
  }

  /** The settings of a gateway that trusts it. */
  get env(): Readonly<Record<string, string>> {
    const given = [...ALGORITHMS.map((algorithm) => this.#pem('pem', algorithm)), this.#pem('next', 'RS256')];
    return { TOKEN_SECRET: SECRET, TOKEN_PUBLIC_KEYS: given.join(''), TOKEN_JWKS_URL: this.jwksUrl };
  }

  get jwksUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/keys.json`;
  }

  /** What must be in no log. */
  get secret(): string {
    return SECRET;
  }

  /** Signed by the secret. */
  signed(claims: Claims = {}): Promise<string> {
    return new SignJWT(payload(claims)).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(SECRET));
  }

  /** Signed by a private key. `header` may say whatever it likes. */
  signedBy(owner: Owner, algorithm: PublicAlgorithm, claims: Claims = {}, header: object = {}): Promise<string> {
    const protectedHeader: JWTHeaderParameters = { alg: algorithm, ...header };
    if (owner === 'jwks') protectedHeader.kid ??= algorithm;
    return new SignJWT(payload(claims))
      .setProtectedHeader(protectedHeader)
      .sign(this.#pair(owner, algorithm).privateKey);
  }

  unsigned(claims: Claims = {}): string {
    return new UnsecuredJWT(payload(claims)).encode();
  }

  /** What no library would sign: any header, any payload, and an HMAC by the given bytes. */
  forged(header: object, key: string | Buffer, claims: Claims = {}): string {
    const text = [header, payload(claims)].map((part) => encoded(JSON.stringify(part))).join('.');
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
  }

  /** A public key that everybody may know, as text that could be taken for a secret. */
  publicPem(): string {
    return this.#pem('pem', 'RS256');
  }

  /** The public key of somebody else, as a token may carry it along. */
  foreignJwk(): object {
    return this.#pair('foreign', 'RS256').publicKey.export({ format: 'jwk' });
  }

  #published(): object[] {
    return ALGORITHMS.map((algorithm) => ({
      ...this.#pair('jwks', algorithm).publicKey.export({ format: 'jwk' }),
      kid: algorithm,
      use: 'sig',
    }));
  }

  #pem(owner: Owner, algorithm: PublicAlgorithm): string {
    return this.#pair(owner, algorithm).publicKey.export({ format: 'pem', type: 'spki' }).toString();
  }

  #pair(owner: Owner, algorithm: PublicAlgorithm): Pair {
    const name = `${owner} ${algorithm}`;
    const pair = this.#keys.get(name) ?? newPair(algorithm);
    this.#keys.set(name, pair);
    return pair;
  }
}

function newPair(algorithm: PublicAlgorithm): Pair {
  switch (KIND[algorithm]) {
    case 'rsa':
      return generateKeyPairSync('rsa', { modulusLength: 2_048 });
    case 'ec':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'ed25519':
      return generateKeyPairSync('ed25519');
  }
}

function payload({ endsIn = HOUR, ...claims }: Claims): JWTPayload {
  const end = endsIn === null ? {} : { exp: Math.floor(Date.now() / 1_000) + endsIn };
  return JSON.parse(JSON.stringify({ sub: 'ada', ...end, ...claims }));
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64url');
}
