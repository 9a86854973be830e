/** A world for the client in which nothing happens by itself: the test speaks for the gateway, lets time pass and brings news. */
import type { SocketLike } from '../socket-link.ts';
import type { News, Surroundings } from '../surroundings.ts';

type Listener = (event: { readonly data: unknown; readonly code: number }) => void;

export class FakeSocket implements SocketLike {
  readonly url: URL;
  readonly protocols: readonly string[];
  readyState = 0;
  closed = false;
  /** The frames that were sent, decoded. */
  readonly sent: Record<string, unknown>[] = [];
  readonly #listeners = new Map<string, Listener>();

  constructor(url: string, protocols: readonly string[] = []) {
    this.url = new URL(url);
    this.protocols = protocols;
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, listener);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.closed = true;
  }

  /** The socket opens, and these frames come. */
  opens(...frames: readonly object[]): void {
    this.readyState = 1;
    this.#tell('open');
    this.says(...frames);
  }

  says(...frames: readonly object[]): void {
    for (const frame of frames) this.#tell('message', { data: JSON.stringify(frame) });
  }

  /** Answers the last request of that type. */
  answers(type: string, fields: object): void {
    this.says({ ...fields, ref: this.sent.findLast((frame) => frame.type === type)?.ref });
  }

  ends(code: number): void {
    this.readyState = 3;
    this.#tell('close', { code });
  }

  #tell(type: string, { data = '', code = 0 } = {}): void {
    this.#listeners.get(type)?.({ data, code });
  }
}

/** A request by `fetch`, which the test answers. */
export class FakeRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: unknown;
  readonly signal: AbortSignal | undefined;
  readonly response: Promise<Response>;
  readonly #settle: { resolve(response: Response): void; reject(error: Error): void };
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(url: URL, { method = 'GET', headers, body, signal }: RequestInit) {
    this.url = url;
    this.method = method;
    this.headers = new Headers(headers);
    this.body = typeof body === 'string' ? JSON.parse(body) : undefined;
    this.signal = signal ?? undefined;
    let settle = { resolve: (_: Response) => undefined as unknown, reject: (_: Error) => undefined as unknown };
    this.response = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#settle = settle;
  }

  answers(status: number, body: unknown): void {
    this.#settle.resolve(Response.json(body, { status }));
  }

  fails(): void {
    this.#settle.reject(new TypeError('Failed to fetch'));
  }

  /** Begins an event stream, or goes on with it. */
  streams(text: string | Uint8Array): void {
    if (this.#stream === undefined) {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          this.#stream = controller;
          this.signal?.addEventListener('abort', () => controller.error(new Error('aborted')));
        },
      });
      this.#settle.resolve(new Response(body, { headers: { 'Content-Type': 'text/event-stream' } }));
    }
    if (this.signal?.aborted !== true) {
      this.#stream?.enqueue(typeof text === 'string' ? new TextEncoder().encode(text) : text);
    }
  }

  ends(): void {
    this.#stream?.close();
  }
}

export class World implements Surroundings {
  readonly sockets: FakeSocket[] = [];
  readonly requests: FakeRequest[] = [];
  timeMs = 1_700_000_000_000;
  chance = 0.5;
  connected = true;
  #timers: { readonly atMs: number; readonly task: () => void }[] = [];
  #ears: { readonly news: News; readonly task: () => void }[] = [];

  /** Stands for the browser's own `WebSocket`. */
  readonly WebSocket: new (url: string, protocols?: string[]) => FakeSocket = (() => {
    const { sockets } = this;
    return class extends FakeSocket {
      constructor(url: string, protocols?: string[]) {
        super(url, protocols);
        sockets.push(this);
      }
    };
  })();

  /** Stands for the browser's own `fetch`. */
  readonly fetch = (url: unknown, init: RequestInit = {}): Promise<Response> => {
    const request = new FakeRequest(new URL(String(url)), init);
    this.requests.push(request);
    return request.response;
  };

  after = (ms: number, task: () => void) => {
    const timer = { atMs: this.timeMs + ms, task };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  now = () => this.timeMs;

  random = () => this.chance;

  online = () => this.connected;

  on = (news: News, task: () => void) => {
    const ear = { news, task };
    this.#ears.push(ear);
    return () => {
      this.#ears = this.#ears.filter((other) => other !== ear);
    };
  };

  /** The socket that was opened last. */
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error('No socket was opened');
    return socket;
  }

  /** The request that was made last. */
  get request(): FakeRequest {
    const request = this.requests.at(-1);
    if (request === undefined) throw new Error('No request was made');
    return request;
  }

  /** In how many milliseconds each timer runs out, the first one first. */
  get timers(): readonly number[] {
    return this.#timers.map(({ atMs }) => atMs - this.timeMs).sort((a, b) => a - b);
  }

  /** How many listen for news. */
  get listeners(): number {
    return this.#ears.length;
  }

  tell(news: News): void {
    for (const { task } of this.#ears.filter((ear) => ear.news === news)) task();
  }

  /** Lets time pass, through every timer that runs out meanwhile. */
  pass(ms: number): void {
    const end = this.timeMs + ms;
    for (;;) {
      const next = this.#timers.filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.timeMs = next.atMs;
      next.task();
    }
    this.timeMs = end;
  }

  /** Lets the timer run out that is the first to; returns how long that took. */
  elapse(): number {
    const [ms = 0] = this.timers;
    this.pass(ms);
    return ms;
  }
}

/** Lets promises and streams go on, as far as they can without the test. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
