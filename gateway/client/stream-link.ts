/** An event stream as a link, read by `fetch`: what its statuses and its end mean. What its blocks say is for whoever opened it. */
import { type Block, blockReader } from './event-stream.ts';
import { errorOfResponse } from './frames.ts';
import { bearer } from './http.ts';
import { type End, type LinkListener, lost } from './reconnector.ts';

const FINAL_STATUSES: readonly number[] = [204, 400, 403, 404, 429];

/** `block` is called with one block after the other, in their order, until the function returned closes the stream. */
export function openStream(
  fetch: typeof globalThis.fetch,
  url: URL,
  token: string | undefined,
  block: (block: Block) => void,
  listener: LinkListener,
): () => void {
  const abort = new AbortController();
  const { signal } = abort;
  const read = async (): Promise<End> => {
    const headers = { ...bearer(token), Accept: 'text/event-stream' };
    const response = await fetch(url, { headers, signal, cache: 'no-store' });
    const stream = response.headers.get('Content-Type')?.startsWith('text/event-stream');
    if (response.status !== 200 || !stream || response.body === null) return endOf(response);
    const blocksOf = blockReader();
    const reader = response.body.getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      listener.heard();
      for (const each of blocksOf(read.value)) {
        if (each.retry !== undefined) listener.later(Number(each.retry));
        if (!signal.aborted) block(each);
      }
    }
    return lost('');
  };
  read().then(listener.ended, () => listener.ended(lost(''))); // whatever it was, only the next attempt can tell more
  return () => abort.abort();
}

async function endOf(response: Response): Promise<End> {
  const next = FINAL_STATUSES.includes(response.status) ? 'never' : response.status === 401 ? 'token' : 'again';
  return { next, error: await errorOfResponse(response) };
}
