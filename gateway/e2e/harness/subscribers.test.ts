import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type WebSocket, WebSocketServer } from 'ws';
import { until } from '../../../broker/testing/until.ts';
import { SseClient, WsClient } from './clients.ts';
import { type Route, SseSubscriber, WsSubscriber } from './subscribers.ts';

async function listen(t: TestContext, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A stand-in for a gateway's `/ws`: each request is answered by `answer`. */
async function wsServer(t: TestContext, answer: (request: Record<string, unknown>, socket: WebSocket) => void) {
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    socket.send('{"type":"welcome"}');
    socket.on('message', (text) => answer(JSON.parse(text.toString()), socket));
  });
  return listen(t, server);
}

function between(...urls: string[]): Route {
  return { next: (last) => urls.find((url) => url !== last) ?? urls[0] ?? '', backoffMs: () => 1 };
}

test('frames wait in the queue until they are asked for, and the end is told', async (t) => {
  const url = await wsServer(t, (_request, socket) => {
    socket.send('{"type":"a"}');
    socket.send('{"type":"b"}');
    socket.close(4408, 'slow');
  });
  const client = await WsClient.open(`${url}/ws`);
  client.send({ type: 'ping' });
  assert.deepEqual(await client.closed, { code: 4408, reason: 'slow' });
  assert.deepEqual(await client.frames.find((frame) => frame.type === 'b'), { type: 'b' });
  await assert.rejects(client.frames.next(), /closed \(4408 slow\)/);
});

test('a refused stream tells its status, and its body is not read as events', async (t) => {
  const url = await listen(
    t,
    createServer((_request, response) => response.writeHead(403).end('data: x\n\n')),
  );
  const client = await SseClient.open(`${url}/events`);
  assert.equal((await client.opened).statusCode, 403);
  await client.closed;
  assert.deepEqual(client.blocks.all, []);
});

test('a WebSocket subscriber comes back on the other gateway, after the last event it had', async (t) => {
  const asked: unknown[] = [];
  const answer = (name: string) => (request: Record<string, unknown>, socket: WebSocket) => {
    asked.push([name, request.after]);
    const position = request.after ?? '5-0';
    socket.send(JSON.stringify({ type: 'subscribed', channel: 'c', position, recovered: true }));
    const id = `${Number.parseInt(String(position), 10) + 1}-0`;
    socket.send(JSON.stringify({ type: 'event', channel: 'c', id, event: 'message', data: { id } }));
  };
  const [a, b] = [await wsServer(t, answer('a')), await wsServer(t, answer('b'))];
  const subscriber = new WsSubscriber({ name: 's', channels: ['c'], from: 'now', route: between(a, b) });
  subscriber.start(a);
  await until('it has the first event', () => subscriber.reached('c', '6-0'));
  subscriber.cut();
  await until('it has the second event', () => subscriber.reached('c', '7-0'));
  await subscriber.stop();
  assert.deepEqual(asked, [
    ['a', undefined],
    ['b', '6-0'],
  ]);
  assert.deepEqual(subscriber.subscriptions(), [
    {
      subscriber: 's',
      channel: 'c',
      start: '5-0',
      items: [
        { type: 'event', id: '6-0', data: '{"id":"6-0"}' },
        { type: 'resumed', position: '6-0', recovered: true },
        { type: 'event', id: '7-0', data: '{"id":"7-0"}' },
      ],
    },
  ]);
  assert.deepEqual(subscriber.complaints, []);
});

test('an SSE subscriber resumes several channels by one cursor, and records each by itself', async (t) => {
  const asked: unknown[] = [];
  const replies = [
    'retry: 5\nid: 1-0.0-0\n\nid: 2-0.0-0\ndata: {"channel":"c","id":"2-0","event":"message","data":1}\n\n',
    'id: 2-0.0-0\n\nid: 2-0.9-0\ndata: {"channel":"d","id":"9-0","event":"message","data":"x"}\n\n',
    'id: 7-0.9-0\n\nid: 7-0.9-0\nevent: gap\ndata: {"channel":"c","after":"2-0","id":"8-0"}\n\n',
  ];
  const server = createServer((request, response) => {
    asked.push([request.url, request.headers['last-event-id']]);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(replies[asked.length - 1] ?? '');
    if (asked.length < 3) response.end();
  });
  const url = await listen(t, server);
  const subscriber = new SseSubscriber({ name: 's', channels: ['c', 'd'], from: 'origin', route: between(url) });
  subscriber.start(url);
  await until('it has the gap', () => subscriber.subscriptions()[0]?.items.at(-1)?.type === 'gap');
  await subscriber.stop();
  const path = '/events?channel=c&channel=d&envelope=1';
  assert.deepEqual(asked, [
    [`${path}&after=0-0.0-0`, undefined],
    [path, '2-0.0-0'],
    [path, '2-0.9-0'],
  ]);
  assert.deepEqual(
    subscriber.subscriptions().map(({ start, items }) => ({ start, items })),
    [
      {
        start: '0-0',
        items: [
          { type: 'event', id: '2-0', data: '1' },
          { type: 'resumed', position: '2-0', recovered: true },
          { type: 'resumed', position: '7-0', recovered: false },
          { type: 'gap', after: '2-0', id: '8-0', stands: '7-0' },
        ],
      },
      {
        start: '0-0',
        items: [
          { type: 'resumed', position: '0-0', recovered: true },
          { type: 'event', id: '9-0', data: '"x"' },
          { type: 'resumed', position: '9-0', recovered: true },
        ],
      },
    ],
  );
  assert.deepEqual(subscriber.complaints, []);
});

test('a subscriber that hears nothing asks for an answer, gives its connection up, and comes back', async (t) => {
  let connections = 0;
  let pings = 0;
  const url = await wsServer(t, ({ type }, socket) => {
    if (type === 'ping') pings++;
    else {
      connections++;
      socket.send('{"type":"subscribed","channel":"c","position":"5-0","recovered":true}');
    }
  });
  const options = { name: 's', channels: ['c'], from: 'now', route: between(url), silenceLimitMs: 200 } as const;
  const subscriber = new WsSubscriber(options);
  subscriber.start(url);
  await until('it has come back twice', () => connections >= 3);
  await subscriber.stop();
  assert(pings > 0);
  assert.deepEqual(subscriber.complaints, []);
});
