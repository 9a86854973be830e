/** The words of the notifications (PROTOCOL.md, section 6): what their clients send, and the forms of what they are sent. Knows no session. */
import { z } from 'zod';
import { type Event, isPosition, type Position } from '../../broker/broker.ts';
import { segmentOf, userSchema } from '../auth/users.ts';
import { timestampOf } from '../hub/event-time.ts';
import type { Form } from '../hub/outgoing.ts';
import { parseJson } from '../json.ts';
import { authCommand, badRequest, frame, position, publication, type Refusal, text } from '../protocol.ts';

/** The name of the events that are notifications. */
export const NOTIFICATION = 'notification';

const EVERYBODY = 'notify:all';
const MAX_TITLE = 200;
const PRIORITIES = ['low', 'normal', 'high'] as const;

export interface Notification {
  readonly channel: string;
  readonly id: Position;
  readonly title: string;
  readonly message: string;
  readonly priority: string;
  readonly timestamp: string;
}

/** Where a client stood: a position in each of its channels, or one id for all of them. */
export type After = { readonly each: readonly Position[] } | { readonly all: Position };

export interface NotificationsRequest {
  /** Null for somebody who is nobody: then there are everybody's only. */
  readonly user: string | null;
  /** How that user stands in the names of channels. */
  readonly segment: string | undefined;
  /** Everybody's, and with a user that one's. */
  readonly channels: readonly string[];
  readonly after: After | undefined;
}

const request = z.object({ user: userSchema('"user"').optional(), after: z.string().optional() });

/** Reads what the URL asks for. `known`: the user is this one, or nobody, whatever the URL says. */
export function decodeNotificationsRequest(
  query: URLSearchParams,
  known: { readonly user: string | null } | undefined,
): NotificationsRequest | Refusal {
  const parsed = request.safeParse(Object.fromEntries(query));
  if (!parsed.success) return badRequest('notifications', parsed.error);
  const { user: claimed, after: given } = parsed.data;
  if (known !== undefined && claimed !== undefined && claimed !== known.user) {
    return { code: 'forbidden', error: 'The "user" in the URL is not the one of your token; leave it out' };
  }
  const name = known === undefined ? claimed : (known.user ?? undefined);
  const segment = name === undefined ? undefined : segmentOf(name);
  const channels = segment === undefined ? [EVERYBODY] : [EVERYBODY, channelOf(segment)];
  const after = given === undefined ? undefined : decodeAfter(given, channels.length);
  if (given !== undefined && after === undefined) {
    const error = `"after" must be an id, or ${channels.length} joined by "."`;
    return { code: 'bad_request', error };
  }
  return { user: name ?? null, segment, channels, after };
}

function decodeAfter(given: string, channels: number): After | undefined {
  const parts = given.split('.');
  if (!parts.every(isPosition)) return undefined;
  const [only] = parts;
  if (parts.length === 1 && only !== undefined && channels > 1) return { all: only };
  return parts.length === channels ? { each: parts } : undefined;
}

function channelOf(segment: string): string {
  return `notify:@${segment}`;
}

/** Where a notification goes that is for a user, or for everybody. */
export function recipientChannel(to: string | undefined): string {
  return to === undefined ? EVERYBODY : channelOf(segmentOf(to));
}

export const notificationCommands = {
  create: z.object({
    title: text('title')
      .refine((title) => title.trim() !== '', '"title" must not be empty')
      .refine((title) => [...title].length <= MAX_TITLE, `"title" may have ${MAX_TITLE} characters`),
    message: text('message').default(''),
    priority: z
      .enum(PRIORITIES, `"priority" must be one of ${PRIORITIES.map((word) => `"${word}"`).join(', ')}`)
      .default('normal'),
    to: userSchema('"to"').optional(),
    key: publication.shape.key,
  }),
  read: z.object({ id: position('id') }),
  auth: authCommand,
  ping: z.object({}),
};

/** An event of one of the channels as the notification that it is. What publishers have sent who know nothing of these is shown as it is. */
export function readNotification(channel: string, id: Position, name: string, data: string): Notification {
  const value = parseJson(data);
  const given: { title?: unknown; message?: unknown; priority?: unknown } =
    typeof value === 'object' && value !== null ? value : {};
  const known = PRIORITIES.find((priority) => priority === given.priority);
  return {
    channel,
    id,
    title: typeof given.title === 'string' ? given.title : name,
    message: typeof given.message === 'string' ? given.message : typeof value === 'string' ? value : data,
    priority: known ?? 'normal',
    timestamp: timestampOf(id),
  };
}

export function notificationOf(channel: string, { id, name, data }: Event): Notification {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
  return readNotification(channel, id, name, text);
}

export const notificationFrame: Form = ({ id, name, text: data }, channel) =>
  frame(NOTIFICATION, { ...readNotification(channel, id, name, data) });
