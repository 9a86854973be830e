/**
 * The API keys of servers: how they are configured, and how a presented one is found. Pure, but for reading a file.
 *
 * A key is kept as its SHA-256 only. That is enough, and a slow hash would add nothing: unlike a password a key is long and random, and
 * too short a one is refused.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Parsed } from '../settings/setting.ts';
import { type FileForm, type ReadContent, type ReadFile, readJson } from '../settings/settings-file.ts';
import { compilePatterns, Patterns } from './patterns.ts';
import type { Action } from './rules.ts';

/** What a key is for: everything, or what its lists name. */
export type Grants =
  | 'everything'
  | (Readonly<Record<Action, Patterns>> & {
      /** Whether it may do what concerns no channel, such as ending connections. */
      readonly manage: boolean;
    });

export interface ApiKey {
  /** For logs; it is no secret. */
  readonly name: string;
  readonly digest: Buffer;
  readonly grants: Grants;
}

const NAME = /^[\w.-]{1,64}$/;
/** What can stand behind `Bearer`, and is long enough not to be guessed. */
const PLAIN = /^[\w.~+/=-]{16,512}$/;
const NO_CHANNELS = new Patterns([], undefined);
const HASHED = /^sha256:([0-9a-f]{64})$/;
const KEY_RULE =
  '16 to 512 characters of A-Z a-z 0-9 . _ ~ + / = -, or sha256: and the 64 hexadecimal digits of its SHA-256';

/** The keys of a gateway. */
export class ApiKeys {
  readonly #keys: readonly ApiKey[];

  constructor(keys: readonly ApiKey[]) {
    this.#keys = keys;
  }

  get size(): number {
    return this.#keys.length;
  }

  /** The key that was presented. How long it takes tells nothing of the keys: each is compared, and as a digest of fixed length. */
  find(presented: string): ApiKey | undefined {
    const digest = digestOf(presented);
    let found: ApiKey | undefined;
    for (const key of this.#keys) if (timingSafeEqual(key.digest, digest)) found = key;
    return found;
  }
}

/** Whether a key may do this in the channel. */
export function keyAllows({ grants }: ApiKey, action: Action, channel: string): boolean {
  return grants === 'everything' || grants[action].match(channel);
}

/** Whether a key may do what concerns no channel. */
export function keyManages({ grants }: ApiKey): boolean {
  return grants === 'everything' || grants.manage;
}

/** Reads `name:KEY,name:sha256:HEX`. Each of these keys may do everything. No error shows any part of the text. */
export function parseApiKeys(given: string): Parsed<readonly ApiKey[]> {
  const keys: ApiKey[] = [];
  for (const [index, entry] of given.split(',').entries()) {
    const [, name = '', key = ''] = /^([^:]*):(.*)$/s.exec(entry.trim()) ?? [];
    const digest = digestFrom(key);
    const place = `has at place ${index + 1}`;
    if (!NAME.test(name)) return { ok: false, error: `${place} what has no name before the first colon` };
    if (digest === undefined) return { ok: false, error: `${place} what is no key` };
    keys.push({ name, digest, grants: 'everything' });
  }
  const error = repetitionIn(keys);
  return error === undefined ? { ok: true, value: keys } : { ok: false, error };
}

/** What is wrong with keys that are used together: each name and each key may occur once. Continues the sentence "… ". */
export function repetitionIn(keys: readonly ApiKey[]): string | undefined {
  const names = new Set<string>();
  const digests = new Map<string, string>();
  for (const { name, digest } of keys) {
    if (names.has(name)) return `has two keys of the name ${name}`;
    const other = digests.get(digest.toString('hex'));
    if (other !== undefined) return `has one key under two names, ${other} and ${name}`;
    names.add(name);
    digests.set(digest.toString('hex'), name);
  }
  return undefined;
}

const patterns = z
  .array(z.string({ error: 'must be a pattern in quotes' }), { error: 'must be a list of channel patterns' })
  .transform((given, context) => {
    const compiled = compilePatterns(given, undefined);
    if (compiled.ok) return compiled.patterns;
    context.addIssue({ code: 'custom', message: compiled.error });
    return z.NEVER;
  });

const keySchema = z.strictObject({
  key: z.string({ error: `must be ${KEY_RULE}` }).transform((given, context) => {
    const digest = digestFrom(given);
    if (digest !== undefined) return digest;
    context.addIssue({ code: 'custom', message: `must be ${KEY_RULE}` });
    return z.NEVER;
  }),
  subscribe: patterns.optional(),
  publish: patterns.optional(),
  history: patterns.optional(),
  presence: patterns.optional(),
  manage: z.boolean({ error: 'must be true or false' }).optional(),
});
const fileSchema = z.strictObject({ keys: z.record(z.string().regex(NAME), keySchema) });

const KEYS_FILE: FileForm<z.infer<typeof fileSchema>> = {
  schema: fileSchema,
  fieldsAt: (path) => Object.keys(path.length === 0 ? fileSchema.shape : keySchema.shape),
  nameRule: 'no name of a key: 1 to 64 characters of A-Z a-z 0-9 _ . -',
  secret: true,
};

/**
 * The keys of a file `{ "keys": { NAME: { "key": KEY, "publish": [PATTERN…], … } } }`. A key for which nothing but itself is given may do
 * everything; as soon as one list is there, or `manage`, it may do only what is listed. No fault shows a key.
 */
export function readApiKeys(path: string, readFile?: ReadFile): ReadContent<readonly ApiKey[]> {
  const file = readJson(path, KEYS_FILE, readFile);
  if (!file.ok) return file;
  const content = Object.entries(file.content.keys).map(([name, { key, ...lists }]) => ({
    name,
    digest: key,
    grants: grantsOf(lists),
  }));
  return { ok: true, content };
}

type Lists = Omit<z.infer<typeof keySchema>, 'key'>;

function grantsOf(lists: Lists): Grants {
  if (Object.keys(lists).length === 0) return 'everything';
  const {
    subscribe = NO_CHANNELS,
    publish = NO_CHANNELS,
    history = NO_CHANNELS,
    presence = NO_CHANNELS,
    manage = false,
  } = lists;
  return { subscribe, publish, history, presence, manage };
}

function digestFrom(given: string): Buffer | undefined {
  const hex = HASHED.exec(given)?.[1];
  if (hex !== undefined) return Buffer.from(hex, 'hex');
  return PLAIN.test(given) ? digestOf(given) : undefined;
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
