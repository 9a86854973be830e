/** Reads JSON that comes by Redis: from gateways of another version, or from anybody who may publish there. */

/** Larger messages between gateways are not even parsed: what they say to each other stays far below. */
export const MAX_INTERNAL_BYTES = 1 << 20;

/** The value of a JSON text, or undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the caller decides what that means
  }
}

/** The value in the data of an event of the gateways' own channels; undefined where it is no JSON, or too large to be theirs. */
export function readInternal(data: Uint8Array): unknown {
  if (data.byteLength > MAX_INTERNAL_BYTES) return undefined;
  return parseJson(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString());
}
