/**
 * The words of the wire protocol (PROTOCOL.md): alphabets, codes, the decoding of what clients send and the frames they
 * are answered with. Knows no sockets and no Redis.
 */

import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { isPosition, ORIGIN, type Page } from '../broker/broker.ts';
import { boundedText } from './bounds.ts';
import { parseJson } from './json.ts';

export const CHANNEL = /^[A-Za-z0-9_.:@-]{1,128}$/;
export const EVENT_NAME = /^[A-Za-z0-9_.:-]{1,64}$/;
export const DEFAULT_EVENT = 'message';
/** The name of a gap in an event stream; no publisher may use it, or it could forge one. */
export const GAP_EVENT = 'gap';

/** The most events that one `history` reply, one `tail` and one batch of publishes may have. */
export const MAX_PAGE = 1000;
const MAX_KEY_LENGTH = 128;
/** Whose a key is. `publisher`: two publishers that use one key do not meet. `channel`: all that publish so share their keys. */
const KEY_SCOPES = ['publisher', 'channel'] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];
const LONE_SURROGATE = /\p{Surrogate}/u;
const MAX_REF_LENGTH = 128;

/** Why something was refused, for a program; each has an HTTP status where it is answered by HTTP. */
export const ERROR_STATUS = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  name_taken: 409,
  not_found: 404,
  method_not_allowed: 405,
  timeout: 408,
  too_large: 413,
  unsupported: 415,
  too_many: 429,
  server_full: 503,
  unavailable: 503,
  slow_consumer: 503,
  internal: 500,
} as const;
export type ErrorCode = keyof typeof ERROR_STATUS;

/** A status and its phrase, as HTTP's first line has them. */
export function statusLine(status: number): string {
  return `${status} ${STATUS_CODES[status]}`;
}

/** WebSocket close codes, by what they mean. */
export const CLOSE = {
  badRequest: 1008,
  internal: 1011,
  goingAway: 1012,
  tooLarge: 1009,
  serverFull: 1013,
  tryAgain: 1013,
  unauthorized: 4401,
  forbidden: 4403,
  slowConsumer: 4408,
  tooMany: 4429,
} as const;

/** An expected refusal: a code for a program and a sentence for a person. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly error: string;
  /** In how many milliseconds the same may be asked for again, where that is known. */
  readonly againInMs?: number;
}

export type Ref = string | number;

export const channel = z
  .string('"channel" must be a string')
  .regex(CHANNEL, '"channel" must be 1 to 128 characters of A-Z a-z 0-9 _ . : @ -');
export const position = (field: string) =>
  z
    .string(`"${field}" must be an id, such as "1700000000000-0"`)
    .refine(isPosition, `"${field}" must be an id of the form <milliseconds>-<sequence>, such as "1700000000000-0"`);
export const text = (field: string) => z.string(`"${field}" must be text`);
export const count = (field: string) => {
  const message = `"${field}" must be a whole number from 0 to ${MAX_PAGE}`;
  return z.number(message).int(message).min(0, message).max(MAX_PAGE, message);
};

/**
 * How deep arrays and objects of an event's data may be nested. JSON is parsed at any depth but written by recursion, so a small
 * frame could otherwise overflow the stack of this process, of another gateway, or of a subscriber.
 */
const MAX_DEPTH = 100;

const TOO_DEEP = `"data" may be nested ${MAX_DEPTH} deep at most`;
/** Such as 1e999: it would be written as null. */
const TOO_LARGE = '"data" has a number that is larger than a double can be; send it as a string';

