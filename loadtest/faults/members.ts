/**
 * Members that come and go while faults are injected, by `unsubscribe`, by closing and by cuts; and in the end whether the lists of every gateway are the truth:
 * nobody is missing, nobody is in them who has gone, and so it stays.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../broker/testing/until.ts';
import { type Frame, WsClient } from '../../gateway/e2e/harness/clients.ts';
import { call } from '../../gateway/e2e/harness/http-client.ts';
import { Random } from '../../gateway/e2e/harness/plan.ts';
import { PRESENT } from './world.ts';

export interface MembersOptions {
  readonly count: number;
  readonly seed: number;
  /** Where clients connect. */
  readonly url: string;
  /** It gives up a connection on which it hears nothing for so long. */
  readonly silenceLimitMs: number;
}

/** What a gateway that died held is taken out when its lease has ended, by another one that then looks: PROTOCOL.md says 45 seconds. */
const TRUE_WITHIN_MS = 60_000;
/** For so long the lists must then stay as they are. */
const HOLDS_MS = 2_000;
const LOOK_EACH_MS = 250;
const AGAIN_MS = 100;

export class Members {
  readonly #members: readonly Member[];
  readonly #loops: Promise<unknown>;

  constructor(options: MembersOptions) {
    this.#members = Array.from({ length: options.count }, (_none, index) => new Member(options, options.seed + index));
    this.#loops = Promise.all(this.#members.map((member) => member.run()));
  }

  /** No one comes or goes any more: two in three stay. Resolves with what is wrong with the lists, in sentences. */
  async complaints(gateways: readonly string[]): Promise<string[]> {
    this.#members.forEach((member, index) => {
      member.settle(index % 3 > 0);
    });
    const wrong = async () => (await Promise.all(gateways.map((url) => this.#wrongAt(url)))).flat();
    const settled = () => this.#members.every((member) => member.settled);
    const right = async () => settled() && (await wrong()).length === 0;
    const told = await until('the lists of members are true', right, TRUE_WITHIN_MS).catch((error: Error) => error);
    if (told instanceof Error)
      return [told.message, ...(settled() ? [] : ['Not all members could enter']), ...(await wrong())];
    for (let ms = 0; ms < HOLDS_MS; ms += LOOK_EACH_MS) {
      await sleep(LOOK_EACH_MS);
      const found = settled() ? await wrong() : []; // one that lost its connection comes back, which takes a moment
      if (found.length > 0) return found.map((sentence) => `After the lists were true: ${sentence}`);
    }
    return [];
  }

  async stop(): Promise<void> {
    for (const member of this.#members) member.stop();
    await this.#loops;
  }

  async #wrongAt(url: string): Promise<string[]> {
    const found: string[] = [];
    for (const channel of PRESENT) {
      const { status, text, json } = await call(`${url}/api/presence?channel=${channel}`);
      if (status !== 200) return [`${url} told no members of ${channel}: ${status} ${text}`];
      const listed = connectionsOf(json);
      const there = this.#members.flatMap(({ connection }) => (connection === undefined ? [] : [connection]));
      const ghosts = listed.filter((connection) => !there.includes(connection));
      const missing = there.filter((connection) => !listed.includes(connection));
      if (ghosts.length > 0)
        found.push(`${channel} at ${url} lists ${ghosts.length} who have gone: ${ghosts.join(', ')}`);
      if (missing.length > 0) found.push(`${channel} at ${url} lacks ${missing.length}: ${missing.join(', ')}`);
    }
    return found;
  }
}

function connectionsOf(json: unknown): readonly string[] {
  const { users } = json as { users: readonly { connections: readonly string[] }[] };
  return users.flatMap(({ connections }) => connections);
}

/** One client, with one connection after the other. */
class Member {
  /** Of the connection by which it is in both channels now. */
  connection: string | undefined;
  readonly #options: MembersOptions;
  readonly #random: Random;
  #client: WsClient | undefined;
  /** Undefined while it comes and goes. */
  #stays: boolean | undefined;
  #stopped = false;

  constructor(options: MembersOptions, seed: number) {
    this.#options = options;
    this.#random = new Random(seed);
  }

  get settled(): boolean {
    return this.#stays !== undefined && (this.connection !== undefined) === this.#stays;
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      if (this.#stays !== false) await this.#connection();
      await sleep(AGAIN_MS);
    }
  }

  settle(stays: boolean): void {
    this.#stays = stays;
    if (!stays) void this.#client?.close();
  }

  stop(): void {
    this.#stopped = true;
    this.#client?.destroy();
  }

  async #connection(): Promise<void> {
    let id: string | undefined;
    const subscribed = new Set<unknown>();
    const take = ({ type, connection, channel }: Frame) => {
      if (type === 'welcome') id = String(connection);
      if (type === 'subscribed') subscribed.add(channel);
      if (type === 'subscribed' && subscribed.size === PRESENT.length) this.connection = id;
      if (type === 'error') client.destroy(); // Redis is away: it tries again
    };
    const client = new WsClient(`${this.#options.url}/ws`, { sink: { push: take, end: () => client.destroy() } });
    this.#client = client;
    client.opened.then(
      () => {
        for (const channel of PRESENT) client.send({ type: 'subscribe', channel });
      },
      () => undefined, // told by `closed`
    );
    const { silenceLimitMs } = this.#options;
    const watch = setInterval(() => {
      if (performance.now() - client.heardAt > silenceLimitMs) client.destroy();
      else client.send({ type: 'ping' });
    }, silenceLimitMs / 4);
    const leaving = setTimeout(() => this.#leave(client), 200 + this.#random.below(2_500));
    await client.closed;
    clearInterval(watch);
    clearTimeout(leaving);
    this.connection = undefined;
  }

  /** In one of the ways in which clients go. */
  #leave(client: WsClient): void {
    if (this.#stays !== undefined) return;
    const way = this.#random.pick(['unsubscribe', 'close', 'cut'] as const);
    this.connection = undefined;
    if (way === 'unsubscribe') for (const channel of PRESENT) client.send({ type: 'unsubscribe', channel });
    if (way === 'cut') client.destroy();
    else void client.close();
  }
}
