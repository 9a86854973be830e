/** What uWebSockets.js has and its typings lack. */
import 'uWebSockets.js';

declare module 'uWebSockets.js' {
  /** Fail to listen on a port that another process listens on, where the default shares it. */
  export const LIBUS_LISTEN_EXCLUSIVE_PORT: number;

  /** What a WebSocket's `compression` may be; the typings have each as a type only. */
  export const DISABLED: number;
  export const SHARED_COMPRESSOR: number;
  export const SHARED_DECOMPRESSOR: number;

  interface TemplatedApp {
    /** What stands for this app where another is to hand it connections. */
    getDescriptor(): unknown;
    /** From now on hands the connections that this app accepts to the apps added, in turn. */
    addChildAppDescriptor(descriptor: unknown): TemplatedApp;
    /** Hands that app no more connections; those that it has it keeps. */
    removeChildAppDescriptor(descriptor: unknown): TemplatedApp;
    listen(
      host: string,
      port: number,
      options: number,
      cb: (listenSocket: us_listen_socket | false) => void,
    ): TemplatedApp;
  }
}
