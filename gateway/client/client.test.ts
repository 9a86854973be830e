import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { event, watched } from './testing/watched.ts';
import { settled } from './testing/world.ts';

const WELCOME = { type: 'welcome', connection: 'c' };
const subscribed = (position: string) => ({ type: 'subscribed', channel: 'a', position, recovered: true });
const begins = (cursor: string) => `retry: 2000\nid: ${cursor}\n\n`;

describe('the choice of the transport', () => {
  it('falls back to SSE where no WebSocket opens, and takes the position along', async () => {
    const { client, world, told, on } = watched();
    client.subscribe('a', on('a', { after: '3-0' }));
    const published = client.publish('a', 1);
    world.socket.ends(1006);
    world.elapse();
    world.socket.ends(1006);
    assert.equal(world.requests.length, 0);
    world.elapse();
    assert.equal(client.transport, 'sse');
    world.requests[0]?.streams(begins('3-0'));
    await settled();
    assert.deepEqual(told.slice(-2), [
      ['subscribed', 'a', '3-0'],
      ['live', ''],
    ]);
    assert.equal(world.requests[1]?.url.pathname, '/api/publish');
    world.requests[1]?.answers(200, { id: '4-0' });
    assert.deepEqual(await published, { id: '4-0', duplicate: false });
    world.requests[0]?.ends(); // a WebSocket has never worked here
    await settled();
    world.elapse();
    assert.equal(client.transport, 'sse');
  });

  it('tries a WebSocket again where the stream does no better', async () => {
    const { client, world, on } = watched();
    client.subscribe('a', on('a'));
    const transports = [];
    for (let attempt = 0; attempt < 6; attempt++) {
      transports.push(client.transport);
      if (client.transport === 'sse') world.request.fails();
      else world.socket.ends(1006);
      await settled();
      world.elapse();
    }
    assert.deepEqual(transports, ['websocket', 'websocket', 'sse', 'websocket', 'sse', 'websocket']);
  });

  it('has more patience where a WebSocket has worked, and comes back to it', async () => {
    const { client, world, told, on } = watched();
    client.subscribe('a', on('a'));
    world.socket.opens(WELCOME);
    world.socket.says({ ...subscribed('5-0'), ref: 1 }, event('a', '6-0'));
    for (let attempt = 0; attempt < 5; attempt++) {
      assert.equal(client.transport, 'websocket');
      world.socket.ends(1006);
      world.elapse();
    }
    assert.equal(client.transport, 'sse');
    assert.equal(world.request.url.search, '?envelope=1&channel=a&after=6-0');
    world.request.streams(`${begins('6-0')}id: 7-0\ndata: {"channel":"a","id":"7-0","event":"message","data":7}\n\n`);
    await settled();
    world.request.ends();
    await settled();
    world.elapse();
    assert.equal(client.transport, 'websocket');
    world.socket.opens(WELCOME);
    assert.equal(world.socket.sent[0]?.after, '7-0');
    assert.deepEqual(
      told.filter(([what]) => what === 'message').map(([, , id]) => id),
      ['6-0', '7-0'],
    );
  });

  it('learns nothing from attempts without a network, nor from a gateway that says why', async () => {
    const { client, world, on } = watched();
    client.subscribe('a', on('a'));
    world.connected = false;
    for (let attempt = 0; attempt < 4; attempt++) {
      world.socket.ends(1006);
      world.elapse();
    }
    world.connected = true;
    for (let attempt = 0; attempt < 4; attempt++) {
      world.socket.opens({ type: 'error', code: 'server_full', error: 'Server full' });
      world.socket.ends(1013);
      world.elapse();
    }
    assert.equal(client.transport, 'websocket');
  });

  for (const transport of ['websocket', 'sse'] as const) {
    it(`stays with ${transport} where that is asked for`, async () => {
      const { client, world, on } = watched({ transport });
      client.subscribe('a', on('a'));
      for (let attempt = 0; attempt < 6; attempt++) {
        if (transport === 'sse') world.request.fails();
        else world.socket.ends(1006);
        await settled();
        world.elapse();
      }
      assert.equal(client.transport, transport);
    });
  }

  it('takes a place below a path', () => {
    const { client, world } = watched({ url: 'https://gateway.test/live' });
    client.connect();
    assert.equal(world.socket.url.href, 'wss://gateway.test/live/ws');
  });
});

