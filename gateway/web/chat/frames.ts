/** What a gateway sends over `/chat` (PROTOCOL.md, section 5), decoded. It is trusted to keep to its protocol. */

export type ChatFrame =
  | {
      readonly type: 'welcome';
      readonly gateway: string;
      readonly room: string;
      readonly username: string;
      readonly position: string;
      readonly recovered: boolean;
    }
  | {
      readonly type: 'message';
      readonly id: string;
      readonly username: string;
      readonly content: string;
      readonly timestamp: string;
    }
  | { readonly type: 'published'; readonly ref: unknown; readonly id: string }
  | { readonly type: 'username_changed'; readonly old_username: string; readonly new_username: string }
  | { readonly type: 'user_joined' | 'user_left' | 'typing'; readonly username: string }
  | { readonly type: 'userlist'; readonly users: readonly string[] }
  | { readonly type: 'error'; readonly ref?: unknown; readonly code: string; readonly error: string };

const TYPES: ReadonlySet<unknown> = new Set([
  'welcome',
  'message',
  'published',
  'username_changed',
  'user_joined',
  'user_left',
  'typing',
  'userlist',
  'error',
] satisfies ChatFrame['type'][]);

/** Undefined for what the page has no use for, such as `gap`: `recovered` says the same. */
export function decode(frame: Readonly<Record<string, unknown>>): ChatFrame | undefined {
  return TYPES.has(frame.type) ? (frame as unknown as ChatFrame) : undefined;
}
