/** The uWebSockets.js binding of `/ws`: sockets in, sessions out. */
import type { TemplatedApp, WebSocket } from 'uWebSockets.js';
import type { Connection, Connections } from './connections.ts';
import type { Logger } from './log.ts';
import type { OriginCheck } from './origin.ts';
import { CLOSE, errorFrame, frame, type Refusal } from './protocol.ts';
import { type Outlet, Session, type SessionContext } from './session.ts';

export interface WebSocketOptions {
  readonly context: SessionContext;
  readonly connections: Connections;
  readonly originAllowed: OriginCheck;
  readonly log: Logger;
  readonly newId: () => string;
  readonly random: () => number;
  readonly maxMessageBytes: number;
  /** What may wait unsent before the connection counts as lagging. */
  readonly maxBackpressureBytes: number;
  readonly idleTimeoutSeconds: number;
}

/** A frame up to this size is still read, so that it can be refused in words; uWS drops the connection beyond. */
const READABLE_BYTES = 2 * 1024 * 1024;
/** Replies may wait, too; a client that asks for this much without reading is closed. */
const MAX_UNREAD_REPLY_BYTES = 4 * 1024 * 1024;
/** How long clients of a draining gateway are told to wait: each another time up to this. */
const RECONNECT_WITHIN_MS = 2_000;

/** What uWS keeps for a socket. The session comes with `open`; a socket that is turned away never has one. */
interface SocketData {
  readonly turnedAway: { readonly refusal: Refusal; readonly code: number } | undefined;
  socket: Socket | undefined;
}

export function bindWebSocket(app: TemplatedApp, options: WebSocketOptions): void {
  const { context, connections, originAllowed, maxMessageBytes } = options;
  const { tally } = context;
  app.ws<SocketData>('/ws', {
    idleTimeout: options.idleTimeoutSeconds,
    sendPingsAutomatically: true,
    maxPayloadLength: Math.max(READABLE_BYTES, 2 * maxMessageBytes),
    maxBackpressure: 0, // unlimited for uWS: what a slow reader may have waiting is watched here, where it can be told

    upgrade(res, req, socketContext) {
      const allowed = originAllowed(req.getHeader('origin') || undefined, req.getHeader('host') || undefined);
      const turnedAway = allowed ? undefined : FORBIDDEN_ORIGIN;
      res.upgrade<SocketData>(
        { turnedAway, socket: undefined },
        req.getHeader('sec-websocket-key'),
        subprotocol(req.getHeader('sec-websocket-protocol')),
        req.getHeader('sec-websocket-extensions'),
        socketContext,
      );
    },

    open(ws) {
      const data = ws.getUserData();
      if (connections.draining) {
        ws.send(frame('reconnect', { after: Math.round(options.random() * RECONNECT_WITHIN_MS) }), false);
        ws.end(CLOSE.goingAway, 'Going away');
        return;
      }
      const turnedAway = connections.full ? SERVER_FULL : data.turnedAway;
      if (turnedAway !== undefined) {
        tally.turnedAway++;
        ws.send(errorFrame(turnedAway.refusal), false);
        ws.end(turnedAway.code, turnedAway.refusal.error);
        return;
      }
      tally.opened.websocket++;
      tally.open.websocket++;
      data.socket = new Socket(ws, options);
      connections.add(data.socket);
      options.log.debug({ connection: data.socket.session.id, transport: 'websocket' }, 'connection opened');
      data.socket.session.welcome();
    },

    message(ws, message, isBinary) {
      const socket = ws.getUserData().socket;
      if (socket === undefined) return;
      try {
        if (message.byteLength > maxMessageBytes) socket.refuseLarge(message.byteLength);
        else if (isBinary) socket.session.binary(message);
        else socket.session.text(Buffer.from(message).toString());
      } catch (fault) {
        socket.fail(fault); // what one client sent must not end the gateway for all
      }
    },

    drain(ws) {
      ws.getUserData().socket?.drained();
    },

    close(ws, code) {
      const { socket } = ws.getUserData();
      if (socket === undefined) return;
      socket.closed();
      connections.remove(socket);
      tally.closed('websocket', String(code));
      options.log.debug({ connection: socket.session.id, transport: 'websocket', code }, 'connection closed');
    },
  });
}

