/**
 * One typed function for each Lua file, and the one place that turns their replies into results.
 *
 * Owns the loading of the scripts and the order of their keys and arguments. Must not know how Redis is reached.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  type Event,
  HEAD_EXTRA_LIFETIME_MS,
  KEY_LIFETIME_MS,
  type Message,
  type Page,
  type Position,
  type Published,
  type Retention,
} from '../broker.ts';
import { decodeBody, encodeBody } from './envelope.ts';
import type { Keys } from './keys.ts';

/** Sends one command; the reply has a Buffer wherever Redis sent a string. */
export type Send = (command: string, args: readonly (string | number)[]) => Promise<unknown>;

interface Script {
  readonly source: string;
  readonly sha: string;
}

const SCRIPTS = {
  publish: load('publish'),
  publishEphemeral: load('publish-ephemeral'),
  readAfter: load('read-after'),
  readTail: load('read-tail'),
  renewLease: load('renew-lease'),
  gateways: load('gateways'),
} as const;

export class Scripts {
  readonly #send: Send;
  readonly #keys: Keys;
  readonly #publishCommand: 'PUBLISH' | 'SPUBLISH';

  constructor(send: Send, keys: Keys, publishCommand: 'PUBLISH' | 'SPUBLISH') {
    this.#send = send;
    this.#keys = keys;
    this.#publishCommand = publishCommand;
  }

  /** `trim`: whether entries past the retention shall be dropped now. */
  async publish(channel: string, message: Message, retention: Retention, trim: boolean): Promise<Published> {
    const { size, retentionMs } = retention;
    const keys = [this.#keys.stream(channel)];
    if (size > 0) keys.push(this.#keys.head(channel));
    if (message.key !== undefined) keys.push(this.#keys.idempotency(channel, message.key));
    const body = encodeBody(message);
    const events = this.#keys.events(channel);
    const reply =
      size > 0
        ? await this.#run(SCRIPTS.publish, keys, [
            body,
            size + 1,
            retentionMs,
            retentionMs + HEAD_EXTRA_LIFETIME_MS,
            events,
            this.#publishCommand,
            KEY_LIFETIME_MS,
            trim ? 1 : 0,
          ])
        : await this.#run(SCRIPTS.publishEphemeral, keys, [body, events, this.#publishCommand, KEY_LIFETIME_MS]);
    return Array.isArray(reply) ? { id: text(reply[0]), duplicate: true } : { id: text(reply), duplicate: false };
  }

  async readAfter(channel: string, retention: Retention, position: Position, limit: number): Promise<Page> {
    const { size, retentionMs } = retention;
    return toPage(await this.#run(SCRIPTS.readAfter, this.#history(channel), [size, retentionMs, position, limit]));
  }

  async readTail(channel: string, retention: Retention, limit: number, before?: Position): Promise<Page> {
    const args = [retention.size, retention.retentionMs, limit, ...(before === undefined ? [] : [before])];
    return toPage(await this.#run(SCRIPTS.readTail, this.#history(channel), args));
  }

  async renewLease(gateway: string, leaseMs: number): Promise<void> {
    await this.#run(SCRIPTS.renewLease, [this.#keys.leases()], [gateway, leaseMs]);
  }

  async gateways(): Promise<string[]> {
    return list(await this.#run(SCRIPTS.gateways, [this.#keys.leases()], [])).map(text);
  }

  #history(channel: string): string[] {
    return [this.#keys.stream(channel), this.#keys.head(channel)];
  }

  async #run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#send('EVALSHA', [script.sha, keys.length, ...keys, ...args]);
    } catch (error) {
      // A node that has just started, or whose scripts were flushed. It did nothing, so sending again is safe.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return this.#send('EVAL', [script.source, keys.length, ...keys, ...args]);
    }
  }
}

/** Teaches every script to a node, so that its first publishes needn't be sent twice and so change their order. */
export async function loadScripts(send: Send): Promise<void> {
  await Promise.all(Object.values(SCRIPTS).map(({ source }) => send('SCRIPT', ['LOAD', source])));
}

function load(name: string): Script {
  const source = readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8').replace(
    /^--@include (\w+)$/gm,
    (_, include: string) => readFileSync(new URL(`./lua/include/${include}.lua`, import.meta.url), 'utf8'),
  );
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

function toPage(reply: unknown): Page {
  const [start, head, known, more, ...parts] = list(reply);
  const events: Event[] = [];
  let prev = text(start);
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const event = decodeBody(text(parts[i]), prev, bytes(parts[i + 1]));
    events.push(event);
    prev = event.id;
  }
  return { events, start: text(start), head: text(head), known: known === 1, more: more === 1 };
}

function list(reply: unknown): unknown[] {
  if (!Array.isArray(reply)) throw new TypeError('Redis answered a script with something that is no array.');
  return reply;
}

function bytes(reply: unknown): Buffer {
  if (!Buffer.isBuffer(reply)) throw new TypeError('Redis answered a script with something that is no string.');
  return reply;
}

function text(reply: unknown): string {
  return bytes(reply).toString('latin1');
}
