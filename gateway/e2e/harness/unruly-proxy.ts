/**
 * A TCP proxy in front of one or more gateways, or of Redis, that does to its links what networks do: cuts them, lets them hang, loses one
 * half of them, delays them, lets no WebSocket through. Passes bytes on as they are; knows of HTTP only what tells a WebSocket from the rest.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Ends {
  readonly client: Socket;
  readonly gateway: Socket;
}

/** Which of the links there are: all unless given. */
type Which = () => boolean;
const ALL: Which = () => true;

const FORBIDDEN = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
const UPGRADE = /^upgrade: *websocket/im;

export class UnrulyProxy {
  readonly url: string;
  /** Whether a WebSocket is answered with 403. */
  blocksWebSockets = false;
  /** Requests for a WebSocket, blocked or not. */
  upgrades = 0;
  readonly #server: Server;
  readonly #links = new Set<Ends>();
  /** All that have connected, also those that have asked for nothing yet, as browsers do ahead. */
  readonly #clients = new Set<Socket>();
  readonly #ports: readonly number[];
  /** What is left of links that lost one half. */
  readonly #leftOver = new Set<Socket>();
  /** What is late, in the order in which it came. */
  readonly #late: { readonly due: number; readonly pass: () => void }[] = [];
  #delayMs = 0;
  #leftBytes = Number.POSITIVE_INFINITY;
  #exhausted: () => void = () => undefined;

  private constructor(server: Server, ports: readonly number[]) {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy does not listen on a port');
    this.url = `http://127.0.0.1:${address.port}`;
    this.#server = server;
    this.#ports = ports;
    server.on('connection', (client) => this.#accept(client));
  }

  /** Connections go to the first of the gateways that takes them. */
  static async start(gateways: readonly string[]): Promise<UnrulyProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new UnrulyProxy(
      server,
      gateways.map((url) => Number(new URL(url).port)),
    );
  }

  get links(): number {
    return this.#links.size;
  }

  /** Ends links without a word. */
  cut(which = ALL): void {
    for (const { client, gateway } of this.#chosen(which)) {
      client.resetAndDestroy();
      gateway.destroy();
    }
  }

  /** Ends one half of links and leaves the other open, with nobody at its end. */
  halfOpen(left: 'client' | 'gateway', which = ALL): void {
    for (const link of this.#chosen(which)) {
      const { client, gateway } = link;
      this.#silence(link);
      this.#links.delete(link);
      const [gone, other] = left === 'client' ? [gateway, client] : [client, gateway];
      gone.removeAllListeners('close');
      this.#clients.delete(client);
      // It ends when whoever holds it gives it up, or with the proxy.
      this.#leftOver.add(other);
      other.once('close', () => this.#leftOver.delete(other));
      gone.destroy();
    }
  }

  /** How many pieces it holds back now. */
  get late(): number {
    return this.#late.length;
  }

  /** By how many milliseconds what passes is late now. */
  get delayMs(): number {
    return this.#delayMs;
  }

  /** From now on, until it is called again, what passes is so many milliseconds late, in both directions and in order. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Passes so many bytes more to clients, all together, and then cuts every link. Resolves when it has. */
  cutAfter(bytes: number): Promise<void> {
    this.#leftBytes = bytes;
    return new Promise((resolve) => {
      this.#exhausted = resolve;
    });
  }

  /** The links stay open, and nothing passes any more. */
  hang(which = ALL): void {
    for (const link of this.#chosen(which)) this.#silence(link);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of [...this.#clients, ...this.#leftOver]) socket.destroy();
    await closed;
  }

  #chosen(which: Which): Ends[] {
    return [...this.#links].filter(which);
  }

  #silence({ client, gateway }: Ends): void {
    for (const end of [client, gateway]) {
      end.removeAllListeners('data');
      end.resume();
    }
  }

  #accept(client: Socket): void {
    this.#clients.add(client);
    client.once('close', () => this.#clients.delete(client));
    client.on('error', () => client.destroy()); // that it ended is told by `close`
    client.once('data', (head) => {
      client.pause();
      const isUpgrade = UPGRADE.test(head.toString('latin1'));
      if (isUpgrade) this.upgrades++;
      if (isUpgrade && this.blocksWebSockets) client.end(FORBIDDEN);
      else this.#join(client, head, [...this.#ports]);
    });
  }

  #join(client: Socket, head: Buffer, ports: number[]): void {
    const port = ports.shift();
    if (port === undefined || client.destroyed) {
      client.destroy();
      return;
    }
    const gateway = connect(port, '127.0.0.1');
    const refused = () => this.#join(client, head, ports);
    gateway.once('error', refused);
    gateway.once('connect', () => {
      gateway.off('error', refused);
      this.#pass({ client, gateway }, head);
    });
  }

  #pass(link: Ends, head: Buffer): void {
    const { client, gateway } = link;
    this.#links.add(link);
    gateway.on('error', () => client.destroy());
    client.once('close', () => {
      this.#links.delete(link);
      gateway.destroy();
    });
    gateway.once('close', () => client.destroy());
    gateway.write(head);
    client.on('data', (bytes: Buffer) => this.#inTime(() => gateway.write(bytes)));
    gateway.on('data', (bytes: Buffer) => this.#inTime(() => this.#give(client, bytes)));
    client.resume();
  }

  /** Passes on what has come: at once, or when all before it has been passed on and its time has come. */
  #inTime(pass: () => void): void {
    if (this.#delayMs === 0 && this.#late.length === 0) {
      pass();
      return;
    }
    const due = Math.max(performance.now() + this.#delayMs, this.#late.at(-1)?.due ?? 0);
    this.#late.push({ due, pass });
    if (this.#late.length === 1) this.#passLate();
  }

  #passLate(): void {
    const first = this.#late[0];
    if (first === undefined) return;
    const wait = first.due - performance.now();
    if (wait > 0) {
      setTimeout(() => this.#passLate(), wait);
      return;
    }
    first.pass();
    this.#late.shift();
    this.#passLate();
  }

  #give(client: Socket, bytes: Buffer): void {
    if (bytes.length <= this.#leftBytes) {
      this.#leftBytes -= bytes.length;
      client.write(bytes);
      return;
    }
    client.write(bytes.subarray(0, this.#leftBytes));
    this.#leftBytes = Number.POSITIVE_INFINITY;
    this.cut();
    this.#exhausted();
  }
}
