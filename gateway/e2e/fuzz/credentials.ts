/**
 * What the gateway of the fuzzer knows its users and servers by, and what is shown to it: right, and mutated so that it comes as far as
 * being verified. Pure: tokens are the same in every run, so that a conversation can be had again.
 */
import { createHmac } from 'node:crypto';
import type { Random } from '../harness/plan.ts';
import { mutatedBytes, oddText, oneLine } from './inputs.ts';

const SECRET = 'the secret of the fuzzer, which has more than 32 bytes';
/** A server's, which may do everything. */
export const KEY = 'key-of-the-fuzzer-for-everything';
/** Nobody asks to disconnect these. */
export const USERS = ['ada', 'bob', 'github:1', 'auth0|eve', 'Zoë Å', '583231'] as const;
export type User = (typeof USERS)[number];

/** Settings of a gateway that lets everybody in, and verifies whatever they show. */
export const AUTHENTICATION = { TOKEN_SECRET: SECRET, API_KEYS: `fuzzer:${KEY}`, ALLOW_ANONYMOUS: 'on' };
export const FOR_EVERYONE = { subscribe: 'everyone', publish: 'everyone', history: 'everyone', presence: 'everyone' };

/** Who is all digits is a number in the token, as some issuers have it. */
const TOKENS = new Map(USERS.map((user) => [user, signed(/^\d+$/.test(user) ? Number(user) : user)]));

export function tokenOf(user: User): string {
  return TOKENS.get(user) ?? '';
}

/** One that ends in the year 2100. */
function signed(sub: string | number): string {
  const encoded = [{ alg: 'HS256' }, { sub, exp: 4_102_444_800 }].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  );
  const text = encoded.join('.');
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}

/** A token, a key or what could be taken for a ticket, with something wrong in it mostly. Fits into a header or a query. */
export function wrong(random: Random): string {
  const right = random.pick([tokenOf('ada'), tokenOf('bob'), KEY, 'V1StGXR8_Z5jdHi6B-myT']);
  return random.below(4) === 0
    ? oneLine(oddText(random))
    : mutatedBytes(random, Buffer.from(right))
        .toString('latin1')
        .replace(/[^\x21-\x7e]/g, '_');
}
