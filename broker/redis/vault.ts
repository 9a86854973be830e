/** The vault in Redis: one string for each text, which Redis itself lets expire. Each lies in a slot of its own. */
import { assertVaultId, type Vault } from '../vault.ts';
import type { Gate } from './gate.ts';
import type { Keys } from './keys.ts';
import { type Send, text } from './script.ts';

export class RedisVault implements Vault {
  readonly #gate: Gate;
  readonly #send: Send;
  readonly #keys: Keys;

  constructor(gate: Gate, send: Send, keys: Keys) {
    this.#gate = gate;
    this.#send = send;
    this.#keys = keys;
  }

  async put(id: string, value: string, lifetimeMs: number): Promise<void> {
    assertVaultId(id);
    await this.#gate.run(() => this.#send('SET', [this.#keys.vault(id), value, 'PX', lifetimeMs]));
  }

  async take(id: string): Promise<string | undefined> {
    assertVaultId(id);
    const reply = await this.#gate.run(() => this.#send('GETDEL', [this.#keys.vault(id)]));
    return reply === null ? undefined : text(reply);
  }
}
