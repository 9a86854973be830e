/**
 * Namespaces: the rules that a channel has from the part of its name before the first `:`, the built-in ones, and the
 * channels file that adds to them or overrides them.
 *
 * It knows no connection, no rights and no engine; what it promises the broker is `RetentionOf`.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Retention, RetentionOf } from '../broker/broker.ts';
import { quote } from './setting.ts';

/** The rules of one namespace. */
export interface Namespace {
  readonly name: string;
  readonly history: Retention;
}

/** Every configured namespace by its name. Always has `default`. */
export type Namespaces = ReadonlyMap<string, Namespace>;

/** Reads a file as UTF-8 text; throws where that is not possible. */
export type ReadFile = (path: string) => string;

export type LoadedNamespaces =
  | { readonly ok: true; readonly namespaces: Namespaces }
  | { readonly ok: false; readonly faults: readonly string[] };

/** The namespace of channels without one, and the rules of namespaces that nobody configured. */
export const DEFAULT_NAMESPACE = 'default';

const MAX_SIZE = 1_000_000;
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
// Far less than anyone wants in production: tests of expiry are not to wait for seconds.
const MIN_RETENTION_MS = 100;
const MAX_RETENTION_MS = 365 * UNIT_MS.d;

/** Ephemeral channels have a retention too: it rules once a file gives the namespace a size. */
const BUILT_IN: Readonly<Record<string, Retention>> = {
  [DEFAULT_NAMESPACE]: { size: 1_000, retentionMs: UNIT_MS.h },
  events: { size: 1_000, retentionMs: UNIT_MS.h },
  chat: { size: 10_000, retentionMs: 7 * UNIT_MS.d },
  notify: { size: 1_000, retentionMs: 30 * UNIT_MS.d },
  ephemeral: { size: 0, retentionMs: UNIT_MS.h },
};

/** Milliseconds of a duration such as `500ms`, `30s`, `10m`, `1h` or `7d`; undefined where the text is none. */
export function parseDurationMs(given: string): number | undefined {
  const match = /^(\d{1,15})(ms|s|m|h|d)$/.exec(given);
  if (match === null) return undefined;
  return Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
}

const sizeSchema = z
  .number({ error: 'must be a whole number' })
  .int({ error: 'must be a whole number' })
  .min(0, { error: 'must not be negative (0 keeps no history)' })
  .max(MAX_SIZE, { error: `must be at most ${MAX_SIZE}` });

const retentionSchema = z
  .string({ error: 'must be a duration in quotes, such as "30s", "10m", "1h" or "7d"' })
  .transform((given, context) => {
    const ms = parseDurationMs(given);
    if (ms !== undefined && ms >= MIN_RETENTION_MS && ms <= MAX_RETENTION_MS) return ms;
    const message =
      ms === undefined
        ? `is ${quote(given)}, which is no duration: write "500ms", "30s", "10m", "1h" or "7d"`
        : `is ${quote(given)}, but must be from 100ms to 365d`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });

const historySchema = z.strictObject({ size: sizeSchema.optional(), retention: retentionSchema.optional() });
const namespaceSchema = z.strictObject({ history: historySchema.optional() });
const fileSchema = z.strictObject({
  namespaces: z.record(z.string().regex(/^[\w.@-]{1,127}$/), namespaceSchema),
});
type ChannelsFile = z.infer<typeof fileSchema>;

/** The fields that are known at each depth of the file; at depth 1 stand the names of namespaces. */
const KNOWN_FIELDS: Readonly<Record<number, readonly string[]>> = {
  0: Object.keys(fileSchema.shape),
  2: Object.keys(namespaceSchema.shape),
  3: Object.keys(historySchema.shape),
};

/**
 * The built-in namespaces, and over them those of a channels file. What the file leaves out stays as built in or, in a
 * namespace of its own, is as in `default`.
 */
