/** The contract of the vault: texts that are kept for a short while, each to be taken out once by whoever knows its id. */

/** What an id may be: it becomes a part of a name in the engine. */
const VAULT_ID = /^[\w-]{1,128}$/;

/**
 * As with the broker, every method rejects with `BrokerUnavailable` when the engine cannot be reached within its time limit. The
 * outcome is then unknown: a `put` may have been done, and what a `take` would have answered may be lost.
 */
export interface Vault {
  /**
   * Keeps a text under an id of 1 to 128 characters of A-Z a-z 0-9 _ -, for `lifetimeMs` (a whole number, 1 or more) from now by the clock of
   * the engine. What was there under this id is replaced.
   */
  put(id: string, value: string, lifetimeMs: number): Promise<void>;
  /**
   * Takes out what is kept under an id, in one step: of any number of calls at once, on whatever gateways, one gets it. Undefined where
   * there is nothing, or nothing any more. Only a failover that loses what its master did last can bring it back, until its lifetime ends.
   */
  take(id: string): Promise<string | undefined>;
}

/** Throws for an id that could be no part of a name: that is a bug of the caller. */
export function assertVaultId(id: string): void {
  if (!VAULT_ID.test(id)) throw new TypeError('An id in the vault must be 1 to 128 characters of A-Z a-z 0-9 _ -');
}
