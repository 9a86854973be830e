/** What is held of a gateway by whoever runs it: the program, or an application that embeds one. */

export interface Gateway {
  /** Takes connections from now on, and connects to Redis where it has one, which may take longer. After an error it may be called again. */
  listen(): Promise<Listening>;
  /**
   * Leaves so that clients lose nothing: they are sent elsewhere, requests under way are answered, then it takes its leave of the other gateways.
   * At the pace of `DRAIN_SETTLE_MS` and `DRAIN_WINDOW_MS`, or `atOnce`. Resolves when all is over: `cut` where that was not so within
   * `SHUTDOWN_TIMEOUT_SECONDS`, or because of `close`, so that what was left has been closed at once.
   */
  drain(options?: { readonly atOnce?: boolean }): Promise<Drained>;
  /**
   * Ends at once: cuts every connection. The others learn of it as of a gateway that died. Also ends a drain that is under way. Resolves when
   * nothing is left.
   */
  close(): Promise<void>;
  /** How many WebSocket and SSE connections are open. */
  readonly connections: number;
}

/** The port that it listens on, and the internal one where it has one; or why it cannot, as a sentence. */
export type Listening =
  | { readonly ok: true; readonly port: number; readonly internalPort?: number | undefined }
  | { readonly ok: false; readonly error: string };

/** How a drain went. */
export type Drained = 'drained' | 'cut';
