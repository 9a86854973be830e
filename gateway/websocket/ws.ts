/** The uWebSockets.js binding of WebSockets: sockets in, sessions out. What a session says is decided by who opens it for a path. */

import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t, WebSocket } from 'uWebSockets.js';
import type { Authenticated } from '../auth/authenticator.ts';
import { answeredProtocol, type CredentialSources } from '../auth/credentials.ts';
import { type Caller, userOf } from '../auth/rights.ts';
import type { ReadAddress } from '../connections/client-address.ts';
import type { Connection, Connections } from '../connections/connections.ts';
import type { Tally } from '../figures/tally.ts';
import type { CheckRequest } from '../http/request-check.ts';
import type { Admission, Place } from '../limits/admission.ts';
import type { Logger } from '../log.ts';
import type { Membership } from '../presence/members.ts';
import { CLOSE, errorFrame, frame, type Refusal } from '../protocol.ts';
import { DISABLED, SHARED_COMPRESSOR, SHARED_DECOMPRESSOR } from '../socket-library.ts';
import type { BoundApp } from '../tls/bound-app.ts';
import { agreedOffer, type Compression } from './compression.ts';
import { Outbox, type Sender } from './outbox.ts';
import type { Cast } from './socket-feed.ts';
import type { Handshake, Outlet, SocketSession } from './socket-session.ts';
import type { Taker, Turns } from './turns.ts';

/** Opens the session of one connection, which begins with `start`. */
export type OpenSession = (handshake: Handshake, outlet: Outlet) => SocketSession;

export interface WebSocketOptions {
  /** What opens the sessions of each path. */
  readonly endpoints: Readonly<Record<string, OpenSession>>;
  readonly authenticate: (sources: CredentialSources) => Promise<Authenticated>;
  readonly admission: Admission;
  readonly readAddress: ReadAddress;
  readonly tally: Tally;
  readonly connections: Connections;
  readonly turns: Turns;
  readonly checkRequest: CheckRequest;
  readonly log: Logger;
  readonly newId: () => string;
  readonly now: () => number;
  readonly random: () => number;
  readonly maxMessageBytes: number;
  /** What may wait unsent before the connection counts as lagging. */
  readonly maxBackpressureBytes: number;
  readonly idleTimeoutSeconds: number;
  readonly compression: Compression;
  /** The size from which on frames are compressed. */
  readonly compressedFrom: number;
}

/** A frame up to this size is still read, so that it can be refused in words; uWS drops the connection beyond. */
const READABLE_BYTES = 2 * 1024 * 1024;
/** Replies may wait, too; a client that asks for this much without reading is closed. */
const MAX_UNREAD_REPLY_BYTES = 4 * 1024 * 1024;
/** Never one of the DEDICATED_COMPRESSORs: whatever size is in its name, it takes 75 KB for each connection. Of these there is one for all. */
const COMPRESSORS = { off: DISABLED, shared: SHARED_COMPRESSOR | SHARED_DECOMPRESSOR } as const;
/** How long clients of a draining gateway are told to wait: each another time up to this. */
const RECONNECT_WITHIN_MS = 2_000;

interface Opening {
  readonly caller: Caller;
  readonly query: URLSearchParams;
  readonly address: string;
}

interface TurnedAway {
  readonly refusal: Refusal;
  readonly code: number;
}

/** What uWS keeps for a socket. The session comes with `open`; a socket that is turned away never has one. */
interface SocketData {
  /** What the session is opened with, or why there is none; not kept beyond that. */
  opening: Opening | TurnedAway | undefined;
  socket: Socket | undefined;
  /** What it holds of the gateway's room for connections. */
  place: Place | undefined;
}

export function bindWebSockets(app: BoundApp, options: WebSocketOptions): void {
  for (const [path, open] of Object.entries(options.endpoints)) bind(app, path, open, options);
}

/** Casts to the sockets of one app, which must have its WebSocket routes already. It drops nothing, however slow a socket reads. */
export function castBy(app: TemplatedApp, compressedFrom: number): Cast {
  return (topic, frames) => {
    for (const each of frames) app.publish(topic, each, false, each.length >= compressedFrom);
  };
}

