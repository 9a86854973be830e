/** Ends connections for whoever may demand it: which ones, and what they are told. Knows neither transports nor who may. */
import type { Refusal } from '../protocol.ts';

/** What is needed of a connection to end it so. */
export interface Endable {
  readonly id: string;
  /** Null for an anonymous one. */
  readonly user: string | null;
  /** The id of the token by which it lives just now; undefined where it has none. */
  readonly tokenId: string | undefined;
  /** Tells the client why, and closes: a WebSocket with the code that belongs to the refusal. */
  end(refusal: Refusal): void;
}

/** Whose connections: those of a user, a single one, or those that live by a token. */
export type Target = { readonly user: string } | { readonly connection: string } | { readonly token: string };

/**
 * Ends those that are meant, and returns how many they were.
 *
 * They are closed as those are whose token is not good any more, `unauthorized` and 4401: a client then comes back with a token that it
 * fetches anew, so whoever issues tokens decides whether it does. After any other code that is no fault of the client's it would be back
 * within a second by the token that it has; after one that is, it would never be, even if it may.
 */
export function disconnect(connections: Iterable<Endable>, target: Target): number {
  // Picked first: a connection that ends may be taken out of what is walked here.
  const meant = [...connections].filter((connection) => isMeant(connection, target));
  const refusal = 'token' in target ? REVOKED : ENDED;
  for (const connection of meant) connection.end(refusal);
  return meant.length;
}

const ENDED: Refusal = {
  code: 'unauthorized',
  error: 'This connection was ended by an administrator; come back with a fresh token',
};
const REVOKED: Refusal = { code: 'unauthorized', error: 'The token was revoked; come back with a fresh one' };

function isMeant(connection: Endable, target: Target): boolean {
  if ('user' in target) return connection.user === target.user;
  if ('token' in target) return connection.tokenId === target.token;
  return connection.id === target.connection;
}
