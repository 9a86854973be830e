/**
 * Presence in Redis: which script follows upon which, on which nodes.
 *
 * A change and its notice are one script in the channel's slot. Leases lie in a slot of their own, and for each gateway, in
 * another one, the channels in which it has members; so what a dead gateway left is found without a look into every channel.
 */
import type { Joining, Members, Presence } from '../presence.ts';
import type { Gate } from './gate.ts';
import { type PresenceScripts, type Registered, SCAN_START } from './presence-scripts.ts';
import { Registrations } from './registrations.ts';

/** For how long a dead gateway is left to the one that began to remove its members, which may have died as well. */
const REMOVAL_MS = 10_000;

export class RedisPresence implements Presence {
  readonly #gate: Gate;
  readonly #scripts: PresenceScripts;
  readonly #graceMs: number;
  readonly #registrations: Registrations;

  constructor(gate: Gate, scripts: PresenceScripts, graceMs: number) {
    this.#gate = gate;
    this.#scripts = scripts;
    this.#graceMs = graceMs;
    this.#registrations = new Registrations(scripts);
  }

  async renewLease(gateway: string, leaseMs: number): Promise<boolean> {
    const held = await this.#gate.run(() => this.#scripts.renewLease(gateway, leaseMs));
    if (!held) this.#registrations.forget(gateway);
    return held;
  }

  endLease(gateway: string): Promise<void> {
    return this.#gate.run(() => this.#scripts.endLease(gateway));
  }

  gateways(): Promise<readonly string[]> {
    return this.#gate.run(() => this.#scripts.gateways(0));
  }

  join(channel: string, member: Joining): Promise<boolean> {
    const join = () => this.#scripts.join(channel, member);
    return this.#gate.run(() => this.#registrations.join(member.gateway, channel, join));
  }

  part(channel: string, connection: string): Promise<void> {
    return this.#gate.run(() => this.#scripts.part(channel, connection));
  }

  leave(channel: string, connection: string): Promise<void> {
    const leave = (gateways: readonly string[]) => this.#scripts.leave(channel, connection, gateways);
    return this.#gate.run(() => this.#registrations.leave(channel, leave));
  }

  rename(channel: string, connection: string, name: string, claim: string): Promise<boolean> {
    return this.#gate.run(() => this.#scripts.rename(channel, connection, name, claim));
  }

  members(channel: string, limit: number): Promise<Members> {
    return this.#gate.run(async () =>
      this.#scripts.members(channel, limit, await this.#scripts.gateways(this.#graceMs)),
    );
  }

  /** Told once also where two work on one gateway: removal and notice are one step, so the second one finds nothing. */
  async removeDead(): Promise<number> {
    for (let count = 0; ; ) {
      const gateway = await this.#gate.run(() => this.#scripts.claimDead(this.#graceMs, REMOVAL_MS));
      if (gateway === undefined) return count;
      if (await this.#remove(gateway)) count += 1;
    }
  }

  async #remove(gateway: string): Promise<boolean> {
    for (let cursor: string | undefined = SCAN_START; cursor !== undefined; ) {
      const from: string = cursor;
      const { found, next } = await this.#gate.run(() => this.#scripts.registered(gateway, from));
      await Promise.all(found.map((registered) => this.#removeFrom(registered, gateway)));
      cursor = next;
    }
    // It is not that dead if it enters members still: it is left for another time.
    if (await this.#gate.run(() => this.#scripts.isRegistered(gateway))) return false;
    return this.#gate.run(() => this.#scripts.forgetGateway(gateway));
  }

  async #removeFrom(registered: Registered, gateway: string): Promise<void> {
    let hasMembers = true;
    for (let cursor: string | undefined = SCAN_START; cursor !== undefined; ) {
      const from: string = cursor;
      const { found, next } = await this.#gate.run(() =>
        this.#scripts.removeMembers(registered.channel, gateway, from),
      );
      hasMembers = found;
      cursor = next;
    }
    if (!hasMembers) await this.#gate.run(() => this.#scripts.unregister(gateway, registered));
  }
}
