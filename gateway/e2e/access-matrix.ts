/**
 * Asks a gateway for one thing with one credential, and says in a word or two what became of it. Knows what is asked on each transport,
 * and nothing of what should come of it.
 */
import { WsClient } from './harness/clients.ts';
import { type Answer, call, post, RawStream } from './harness/http-client.ts';

/** What a request shows, and where. */
export interface Shown {
  readonly query?: string;
  readonly authorization?: string;
  readonly protocols?: readonly string[];
}

export type Transport = '/ws' | '/chat' | '/notifications' | '/events' | 'HTTP';
export type Action =
  | 'connect'
  | 'subscribe'
  | 'publish'
  | 'batch'
  | 'history'
  | 'presence'
  | 'channels'
  | 'typing'
  | 'read'
  | 'auth'
  | 'health'
  | 'ticket'
  | 'disconnect'
  | 'revoke';

export interface Question {
  readonly transport: Transport;
  readonly action: Action;
  /** A channel, a room, a user, for `revoke` a token's `jti`, or for `auth` the fresh token. */
  readonly target: string;
}

/** In everything that is published here, so that it can be looked for where it must not be. */
export const CONTENT = 'what-they-said';

/**
 * What became of it: over a WebSocket `welcome USER` or the type of the reply, over HTTP the status; where it was refused, with the code of the
 * error, and with the close code where that ended the connection.
 */
export async function ask(gateway: string, question: Question, shown: Shown): Promise<string> {
  switch (question.transport) {
    case '/events':
      return askStream(gateway, question, shown);
    case 'HTTP':
      return told(await askHttp(gateway, question, shown));
    default:
      return askSocket(gateway, question, shown);
  }
}

/** A WebSocket that shows something; `path` may have a query of its own. */
export function connect(gateway: string, path: string, { query, authorization, protocols = [] }: Shown): WsClient {
  const headers = headersOf(authorization);
  return new WsClient(withQuery(`${gateway}${path}`, query), { ws: { headers }, protocols: [...protocols] });
}

async function askSocket(gateway: string, { transport, action, target }: Question, shown: Shown): Promise<string> {
  const onConnect = action === 'connect' && target !== '';
  const inRoom = transport === '/chat' && action !== 'auth';
  const path = onConnect || inRoom ? `${transport}?${place(transport, target)}` : transport;
  const client = connect(gateway, path, shown);
  try {
    const first = await client.frames.next();
    if (first.type === 'error') return await refused(client, String(first.code));
    if (action === 'connect') return `${first.type} ${first.user ?? '-'}`;
    client.send({ ref: 1, ...command(transport, action, target) });
    // Typing is not answered but where it is refused.
    if (action === 'typing') client.send({ type: 'ping', ref: 1 });
    const reply = await client.frames.find(({ type, ref }) => ref === 1 || type === 'read');
    return reply.type === 'error' ? await refused(client, String(reply.code)) : reply.type;
  } finally {
    client.destroy();
  }
}

/** Whether a refusal has ended the connection is known once it answers something else, or is closed. */
async function refused(client: WsClient, code: string): Promise<string> {
  client.send({ type: 'ping', ref: 'still there' });
  const closed = client.closed.then((close) => `${code} ${close.code}`);
  const open = client.frames.find(({ type }) => type === 'pong').then(() => code);
  open.catch(() => undefined); // it was closed
  return Promise.any([open, closed]);
}

function place(transport: Transport, target: string): string {
  return `${transport === '/chat' ? 'room' : 'user'}=${target}`;
}

function command(transport: Transport, action: Action, target: string): object {
  if (action === 'auth') return { type: 'auth', token: target };
  if (transport === '/chat') {
    if (action === 'publish') return { type: 'message', content: CONTENT };
    return { type: action === 'presence' ? 'get_users' : action };
  }
  if (transport === '/notifications') {
    if (action === 'read') return { type: 'read', id: '1-0' };
    return { type: 'create', title: CONTENT, ...(target === '' ? {} : { to: target }) };
  }
  return { type: action, channel: target, ...(action === 'publish' ? { data: CONTENT } : {}) };
}

async function askStream(gateway: string, { target }: Question, { query, authorization }: Shown): Promise<string> {
  const url = withQuery(`${gateway}/events?channel=${target}`, query);
  const stream = await RawStream.open(url, headersOf(authorization));
  try {
    if (stream.status === 200) return '200';
    const text = await stream.matching(/}}$/);
    const { error } = JSON.parse(text) as { error: { code: string } };
    return `${stream.status} ${error.code}`;
  } finally {
    stream.close();
  }
}

async function askHttp(gateway: string, { action, target }: Question, shown: Shown): Promise<Answer> {
  const headers = headersOf(shown.authorization);
  const at = (path: string) => withQuery(`${gateway}${path}`, shown.query);
  const publication = { channel: target, data: CONTENT };
  switch (action) {
    case 'publish':
      return post(at('/api/publish'), publication, headers);
    case 'batch':
      return post(at('/api/batch'), { publishes: [publication] }, headers);
    case 'channels':
      return call(at('/api/channels'), { headers });
    case 'health':
      return call(at(target), { headers });
    case 'ticket':
      return post(at('/api/ticket'), {}, headers);
    case 'disconnect':
      return post(at('/api/disconnect'), { user: target }, headers);
    case 'revoke':
      return post(at('/api/revoke'), { jti: target }, headers);
    default:
      return call(at(`/api/${action}?channel=${target}`), { headers });
  }
}

/** In a batch each entry is answered by itself. */
function told({ status, json }: Answer): string {
  const { error, results } = (json ?? {}) as { error?: { code: string }; results?: { error?: { code: string } }[] };
  const code = error?.code ?? results?.[0]?.error?.code;
  return code === undefined ? String(status) : `${status} ${code}`;
}

function headersOf(authorization: string | undefined): Record<string, string> {
  return authorization === undefined ? {} : { authorization };
}

function withQuery(url: string, query: string | undefined): string {
  if (query === undefined) return url;
  return `${url}${url.includes('?') ? '&' : '?'}${query}`;
}

/** Lines of aligned columns. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
