/**
 * What is abused: each command and each route, alone, with the largest data that there is. The compiler holds the tables to the gateway's own:
 * who adds a command or a route is told here that its abuse is missing.
 */
import type { chatCommands } from '../../gateway/applications/chat-messages.ts';
import type { notificationCommands } from '../../gateway/applications/notification-messages.ts';
import type { apiRoutes } from '../../gateway/http/api.ts';
import type { figureRoutes, livenessRoutes } from '../../gateway/http/internal-routes.ts';
import type { Command } from '../../gateway/protocol.ts';
import {
  type Asked,
  type Attack,
  frames,
  rawConnections,
  requests,
  shortConnections,
  shortWebSockets,
  unreadFrames,
} from './attacks.ts';

/** The channel with as much history as there can be: the stage fills it. */
export const FULL = 'abuse:full';
/** The channel with as many members, and the chat's room. */
export const CROWD = 'abuse:crowd';
export const ROOM = 'crowd';

/** As much as one event may hold (MAX_MESSAGE_BYTES), with room for what stands around it. */
const LARGEST = 'x'.repeat(65_000);
const BATCH = JSON.stringify({
  publishes: Array.from({ length: 16 }, () => ({ channel: 'abuse:own', data: LARGEST.slice(0, 64_000) })),
});
const BATCH_OF_MANY = JSON.stringify({
  publishes: Array.from({ length: 1_000 }, (_none, index) => ({ channel: `abuse:own-${index}`, data: index })),
});
const NO_TOKEN = 'x'.repeat(8_000);
/** What an abuser writes to its own channel comes back to nobody but itself. */
const FEW = 4;

const command = (type: string, fields: object = {}) => JSON.stringify({ type, ...fields });
const ws = (frame: (number: number) => object | string | Uint8Array, connections?: number) =>
  frames({ path: '/ws', frame, ...(connections === undefined ? {} : { connections }) });
const subscribeFull = command('subscribe', { channel: FULL, tail: 1_000 });
const unsubscribeFull = command('unsubscribe', { channel: FULL });
const history = command('history', { channel: FULL, limit: 1_000 });
const presence = command('presence', { channel: CROWD });
const publish = command('publish', { channel: 'abuse:own', data: LARGEST });
const auth = command('auth', { token: NO_TOKEN });
const ping = command('ping');

const OF_WS: Readonly<Record<Command['type'], Attack>> = {
  // A second subscription to a channel is refused, so each is ended again.
  subscribe: ws((number) => (number % 2 === 0 ? subscribeFull : unsubscribeFull)),
  unsubscribe: ws(() => unsubscribeFull),
  publish: ws(() => publish, FEW),
  history: ws(() => history),
  presence: ws(() => presence),
  auth: ws(() => auth),
  ping: ws(() => ping),
};

const OTHER_FRAMES: Readonly<Record<string, Attack>> = {
  '/ws echo': ws(() => LARGEST),
  '/ws junk': ws(() => `{"type":"publish","channel":${'['.repeat(30_000)}${']'.repeat(30_000)}}`),
  '/ws binary': ws(() => Buffer.alloc(65_000, 1)),
};

const chat = (frame: (number: number, connection: number) => string, connections = FEW, room = 'abused') =>
  frames({ path: (index) => `/chat?room=${room}&username=abuser${index}&tail=0`, frame, connections });
const message = command('message', { content: LARGEST });
const getUsers = command('get_users');
const typing = command('typing');

const OF_CHAT: Readonly<Record<keyof typeof chatCommands, Attack>> = {
  set_username: chat((number, connection) =>
    command('set_username', { username: `abuser${connection}-${number % 9}` }),
  ),
  message: chat(() => message),
  get_users: chat(() => getUsers, 16, ROOM),
  typing: chat(() => typing),
  auth: chat(() => auth, 16),
  ping: chat(() => ping, 16),
};

const notifications = (frame: (number: number) => string, connections = FEW) =>
  frames({ path: '/notifications?user=abuser', frame, connections });
const create = command('create', { title: 'x'.repeat(200), message: LARGEST.slice(0, 64_000), to: 'abuser' });

const OF_NOTIFICATIONS: Readonly<Record<keyof typeof notificationCommands, Attack>> = {
  create: notifications(() => create),
  read: notifications((number) => command('read', { id: `${number + 1}-0` }), 16),
  auth: notifications(() => auth, 16),
  ping: notifications(() => ping, 16),
};

