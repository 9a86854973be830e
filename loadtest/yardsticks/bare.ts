/**
 * The limit: uWebSockets.js with nothing around it. It delivers ready-made bytes by the cheapest means there is for each
 * transport: `app.publish` for WebSocket, one corked write for each SSE stream. `POST /tick/COUNT/BYTES` delivers so many
 * events at once to the one channel of the benchmarks, `POST /spread/COUNT/FROM` one event to each of so many channels.
 *
 * With REDIS_URL it also delivers each message of that Redis channel, as it stands: the least that Redis costs.
 */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { Redis } from 'ioredis';
import { App, us_socket_local_port } from '../../gateway/socket-library.ts';
import { CHANNEL, eventBlock, eventFrame, payload } from '../payload.ts';

/** At most so much in one cork: more loses data where the socket is full. */
const CORK_BYTES = 16_000;
const streams = new Map<string, Set<HttpResponse>>();
const frames = new Map<number, Buffer>();

const app = App();
app.ws<{ channels: readonly string[] }>('/ws', {
  // The load client answers no pings, so none may fall due within a run.
  idleTimeout: 960,
  maxBackpressure: 0,
  upgrade(response, request, context) {
    const header = (name: string) => request.getHeader(name);
    const [key, protocol, extensions] = [header('sec-websocket-key'), header('sec-websocket-protocol'), ''];
    response.upgrade({ channels: channelsOf(request) }, key, protocol, extensions, context);
  },
  open(ws) {
    for (const channel of ws.getUserData().channels) ws.subscribe(channel);
  },
});

app.get('/events', (response, request) => {
  const all = channelsOf(request);
  for (const channel of all) {
    const set = streams.get(channel) ?? new Set();
    streams.set(channel, set.add(response));
  }
  response.onAborted(() => {
    for (const channel of all) streams.get(channel)?.delete(response);
  });
  response.cork(() => {
    response.writeHeader('Content-Type', 'text/event-stream');
    response.write('id: 0-0\n\n');
  });
});

// Within such a handler its own response holds the one cork there is, and the streams' corks would have no effect.
app.post('/tick/:count/:bytes', (response, request) => {
  setImmediate(deliver, Number(request.getParameter(0)), Number(request.getParameter(1)));
  response.end('ok');
});
app.post('/spread/:count/:from', (response, request) => {
  setImmediate(spread, Number(request.getParameter(0)), Number(request.getParameter(1)));
  response.end('ok');
});

function channelsOf(request: HttpRequest): readonly string[] {
  return (request.getQuery('channel') ?? CHANNEL).split(',');
}

function deliver(count: number, bytes: number): void {
  const frame = frames.get(bytes) ?? Buffer.from(eventFrame(CHANNEL, payload(bytes)));
  frames.set(bytes, frame);
  for (let sent = 0; sent < count; sent++) app.publish(CHANNEL, frame);
  const block = eventBlock(payload(bytes));
  const atOnce = Math.min(count, Math.floor(CORK_BYTES / block.length));
  for (let left = count; left > 0; left -= atOnce) writeToStreams(Buffer.from(block.repeat(Math.min(left, atOnce))));
}

function writeToStreams(bytes: Buffer): void {
  for (const stream of streams.get(CHANNEL) ?? []) {
    stream.cork(() => {
      stream.write(bytes);
    });
  }
}

function spread(count: number, from: number): void {
  for (let index = from; index < from + count; index++) {
    const channel = `load:${index}`;
    app.publish(channel, eventFrame(channel, payload()));
  }
}

// biome-ignore lint/style/noProcessEnv: the one setting of a program that is started by the harness alone
const { REDIS_URL } = process.env;
if (REDIS_URL !== undefined) {
  const redis = new Redis(REDIS_URL);
  redis.on('messageBuffer', (_, message: Buffer) => app.publish(CHANNEL, message));
  await redis.subscribe(CHANNEL);
}

app.listen('127.0.0.1', 0, (socket) => {
  if (!socket) throw new Error('No port to listen on');
  console.log(`The yardstick is listening on http://127.0.0.1:${us_socket_local_port(socket)}`);
});
process.once('SIGTERM', () => app.close());
