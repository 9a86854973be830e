/**
 * Plain HTTP requests and raw text streams for tests: what came over the wire, unjudged. Speaks to a gateway by its URL only.
 */
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { until } from '../../../broker/testing/until.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; undefined where it is none. */
  readonly json: unknown;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text or bytes go as they are, everything else as JSON. */
  readonly body?: unknown;
  /** Gives it up: it then rejects. */
  readonly signal?: AbortSignal;
}

/** One request over a connection of its own; resolves when the answer has ended. */
export async function call(url: string, asked: Asked = {}): Promise<Answer> {
  const response = await open(url, asked);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return { status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) };
}

export async function post(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return call(url, { method: 'POST', body, headers });
}

/** Publishes and resolves with the event's id; rejects where that is refused. */
export async function publish(gateway: string, channel: string, data: unknown, more: object = {}): Promise<string> {
  const answer = await post(`${gateway}/api/publish`, { channel, data, ...more });
  const { id } = (answer.json ?? {}) as { id?: unknown };
  if (answer.status !== 200 || typeof id !== 'string') throw new Error(`publish: ${answer.status} ${answer.text}`);
  return id;
}

/** A response whose body goes on: its bytes as text, as far as they came, but for blank lines beyond the one that ends a block, which mean nothing. */
export class RawStream {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  text = '';
  ended = false;
  readonly #response: IncomingMessage;

  private constructor(response: IncomingMessage) {
    this.#response = response;
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      this.text = (this.text + chunk).replace(/\n{3,}/g, '\n\n');
    });
    response.on('error', () => undefined); // that it ended is told by `close`
    response.on('close', () => {
      this.ended = true;
    });
  }

  static async open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<RawStream> {
    return new RawStream(await open(url, { headers: { accept: 'text/event-stream', ...headers } }));
  }

  /** Resolves once the text so far matches. */
  async matching(pattern: RegExp): Promise<string> {
    await until(`${JSON.stringify(this.text)} matches ${pattern}`, () => pattern.test(this.text)).catch(() => {
      throw new Error(`The stream never had ${pattern}; it had ${JSON.stringify(this.text)}`);
    });
    return this.text;
  }

  close(): void {
    this.#response.destroy();
  }
}

function open(url: string, { method = 'GET', headers = {}, body, signal }: Asked): Promise<IncomingMessage> {
  const bytes =
    body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const given = signal === undefined ? {} : { signal };
    const asked = request(url, { method, headers: { ...headers }, agent: false, ...given }, resolve);
    asked.once('error', reject);
    asked.end(bytes);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no JSON: the caller sees it in `text`
  }
}