function bind(app: BoundApp, path: string, openSession: OpenSession, options: WebSocketOptions): void {
  const { connections, admission, turns, tally } = options;
  // Never from within `drain`: a send of more than 16 KB that fills the socket again there is never followed by another `drain`, and the rest
  // of it never sent. (In this build `us_socket_write2` does not tell the loop that a write has failed, so that it stops polling.)
  const roomy = new Outbox(setImmediate);
  app.ws<SocketData>(path, {
    idleTimeout: options.idleTimeoutSeconds,
    sendPingsAutomatically: true,
    compression: COMPRESSORS[options.compression],
    maxPayloadLength: Math.max(READABLE_BYTES, 2 * options.maxMessageBytes), // a compressed frame counts by what is in it
    maxBackpressure: 0, // unlimited for uWS: what a slow reader may have waiting is watched here, where it can be told

    upgrade(res, req, socketContext) {
      upgrade(res, req, socketContext, options);
    },

    open(ws) {
      const data = ws.getUserData();
      if (!connections.taking) {
        ws.send(frame('reconnect', { after: Math.round(options.random() * RECONNECT_WITHIN_MS) }), false);
        ws.end(CLOSE.goingAway, 'Going away');
        return;
      }
      const { opening } = data;
      if (opening === undefined) return;
      data.opening = undefined;
      if ('refusal' in opening) {
        const { refusal, code } = opening;
        tally.turnedAway++;
        ws.send(errorFrame(refusal), false);
        ws.end(code, refusal.error);
        return;
      }
      const { caller, query, address } = opening;
      const verdict = admission.admit(address, userOf(caller) ?? undefined);
      if (!verdict.admitted) {
        const { how, refusal, code, comeBackAfterMs } = verdict;
        tally.turnedAway++;
        ws.send(how === 'later' ? frame('reconnect', { after: comeBackAfterMs }) : errorFrame(refusal), false);
        ws.end(code, refusal.error);
        return;
      }
      tally.opened.websocket++;
      tally.open.websocket++;
      data.place = verdict.place;
      const handshake = { connection: options.newId(), caller, query, address: verdict.place.address.name };
      const socket = new Socket(ws, options, (outlet) => openSession(handshake, outlet));
      data.socket = socket;
      connections.add(socket);
      options.log.debug({ connection: socket.session.id, transport: 'websocket', path }, 'connection opened');
      try {
        socket.session.start();
      } catch (fault) {
        socket.fail(fault);
      }
    },

    message(ws, message, isBinary) {
      const socket = ws.getUserData().socket;
      if (socket === undefined) return;
      try {
        if (socket.session.takesFrame() && !turns.offer(socket, message, isBinary)) socket.session.refuseInbox();
      } catch (fault) {
        socket.fail(fault); // what one client sent must not end the gateway for all
      }
    },

    drain(ws) {
      const { socket } = ws.getUserData();
      if (socket?.awaitsTurn()) roomy.add(socket);
    },

    close(ws, code) {
      const { socket, place } = ws.getUserData();
      if (place !== undefined) {
        if (code === CLOSE.tooMany) admission.punish(place);
        admission.release(place);
      }
      if (socket === undefined) return;
      connections.remove(socket);
      socket.closed();
      tally.closed('websocket', String(code));
      options.log.debug({ connection: socket.session.id, transport: 'websocket', code }, 'connection closed');
    },
  });
}

/** Finds out who asks, and opens the WebSocket in any case: by it a browser can be told why it is turned away. */
function upgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t, options: WebSocketOptions): void {
  let aborted = false;
  res.onAborted(() => {
    aborted = true;
  });
  const key = req.getHeader('sec-websocket-key');
  const protocols = req.getHeader('sec-websocket-protocol');
  const extensions = agreedOffer(options.compression, (name) => req.getHeader(name));
  const query = new URLSearchParams(req.getQuery() ?? '');
  const address = options.readAddress(res, req);
  const { admission, refusal: refused } = options.checkRequest(res, req);
  const open = (opening: Opening | TurnedAway) => {
    if (aborted) return;
    const data = { opening, socket: undefined, place: undefined };
    // Never within `res.cork`: after a token was verified, connections that were upgraded there were now and then closed (1006) as soon as they
    // were open. It seems that, when it returns, cork reads the response's state where there is a WebSocket by then.
    res.upgrade<SocketData>(data, key, answeredProtocol(protocols) ?? '', extensions, context);
  };
  if (refused !== undefined) {
    open({ refusal: refused, code: refused.code === 'forbidden' ? CLOSE.forbidden : CLOSE.badRequest });
    return;
  }
  if (admission === false) {
    open(FORBIDDEN_ORIGIN);
    return;
  }
  options.authenticate({ authorization: req.getHeader('authorization'), query, protocols }).then(
    (authenticated) => {
      if (authenticated.ok) {
        open({ caller: authenticated.caller, query, address });
      } else {
        const { refusal } = authenticated;
        const code = refusal.code === 'unavailable' ? CLOSE.tryAgain : CLOSE.unauthorized;
        open({ refusal, code });
      }
    },
    (fault: unknown) => {
      options.log.error({ err: fault }, 'a request failed through a fault of the gateway');
      if (!aborted) res.close();
    },
  );
}

const FORBIDDEN_ORIGIN: TurnedAway = {
  refusal: {
    code: 'forbidden',
    error: 'Pages of this origin may not connect; the gateway allows its own origin and those in ALLOWED_ORIGINS',
  },
  code: CLOSE.forbidden,
};
const SLOW: Refusal = {
  code: 'slow_consumer',
  error: 'This connection does not read what it is sent; connect again and resume from the last position',
};

class Socket implements Outlet, Connection, Taker, Sender {
  readonly session: SocketSession;
  readonly #ws: WebSocket<SocketData>;
  readonly #options: WebSocketOptions;
  #open = true;
  /** Whether the gateway ends it: then it does not matter any more what was asked for. */
  #ending = false;
  /** Whether it is known already that it has room again. */
  #roomy = false;

