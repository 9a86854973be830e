/**
 * uWebSockets.js, whichever package it is installed from: one with named exports, as the one that the lock file pins, or CommonJS (upstream's `uws.js`), of
 * which an import sees only that there is a default. The only file that loads it; types come from the package itself.
 */
import * as installed from 'uWebSockets.js';

// The typings describe named exports, and nothing knows at compile time which package is there when it runs.
const library = 'default' in installed ? (installed.default as typeof installed) : installed;

export const {
  App,
  DISABLED,
  LIBUS_LISTEN_EXCLUSIVE_PORT,
  SHARED_COMPRESSOR,
  SHARED_DECOMPRESSOR,
  SSLApp,
  us_listen_socket_close,
  us_socket_local_port,
} = library;
