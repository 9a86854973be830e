/** What this client says no with. Knows no transport. */

/**
 * `code` is one of the protocol's (PROTOCOL.md, section 3), or `closed`: the client was closed before there was an answer.
 * `unavailable` on a publish says that it is not known whether the event was stored.
 */
export class PasserelleError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PasserelleError';
    this.code = code;
  }
}

/** What went wrong may be otherwise the next time. */
export function unavailable(message: string, cause?: unknown): PasserelleError {
  return new PasserelleError('unavailable', message, { cause });
}

/** Runs what the page has given us. What it throws is the page's to hear of, and must not break the stream for others. */
export function guard(task: () => void): void {
  try {
    task();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
