/**
 * A gateway of the test's own that wants tokens, over real sockets: it takes those of its list, and ends what was opened with another.
 * It carries no events; what it is asked, and with which token, is written down.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

export class FakeGateway {
  readonly url: string;
  /** What every token that was shown was shown for: `ws`, `auth`, `events`, `publish`. */
  readonly shown: string[] = [];
  /** Tokens that are not taken. */
  readonly refused = new Set<string>();
  readonly sockets = new Set<WebSocket>();
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  #ids = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const acceptor = new WebSocketServer({ server, handleProtocols: () => 'passerelle' });
    acceptor.on('connection', (socket, request) => this.#connected(socket, request));
    server.on('request', (request, response) => this.#requested(request, response));
  }

  static async start(): Promise<FakeGateway> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FakeGateway(server);
  }

  get streams(): number {
    return this.#streams.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #takes(what: string, token: string): boolean {
    this.shown.push(`${what} ${token}`);
    return !this.refused.has(token);
  }

  #connected(socket: WebSocket, request: IncomingMessage): void {
    const say = (frame: object) => socket.send(JSON.stringify(frame));
    const [, token = ''] = (request.headers['sec-websocket-protocol'] ?? '').split(/, */);
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    if (!this.#takes('ws', token)) {
      say({ type: 'error', code: 'unauthorized', error: 'Not this one' });
      socket.close(4401);
      return;
    }
    say({ type: 'welcome', connection: 'c', user: token });
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as { type: string; ref: number; channel: string; token: string };
      const { type, ref, channel } = frame;
      if (type === 'subscribe') say({ type: 'subscribed', ref, channel, position: '0-0', recovered: true });
      else if (type === 'publish') say({ type: 'published', ref, channel, id: `${++this.#ids}-0` });
      else if (this.#takes('auth', frame.token)) say({ type: 'authenticated', ref, user: 'u', expires: 3_600 });
      else say({ type: 'error', ref, code: 'unauthorized', error: 'Not this one' });
    });
  }

  #requested({ url = '', headers }: IncomingMessage, response: ServerResponse): void {
    const path = url.replace(/^\/(api\/)?|\?.*/g, '');
    const token = (headers.authorization ?? '').replace('Bearer ', '');
    if (!this.#takes(path, token)) {
      response.writeHead(401, { 'Content-Type': 'application/json' });
      response.end('{"error":{"code":"unauthorized","message":"Not this one"}}');
    } else if (path === 'events') {
      this.#streams.add(response);
      response.on('close', () => this.#streams.delete(response));
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write('retry: 10\nid: 5-0\n\n');
    } else {
      response.end(JSON.stringify({ channel: 'a', id: `${++this.#ids}-0` }));
    }
  }
}
