/**
 * Keeps known in Redis in which channels each gateway of this process has members, so that the others find them if it dies: a
 * channel is registered before the first member enters, and no longer once none is left.
 *
 * Owns what is registered, as far as this process did it. Must not know what a member is.
 */
import { randomUUID } from 'node:crypto';
import type { Joined, PresenceScripts } from './presence-scripts.ts';

interface Registration {
  readonly gateway: string;
  readonly channel: string;
  readonly mark: string;
  /** Rejects where it could not be made. */
  readonly made: Promise<void>;
  /** Joins under way. */
  joining: number;
  /** How many joins have entered a member, or may have. */
  entered: number;
}

export class Registrations {
  readonly #scripts: Pick<PresenceScripts, 'register' | 'unregister'>;
  /** By gateway and channel; as many as there are channels in which this process's gateways have members. */
  readonly #registrations = new Map<string, Map<string, Registration>>();

  constructor(scripts: Pick<PresenceScripts, 'register' | 'unregister'>) {
    this.#scripts = scripts;
  }

  get size(): number {
    return [...this.#registrations.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Runs a join once the channel is registered. Resolves to whether it entered a member. */
  async join(gateway: string, channel: string, join: () => Promise<Joined>): Promise<boolean> {
    const registration = this.#find(gateway, channel) ?? this.#register(gateway, channel);
    const { entered } = registration;
    registration.joining += 1;
    let result: Joined | undefined;
    try {
      await registration.made;
      result = await join();
    } finally {
      registration.joining -= 1;
      // Of one that failed it is unknown.
      if (result === undefined || result.joined) registration.entered += 1;
    }
    if (!result.hasMembers) await this.#unregister(registration, entered);
    return result.joined;
  }

  /** Runs what removes members from a channel; it is asked, of each gateway here that had some, which have none now. */
  async leave(channel: string, leave: (gateways: readonly string[]) => Promise<readonly string[]>): Promise<void> {
    const before = [...this.#registrations.keys()]
      .map((gateway) => this.#find(gateway, channel))
      .filter((registration) => registration !== undefined)
      .map((registration) => ({ registration, entered: registration.entered }));
    const without = await leave(before.map(({ registration }) => registration.gateway));
    for (const { registration, entered } of before)
      if (without.includes(registration.gateway)) await this.#unregister(registration, entered);
  }

  /** The others may have removed what was registered of this gateway. */
  forget(gateway: string): void {
    this.#registrations.delete(gateway);
  }

  #find(gateway: string, channel: string): Registration | undefined {
    return this.#registrations.get(gateway)?.get(channel);
  }

  #register(gateway: string, channel: string): Registration {
    const mark = randomUUID();
    const made = this.#scripts.register(gateway, { channel, mark });
    const registration: Registration = { gateway, channel, mark, made, joining: 0, entered: 0 };
    const channels = this.#registrations.get(gateway) ?? new Map<string, Registration>();
    channels.set(channel, registration);
    this.#registrations.set(gateway, channels);
    // The join that waits for it hears of the failure; the next one shall try anew.
    made.catch(() => this.#drop(registration));
    return registration;
  }

  /** Unless a join may have entered a member after the answer that there is none: then its leaving will come here. */
  async #unregister(registration: Registration, entered: number): Promise<void> {
    if (registration.joining > 0 || registration.entered !== entered) return;
    if (this.#drop(registration)) await this.#scripts.unregister(registration.gateway, registration);
  }

  #drop(registration: Registration): boolean {
    const { gateway, channel } = registration;
    if (this.#find(gateway, channel) !== registration) return false;
    const channels = this.#registrations.get(gateway);
    channels?.delete(channel);
    if (channels?.size === 0) this.#registrations.delete(gateway);
    return true;
  }
}