/** Why a value cannot be an event's data; undefined where it can. */
function faultOf(value: unknown, levels: number): string | undefined {
  if (typeof value === 'number' && !Number.isFinite(value)) return TOO_LARGE;
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return TOO_DEEP;
  for (const each of Object.values(value)) {
    const fault = faultOf(each, levels - 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** What a publisher sends, over either transport. `data` is any JSON value and must be there. */
export const publication = z.object({
  channel,
  event: z
    .string('"event" must be a string')
    .regex(EVENT_NAME, '"event" must be 1 to 64 characters of A-Z a-z 0-9 _ . : -')
    .refine(
      (name) => name !== GAP_EVENT,
      `"event" must not be "${GAP_EVENT}": that is what the gateway itself tells in a stream`,
    )
    .default(DEFAULT_EVENT),
  data: z
    .unknown()
    .refine((value) => value !== undefined, '"data" is missing: give any JSON value')
    .superRefine((value, context) => {
      const message = faultOf(value, MAX_DEPTH);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    }),
  key: boundedText('"key" must be a string', {
    min: 1,
    max: MAX_KEY_LENGTH,
    message: `"key" must be 1 to ${MAX_KEY_LENGTH} characters`,
  })
    // Stored as UTF-8 two keys that differ in it would be one.
    .refine((key) => !LONE_SURROGATE.test(key), '"key" has half of a surrogate pair, which is no character')
    .optional(),
  keyScope: z
    .enum(KEY_SCOPES, `"keyScope" must be one of ${KEY_SCOPES.map((word) => `"${word}"`).join(', ')}`)
    .optional(),
});
export type Publication = z.infer<typeof publication>;

/** A range of a channel's history. Without `after`: the last `limit` events (before `before`); with it: the first `limit` after. */
export const historyQuery = z.object({
  channel,
  after: position('after').optional(),
  before: position('before').optional(),
  limit: count('limit').min(1, `"limit" must be a whole number from 1 to ${MAX_PAGE}`).default(100),
});
export type HistoryQuery = z.infer<typeof historyQuery>;

export const presenceQuery = z.object({ channel });

/** The fresh token of a connection that goes on, on every kind of connection. */
export const authCommand = z.object({ token: z.string('"token" must be a string') });

const commands = {
  subscribe: z
    .object({ channel, after: position('after').optional(), tail: count('tail').optional() })
    .refine((it) => it.after === undefined || it.tail === undefined, 'give "after" or "tail", not both'),
  unsubscribe: z.object({ channel }),
  publish: publication,
  history: historyQuery,
  presence: presenceQuery,
  auth: authCommand,
  ping: z.object({}),
};

/** What a kind of connection understands: its commands by their `type`. */
export type CommandTable = Readonly<Record<string, z.ZodType<object>>>;

/** One thing a client asks for, checked, with the `ref` that its reply repeats. */
export type CommandOf<Table extends CommandTable> = {
  [T in keyof Table]: { type: T; ref: Ref | undefined } & z.infer<Table[T]>;
}[keyof Table];
export type Command = CommandOf<typeof commands>;

export type Decoded<C> =
  | { readonly kind: 'command'; readonly command: C }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly ref: Ref | undefined }
  /** Not a command: text that is no JSON object, or one whose `type` is none of ours (then `type` is given). */
  | { readonly kind: 'other'; readonly type: string | undefined };

/** Reads one text frame of a `/ws` connection. Never throws, whatever the text. */
export function decodeCommand(text: string): Decoded<Command> {
  return decodeBy(commands, text);
}

/** Reads one text frame by a table of commands. Never throws, whatever the text. */
export function decodeBy<Table extends CommandTable>(table: Table, text: string): Decoded<CommandOf<Table>> {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return { kind: 'other', type: undefined }; // not JSON: echoed, as the protocol has it
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message))
    return { kind: 'other', type: undefined };

  const { type, ref } = message as { type?: unknown; ref?: unknown };
  const schema = typeof type === 'string' && Object.hasOwn(table, type) ? table[type] : undefined;
  if (typeof type !== 'string' || schema === undefined) {
    return { kind: 'other', type: typeof type === 'string' ? type : undefined };
  }
  if (!isRef(ref)) {
    const error = `"ref" must be a number or a string of at most ${MAX_REF_LENGTH} characters`;
    return { kind: 'refused', refusal: { code: 'bad_request', error }, ref: undefined };
  }
  const parsed = schema.safeParse(message);
  if (!parsed.success) return { kind: 'refused', refusal: badRequest(type, parsed.error), ref };
  return { kind: 'command', command: { ...parsed.data, type, ref } as CommandOf<Table> };
}

function isRef(value: unknown): value is Ref | undefined {
  if (value === undefined) return true;
  return typeof value === 'number' || (typeof value === 'string' && value.length <= MAX_REF_LENGTH);
}

/** Says what is wrong with the fields of a request called `what`: every fault, in one sentence. */
export function badRequest(what: string, fault: z.ZodError): Refusal {
  const faults = fault.issues.map((issue) => {
    const where = issue.path.length > 1 ? ` (at ${issue.path.join('.')})` : '';
    return `${issue.message}${where}`;
  });
  return { code: 'bad_request', error: `${what}: ${faults.join('; ')}` };
}

/** The JSON text of one frame: `type` first, then `ref` where the request had one. */
export function frame(type: string, fields: Readonly<Record<string, unknown>>, ref?: Ref | undefined): string {
  return JSON.stringify(ref === undefined ? { type, ...fields } : { type, ref, ...fields });
}

export function errorFrame({ code, error }: Refusal, ref?: Ref | undefined): string {
  return frame('error', { code, error }, ref);
}

/**
 * A history reply, of as many of the page's events as fit into `maxBytes` (one always does). `complete` says that the answer
 * holds every event of the range asked for: `limit` or `maxBytes` left none out, and none that ever was in it is gone.
 */
export function historyFields(
  { channel, after, before }: Pick<HistoryQuery, 'channel' | 'after' | 'before'>,
  page: Page,
  maxBytes: number,
): Record<string, unknown> {
  const newestFirst = after === undefined;
  const picked = fitting(channel, newestFirst ? page.events.toReversed() : page.events, maxBytes);
  const events = newestFirst ? picked.reverse() : picked;
  // Without `after` the range begins with the first event that ever was.
  const whole = newestFirst ? page.start === ORIGIN || before === ORIGIN : page.known;
  return {
    channel,
    events,
    position: page.head,
    complete: whole && !page.more && events.length === page.events.length,
  };
}

/** What was stored past the gateways need not be JSON: it is shown as the text that it is. */
function readData(data: Uint8Array): unknown {
  const text = Buffer.from(data.buffer, data.byteOffset, data.length).toString();
  const value = parseJson(text);
  return value === undefined ? text : value;
}

function fitting(channel: string, events: Page['events'], maxBytes: number): unknown[] {
  const picked = [];
  let bytes = 0;
  for (const { id, name, data } of events) {
    bytes += data.length;
    if (bytes > maxBytes && picked.length > 0) break;
    picked.push({
      id,
      channel,
      event: name,
      data: readData(data),
    });
  }
  return picked;
}
