/** Requests by HTTP (PROTOCOL.md, section 7): one asked, one answered. */
import { unavailable } from './errors.ts';
import { errorOfResponse, type Fields } from './frames.ts';
import type { Request } from './session.ts';
import type { Tokens } from './tokens.ts';

export interface HttpParts {
  readonly fetch: typeof globalThis.fetch;
  /** The gateway's address, which ends with a slash. */
  readonly base: URL;
  readonly tokens: Tokens | undefined;
}

const TIMEOUT_MS = 10_000;

/**
 * `fields` is the text of a JSON object. Rejects with a `PasserelleError`, with `unavailable` where there was no answer. A token
 * that is not taken is replaced once.
 */
export async function askByHttp(parts: HttpParts, request: Request, fields: string): Promise<Fields> {
  const { fetch, base, tokens } = parts;
  const isPublish = request === 'publish';
  const query = isPublish ? '' : `?${new URLSearchParams(JSON.parse(fields) as Record<string, string>)}`;
  const body = isPublish ? { method: 'POST', body: fields } : {}; // no Content-Type: to another origin it would take a preflight
  for (let last = !tokens; ; last = true) {
    const headers = bearer(await tokens?.get());
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(new URL(`api/${request}${query}`, base), { ...body, headers, signal }).catch(
      unanswered,
    );
    if (response.ok) return (await response.json().catch(unanswered)) as Fields;
    if (last || response.status !== 401) throw await errorOfResponse(response);
    tokens?.spoil();
  }
}

/** The header that carries a token; none without one, since it takes a preflight. */
export function bearer(token: string | undefined): Record<string, string> {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

function unanswered(cause: unknown): never {
  throw unavailable('', cause);
}
