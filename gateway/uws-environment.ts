/**
 * What uWebSockets.js reads from the environment when it is loaded: imported for its effect, before anything that loads it.
 * All headers of a request together may have this many bytes; its own default of 4,096 is less than what browsers
 * send along with a long list of channels, a token, or cookies.
 */
// biome-ignore lint/style/noProcessEnv: the library reads it there, not from any setting of ours.
process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= '16384';