export function loadNamespaces(path: string | undefined, readFile: ReadFile = readText): LoadedNamespaces {
  const histories = new Map(Object.entries(BUILT_IN));
  if (path !== undefined) {
    const file = readChannelsFile(path, readFile);
    if (!file.ok) return { ok: false, faults: file.faults.map((fault) => `${quote(path)}: ${fault}.`) };
    overrideHistories(histories, file.file);
  }
  const namespaces = new Map<string, Namespace>();
  for (const [name, history] of histories)
    namespaces.set(name, Object.freeze({ name, history: Object.freeze(history) }));
  return { ok: true, namespaces };
}

/**
 * The rules of a channel. A namespace that is not configured has the rules of `default`, so that a deployment needs no
 * file before its first channel; a name that was mistyped thereby still has history.
 */
export function namespaceOf(namespaces: Namespaces, channel: string): Namespace {
  const colon = channel.indexOf(':');
  const found =
    namespaces.get(colon === -1 ? DEFAULT_NAMESPACE : channel.slice(0, colon)) ?? namespaces.get(DEFAULT_NAMESPACE);
  if (found === undefined) throw new Error('Namespaces without the default one');
  return found;
}

/** Fit for every publish: one lookup, nothing kept for a channel, and the same object for every channel of a namespace. */
export function retentionOf(namespaces: Namespaces): RetentionOf {
  return (channel) => namespaceOf(namespaces, channel).history;
}

function overrideHistories(histories: Map<string, Retention>, file: ChannelsFile): void {
  // `default` first: the file's other namespaces take from it what they leave out.
  const entries = Object.entries(file.namespaces);
  entries.sort(([a], [b]) => Number(b === DEFAULT_NAMESPACE) - Number(a === DEFAULT_NAMESPACE));
  for (const [name, { history }] of entries) {
    const base = histories.get(name) ?? histories.get(DEFAULT_NAMESPACE);
    const size = history?.size ?? base?.size;
    const retentionMs = history?.retention ?? base?.retentionMs;
    if (size === undefined || retentionMs === undefined)
      throw new Error('The built-in namespaces lack the default one');
    histories.set(name, { size, retentionMs });
  }
}

type ReadChannelsFile =
  | { readonly ok: true; readonly file: ChannelsFile }
  | { readonly ok: false; readonly faults: readonly string[] };

function readChannelsFile(path: string, readFile: ReadFile): ReadChannelsFile {
  let source: string;
  try {
    source = readFile(path);
  } catch (error) {
    return { ok: false, faults: [`${unreadable(error)}. Correct the path or the file, or unset it`] };
  }
  let content: unknown;
  try {
    content = JSON.parse(source, refusePrototype);
  } catch (error) {
    return { ok: false, faults: [`is not JSON: ${messageOf(error)}`] };
  }
  const parsed = fileSchema.safeParse(content);
  if (parsed.success) return { ok: true, file: parsed.data };
  return { ok: false, faults: parsed.error.issues.flatMap(faultsOf) };
}

/** zod leaves such a field out without a word, but nothing in the file may be ignored silently. */
function refusePrototype(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new Error('the name __proto__ cannot be used');
  return value;
}

function faultsOf(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.map(String).join('.') || 'the top level';
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = (KNOWN_FIELDS[issue.path.length] ?? []).join(', ');
      return issue.keys.map((key) => `${path} has the unknown field ${quote(key)}; known: ${known}`);
    }
    case 'invalid_key':
      return [`${path} is no name of a namespace: 1 to 127 characters of A-Z a-z 0-9 _ . @ -, without the colon`];
    case 'invalid_type':
      return [
        issue.expected === 'object' || issue.expected === 'record'
          ? `${path} must be an object`
          : `${path} ${issue.message}`,
      ];
    default:
      return [`${path} ${issue.message}`];
  }
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this process has no permission to read the file',
  EISDIR: 'this is a folder, not a file',
};

function unreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return UNREADABLE[code] ?? `the file cannot be read (${messageOf(error)})`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}
