/** Finds a channel on each master of a cluster. Pure: it is given the cluster's map, in which slots move. */
import type { Shard } from '../broker.ts';
import { slotOf } from './keys.ts';

/** A master with a share of the slots is found among so many names all but certainly if it has one in a thousand. */
const MOST_NAMES = 8_192;

/**
 * For each master one channel that lives there, the same as long as its slot stays. `masters` has the node of each slot, undefined for one
 * that is not known; `nameOf` is the name in Redis by which a channel's slot is decided.
 */
export function shardsOf(
  masters: readonly (string | undefined)[],
  prefix: string,
  nameOf: (channel: string) => string,
): Shard[] {
  const missing = new Set(masters);
  missing.delete(undefined);
  const found: Shard[] = [];
  for (let number = 0; number < MOST_NAMES && missing.size > 0; number++) {
    const channel = `${prefix}${number}`;
    const name = masters[slotOf(nameOf(channel))];
    if (name !== undefined && missing.delete(name)) found.push({ name, channel });
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}
