/**
 * Reads `text/event-stream` by the rules of the HTML specification: LF, CR and CRLF end lines, chunks may be cut anywhere.
 * Pure: text goes in, blocks come out; it knows nothing of sockets or of Passerelle.
 */

/** One block of the stream. Unlike a browser it is handed on without data too, because such a block moves the position. */
export interface Block {
  /** What a browser would send as `Last-Event-ID` after this block. */
  readonly lastEventId: string;
  /** `message` where the block names no event. */
  readonly event: string;
  /** Its data lines joined by LF; `undefined` where it has none, so that a browser would dispatch nothing. */
  readonly data: string | undefined;
}

export class EventStreamParser {
  /** The last `retry` field in milliseconds, as far as one came. */
  retryMs: number | undefined;

  readonly #onBlock: (block: Block) => void;
  #rest = '';
  #first = true;
  #lastEventId = '';
  #event = '';
  #data: string[] = [];
  #touched = false;

  constructor(onBlock: (block: Block) => void) {
    this.#onBlock = onBlock;
  }

  /** Takes decoded text: cutting UTF-8 at the right places is the caller's part. */
  push(chunk: string): void {
    let text = this.#rest + chunk;
    if (this.#first && text.length > 0) {
      this.#first = false;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    let start = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code !== 10 && code !== 13) continue;
      // A CR at the very end may be half of a CRLF: it waits for the next chunk, or the LF would count as an empty line.
      if (code === 13 && at === text.length - 1) break;
      this.#line(text.slice(start, at));
      if (code === 13 && text.charCodeAt(at + 1) === 10) at++;
      start = at + 1;
    }
    this.#rest = text.slice(start);
  }

  #line(line: string): void {
    if (line === '') {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon === -1 ? line : line.slice(0, colon);
    const raw = colon === -1 ? '' : line.slice(colon + 1);
    const value = raw.startsWith(' ') ? raw.slice(1) : raw;
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id' && !value.includes('\0')) this.#lastEventId = value;
    else if (name === 'retry') {
      if (/^\d+$/.test(value)) this.retryMs = Number(value);
      return;
    } else return;
    this.#touched = true;
  }

  #dispatch(): void {
    if (!this.#touched) return;
    const data = this.#data.length > 0 ? this.#data.join('\n') : undefined;
    const block = { lastEventId: this.#lastEventId, event: this.#event || 'message', data };
    this.#event = '';
    this.#data = [];
    this.#touched = false;
    this.#onBlock(block);
  }
}
