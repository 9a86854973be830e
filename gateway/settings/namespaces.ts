/**
 * Namespaces: the rules that a channel has from the part of its name before the first `:`, the built-in ones, and the
 * channels file that adds to them or overrides them.
 *
 * It knows no connection and no engine; what it promises the broker is `RetentionOf`. What the rights mean is decided elsewhere.
 */
import { z } from 'zod';
import type { Retention, RetentionOf } from '../../broker/broker.ts';
import { overrideRules, type Rules, rulesSchema } from '../auth/rules.ts';
import { quote } from './setting.ts';
import { type FileForm, type ReadFile, readJson } from './settings-file.ts';

/** What is kept of who is in a channel: nothing, the list, or the list and notices to subscribers of who comes and goes. */
export const PRESENCE_MODES = ['off', 'list', 'announce'] as const;
export type PresenceMode = (typeof PRESENCE_MODES)[number];

/** What rules the channels of one namespace. */
export interface Namespace {
  readonly name: string;
  readonly history: Retention;
  readonly presence: PresenceMode;
  /** Who may do what in its channels, where authentication is configured. */
  readonly rights: Rules;
}

type Settings = Omit<Namespace, 'name'>;

/** Every configured namespace by its name. Always has `default`. */
export type Namespaces = ReadonlyMap<string, Namespace>;

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
/** As Redis and nginx count them. */
const UNIT_BYTES = { B: 1, KB: 1_024, MB: 1_024 ** 2, GB: 1_024 ** 3 } as const;
const MIN_HISTORY_BYTES = 1_024;
const MAX_HISTORY_BYTES = 1_024 * UNIT_BYTES.GB;

/** Everyone who is let in may read, and what is there was put there by somebody who is known. */
const OPEN: Rules = { subscribe: 'everyone', publish: 'users', history: 'everyone', presence: 'users' };
const FOR_USERS: Rules = { subscribe: 'users', publish: 'users', history: 'users', presence: 'users' };
/** A user's own notifications are the user's whatever the rules say; what is told to everybody is told by servers. */
const FROM_SERVERS: Rules = { ...OPEN, publish: 'keys' };

/** Ephemeral channels have a retention too: it rules once a file gives the namespace a size. */
const BUILT_IN: Readonly<Record<string, Settings>> = {
  [DEFAULT_NAMESPACE]: { history: { size: 1_000, retentionMs: UNIT_MS.h }, presence: 'list', rights: OPEN },
  events: { history: { size: 1_000, retentionMs: UNIT_MS.h }, presence: 'list', rights: OPEN },
  chat: { history: { size: 10_000, retentionMs: 7 * UNIT_MS.d }, presence: 'announce', rights: FOR_USERS },
  notify: { history: { size: 1_000, retentionMs: 30 * UNIT_MS.d }, presence: 'off', rights: FROM_SERVERS },
  ephemeral: { history: { size: 0, retentionMs: UNIT_MS.h }, presence: 'list', rights: OPEN },
};

/** Milliseconds of a duration such as `500ms`, `30s`, `10m`, `1h` or `7d`; undefined where the text is none. */
export function parseDurationMs(given: string): number | undefined {
  const match = /^(\d{1,15})(ms|s|m|h|d)$/.exec(given);
  if (match === null) return undefined;
  return Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
}

