/** The words of the chat (PROTOCOL.md, section 5): what its clients send, and the forms of what they are sent. Knows no session. */
import { z } from 'zod';
import { NOTICE } from '../../broker/presence.ts';
import type { Start } from '../hub/channel.ts';
import { timestampOf } from '../hub/event-time.ts';
import type { Form, OutgoingEvent } from '../hub/outgoing.ts';
import { parseJson } from '../json.ts';
import {
  authCommand,
  badRequest,
  CHANNEL,
  count,
  frame,
  position,
  publication,
  type Refusal,
  text,
} from '../protocol.ts';

/** The name of the ephemeral event that somebody types, beside the notices of presence. */
export const TYPING = 'typing';

const DEFAULT_ROOM = 'lobby';
const DEFAULT_TAIL = 20;

export interface ChatRequest {
  readonly room: string;
  readonly channel: string;
  /** Undefined where the URL names none. */
  readonly username: string | undefined;
  readonly start: Start;
  readonly resume: string;
}

const request = z
  .object({
    room: z.string().default(DEFAULT_ROOM),
    username: z.string().optional(),
    after: position('after').optional(),
    tail: z.string().transform(digits).pipe(count('tail')).optional(),
    resume: z.string().default(''),
  })
  .refine(({ room }) => CHANNEL.test(channelOf(room)), '"room" must be 1 to 123 characters of A-Z a-z 0-9 _ . : @ -')
  .refine(({ room }) => room !== '', '"room" must not be empty')
  .refine((it) => it.after === undefined || it.tail === undefined, 'give "after" or "tail", not both');

/** Reads what the URL asks for. */
export function decodeChatRequest(query: URLSearchParams): ChatRequest | Refusal {
  const parsed = request.safeParse(Object.fromEntries(query));
  if (!parsed.success) return badRequest('chat', parsed.error);
  const { room, username, after, tail = DEFAULT_TAIL, resume } = parsed.data;
  return { room, channel: channelOf(room), username, start: after === undefined ? { tail } : { after }, resume };
}

/** What is no whole number is none at all. */
function digits(given: string): number {
  return /^\d+$/.test(given) ? Number(given) : Number.NaN;
}

function channelOf(room: string): string {
  return `chat:${room}`;
}

export const chatCommands = {
  set_username: z.object({ username: text('username') }),
  message: z.object({
    content: text('content').refine((content) => content.trim() !== '', '"content" must not be empty'),
    key: publication.shape.key,
  }),
  get_users: z.object({}),
  typing: z.object({}),
  auth: authCommand,
  ping: z.object({}),
};

/** An event of the room, as its people see it. */
export const chatMessage: Form = (event) => {
  const { id } = event;
  const { username = '', content, whole } = readMessage(event);
  return frame('message', { id, username, content: content ?? whole, timestamp: timestampOf(id) });
};

/** A notice of the room. Members without a name listen, and are not in the room for its people. */
export const chatNotice: Form = ({ name: notice, text: data }) => {
  const { name, old, username } = membersOf(data);
  switch (notice) {
    case NOTICE.joined:
      return typeof name === 'string' ? frame('user_joined', { username: name }) : undefined;
    case NOTICE.left:
      return typeof name === 'string' ? frame('user_left', { username: name }) : undefined;
    case NOTICE.renamed:
      return typeof name === 'string' && typeof old === 'string'
        ? frame('username_changed', { old_username: old, new_username: name })
        : undefined;
    case NOTICE.changed:
      return frame('users_changed', {});
    case TYPING:
      return typeof username === 'string' ? typingFrame(username) : undefined;
    default:
      return undefined;
  }
};

/** The notices that say nothing of who is in the room. */
export const typingNotice: Form = (event, channel) => (event.name === TYPING ? chatNotice(event, channel) : undefined);

/** What is told of the typing of this connection, where an event is about that: by the name that it had then. */
export function typingOf({ name: event, text: data }: OutgoingEvent, connection: string): string | undefined {
  if (event !== TYPING) return undefined;
  const { username, connection: who } = membersOf(data);
  return who === connection && typeof username === 'string' ? typingFrame(username) : undefined;
}

/** What a notice tells, each of whatever type; nothing where it is no notice of gateways. */
function membersOf(data: string): Readonly<Partial<Record<'name' | 'old' | 'username' | 'connection', unknown>>> {
  const value = parseJson(data);
  return typeof value === 'object' && value !== null ? value : {};
}

function typingFrame(username: string): string {
  return frame(TYPING, { username });
}

/** What a publisher who knows nothing of chat has sent is shown as it is. */
function readMessage({ text: data }: OutgoingEvent): { username?: string; content?: string; whole: string } {
  const value = parseJson(data);
  if (typeof value === 'string') return { whole: value };
  if (typeof value !== 'object' || value === null) return { whole: data };
  const { username, content } = value as { username?: unknown; content?: unknown };
  return {
    ...(typeof username === 'string' ? { username } : {}),
    ...(typeof content === 'string' ? { content } : {}),
    whole: data,
  };
}