  constructor(ws: WebSocket<SocketData>, options: WebSocketOptions, open: (outlet: Outlet) => SocketSession) {
    this.#ws = ws;
    this.#options = options;
    this.session = open(this);
  }

  get laggingSince(): number {
    return this.session.laggingSince;
  }

  take(bytes: ArrayBuffer, isBinary: boolean): void {
    const { connections, now, maxMessageBytes } = this.#options;
    try {
      if (this.session.expired) connections.closeExpired(now());
      else if (bytes.byteLength > maxMessageBytes) this.#refuseLarge(bytes.byteLength);
      else if (isBinary) this.session.binary(bytes);
      else this.session.text(Buffer.from(bytes).toString());
    } catch (fault) {
      this.fail(fault); // what one client sent must not end the gateway for all
    }
  }

  get full(): boolean {
    return this.#open && this.#ws.getBufferedAmount() > this.#options.maxBackpressureBytes;
  }

  join(topic: string): void {
    if (this.#open) this.#ws.subscribe(topic);
  }

  leave(topic: string): void {
    if (this.#open) this.#ws.unsubscribe(topic);
  }

  send(frames: readonly (string | Buffer)[]): boolean {
    if (!this.#open) return true;
    const first = frames[0];
    const { compressedFrom: from } = this.#options;
    if (frames.length === 1 && first !== undefined) {
      if (this.#ws.send(first, false, first.length >= from) === SENT) return true;
    } else {
      this.#ws.cork(() => {
        for (const each of frames) this.#ws.send(each, false, each.length >= from);
      });
    }
    const waiting = this.#ws.getBufferedAmount();
    if (waiting > MAX_UNREAD_REPLY_BYTES) this.closeSlow();
    return waiting <= this.#options.maxBackpressureBytes;
  }

  sendBinary(bytes: ArrayBuffer): void {
    if (!this.#open) return;
    this.#ws.send(bytes, true, bytes.byteLength >= this.#options.compressedFrom);
    if (this.#ws.getBufferedAmount() > MAX_UNREAD_REPLY_BYTES) this.closeSlow();
  }

  get id(): string {
    return this.session.id;
  }

  get user(): string | null {
    return this.session.user;
  }

  get tokenId(): string | undefined {
    return this.session.tokenId;
  }

  get expiresAtMs(): number | undefined {
    return this.session.expiresAtMs;
  }

  memberships(): Iterable<Membership> {
    return this.session.memberships();
  }

  end(refusal: Refusal): void {
    if (this.#open) this.session.end(refusal);
  }

  /** Something that waited was sent. True where that is news: then `flush` is to be called once this turn of the loop is over. */
  awaitsTurn(): boolean {
    if (this.#roomy) return false;
    this.#roomy = true;
    return true;
  }

  /** Goes on writing, if there is room. */
  flush(): void {
    this.#roomy = false;
    if (!this.#open || this.#ws.getBufferedAmount() > this.#options.maxBackpressureBytes / 2) return;
    try {
      this.session.drained();
    } catch (fault) {
      this.fail(fault);
    }
  }

  fail(fault: unknown): void {
    this.#options.log.error(
      { err: fault, connection: this.session.id },
      'a connection failed through a fault of the gateway',
    );
    if (this.#open) this.close(CLOSE.internal, 'Internal error');
  }

  holdOpen(): void {
    // A WebSocket is not given up for being full, only for sending nothing, not even a pong, for its idle timeout.
  }

  closeSlow(): void {
    if (!this.#open) return;
    this.#ws.send(errorFrame(SLOW), false);
    this.close(CLOSE.slowConsumer, 'Slow consumer');
  }

  takeLeave(): Promise<void> | undefined {
    return this.#open ? this.session.takeLeave() : undefined;
  }

  closeGoingAway(): void {
    this.session.flush();
    if (!this.#open) return;
    const after = Math.round(this.#options.random() * RECONNECT_WITHIN_MS);
    this.#ws.send(frame('reconnect', { after }), false);
    this.close(CLOSE.goingAway, 'Going away');
  }

  /** The socket is gone and may not be touched any more. What its client asked for before it left is done all the same. */
  closed(): void {
    this.#open = false;
    const { turns } = this.#options;
    if (this.#ending) turns.drop(this);
    turns.finish(this, () => this.session.close());
  }

  close(code: number, reason: string): void {
    if (!this.#open) return;
    this.#ending = true;
    this.#ws.end(code, reason);
  }

  #refuseLarge(bytes: number): void {
    this.session.flush();
    if (!this.#open) return;
    const error = `A frame of ${bytes} bytes is more than MAX_MESSAGE_BYTES, which is ${this.#options.maxMessageBytes}`;
    this.#options.tally.errors++;
    this.#options.tally.refusals.frame_bytes++;
    this.#ws.send(errorFrame({ code: 'too_large', error }), false);
    this.close(CLOSE.tooLarge, 'Frame too large');
  }
}

/** What `WebSocket.send` answers when nothing is waiting. */
const SENT = 1;
