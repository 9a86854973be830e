/**
 * Presence in Redis: which script follows upon which, on which nodes.
 *
 * A change and its notice are one script in the channel's slot. Leases lie in a slot of their own, and for each gateway, in
 * another one, the channels in which it has members; so what a dead gateway left is found without a look into every channel.
 */
import { BrokerUnavailable } from '../broker.ts';
import { type Joining, MEMBERS_BYTES, type Members, type Presence } from '../presence.ts';
import type { Gate } from './gate.ts';
import { type PresenceScripts, type Registered, SCAN_START } from './presence-scripts.ts';
import { Registrations } from './registrations.ts';

/** For how long a dead gateway is left to the one that began to remove its members, which may have died as well. */
const REMOVAL_MS = 10_000;
/** Connections whose join is in doubt: more than a gateway has. */
const MAX_UNCERTAIN = 1_000_000;

export class RedisPresence implements Presence {
  readonly #gate: Gate;
  readonly #reads: Gate;
  /** The change of a channel that was sent last, until it is answered. */
  readonly #changes = new Map<string, Promise<unknown>>();
  readonly #scripts: PresenceScripts;
  readonly #graceMs: number;
  readonly #registrations: Registrations;
  /** Raised with each join: of two of one connection the later one has the larger number. */
  #joins = 0;
  /** The connections, by channel, with a join that was given up: it may take effect at any time, until it is undone. */
  readonly #uncertain = new Set<string>();

  constructor(
    { changes, reads }: { readonly changes: Gate; readonly reads: Gate },
    scripts: PresenceScripts,
    graceMs: number,
  ) {
    this.#gate = changes;
    this.#reads = reads;
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

  async join(channel: string, member: Joining): Promise<boolean> {
    const order = ++this.#joins;
    try {
      return await this.#change(channel, (isOpen) =>
        this.#registrations.join(member.gateway, channel, () => {
          if (!isOpen()) throw new BrokerUnavailable('The join was given up before it was sent.');
          return this.#scripts.join(channel, member, order);
        }),
      );
    } catch (error) {
      if (!(error instanceof BrokerUnavailable) || error.refusal === undefined) this.#doubt(channel, member.connection);
      throw error;
    }
  }

  part(channel: string, connection: string): Promise<void> {
    return this.#change(channel, () => this.#scripts.part(channel, connection));
  }

  async leave(channel: string, connection: string): Promise<void> {
    const key = keyOf(channel, connection);
    const undone = this.#uncertain.has(key) ? this.#joins : undefined;
    await this.#change(channel, () =>
      this.#registrations.leave(channel, (gateways) => this.#scripts.leave(channel, connection, gateways, undone)),
    );
    this.#uncertain.delete(key);
  }

  rename(channel: string, connection: string, name: string, claim: string): Promise<boolean> {
    return this.#change(channel, () => this.#scripts.rename(channel, connection, name, claim));
  }

  members(channel: string, limit: number, maxBytes = MEMBERS_BYTES): Promise<Members> {
    return this.#reads.run(async () => {
      await this.#changes.get(channel)?.catch(() => undefined); // told to who asked for it
      return this.#scripts.members(channel, limit, maxBytes, await this.#scripts.gateways(this.#graceMs));
    });
  }

  /** Reads go by another connection: who enters a member, or takes one out, and then asks who is there, shall see that. */
  #change<T>(channel: string, send: (isOpen: () => boolean) => Promise<T>): Promise<T> {
    const change = this.#gate.run(send);
    const forget = () => {
      if (this.#changes.get(channel) === change) this.#changes.delete(channel);
    };
    this.#changes.set(channel, change);
    change.then(forget, forget);
    return change;
  }

  /** Told once also where two work on one gateway: removal and notice are one step, so the second one finds nothing. */
  async removeDead(): Promise<number> {
    for (let count = 0; ; ) {
      const gateway = await this.#gate.run(() => this.#scripts.claimDead(this.#graceMs, REMOVAL_MS));
      if (gateway === undefined) return count;
      if (await this.#remove(gateway)) count += 1;
    }
  }

  #doubt(channel: string, connection: string): void {
    this.#uncertain.add(keyOf(channel, connection));
    if (this.#uncertain.size <= MAX_UNCERTAIN) return;
    const [oldest] = this.#uncertain;
    if (oldest !== undefined) this.#uncertain.delete(oldest);
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

function keyOf(channel: string, connection: string): string {
  return `${connection} ${channel}`;
}