/** Bytes of a size such as `512KB`, `64MB` or `2GB`; undefined where the text is none. */
export function parseBytes(given: string): number | undefined {
  const match = /^(\d{1,12})(B|KB|MB|GB)$/.exec(given);
  if (match === null) return undefined;
  return Number(match[1]) * UNIT_BYTES[match[2] as keyof typeof UNIT_BYTES];
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

const maxBytesSchema = z
  .string({ error: 'must be a number of bytes in quotes, such as "512KB", "64MB" or "2GB"' })
  .transform((given, context) => {
    const bytes = parseBytes(given);
    if (bytes !== undefined && bytes >= MIN_HISTORY_BYTES && bytes <= MAX_HISTORY_BYTES) return bytes;
    const message =
      bytes === undefined
        ? `is ${quote(given)}, which is no number of bytes: write "512KB", "64MB" or "2GB"`
        : `is ${quote(given)}, but must be from 1KB to 1024GB`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });

const historySchema = z.strictObject({
  size: sizeSchema.optional(),
  retention: retentionSchema.optional(),
  maxBytes: maxBytesSchema.optional(),
});
const presenceSchema = z.enum(PRESENCE_MODES, { error: `must be one of ${PRESENCE_MODES.map(quote).join(', ')}` });
const namespaceSchema = z.strictObject({
  history: historySchema.optional(),
  presence: presenceSchema.optional(),
  rights: rulesSchema.optional(),
});
/** What begins with `@` is a user's own channel, which has no namespace. */
const NAMESPACE = /^[\w.-][\w.@-]{0,126}$/;
const fileSchema = z.strictObject({
  namespaces: z.record(z.string().regex(NAMESPACE), namespaceSchema),
});
type ChannelsFile = z.infer<typeof fileSchema>;

const CHANNELS_FILE: FileForm<ChannelsFile> = {
  schema: fileSchema,
  fieldsAt: ([, namespace, field]) => {
    if (namespace === undefined) return Object.keys(fileSchema.shape);
    if (field === undefined) return Object.keys(namespaceSchema.shape);
    return Object.keys(field === 'rights' ? rulesSchema.shape : historySchema.shape);
  },
  nameRule:
    'no name of a namespace: 1 to 127 characters of A-Z a-z 0-9 _ . @ -, without the colon, and no @ at the beginning (such channels belong to users)',
  secret: false,
};

/**
 * The built-in namespaces, and over them those of a channels file. What the file leaves out stays as built in or, in a
 * namespace of its own, is as in `default`.
 */
export function loadNamespaces(path: string | undefined, readFile?: ReadFile): LoadedNamespaces {
  const settings = new Map(Object.entries(BUILT_IN));
  if (path !== undefined) {
    const file = readJson(path, CHANNELS_FILE, readFile);
    if (!file.ok) return file;
    override(settings, file.content);
  }
  const namespaces = new Map<string, Namespace>();
  for (const [name, { history, presence, rights }] of settings)
    namespaces.set(name, Object.freeze({ name, history: Object.freeze(history), presence, rights }));
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

/** Which presence a channel has. */
export function presenceModeOf(namespaces: Namespaces): (channel: string) => PresenceMode {
  return (channel) => namespaceOf(namespaces, channel).presence;
}

/** Fit for every publish: one lookup, nothing kept for a channel, and the same object for every channel of a namespace. */
export function retentionOf(namespaces: Namespaces): RetentionOf {
  return (channel) => namespaceOf(namespaces, channel).history;
}

function override(settings: Map<string, Settings>, file: ChannelsFile): void {
  // `default` first: the file's other namespaces take from it what they leave out.
  const entries = Object.entries(file.namespaces);
  entries.sort(([a], [b]) => Number(b === DEFAULT_NAMESPACE) - Number(a === DEFAULT_NAMESPACE));
  for (const [name, { history, presence, rights }] of entries) {
    const base = settings.get(name) ?? settings.get(DEFAULT_NAMESPACE);
    if (base === undefined) throw new Error('The built-in namespaces lack the default one');
    settings.set(name, {
      history: {
        size: history?.size ?? base.history.size,
        retentionMs: history?.retention ?? base.history.retentionMs,
        ...withMaxBytes(history?.maxBytes ?? base.history.maxBytes),
      },
      presence: presence ?? base.presence,
      rights: overrideRules(base.rights, rights),
    });
  }
}

/** Left out where there is no such bound. */
function withMaxBytes(maxBytes: number | undefined): Pick<Retention, 'maxBytes'> {
  return maxBytes === undefined ? {} : { maxBytes };
}
