/**
 * An app of which all that was bound can be let go. uWebSockets.js keeps every handler for as long as the process lives, also once its app is
 * closed, and thereby all that the handler reaches: of a process that starts and ends many gateways none would ever be freed.
 */
import type { HttpRequest, HttpResponse, TemplatedApp, WebSocketBehavior } from 'uWebSockets.js';

type Handle = (res: HttpResponse, req: HttpRequest) => void;

/** What there is until it is let go. */
interface Held {
  drop(): void;
}

export class BoundApp {
  readonly native: TemplatedApp;
  readonly #held: Held[] = [];

  constructor(native: TemplatedApp) {
    this.native = native;
  }

  get(path: string, handle: Handle): void {
    this.native.get(path, this.#hold(handle));
  }

  head(path: string, handle: Handle): void {
    this.native.head(path, this.#hold(handle));
  }

  any(path: string, handle: Handle): void {
    this.native.any(path, this.#hold(handle));
  }

  options(path: string, handle: Handle): void {
    this.native.options(path, this.#hold(handle));
  }

  ws<Data>(path: string, behavior: WebSocketBehavior<Data>): void {
    let held: WebSocketBehavior<Data> | undefined = behavior;
    this.#held.push({
      drop() {
        held = undefined;
      },
    });
    this.native.ws<Data>(path, {
      ...behavior,
      upgrade: (res, req, context) => held?.upgrade?.(res, req, context),
      open: (ws) => held?.open?.(ws),
      message: (ws, message, isBinary) => held?.message?.(ws, message, isBinary),
      drain: (ws) => held?.drain?.(ws),
      close: (ws, code, message) => held?.close?.(ws, code, message),
    });
  }

  /** Lets go of every handler. The app must be closed: nothing is answered any more. */
  release(): void {
    for (const held of this.#held.splice(0)) held.drop();
  }

  #hold(handle: Handle): Handle {
    let held: Handle | undefined = handle;
    this.#held.push({
      drop() {
        held = undefined;
      },
    });
    return (res, req) => held?.(res, req);
  }
}
