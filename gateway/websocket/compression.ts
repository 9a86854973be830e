/**
 * Which WebSocket frames are compressed (permessage-deflate, RFC 7692), and to which clients that is promised. Pure: the socket library
 * does it.
 *
 * The library compresses a frame anew for each socket, also where all get the same: every delivery pays for it.
 */

/** `shared`: one compressor for all sockets, each frame by itself. */
export const COMPRESSIONS = ['off', 'shared'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** From this size on a frame is compressed: of smaller ones, which are one packet either way, it saves less than a third. */
const LEAST_BYTES = 256;

/** The size from which on frames are to be compressed, for clients that have agreed to it. */
export function compressedFrom(compression: Compression): number {
  return compression === 'off' ? Number.POSITIVE_INFINITY : LEAST_BYTES;
}

/** Of the extensions that a request offers, by its headers, what the library is to answer; `''` where it is to agree to nothing. */
export function agreedOffer(compression: Compression, header: (name: string) => string): string {
  if (compression === 'off' || DEFECTIVE.test(header('user-agent'))) return '';
  return header('sec-websocket-extensions').split(',').some(isAgreeable) ? EXTENSION : '';
}

/**
 * Safari 15.0 to 15.3, which offers it and then breaks the connection: it goes on with the window of the message before, though it was told not to
 * (https://github.com/uNetworking/uWebSockets/issues/1347).
 */
const DEFECTIVE = / Version\/15\.[0-3][. ].*Safari\//;
const EXTENSION = 'permessage-deflate';
/**
 * What a client may offer with it: that either side begins anew with each message, as the library does in any case, and that the client's own window is
 * smaller. `server_max_window_bits` asks for a smaller window of the library, which has one size only, and would agree all the same.
 */
const AGREEABLE = [
  /^(client|server)_no_context_takeover$/,
  /^client_max_window_bits$/,
  /^client_max_window_bits\s*=\s*("?)([89]|1[0-5])\1$/,
];

function isAgreeable(offer: string): boolean {
  const [name, ...parameters] = offer.split(';').map((part) => part.trim());
  const names = new Set(parameters.map((parameter) => parameter.split('=', 1)[0]?.trim()));
  return (
    name === EXTENSION &&
    names.size === parameters.length &&
    parameters.every((parameter) => AGREEABLE.some((pattern) => pattern.test(parameter)))
  );
}
