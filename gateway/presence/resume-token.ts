/**
 * The token by which a client proves that it had a connection: the connection's id and a secret that only its gateway could make. No
 * gateway keeps any: the secret stands in the member's entry, where whoever enters the client again compares it.
 */
import { hash, randomBytes } from 'node:crypto';

const SECRET_LENGTH = 22;
const TOKEN = /^([\w-]{1,64})\.([\w-]{22})$/;

export class ResumeTokens {
  readonly #key = randomBytes(32).toString('base64url');

  issue(connection: string): string {
    return `${connection}.${this.secretOf(connection)}`;
  }

  /** A key before the message is enough with BLAKE2, whose digests can't be extended. An HMAC takes several times as long, twice for each connection. */
  secretOf(connection: string): string {
    return hash('blake2b512', `${this.#key}${connection}`, 'base64url').slice(0, SECRET_LENGTH);
  }

  /** What a token says, on any gateway; undefined where it is none. */
  parse(token: string): { readonly connection: string; readonly secret: string } | undefined {
    const match = TOKEN.exec(token);
    if (match === null) return undefined;
    const [, connection = '', secret = ''] = match;
    return { connection, secret };
  }
}
