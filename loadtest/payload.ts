/** What is delivered in a benchmark: the same bytes by every server under test, so that only the way to the socket differs. */

export const CHANNEL = 'load:bench';
/**
 * Two bytes that occur once in every event and nowhere else on the wire: they can be counted without any parsing. One would not do,
 * as a byte of a frame's length may be any.
 */
export const MARKER = '"!';
/** The JSON text of an event's data, unless a scenario asks for another size. */
export const PAYLOAD_BYTES = 128;

/** A JSON string of exactly so many bytes, in which `stamp` follows the marker. */
export function payload(bytes: number = PAYLOAD_BYTES, stamp = ''): string {
  return `"!${stamp}${'x'.repeat(bytes - 3 - stamp.length)}"`;
}

const ID = '1700000000000-0';

/** An event as the protocol's WebSocket frame. */
export function eventFrame(channel: string, data: string): string {
  return `{"type":"event","channel":"${channel}","id":"${ID}","event":"message","data":${data}}`;
}

/** An event as the protocol's SSE block. */
export function eventBlock(data: string): string {
  return `id: ${ID}\ndata: ${data}\n\n`;
}

/**
 * JSON text of exactly so many bytes, 96 at least, as an application might send it: names that come again, values that don't. No two numbers give
 * the same.
 */
export function record(bytes: number, number: number): string {
  const random = numbersFrom(number);
  const word = () => WORDS[Math.floor(random() * WORDS.length)] ?? '';
  const head = `{"number":${number},"status":"${word()}","lines":[`;
  const line = () =>
    `{"sku":${Math.floor(random() * 1e6)},"name":"${word()} ${word()}","price":${Math.round(random() * 1e4) / 100}}`;
  let lines = '';
  for (let next = line(); head.length + lines.length + next.length + LEAST_TAIL < bytes; next = `,${line()}`)
    lines += next;
  let whole = `${head}${lines}],"note":"`;
  while (whole.length < bytes) whole += `${word()} `;
  return `${whole.slice(0, bytes - 2)}"}`;
}

/** What stands behind the lines: a note, however short. */
const LEAST_TAIL = 24;
const WORDS =
  'copper lantern harbour delivered pending garden invoice window returned silver north customer paper engine bridge winter'.split(
    ' ',
  );

/** Numbers from 0 to 1, the same ones for the same seed. */
function numbersFrom(seed: number): () => number {
  let state = (seed + 1) * 0x9e3779b1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return state / 2 ** 32;
  };
}
