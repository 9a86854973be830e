/**
 * Users: who can be one, and by which name a user stands in the names of channels (PROTOCOL.md, section 8). Pure.
 *
 * Identity providers issue any text as `sub`, and channels have a small alphabet. So each user has a *segment*, which is what stands
 * behind the `@` of the user's own channels: a plain name is its own segment, and any other is escaped, or hashed where that is too long.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';

/** In UTF-16 units. OpenID Connect allows 255. */
export const MAX_USER_LENGTH = 512;
/** So that there can be a channel `notify:@SEGMENT`. */
const MAX_SEGMENT_LENGTH = 119;

/** What has always been a user, and stands in channels as it is. Segments of other users begin with a colon, so none of these does. */
const PLAIN = new RegExp(`^[A-Za-z0-9_.@-][A-Za-z0-9_.:@-]{0,${MAX_SEGMENT_LENGTH - 1}}$`);
/** `encodeURIComponent` leaves these as they are, and channels cannot have them. */
const LEFT_UNESCAPED = /[!~*'()]/g;
/** In an escaped segment a colon stands before two upper-case hexadecimal digits, so this `s` cannot come of escaping. */
const HASHED = '::sha256-';

/**
 * The user's segment: two users never have the same one.
 *
 * - Plain: 1 to 119 characters of the alphabet of channels, of which the first is no colon. As it is.
 * - Others: `:`, and behind it each byte (of UTF-8) but `A-Z a-z 0-9 _ . @ -` as `:` and two upper-case hexadecimal digits.
 * - Where that has more than 119 characters: `::sha256-` and the SHA-256 of the UTF-8 in base64url, without padding.
 */
export function segmentOf(user: string): string {
  if (PLAIN.test(user)) return user;
  const escaped = encodeURIComponent(user)
    .replace(LEFT_UNESCAPED, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%40', '@')
    .replaceAll('%', ':');
  if (escaped.length < MAX_SEGMENT_LENGTH) return `:${escaped}`;
  return `${HASHED}${createHash('sha256').update(user).digest('base64url')}`;
}

/**
 * Reads a user: text of 1 to 512 characters, or a whole number, which is the same user as the text of its digits. `subject` begins the
 * sentence about anything else.
 */
export function userSchema(subject: string) {
  return z.unknown().transform((given, context) => {
    const user = typeof given === 'number' ? digitsOf(given) : given;
    const fault = typeof user === 'string' ? faultOf(user) : typeof given === 'number' ? LONG_NUMBER : NO_TEXT;
    if (typeof user === 'string' && fault === undefined) return user;
    context.addIssue({ code: 'custom', message: `${subject} ${fault}` });
    return z.NEVER;
  });
}

const NO_TEXT = 'must be text or a whole number';
/** Numbers of several users would be read as one. */
const LONG_NUMBER = 'is a number that a double cannot hold exactly; give it as text';

function digitsOf(given: number): string | undefined {
  return Number.isSafeInteger(given) ? String(given) : undefined;
}

function faultOf(user: string): string | undefined {
  if (user.length === 0 || user.length > MAX_USER_LENGTH) return `must be 1 to ${MAX_USER_LENGTH} characters`;
  // Written as UTF-8 two users that differ in it would be one.
  return /\p{Surrogate}/u.test(user) ? 'has half of a surrogate pair, which is no character' : undefined;
}
