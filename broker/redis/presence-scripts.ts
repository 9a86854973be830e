/**
 * One typed function for each Lua file about presence, and for the few plain commands beside them.
 *
 * Owns the form in which members are stored: see `lua/include/presence.lua`. Must not know how Redis is reached, nor what
 * follows upon what.
 */
import { type Joining, type Member, type Members, noticesOf } from '../presence.ts';
import type { Keys } from './keys.ts';
import { list, load, type PublishCommand, run, type Script, type Send, text, type Words } from './script.ts';

function loadAll(words: Words) {
  return {
    renewLease: load('renew-lease'),
    endLease: load('end-lease'),
    gateways: load('gateways'),
    join: load('join', words),
    part: load('part', words),
    leave: load('leave', words),
    rename: load('rename', words),
    members: load('members'),
    removeMembers: load('remove-members', words),
    unregister: load('unregister'),
    claimDead: load('claim-dead'),
    forgetGateway: load('forget-gateway'),
  } as const;
}

/** What became of a join, and whether its gateway has any member in the channel now. */
export interface Joined {
  readonly joined: boolean;
  readonly hasMembers: boolean;
}

/** That a gateway has members in a channel. The mark tells one registration from a later one of the same. */
export interface Registered {
  readonly channel: string;
  readonly mark: string;
}

/** A part of a scan; one that has no next part is the last. */
export interface Part<T> {
  readonly found: T;
  readonly next: string | undefined;
}

/** How long a join that was undone may still be on its way: a server that stood still takes up what waits at once when it goes on. */
const UNDONE_MS = 10 * 60_000;

export const SCAN_START = '0';

/** Members, or channels, in one part of a scan: few enough not to hold up the server. */
const SCAN_COUNT = 500;

export class PresenceScripts {
  readonly #send: Send;
  readonly #sendRead: Send;
  readonly #keys: Keys;
  readonly #scripts: ReturnType<typeof loadAll>;

  constructor(send: Send, sendRead: Send, keys: Keys, publishCommand: PublishCommand) {
    this.#send = send;
    this.#sendRead = sendRead;
    this.#keys = keys;
    this.#scripts = loadAll({ PUBLISH: publishCommand, UNDONE_MS });
  }

