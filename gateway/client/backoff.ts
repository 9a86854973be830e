/** How long to wait before the next attempt: a random part of a time that doubles (full jitter). Pure. */

const FIRST_MS = 500;
const MAX_MS = 15_000;

/** `attempt` counts from 0, `chance` is from 0 up to 1. In milliseconds. */
export function backoff(attempt: number, chance: number): number {
  return chance * Math.min(MAX_MS, FIRST_MS * 2 ** attempt);
}
