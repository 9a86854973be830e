/** What uWebSockets.js has and its typings lack. */
import 'uWebSockets.js';

declare module 'uWebSockets.js' {
  /** Fail to listen on a port that another process listens on, where the default shares it. */
  export const LIBUS_LISTEN_EXCLUSIVE_PORT: number;

  interface TemplatedApp {
    listen(
      host: string,
      port: number,
      options: number,
      cb: (listenSocket: us_listen_socket | false) => void,
    ): TemplatedApp;
  }
}
