/** Publishes over HTTP, and says in a sentence how that went. Owns the keys by which a repeated publish is stored once. */

export interface Publication {
  readonly channel: string;
  readonly event: string;
  readonly data: unknown;
}

export type Published =
  /** The id is empty on an ephemeral channel. */
  | { readonly ok: true; readonly id: string; readonly duplicate: boolean }
  | { readonly ok: false; readonly error: string };

const TIMEOUT_MS = 10_000;
const UNKNOWN = 'It is not known whether the event was stored. Publish it again: it will not be stored twice.';

export class Publisher {
  /** The last publish, while its outcome is unknown. The same again is sent with the same key. */
  #unanswered: { readonly text: string; readonly key: string } | undefined;

  async publish(publication: Publication): Promise<Published> {
    const text = JSON.stringify(publication);
    const key = this.#unanswered?.text === text ? this.#unanswered.key : randomKey();
    this.#unanswered = { text, key };
    let status: number;
    let answer: unknown;
    try {
      const response = await fetch('/api/publish', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ ...publication, key }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      status = response.status;
      answer = await response.json();
    } catch {
      return { ok: false, error: `The gateway did not answer. ${UNKNOWN}` }; // gone, silent, or no gateway at all
    }
    if (status >= 500) return { ok: false, error: `${messageOf(answer, status)}. ${UNKNOWN}` };
    this.#unanswered = undefined;
    if (status !== 200) return { ok: false, error: messageOf(answer, status) };
    const { id = '', duplicate = false } = answer as { id?: string; duplicate?: boolean };
    return { ok: true, id, duplicate };
  }
}

function messageOf(answer: unknown, status: number): string {
  const { error } = answer as { error?: { message?: string } };
  return error?.message ?? `The gateway answered ${status}`;
}

/** Not `crypto.randomUUID`, which pages have only over HTTPS and on localhost. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
