/**
 * One typed function for each Lua file about events, and the one place that turns their replies into results.
 *
 * Owns the order of their keys and arguments. Must not know how Redis is reached.
 */
import {
  type Event,
  HEAD_EXTRA_LIFETIME_MS,
  KEY_LIFETIME_MS,
  type Message,
  type Page,
  type Position,
  type Published,
  type RetentionOf,
} from '../broker.ts';
import { decodeBody, encodeBody } from './envelope.ts';
import { type Group, Groups } from './groups.ts';
import type { Keys } from './keys.ts';
import { OrderedCalls } from './ordered-calls.ts';
import { bytes, list, load, type PublishCommand, run, type Script, type Send, text } from './script.ts';
import type { Tending } from './tending.ts';

/** `publish.lua` lets a stream live for so much longer than its events are kept; what is past that is left out of reads. */
const SPARE_LIFETIME = 0.25;

/** Entries that a script takes out of a stream at a time: so many events, as large as they may be, are what Redis holds beyond a page. */
const PAGING = { PAGE_STEP: 32 };
/** Bytes of events that are gone over at once to find where a tail begins: some milliseconds' worth. */
const WALK_BYTES = 4_194_304;

export interface ScriptsParts {
  readonly send: Send;
  /** For what only reads. */
  readonly sendRead: Send;
  readonly keys: Keys;
  readonly tending: Tending;
  readonly publishCommand: PublishCommand;
  readonly retentionOf: RetentionOf;
  /** Called when publishes wait for others to go with, until `flush`. */
  readonly onWaiting: () => void;
}

export class Scripts {
  readonly all: readonly Script[];
  readonly #changes: OrderedCalls;
  readonly #sendRead: Send;
  readonly #keys: Keys;
  readonly #tending: Tending;
  readonly #publish: Script;
  /** The same for histories that are bounded by bytes. */
  readonly #publishBounded: Script;
  readonly #publishEphemeral: Script;
  readonly #readAfter = load('read-after', PAGING);
  readonly #readTail = load('read-tail', PAGING);
  readonly #tailStart = load('tail-start', PAGING);
  readonly #retentionOf: RetentionOf;
  readonly #groups: Groups;

  constructor({ send, sendRead, keys, tending, publishCommand, retentionOf, onWaiting }: ScriptsParts) {
    this.#changes = new OrderedCalls(send);
    this.#sendRead = sendRead;
    this.#keys = keys;
    this.#tending = tending;
    this.#retentionOf = retentionOf;
    this.#groups = new Groups((group) => this.#store(group).then(toIds), onWaiting);
    const words = { PUBLISH: publishCommand, KEY_LIFETIME_MS, HEAD_EXTRA_LIFETIME_MS, SPARE_LIFETIME };
    this.#publish = load('publish', { ...words, BODIES: 5 });
    this.#publishBounded = load('publish', { ...words, BODIES: 6 }, 'bounded');
    this.#publishEphemeral = load('publish-ephemeral', words);
    this.all = [
      this.#publish,
      this.#publishBounded,
      this.#publishEphemeral,
      this.#readAfter,
      this.#readTail,
      this.#tailStart,
    ];
  }

  publish(channel: string, message: Message): Promise<Published> {
    const body = encodeBody(message);
    if (message.key === undefined) return this.#groups.add(channel, body).then(stored);
    return this.#store({ channel, bodies: [body] }, message.key).then(toPublished);
  }

  /** Sends the publishes that wait for others to go with: before any other command, so that all keep their order. */
  flush(): void {
    this.#groups.flush();
  }

  async readAfter(channel: string, position: Position, limit: number, maxBytes: number): Promise<Page> {
    return toPage(await this.#read(this.#readAfter, channel, [position, limit, maxBytes]));
  }

  async readTail(channel: string, limit: number, before: Position | undefined, maxBytes: number): Promise<Page> {
    return toPage(
      await this.#read(this.#readTail, channel, [limit, maxBytes, ...(before === undefined ? [] : [before])]),
    );
  }

  /** One part of the way back over the last events: where it has come to, and over how many it still is to go back from there. */
  async tailStart(
    channel: string,
    limit: number,
    before: Position | undefined,
  ): Promise<{ readonly position: Position; readonly left: number }> {
    const args = [limit, WALK_BYTES, ...(before === undefined ? [] : [before])];
    const [position, left] = list(await this.#read(this.#tailStart, channel, args));
    return { position: text(position), left: Number(left) };
  }

  #read(script: Script, channel: string, args: readonly (string | number)[]): Promise<unknown> {
    const { size, retentionMs } = this.#retentionOf(channel);
    return run(this.#sendRead, script, this.#history(channel), [size, retentionMs, ...args]);
  }

  #store({ channel, bodies }: Group, key?: string): Promise<unknown> {
    const { size, retentionMs, maxBytes } = this.#retentionOf(channel);
    const keys: [string, ...string[]] = [this.#keys.stream(channel)];
    if (size > 0) keys.push(this.#keys.head(channel));
    if (key !== undefined) keys.push(this.#keys.idempotency(channel, key));
    const args: (string | number)[] = [this.#keys.events(channel)];
    if (size === 0) return this.#changes.run(this.#publishEphemeral, keys, [...args, ...bodies]);
    const tend = this.#tending.next(channel, retentionMs);
    args.push(size + 1, retentionMs, tend);
    const reply =
      maxBytes === undefined
        ? this.#changes.run(this.#publish, keys, [...args, ...bodies])
        : this.#changes.run(this.#publishBounded, keys, [...args, maxBytes, ...bodies]);
    if (tend.length > 1)
      reply.then(
        (ids) => !Array.isArray(ids) && this.#tending.stored(channel, tend),
        () => undefined, // whoever publishes is told
      );
    return reply;
  }

  #history(channel: string): string[] {
    return [this.#keys.stream(channel), this.#keys.head(channel)];
  }
}

function toPublished(reply: unknown): Published {
  return Array.isArray(reply) ? { id: text(reply[0]), duplicate: true } : stored(text(reply));
}

function stored(id: Position): Published {
  return { id, duplicate: false };
}

/** Of an ephemeral channel there is nothing between the spaces. */
function toIds(reply: unknown): readonly Position[] {
  return text(reply).split(' ');
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
