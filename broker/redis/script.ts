/**
 * Loads Lua files, runs them, and takes their replies apart.
 *
 * Owns how a node learns a script. Must not know what a script does, nor how Redis is reached.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Sends one command; the reply has a Buffer wherever Redis sent a string. */
export type Send = (command: string, args: (string | number)[]) => Promise<unknown>;

/** By which events are sent to the gateways: `SPUBLISH` on a cluster. */
export type PublishCommand = 'PUBLISH' | 'SPUBLISH';

export interface Script {
  readonly source: string;
  readonly sha: string;
}

/** What stands in a script for a constant. As such it need not be sent, and be taken apart by Redis, with each call. */
export type Words = Readonly<Record<string, string | number>>;

/**
 * Reads `lua/<name>.lua`, with what it includes, and puts the word in for each `$NAME`. A file may be several scripts: of what stands between
 * the lines `--@if WORD`, `--@else` and `--@end` a script has the first part where `variant` is that word, and else the second.
 */
export function load(name: string, words: Words = {}, variant = ''): Script {
  const source = read(name)
    .replace(CONDITIONAL, (_, word: string, then: string, otherwise = '') => (word === variant ? then : otherwise))
    .replace(/^--@include (\w+)$/gm, (_, include: string) => read(`include/${include}`))
    .replace(/\$([A-Z_]+)/g, (_, word: string) => {
      const value = words[word];
      if (value === undefined) throw new Error(`${name}.lua: there is no word ${word}`);
      return String(value);
    });
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

const CONDITIONAL = /^--@if (\w+)\n([\s\S]*?)(?:^--@else\n([\s\S]*?))?^--@end\n/gm;

function read(path: string): string {
  return readFileSync(new URL(`./lua/${path}.lua`, import.meta.url), 'utf8');
}

/** Teaches scripts to a node, so that its first calls needn't be sent twice and so change their order. */
export async function teach(send: Send, scripts: readonly Script[]): Promise<void> {
  await Promise.all(scripts.map(({ source }) => send('SCRIPT', ['LOAD', source])));
}

export function run(
  send: Send,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  return send('EVALSHA', [script.sha, keys.length, ...keys, ...args]).catch((error: unknown) => {
    // A node that has just started, or whose scripts were flushed. It did nothing, so sending again is safe.
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return send('EVAL', [script.source, keys.length, ...keys, ...args]);
  });
}

export function list(reply: unknown): unknown[] {
  if (!Array.isArray(reply)) throw new TypeError('Redis answered with something that is no array.');
  return reply;
}

export function bytes(reply: unknown): Buffer {
  if (!Buffer.isBuffer(reply)) throw new TypeError('Redis answered with something that is no string.');
  return reply;
}

export function text(reply: unknown): string {
  return bytes(reply).toString();
}
