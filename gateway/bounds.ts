/**
 * How long a text or a list from outside may be. Not by zod's own `min` and `max`: they read `length` of whatever was given, also of an
 * object, and throw where that is no number and cannot be made one, such as `{"length": {"valueOf": 1, "toString": 1}}`.
 */
import { z } from 'zod';

export interface Bounds {
  readonly min: number;
  readonly max: number;
  /** For a person, where it is shorter or longer. */
  readonly message: string;
}

/** A string of `min` to `max` UTF-16 units; `notText` is said of anything else. */
export function boundedText(notText: string, { min, max, message }: Bounds) {
  return z.string(notText).refine(({ length }) => length >= min && length <= max, message);
}

/** A list of `min` to `max` entries, whatever they are; `notList` is said of anything else. */
export function boundedList(notList: string, { min, max, message }: Bounds) {
  return z.array(z.unknown(), notList).refine(({ length }) => length >= min && length <= max, message);
}
