/** What the feeds of WebSockets rely on in uWebSockets.js, with real sockets. */

import type { WebSocket as ServerSocket } from 'uWebSockets.js';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { App, SHARED_COMPRESSOR, us_listen_socket_close, us_socket_local_port } from '../socket-library.ts';
import type { Cast } from './socket-feed.ts';
import { castBy } from './ws.ts';

/** More than the library gathers for one socket. */
const FRAMES = Array.from({ length: 100 }, (_, index) => `frame ${index}`);
const BYTES = FRAMES.map((text) => Buffer.from(text));

/** All that a client is sent, until `last`, by what is done to its socket in the tick in which it is opened. */
async function heard(compressedFrom: number, act: (ws: ServerSocket<unknown>, cast: Cast) => void): Promise<string[]> {
  const app = App();
  const cast = castBy(app, compressedFrom);
  app.ws('/', {
    compression: SHARED_COMPRESSOR,
    open(ws) {
      ws.subscribe('topic');
      act(ws, cast);
      setImmediate(() => ws.send('last', false));
    },
  });
  const listening = await new Promise<Parameters<typeof us_listen_socket_close>[0]>((resolve, reject) => {
    app.listen('127.0.0.1', 0, (socket) => (socket ? resolve(socket) : reject(new Error('No port'))));
  });
  const client = new WebSocket(`ws://127.0.0.1:${us_socket_local_port(listening)}/`);
  try {
    const frames: string[] = [];
    client.on('message', (bytes: Buffer) => {
      frames.push(bytes.toString());
      if (frames.at(-1) === 'last') client.close();
    });
    await once(client, 'close');
    return frames.slice(0, -1);
  } finally {
    client.terminate();
    us_listen_socket_close(listening);
  }
}

for (const [what, compressedFrom] of [
  ['a cast', Number.POSITIVE_INFINITY],
  ['a compressed cast', 0],
] as const)
  describe(what, () => {
    it('reaches a socket in order, before what is sent to it afterwards', async () => {
      const frames = await heard(compressedFrom, (ws, cast) => {
        ws.send('before', false);
        cast('topic', BYTES.slice(0, 50));
        ws.send('between', false);
        cast('topic', BYTES.slice(50));
      });
      assert.deepEqual(frames, ['before', ...FRAMES.slice(0, 50), 'between', ...FRAMES.slice(50)]);
    });

    it('reaches a socket that leaves the topic in the same tick, and no later one does', async () => {
      const frames = await heard(compressedFrom, (ws, cast) => {
        cast('topic', BYTES.slice(0, 20));
        ws.unsubscribe('topic');
        cast('topic', BYTES.slice(20));
      });
      assert.deepEqual(frames, FRAMES.slice(0, 20));
    });

    it('of more than fits into one write keeps its place', async () => {
      const large = Buffer.alloc(100_000, 'x');
      const frames = await heard(compressedFrom, (_, cast) => {
        cast('topic', [...BYTES.slice(0, 10), large, ...BYTES.slice(10)]);
      });
      assert.deepEqual(frames, [...FRAMES.slice(0, 10), large.toString(), ...FRAMES.slice(10)]);
    });
  });