describe('requests over WebSocket', () => {
  it('are sent when the socket opens, and resolve with what the reply says', async () => {
    const { client, world } = watched();
    const replies = [
      client.publish('a', { n: 1 }, { key: 'k' }),
      client.history('a', { limit: 2 }),
      client.presence('a'),
    ];
    await settled();
    world.socket.opens(WELCOME);
    await settled();
    world.socket.answers('presence', { type: 'presence', channel: 'a', users: [], count: 0 });
    world.socket.answers('history', { type: 'history', channel: 'a', events: [], position: '1-0', complete: true });
    world.socket.answers('publish', { type: 'published', channel: 'a', id: '2-0' });
    assert.deepEqual(await Promise.all(replies), [
      { id: '2-0', duplicate: false },
      { channel: 'a', events: [], position: '1-0', complete: true },
      { channel: 'a', users: [], count: 0 },
    ]);
    const { ref, ...sent } = world.socket.sent.find(({ type }) => type === 'publish') ?? {};
    assert.deepEqual(sent, { type: 'publish', channel: 'a', data: { n: 1 }, key: 'k' });
  });

  it('are asked again on the next connection, with the same key', async () => {
    const { client, world } = watched();
    const published = client.publish('a', 1);
    const second = client.publish('a', 2);
    world.socket.opens(WELCOME);
    await settled();
    const [first] = world.socket.sent;
    world.socket.ends(1006);
    await settled();
    world.elapse();
    world.socket.opens(WELCOME);
    await settled();
    assert.deepEqual(world.socket.sent, [first]);
    world.socket.answers('publish', { type: 'published', id: '1-0', duplicate: true });
    assert.deepEqual(await published, { id: '1-0', duplicate: true });
    await settled();
    world.socket.answers('publish', { type: 'published', id: '2-0' });
    assert.deepEqual(await second, { id: '2-0', duplicate: false });
  });

  it('go by HTTP where a frame might be too large', async () => {
    const { client, world } = watched();
    const published = client.publish('a', 'x'.repeat(20_000));
    await settled();
    assert.equal(world.request.url.href, 'https://gateway.test/api/publish');
    world.request.answers(413, { error: { code: 'too_large', message: 'Too large' } });
    await assert.rejects(published, { code: 'too_large' });
  });

  it('are rejected where the connection is refused for good, until the next one', async () => {
    const { client, world, told } = watched();
    const published = client.publish('a', 1);
    world.socket.opens({ type: 'error', code: 'forbidden', error: 'Not from here' });
    world.socket.ends(4403);
    await assert.rejects(published, { code: 'forbidden', message: 'Not from here' });
    assert.deepEqual(told.at(-1), ['refused', 'Not from here']);
    await assert.rejects(client.history('a'), { code: 'forbidden' });
    client.connect();
    const again = client.publish('a', 1);
    world.socket.opens(WELCOME);
    await settled();
    world.socket.answers('publish', { type: 'published', id: '1-0' });
    assert.equal((await again).id, '1-0');
  });

  it('wait while the client is disconnected', async () => {
    const { client, world } = watched({ transport: 'sse' });
    client.disconnect();
    const published = client.publish('a', 1);
    await settled();
    assert.equal(world.requests.length, 0);
    client.connect();
    await settled();
    world.request.answers(200, { id: '1-0' });
    assert.equal((await published).id, '1-0');
  });

  it('begin again with a fresh token where the old one is not taken any more', async () => {
    let asked = 0;
    const { client, world } = watched({ token: () => `token-${++asked}` });
    const published = client.publish('a', 1);
    await settled();
    world.socket.opens(WELCOME);
    await settled();
    world.socket.answers('publish', { type: 'error', code: 'unauthorized', error: 'Expired' });
    world.elapse();
    await settled();
    assert.deepEqual(world.socket.protocols, ['passerelle', 'token-2']);
    world.socket.opens(WELCOME);
    await settled();
    world.socket.answers('publish', { type: 'published', id: '1-0' });
    assert.equal((await published).id, '1-0');
  });
});
