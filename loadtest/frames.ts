/** WebSocket frames as the load client sends them. Pure. */

/** A client's text frame. Its mask is zero, which the protocol allows and which changes nothing. */
export function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([header(payload.length), payload]);
}

function header(length: number): Buffer {
  if (length < 126) return Buffer.from([0x81, 0x80 | length, 0, 0, 0, 0]);
  if (length > 65_535) throw new Error('Too long for a frame of the load client');
  return Buffer.from([0x81, 0x80 | 126, length >> 8, length & 0xff, 0, 0, 0, 0]);
}