  get all(): readonly Script[] {
    return Object.values(this.#scripts);
  }

  async renewLease(gateway: string, leaseMs: number): Promise<boolean> {
    return (await run(this.#send, this.#scripts.renewLease, [this.#keys.leases()], [gateway, leaseMs])) === 1;
  }

  async endLease(gateway: string): Promise<void> {
    await run(this.#send, this.#scripts.endLease, [this.#keys.leases()], [gateway]);
  }

  /** Those whose lease holds, or ended less than this long ago. */
  async gateways(endedMs: number): Promise<string[]> {
    return list(await run(this.#send, this.#scripts.gateways, [this.#keys.leases()], [endedMs])).map(text);
  }

  /** `order`: larger than that of every join before it by this connection. */
  async join(channel: string, member: Joining, order: number): Promise<Joined> {
    const { connection, previous } = member;
    const reply = await this.#change(
      this.#scripts.join,
      channel,
      [this.#keys.undone(channel, connection)],
      [
        order,
        JSON.stringify(connection),
        encodeEntry(member),
        previous === undefined ? '' : JSON.stringify(previous.connection),
        previous === undefined ? '' : JSON.stringify(previous.secret),
      ],
    );
    return { joined: reply === 1, hasMembers: reply !== -1 };
  }

  async part(channel: string, connection: string): Promise<void> {
    await run(this.#send, this.#scripts.part, this.#presence(channel), [JSON.stringify(connection)]);
  }

  /**
   * Resolves to those of the gateways that have no member in the channel now. `undone`: joins of the connection up to this one may still be on
   * their way to Redis, and are not to take effect there any more.
   */
  async leave(
    channel: string,
    connection: string,
    gateways: readonly string[],
    undone: number | undefined,
  ): Promise<string[]> {
    const args = [undone ?? '', ...[connection, ...gateways].map((each) => JSON.stringify(each))];
    const reply = list(
      await this.#change(this.#scripts.leave, channel, [this.#keys.undone(channel, connection)], args),
    );
    return gateways.filter((_, i) => reply[i] === 0);
  }

  async rename(channel: string, connection: string, name: string, claim: string): Promise<boolean> {
    const args = [connection, name, claim].map((each) => JSON.stringify(each));
    return (await this.#change(this.#scripts.rename, channel, [], args)) === 1;
  }

  /** Those of these gateways. */
  async members(channel: string, limit: number, maxBytes: number, gateways: readonly string[]): Promise<Members> {
    const args = [limit, maxBytes, ...gateways.map((gateway) => JSON.stringify(gateway))];
    const [more, ...parts] = list(
      await run(this.#sendRead, this.#scripts.members, [this.#keys.members(channel)], args),
    );
    const members: Member[] = [];
    for (let i = 0; i + 1 < parts.length; i += 2) {
      const member = decodeMember(text(parts[i]), text(parts[i + 1]));
      if (member !== undefined) members.push(member);
    }
    return { members, more: more === 1 };
  }

  /** Removes what one part of a scan finds; tells whether the gateway has members there still. */
  async removeMembers(channel: string, gateway: string, cursor: string): Promise<Part<boolean>> {
    const args = [JSON.stringify(gateway), cursor, SCAN_COUNT];
    const [next, more] = list(await this.#change(this.#scripts.removeMembers, channel, [], args));
    return { found: more === 1, next: nextOf(next) };
  }

  async register(gateway: string, { channel, mark }: Registered): Promise<void> {
    await this.#send('HSET', [this.#keys.channelsOf(gateway), channel, mark]);
  }

  async unregister(gateway: string, { channel, mark }: Registered): Promise<void> {
    await run(this.#send, this.#scripts.unregister, [this.#keys.channelsOf(gateway)], [channel, mark]);
  }

  async registered(gateway: string, cursor: string): Promise<Part<Registered[]>> {
    const args = [this.#keys.channelsOf(gateway), cursor, 'COUNT', SCAN_COUNT];
    const [next, pairs] = list(await this.#send('HSCAN', args));
    const texts = list(pairs).map(text);
    const found: Registered[] = [];
    for (let i = 0; i + 1 < texts.length; i += 2) found.push({ channel: texts[i] ?? '', mark: texts[i + 1] ?? '' });
    return { found, next: nextOf(next) };
  }

  async isRegistered(gateway: string): Promise<boolean> {
    return (await this.#send('EXISTS', [this.#keys.channelsOf(gateway)])) === 1;
  }

  /** A gateway whose lease ended this long ago or longer, and which nobody else is to work on for a while. */
  async claimDead(endedMs: number, workMs: number): Promise<string | undefined> {
    const reply = await run(this.#send, this.#scripts.claimDead, this.#leases(), [endedMs, workMs]);
    return reply === null ? undefined : text(reply);
  }

  /** False where somebody else has done it. */
  async forgetGateway(gateway: string): Promise<boolean> {
    return (await run(this.#send, this.#scripts.forgetGateway, this.#leases(), [gateway])) === 1;
  }

  #change(script: Script, channel: string, moreKeys: readonly string[], args: readonly (string | number)[]) {
    const notices = this.#keys.events(noticesOf(channel));
    return run(this.#send, script, [...this.#presence(channel), ...moreKeys], [notices, ...args]);
  }

  #presence(channel: string): string[] {
    return [this.#keys.members(channel), this.#keys.index(channel)];
  }

  #leases(): string[] {
    return [this.#keys.leases(), this.#keys.removals()];
  }
}

/** Seven lines, as no JSON text has a line feed. A member enters with its connection whole. */
function encodeEntry({ gateway, user, name, claim, secret, announce }: Joining): string {
  const texts = [gateway, user, name].map((each) => JSON.stringify(each));
  const kept = claim === undefined ? '' : JSON.stringify(claim);
  return [...texts, kept, JSON.stringify(secret), announce ? 1 : 0, 0].join('\n');
}

/** Undefined where no gateway of this version can have stored it: the others are listed without it. */
function decodeMember(field: string, entry: string): Member | undefined {
  const [connection, gateway, user, name] = [field, ...entry.split('\n', 3)].map(decodeText);
  if (typeof connection !== 'string' || typeof gateway !== 'string') return undefined;
  return user === undefined || name === undefined ? undefined : { connection, gateway, user, name };
}

/** Undefined where it is neither a text nor null. */
function decodeText(json: string): string | null | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return value === null || typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function nextOf(cursor: unknown): string | undefined {
  const next = text(cursor);
  return next === SCAN_START ? undefined : next;
}
