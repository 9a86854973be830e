/** As much of a Kubernetes client as the parts of this folder need: requests, and watches that go on for ever. */
import { Agent, type RequestOptions, request } from 'node:https';
import { createInterface } from 'node:readline';
import type { KubernetesObject } from '../../k8s/renders.ts';

export interface ApiOptions {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  /** Of the server. */
  readonly certificate: string;
}

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubernetesObject;
}

export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(`${status}: ${text}`);
    this.status = status;
  }
}

const CHANGES: readonly string[] = ['ADDED', 'MODIFIED', 'DELETED'];
const RETRY_MS = 500;

export class ApiClient {
  readonly #options: RequestOptions;

  constructor({ host, port, token, certificate }: ApiOptions) {
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    this.#options = { host, port, ca: certificate, agent, headers: { authorization: `Bearer ${token}` } };
  }

  // biome-ignore lint/suspicious/noExplicitAny: every kind has another form.
  get(path: string): Promise<any> {
    return this.#send('GET', path);
  }

  create(path: string, body: object): Promise<unknown> {
    return this.#send('POST', path, 'application/json', body);
  }

  /** Lists are merged as the kind says, so that conditions of others stay. */
  patch(path: string, body: object): Promise<unknown> {
    return this.#send('PATCH', path, 'application/strategic-merge-patch+json', body);
  }

  delete(path: string, body: object): Promise<unknown> {
    return this.#send('DELETE', path, 'application/json', body);
  }

  /** Tells of all that there is, and then of every change, until `signal`. What is told twice is told as it is now. */
  async watch(path: string, signal: AbortSignal, onChange: (change: Change) => void): Promise<void> {
    const separator = path.includes('?') ? '&' : '?';
    while (!signal.aborted) {
      try {
        const list = await this.get(path);
        for (const object of list.items) onChange({ type: 'ADDED', object });
        await this.#changes(
          `${path}${separator}watch=1&resourceVersion=${list.metadata.resourceVersion}`,
          signal,
          onChange,
        );
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ApiError) && !(error instanceof Error && 'code' in error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS)); // the server is away: listed anew once it is back
      }
    }
  }

  #changes(path: string, signal: AbortSignal, onChange: (change: Change) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      // A watch would keep one of the shared connections for itself.
      const asked = request({ ...this.#options, agent: false, path, signal }, (response) => {
        response.on('error', reject);
        createInterface({ input: response })
          .on('error', reject)
          .on('line', (line) => {
            const change = JSON.parse(line) as Change;
            if (CHANGES.includes(change.type)) onChange(change); // an error ends the watch, and all is listed anew
          })
          .on('close', resolve);
      });
      asked.on('error', reject);
      asked.end();
    });
  }

  #send(method: string, path: string, type?: string, body?: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? '' : JSON.stringify(body);
      // Node sends no length with a DELETE by itself, and the server would take the body for another request.
      const content = type === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(text) };
      const headers = { ...this.#options.headers, ...content };
      const asked = request({ ...this.#options, method, path, headers }, (response) => {
        let answer = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          answer += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          if (status >= 300) reject(new ApiError(status, answer.slice(0, 500)));
          else resolve(response.headers['content-type']?.includes('json') ? JSON.parse(answer) : answer);
        });
      });
      asked.on('error', reject);
      asked.end(text);
    });
  }
}