const get = (path: string, headers: Record<string, string> = {}) => requests(() => ({ path, headers }));
const post = (path: string, body: (number: number) => string) =>
  requests((number): Asked => {
    return { method: 'POST', path, body: body(number), headers: { 'content-type': 'application/json' } };
  });
const FULL_QUERY = `channel=${FULL}`;

type Path =
  | keyof ReturnType<typeof apiRoutes>
  | keyof ReturnType<typeof livenessRoutes>
  | keyof ReturnType<typeof figureRoutes>;
const OF_ROUTES: Readonly<Record<Path, Attack>> = {
  '/api/publish': post('/api/publish', () => `{"channel":"abuse:own","data":"${LARGEST}"}`),
  '/api/batch': post('/api/batch', (number) => (number % 2 === 0 ? BATCH : BATCH_OF_MANY)),
  '/api/history': get(`/api/history?${FULL_QUERY}&limit=1000`),
  '/api/presence': get(`/api/presence?channel=${CROWD}`),
  '/api/channels': get('/api/channels'),
  '/api/ticket': post('/api/ticket', () => ''),
  '/api/disconnect': post('/api/disconnect', (number) => JSON.stringify({ user: `nobody-${number}` })),
  '/api/revoke': post('/api/revoke', (number) => JSON.stringify({ jti: `nothing-${number}` })),
  '/healthz': get('/healthz'),
  '/readyz': get('/readyz'),
  '/stats': get('/stats'),
  '/metrics': get('/metrics'),
};

const STREAM = { accept: 'text/event-stream' };
const head = (line: string, headers: string) => `${line} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;

const OTHERS: Readonly<Record<string, Attack>> = {
  // A stream goes on for ever: what it brings at first is what it costs.
  'GET /events': rawConnections(head(`GET /events?${FULL_QUERY}&tail=1000`, 'Accept: text/event-stream\r\n'), {
    connections: 128,
  }),
  'GET /events, wrong': get('/events?channel=%00', STREAM),
  'GET /monitoring': rawConnections(head('GET /monitoring', 'Accept: text/event-stream\r\n'), { connections: 512 }),
  'GET pages': requests((number) => ({ path: ['/', '/chat.html', '/client.js', '/nothing'][number % 4] ?? '/' })),
  'bodies that never end': rawConnections(
    `${head('POST /api/publish', 'Content-Type: application/json\r\nContent-Length: 1048576\r\n')}${'x'.repeat(1_000_000)}`,
    { connections: 400, more: 'x' },
  ),
  'heads that never end': rawConnections('GET /stats HTTP/1.1\r\nHost: localhost\r\n', {
    connections: 400,
    more: 'X-More: x\r\n',
  }),
  'subscribers that never read': unreadFrames({ path: '/ws', frame: () => subscribeFull }),
  'streams that are never read': rawConnections(
    head(`GET /events?${FULL_QUERY}&tail=1000`, 'Accept: text/event-stream\r\n'),
    { reads: false },
  ),
  'histories that are never read': rawConnections(head(`GET /api/history?${FULL_QUERY}&limit=1000`, ''), {
    reads: false,
    connections: 256,
  }),
  'short WebSockets': shortWebSockets('/ws'),
  'short chats': shortWebSockets(`/chat?room=${ROOM}`),
  'short requests': requests(() => ({ path: '/healthz' }), { fresh: true }),
  'short connections': shortConnections(),
};

function named(prefix: string, attacks: Readonly<Record<string, Attack>>): [string, Attack][] {
  return Object.entries(attacks).map(([name, attack]) => [`${prefix}${name}`, attack]);
}

/** By name, in the order of the table. */
export const CASES: ReadonlyMap<string, Attack> = new Map([
  ...named('/ws ', OF_WS),
  ...named('', OTHER_FRAMES),
  ...named('/chat ', OF_CHAT),
  ...named('/notifications ', OF_NOTIFICATIONS),
  ...named('', OF_ROUTES),
  ...named('', OTHERS),
]);

/** What the short form takes: the heaviest few. */
export const HEAVIEST = [
  '/ws history',
  '/ws subscribe',
  '/ws presence',
  '/ws publish',
  '/api/history',
  'bodies that never end',
  'subscribers that never read',
] as const;
