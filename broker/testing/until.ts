/** How tests wait: for a condition, never for a time. */
import { setTimeout as delay } from 'node:timers/promises';

/** Resolves once the condition holds; a condition that throws does not hold yet. The limit is one that a busy machine keeps, too. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 60_000,
): Promise<void> {
  const end = performance.now() + limitMs;
  let cause: unknown;
  while (performance.now() < end) {
    try {
      if (await condition()) return;
    } catch (error) {
      cause = error;
    }
    await delay(10);
  }
  throw new Error(`Waited ${limitMs} ms in vain until ${what}.`, { cause });
}
