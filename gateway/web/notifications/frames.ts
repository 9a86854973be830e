/** What a gateway sends over `/notifications` (PROTOCOL.md, section 6), decoded. It is trusted to keep to its protocol. */

export type Priority = 'low' | 'normal' | 'high';

export interface Notification {
  readonly channel: string;
  readonly id: string;
  readonly title: string;
  readonly message: string;
  readonly priority: Priority;
  /** ISO 8601. */
  readonly timestamp: string;
}

export type NotificationFrame =
  | {
      readonly type: 'history';
      readonly notifications: readonly Notification[];
      readonly unread: number;
      /** Whose they are: the user of the token, where there is one. */
      readonly user: string | null;
      /** What ends the name of that user's channel; a gateway of an earlier version does not say. */
      readonly me?: string | null;
      readonly position: string;
    }
  | (Notification & { readonly type: 'notification' })
  | { readonly type: 'read'; readonly unread: number }
  | { readonly type: 'published'; readonly ref: unknown; readonly id: string }
  | { readonly type: 'gap' }
  | { readonly type: 'error'; readonly ref?: unknown; readonly code: string; readonly error: string };

const TYPES: ReadonlySet<unknown> = new Set([
  'history',
  'notification',
  'read',
  'published',
  'gap',
  'error',
] satisfies NotificationFrame['type'][]);

/** Undefined for what the page has no use for. */
export function decode(frame: Readonly<Record<string, unknown>>): NotificationFrame | undefined {
  return TYPES.has(frame.type) ? (frame as unknown as NotificationFrame) : undefined;
}
