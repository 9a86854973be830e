/** The embedded engine's vault. Owns what is kept of one process. */
import { assertVaultId, type Vault } from './vault.ts';

interface Kept {
  readonly value: string;
  readonly expiresAtMs: number;
}

/** What the vaults of several brokers share. */
export class VaultStore {
  readonly #kept = new Map<string, Kept>();
  readonly #now: () => number;

  /** `now`: epoch milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The ids of what is kept, some of which may have expired. */
  ids(): readonly string[] {
    return [...this.#kept.keys()];
  }

  put(id: string, value: string, lifetimeMs: number): void {
    this.#kept.set(id, { value, expiresAtMs: this.#now() + lifetimeMs });
  }

  take(id: string): string | undefined {
    const kept = this.#kept.get(id);
    this.#kept.delete(id);
    return kept !== undefined && kept.expiresAtMs > this.#now() ? kept.value : undefined;
  }

  /** Throws away what has expired. */
  sweep(): void {
    const now = this.#now();
    for (const [id, { expiresAtMs }] of this.#kept) if (expiresAtMs <= now) this.#kept.delete(id);
  }

  clear(): void {
    this.#kept.clear();
  }
}

/** One broker's access to a `VaultStore`. */
export class MemoryVault implements Vault {
  readonly #store: VaultStore;
  readonly #assertOpen: () => void;

  constructor(store: VaultStore, assertOpen: () => void) {
    this.#store = store;
    this.#assertOpen = assertOpen;
  }

  async put(id: string, value: string, lifetimeMs: number): Promise<void> {
    this.#assertOpen();
    assertVaultId(id);
    this.#store.put(id, value, lifetimeMs);
  }

  async take(id: string): Promise<string | undefined> {
    this.#assertOpen();
    assertVaultId(id);
    return this.#store.take(id);
  }
}
