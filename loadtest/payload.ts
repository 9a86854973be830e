/** What is delivered in a benchmark: the same bytes by every server under test, so that only the way to the socket differs. */

export const CHANNEL = 'load:bench';
/**
 * Occurs once in every event and nowhere else on the wire, and is one byte: it can be counted without any parsing.
 * It must differ from the bytes of a frame's header too: 0x7e, `~`, announces a length of two bytes.
 */
export const MARKER = '!'.charCodeAt(0);
/** The JSON text of an event's data. */
export const PAYLOAD_BYTES = 128;

/** A JSON string of exactly `PAYLOAD_BYTES`. */
export const PAYLOAD = JSON.stringify(`!${'x'.repeat(PAYLOAD_BYTES - 3)}`);

const ID = '1700000000000-0';

/** An event as the protocol's WebSocket frame. */
export const FRAME = `{"type":"event","channel":"${CHANNEL}","id":"${ID}","event":"message","data":${PAYLOAD}}`;

/** An event as the protocol's SSE block. */
export const BLOCK = `id: ${ID}\ndata: ${PAYLOAD}\n\n`;
