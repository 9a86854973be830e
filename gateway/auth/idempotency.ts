/**
 * Whose an idempotency key is (PROTOCOL.md, section 2): the publisher's, so that nobody can take a key before somebody else uses it.
 * Pure: it only names what is stored; what a repeated key means is the broker's.
 */
import type { KeyScope, Refusal } from '../protocol.ts';
import type { Caller } from './rights.ts';

export type ScopedKey = { readonly ok: true; readonly key: string } | { readonly ok: false; readonly refusal: Refusal };

/**
 * The key as the broker knows it in a channel. `open`: no authentication is configured, so everybody may do everything.
 *
 * What stands before the first space says whose it is, and has no space itself, so keys of two owners never are the same.
 */
export function scopedKey(caller: Caller, key: string, scope: KeyScope = 'publisher', open = false): ScopedKey {
  if (scope === 'publisher') return { ok: true, key: `${ownerOfKeys(caller)} ${key}` };
  return open || caller.kind === 'key' ? { ok: true, key: `channel ${key}` } : { ok: false, refusal: SERVERS_ONLY };
}

/** Names of API keys and segments of users are of small alphabets, and what stands before them tells the kinds apart. */
function ownerOfKeys(caller: Caller): string {
  if (caller.kind === 'key') return `key/${caller.key.name}`;
  const segment = caller.kind === 'user' ? caller.identity.segment : undefined;
  return segment === undefined ? 'anonymous' : `user/${segment}`;
}

const SERVERS_ONLY: Refusal = {
  code: 'forbidden',
  error: 'Only servers may share keys with others ("keyScope":"channel"), by an API key; leave "keyScope" out',
};
