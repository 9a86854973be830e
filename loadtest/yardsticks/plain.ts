/**
 * What people write themselves: npm `ws`, Redis pub/sub, a map from channels to subscribers, one send for each
 * subscriber and event. No history, no resume, no limits. It speaks the part of the protocol that the load client uses.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { type WebSocket, WebSocketServer } from 'ws';

type Deliver = (event: string) => void;

// biome-ignore lint/style/noProcessEnv: the one setting of a program that is started by the harness alone
const url = process.env.REDIS_URL ?? '';
const publisher = new Redis(url);
// Without the check, which asks what a connection may not be asked once it is subscribed, and would end it.
const subscriber = new Redis(url, { enableReadyCheck: false });
await Promise.all([publisher, subscriber].map((connection) => once(connection, 'ready')));
const subscribers = new Map<string, Set<Deliver>>();

subscriber.on('message', (channel: string, event: string) => {
  for (const deliver of subscribers.get(channel) ?? []) deliver(event);
});

async function subscribe(channel: string, deliver: Deliver): Promise<void> {
  const known = subscribers.get(channel);
  if (known !== undefined) {
    known.add(deliver);
    return;
  }
  subscribers.set(channel, new Set([deliver]));
  await subscriber.subscribe(channel);
}

function unsubscribe(channel: string, deliver: Deliver): void {
  subscribers.get(channel)?.delete(deliver);
}

async function onMessage(socket: WebSocket, text: string, left: (() => void)[]): Promise<void> {
  const { type, ref, channel, data } = JSON.parse(text) as {
    type: string;
    ref: string;
    channel: string;
    data: unknown;
  };
  if (type === 'subscribe') {
    const deliver = (event: string) => socket.send(event);
    await subscribe(channel, deliver);
    left.push(() => unsubscribe(channel, deliver));
    socket.send(JSON.stringify({ type: 'subscribed', channel }));
  } else if (type === 'publish') {
    await publisher.publish(channel, JSON.stringify({ type: 'event', channel, data }));
    socket.send(JSON.stringify({ type: 'published', ref, channel }));
  }
}

async function onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = '';
  for await (const part of request) body += part;
  const { channel, data } = JSON.parse(body) as { channel: string; data: unknown };
  await publisher.publish(channel, JSON.stringify({ type: 'event', channel, data }));
  response.end(JSON.stringify({ channel }));
}

const fail = (error: unknown) => {
  console.error(error);
  process.exit(1);
};
const server = createServer((request, response) => void onRequest(request, response).catch(fail));
new WebSocketServer({ server }).on('connection', (socket) => {
  const left: (() => void)[] = [];
  socket.on('message', (bytes) => void onMessage(socket, bytes.toString(), left).catch(fail));
  socket.on('close', () => {
    for (const leave of left) leave();
  });
  socket.on('error', () => undefined); // a reset, which `close` tells
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
console.log(`The yardstick is listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
