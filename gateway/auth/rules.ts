/**
 * The words in which a namespace says who may do what in its channels. What they mean is decided in `rights.ts`; how they
 * come into the channels file, in `namespaces.ts`.
 */
import { z } from 'zod';

/** What can be done in a channel and may be forbidden. `history` is reading what is kept without subscribing. */
export const ACTIONS = ['subscribe', 'publish', 'history', 'presence'] as const;
export type Action = (typeof ACTIONS)[number];

/**
 * Who may, from the widest to the narrowest: everyone who is let in at all, users with a token, the user to whom the channel
 * belongs, servers with an API key. Whoever a rule lets in, servers are let in, too.
 */
export const AUDIENCES = ['everyone', 'users', 'self', 'keys'] as const;
export type Audience = (typeof AUDIENCES)[number];

export type Rules = Readonly<Record<Action, Audience>>;

const audience = z
  .enum(AUDIENCES, { error: `must be one of ${AUDIENCES.map((word) => JSON.stringify(word)).join(', ')}` })
  .optional();

export const rulesSchema = z.strictObject({
  subscribe: audience,
  publish: audience,
  history: audience,
  presence: audience,
});

/**
 * Rules with some of them given anew. Where `subscribe` is given alone the rest of reading goes with it, or a namespace that was
 * closed to subscribers would still be open to those who ask for its history or its members.
 */
export function overrideRules(base: Rules, given: z.infer<typeof rulesSchema> = {}): Rules {
  const subscribe = given.subscribe ?? base.subscribe;
  return Object.freeze({
    subscribe,
    publish: given.publish ?? base.publish,
    history: given.history ?? given.subscribe ?? base.history,
    presence: given.presence ?? narrower(base.presence, subscribe),
  });
}

function narrower(a: Audience, b: Audience): Audience {
  return AUDIENCES.indexOf(a) > AUDIENCES.indexOf(b) ? a : b;
}
