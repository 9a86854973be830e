/** Keys by which what is published again is stored once. */

/** Not `crypto.randomUUID`, which pages have only over HTTPS and on localhost. */
export function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