/** A browser that offered subprotocols gives up unless one of them is chosen. */
function subprotocol(offered: string): string {
  return offered.split(',').some((name) => name.trim() === SUBPROTOCOL) ? SUBPROTOCOL : '';
}

const SUBPROTOCOL = 'passerelle';

const FORBIDDEN_ORIGIN = {
  refusal: {
    code: 'forbidden',
    error: 'Pages of this origin may not connect; the gateway allows its own origin and those in ALLOWED_ORIGINS',
  },
  code: CLOSE.forbidden,
} as const;
const SERVER_FULL = { refusal: { code: 'server_full', error: 'Server full' }, code: CLOSE.serverFull } as const;
const SLOW: Refusal = {
  code: 'slow_consumer',
  error: 'This connection does not read what it is sent; connect again and resume from the last position',
};

class Socket implements Outlet, Connection {
  readonly session: Session;
  readonly #ws: WebSocket<SocketData>;
  readonly #options: WebSocketOptions;
  #open = true;

  constructor(ws: WebSocket<SocketData>, options: WebSocketOptions) {
    this.#ws = ws;
    this.#options = options;
    this.session = new Session(options.newId(), options.context, this);
  }

  get laggingSince(): number {
    return this.session.laggingSince;
  }

  send(frames: readonly (string | Buffer)[]): boolean {
    const first = frames[0];
    if (frames.length === 1 && first !== undefined) {
      if (this.#ws.send(first, false) === SENT) return true;
    } else {
      this.#ws.cork(() => {
        for (const each of frames) this.#ws.send(each, false);
      });
    }
    const waiting = this.#ws.getBufferedAmount();
    if (waiting > MAX_UNREAD_REPLY_BYTES) this.closeSlow();
    return waiting <= this.#options.maxBackpressureBytes;
  }

  sendBinary(bytes: ArrayBuffer): void {
    this.#ws.send(bytes, true);
    if (this.#ws.getBufferedAmount() > MAX_UNREAD_REPLY_BYTES) this.closeSlow();
  }

  drained(): void {
    if (this.#ws.getBufferedAmount() <= this.#options.maxBackpressureBytes / 2) this.session.drained();
  }

  refuseLarge(bytes: number): void {
    const error = `A frame of ${bytes} bytes is more than MAX_MESSAGE_BYTES, which is ${this.#options.maxMessageBytes}`;
    this.#options.context.tally.errors++;
    this.#ws.send(errorFrame({ code: 'too_large', error }), false);
    this.#end(CLOSE.tooLarge, 'Frame too large');
  }

  fail(fault: unknown): void {
    this.#options.log.error(
      { err: fault, connection: this.session.id },
      'a connection failed through a fault of the gateway',
    );
    if (this.#open) this.#end(CLOSE.internal, 'Internal error');
  }

  closeSlow(): void {
    if (!this.#open) return;
    this.#ws.send(errorFrame(SLOW), false);
    this.#end(CLOSE.slowConsumer, 'Slow consumer');
  }

  closeGoingAway(): void {
    if (!this.#open) return;
    const after = Math.round(this.#options.random() * RECONNECT_WITHIN_MS);
    this.#ws.send(frame('reconnect', { after }), false);
    this.#end(CLOSE.goingAway, 'Going away');
  }

  /** The socket is gone and may not be touched any more. */
  closed(): void {
    this.#open = false;
    this.session.close();
  }

  #end(code: number, reason: string): void {
    this.#ws.end(code, reason);
  }
}

/** What `WebSocket.send` answers when nothing is waiting. */
const SENT = 1;
