/** The names of all limits, as metrics have them. Each refusal is because of exactly one. */
export const LIMITS = [
  'connections',
  'address',
  'user',
  'connects',
  'event_loop_lag',
  'channels',
  'frame_bytes',
  'body_bytes',
  'bodies',
  'address_bodies',
  'body_time',
  'frames',
  'inbox',
  'connection_publishes',
  'user_publishes',
  'key_publishes',
  'address_publishes',
  'connection_bytes',
  'user_bytes',
  'key_bytes',
  'address_bytes',
  'connection_reads',
  'user_reads',
  'key_reads',
  'address_reads',
  'address_requests',
  'waiting_reads',
  'unread_answers',
  'strikes',
  'penalties',
] as const;
export type Limit = (typeof LIMITS)[number];

/** How often something was refused, by limit. */
export type Refusals = Record<Limit, number>;

export function noRefusals(): Refusals {
  return Object.fromEntries(LIMITS.map((limit) => [limit, 0])) as Refusals;
}
