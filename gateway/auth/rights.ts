/**
 * Decides who may do what in a channel, from the rules of its namespace, the lists of a user's token and those of an API key.
 * Pure: it is told who somebody is, and finds out nothing by itself.
 *
 * | who                        | is decided by                                                                              |
 * | -------------------------- | ------------------------------------------------------------------------------------------ |
 * | a server with an API key   | the key alone                                                                              |
 * | a user whose token lists   | its `publish` for publishing, its `subscribe` for all reading; who is there is seen only    |
 * |                            | where the namespace's rule lets the user see it, too, since that is about other people     |
 * | other users, and anonymous | the namespace's rule, which never opens a channel that belongs to another user             |
 *
 * Where no authentication is configured everybody is anonymous, and may do everything.
 */

import type { Refusal } from '../protocol.ts';
import { type Namespaces, namespaceOf } from '../settings/namespaces.ts';
import { type ApiKey, keyAllows, keyManages } from './api-keys.ts';
import { ownerOf, type Patterns } from './patterns.ts';
import type { Action, Audience } from './rules.ts';
import type { Identity } from './tokens.ts';

/** Who asks for something. */
export type Caller =
  | { readonly kind: 'anonymous' }
  /** `byTicket`: it showed no token, but a ticket that was handed out for one. */
  | { readonly kind: 'user'; readonly identity: Identity; readonly byTicket?: true }
  | { readonly kind: 'key'; readonly key: ApiKey };

export const ANONYMOUS: Caller = Object.freeze({ kind: 'anonymous' });

/** The user that a caller is; null for one that is nobody, also one whose token names no user, or a server. */
export function userOf(caller: Caller): string | null {
  return caller.kind === 'user' ? caller.identity.user : null;
}

/** What `@me` stands for in patterns, and ends the names of the caller's own channels; null for one that is nobody, or a server. */
export function meOf(caller: Caller): string | null {
  const segment = caller.kind === 'user' ? caller.identity.segment : undefined;
  return segment === undefined ? null : `@${segment}`;
}

/** The name by which others are shown a caller; null where it has none. */
export function nameOf(caller: Caller): string | null {
  return caller.kind === 'user' ? caller.identity.name : null;
}

/** The id of the token by which a caller is known; undefined where it has none. */
export function tokenIdOf(caller: Caller): string | undefined {
  return caller.kind === 'user' ? caller.identity.tokenId : undefined;
}

/** When a caller must prove itself anew, in epoch milliseconds; undefined for never. */
export function endOf(caller: Caller): number | undefined {
  return caller.kind === 'user' ? caller.identity.expiresAtMs : undefined;
}

export class Rights {
  readonly #namespaces: Namespaces;
  readonly #open: boolean;

  /** `open`: no authentication is configured. */
  constructor(namespaces: Namespaces, open: boolean) {
    this.#namespaces = namespaces;
    this.#open = open;
  }

  /** Whether no authentication is configured, so that everybody may do everything. */
  get open(): boolean {
    return this.#open;
  }

  /** Why the caller may not do this in the channel; undefined where the caller may. Fit for every publish. */
  refuse(caller: Caller, action: Action, channel: string): Refusal | undefined {
    if (this.#open) return undefined;
    switch (caller.kind) {
      case 'key':
        return keyAllows(caller.key, action, channel)
          ? undefined
          : forbidden(action, channel, 'this API key does not allow it');
      case 'user':
        return this.#refuseUser(caller.identity, action, channel);
      case 'anonymous':
        return this.#refuseByRule(undefined, action, channel);
    }
  }

  /** Why the caller may not do what concerns no channel, such as listing channels or ending connections; undefined where the caller may. */
  refuseManaging(caller: Caller): Refusal | undefined {
    if (this.#open || (caller.kind === 'key' && keyManages(caller.key))) return undefined;
    return { code: 'forbidden', error: 'Only servers may do this, with an API key that allows it' };
  }

  #refuseUser(identity: Identity, action: Action, channel: string): Refusal | undefined {
    const list = listFor(identity, action);
    if (list !== undefined && !list.match(channel)) return forbidden(action, channel, 'your token does not allow it');
    if (list !== undefined && action !== 'presence') return undefined;
    return this.#refuseByRule(identity.segment, action, channel);
  }

  /** `segment`: of the user who asks; undefined for nobody. */
  #refuseByRule(segment: string | undefined, action: Action, channel: string): Refusal | undefined {
    const owner = ownerOf(channel);
    if (owner !== undefined && owner !== segment) return forbidden(action, channel, 'it belongs to another user');
    const audience = namespaceOf(this.#namespaces, channel).rights[action];
    return admits(audience, segment, owner) ? undefined : forbidden(action, channel, ONLY[audience]);
  }
}

function listFor({ publish, subscribe }: Identity, action: Action): Patterns | undefined {
  return action === 'publish' ? publish : subscribe;
}

/** Asked of users and anonymous callers only. */
function admits(audience: Audience, segment: string | undefined, owner: string | undefined): boolean {
  switch (audience) {
    case 'everyone':
      return true;
    case 'users':
      return segment !== undefined;
    case 'self':
      return segment !== undefined && segment === owner;
    case 'keys':
      return false;
  }
}

const ONLY: Readonly<Record<Audience, string>> = {
  everyone: 'nobody may', // not reached: everyone is admitted
  users: 'only users with a token may',
  self: 'only the user to whom a channel belongs may',
  keys: 'only servers with an API key may',
};

const TO: Readonly<Record<Action, string>> = {
  subscribe: 'subscribe to',
  publish: 'publish to',
  history: 'read the history of',
  presence: 'see who is in',
};

function forbidden(action: Action, channel: string, reason: string): Refusal {
  return { code: 'forbidden', error: `You may not ${TO[action]} ${channel}: ${reason}` };
}
