/** The fresh token by which a connection goes on beyond the end of the one before: whether it is taken. Knows no transport. */
import type { Refusal } from '../protocol.ts';
import type { Authenticator } from './authenticator.ts';
import { type Caller, userOf } from './rights.ts';

export type Renewal =
  | { readonly ok: true; readonly caller: Caller }
  /** `ends`: the connection may not go on, not even until the end of the token that it has. */
  | { readonly ok: false; readonly refusal: Refusal; readonly ends: boolean };

/** A connection is one user's for as long as it lasts, so only another token of `caller` will do. */
export async function renewalOf(authenticator: Authenticator, caller: Caller, token: string): Promise<Renewal> {
  if (authenticator.open) {
    const error = 'This gateway takes no tokens: everyone is anonymous';
    return { ok: false, refusal: { code: 'unauthorized', error }, ends: false };
  }
  const verified = await authenticator.verifyToken(token);
  if (!verified.ok) {
    const { refusal } = verified;
    return { ok: false, refusal, ends: refusal.code === 'unauthorized' };
  }
  if (caller.kind === 'key' || userOf(verified.caller) !== userOf(caller)) {
    const error = 'The token is of another user than this connection; open another connection with it';
    return { ok: false, refusal: { code: 'forbidden', error }, ends: false };
  }
  return verified;
}
