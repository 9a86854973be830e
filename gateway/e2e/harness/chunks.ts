/**
 * Reads the body of an HTTP/1.1 answer in chunks as strictly as RFC 9112 (section 7.1) allows, from bytes as they came: what is not a chunk is an
 * error, and what was sent of a chunk whose end has not come is not handed on. It shares no code with the gateway, nor with Node's own parser.
 */

export interface ChunkedBody {
  /** The first line of the answer and its headers. */
  readonly head: string;
  /** The data of the chunks whose end has come. */
  readonly data: string;
  /** What came behind that: the beginning of a chunk. */
  readonly rest: string;
  /** Whether the last chunk has come. */
  readonly ended: boolean;
}

const HEAD_END = '\r\n\r\n';
const SIZE = /^([0-9a-fA-F]{1,8})\r\n/;
/** A size of which some is still to come. */
const SIZE_BEGUN = /^[0-9a-fA-F]{0,8}\r?$/;

/** `received` has one character for each byte. Throws where it is no such answer. */
export function readChunks(received: string): ChunkedBody {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd < 0) return { head: received, data: '', rest: '', ended: false };
  const head = received.slice(0, headEnd);
  if (!/^transfer-encoding: chunked$/im.test(head)) throw new Error(`The answer is not in chunks: ${head}`);
  const parts: string[] = [];
  let at = headEnd + HEAD_END.length;
  for (;;) {
    const rest = received.slice(at, at + 10);
    const size = SIZE.exec(rest);
    if (size === null) {
      if (!SIZE_BEGUN.test(rest)) throw new Error(`No size of a chunk: ${JSON.stringify(rest)}`);
      return { head, data: parts.join(''), rest: received.slice(at), ended: false };
    }
    const start = at + size[0].length;
    const end = start + Number.parseInt(size[1] ?? '', 16);
    const last = end === start;
    const closing = received.slice(end, end + 2);
    if (closing !== '\r\n' && !'\r\n'.startsWith(closing))
      throw new Error(`A chunk is not as long as it says: ${JSON.stringify(closing)} at ${end}`);
    if (closing !== '\r\n') return { head, data: parts.join(''), rest: received.slice(at), ended: false };
    if (last) {
      if (received.length > end + 2) throw new Error(`Bytes behind the last chunk: ${received.slice(end + 2)}`);
      return { head, data: parts.join(''), rest: '', ended: true };
    }
    parts.push(received.slice(start, end));
    at = end + 2;
  }
}
