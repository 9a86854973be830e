import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { watched } from './testing/watched.ts';
import { settled, type World } from './testing/world.ts';

const sse = () => watched({ transport: 'sse' });

const begins = (cursor: string) => `retry: 2000\nid: ${cursor}\n\n`;

function block(cursor: string, channel: string, id: string, data: unknown = id, event = 'message'): string {
  const name = event === 'message' ? '' : `event: ${event}\n`;
  return `id: ${cursor}\n${name}data: ${JSON.stringify({ channel, id, event, data })}\n\n`;
}

async function streams(world: World, text: string): Promise<void> {
  world.request.streams(text);
  await settled();
}

/** Lets the changes of this moment open another stream. */
async function reopened(world: World): Promise<void> {
  world.pass(0);
  await settled();
}

const asked = (world: World) => world.requests.map(({ url }) => url.pathname + url.search);

/** Subscribed to two channels that began alike, each with an event. */
async function live() {
  const parts = sse();
  const { client, world, on } = parts;
  client.subscribe('a', on('a', { tail: 3 }));
  const b = client.subscribe('b', on('b', { tail: 3 }));
  await reopened(world);
  await streams(world, begins('5-0.7-0') + block('6-0.7-0', 'a', '6-0') + block('6-0.8-0', 'b', '8-0'));
  const stream = world.request;
  parts.told.length = 0;
  world.requests.length = 0;
  return { ...parts, stream, b };
}

describe('a client over SSE', () => {
  it('has one stream for channels that begin alike', async () => {
    const { client, world, told, on } = sse();
    client.subscribe('a', on('a', { tail: 3 }));
    client.subscribe('b', on('b', { tail: 3 }));
    await reopened(world);
    assert.deepEqual(asked(world), ['/events?envelope=1&channel=a&tail=3', '/events?envelope=1&channel=a,b&tail=3']);
    assert.equal(world.requests[0]?.signal?.aborted, true);
    assert.equal(world.request.headers.get('Accept'), 'text/event-stream');
    assert.equal(world.request.headers.get('Authorization'), null);
    await streams(world, begins('5-0.7-0') + block('6-0.7-0', 'a', '6-0', { '\u2028': 'x: y' }, 'constructor'));
    assert.deepEqual(told, [
      ['connecting', ''],
      ['subscribed', 'a', '5-0'],
      ['subscribed', 'b', '7-0'],
      ['live', ''],
      ['constructor', 'a', '6-0', { '\u2028': 'x: y' }],
    ]);
  });

  it('goes on in each channel where it was, after the time that the gateway asked for', async () => {
    const { world, told } = await live();
    world.tell('offline');
    assert.deepEqual(told, [['reconnecting', 'There is no network']]);
    assert.equal(world.elapse(), 2_000);
    assert.deepEqual(asked(world), ['/events?envelope=1&channel=a,b&after=6-0.8-0']);
    await streams(world, begins('6-0.8-0'));
    assert.deepEqual(told.slice(1), [
      ['subscribed', 'a', '6-0', 'resumed'],
      ['subscribed', 'b', '8-0', 'resumed'],
      ['live', ''],
    ]);
  });

  it('reads blocks however they are cut', async () => {
    const { client, world, told, on } = sse();
    client.subscribe('a', on('a'));
    const text = `${begins('5-0')}: keep-alive\n\n${block('6-0', 'a', '6-0', 'é€😀', 'x')}`;
    for (const byte of new TextEncoder().encode(text)) world.request.streams(new Uint8Array([byte]));
    await settled();
    assert.deepEqual(told.slice(1), [
      ['subscribed', 'a', '5-0'],
      ['live', ''],
      ['x', 'a', '6-0', 'é€😀'],
    ]);
  });

  it('is told the position of a channel that is added before it opens the one stream again', async () => {
    const { client, world, told, on } = await live();
    client.subscribe('c', on('c', { tail: 2 }));
    client.subscribe('d', on('d', { after: '1-0' }));
    await reopened(world);
    assert.deepEqual(asked(world), ['/events?envelope=1&channel=c&tail=2']);
    // What comes behind the position is left for the stream of all.
    await streams(world, begins('3-0') + block('4-0', 'c', '4-0'));
    assert.equal(world.requests[0]?.signal?.aborted, true);
    assert.deepEqual(asked(world)[1], '/events?envelope=1&channel=a,b,c,d&after=6-0.8-0.3-0.1-0');
    await streams(world, begins('6-0.8-0.3-0.1-0') + block('6-0.8-0.4-0.1-0', 'c', '4-0'));
    assert.deepEqual(told, [
      ['subscribed', 'c', '3-0'],
      ['subscribed', 'd', '1-0'],
      ['message', 'c', '4-0', '4-0'],
    ]);
    assert.equal(client.state, 'live');
  });

  it('has another stream without a channel that the page has left, and none without any', async () => {
    const { client, world, told, b } = await live();
    b.unsubscribe();
    await reopened(world);
    assert.deepEqual(asked(world), ['/events?envelope=1&channel=a&after=6-0']);
    await streams(world, begins('6-0') + block('7-0', 'a', '7-0', null, 'end'));
    await reopened(world);
    assert.equal(world.requests.length, 1);
    assert.equal(world.request.signal?.aborted, true);
    assert.deepEqual(told, [
      ['end', 'a', '7-0', null],
      ['ended', 'a'],
    ]);
    world.pass(120_000);
    assert.equal(client.state, 'live');
  });

  it('takes a long cursor, and stands behind a gap of which it was told', async () => {
    const { client, world, told, on } = sse();
    const names = Array.from({ length: 9 }, (_, n) => `channel-${n}`);
    const positions = names.map((_, n) => `1700000000000-${n * 10}`);
    for (const name of names) client.subscribe(name, on(name));
    await reopened(world);
    const compact = (ids: readonly string[]) =>
      `~${ids
        .map((id) =>
          id
            .split('-')
            .map((number) => Number(number).toString(36))
            .join('-'),
        )
        .join('.')}`;
    await streams(world, begins(compact(positions)));
    assert.deepEqual(
      told.filter(([what]) => what === 'subscribed').map(([, , position]) => position),
      positions,
    );
    const gap = { channel: 'channel-1', after: positions[1], id: '1700000000000-99' };
    const behind = positions.with(1, '1700000000000-98');
    await streams(world, `id: ${compact(behind)}\nevent: gap\ndata: ${JSON.stringify(gap)}\n\n`);
    assert.deepEqual(told.at(-1), ['gap', 'channel-1', positions[1], '1700000000000-99']);
    world.tell('offline');
    world.tell('online');
    assert.ok(
      asked(world)
        .at(-1)
        ?.endsWith(`&after=${behind.join('.')}`),
    );
  });

  it('finds out which channel is refused, and keeps the others', async () => {
    const { client, world, told, on } = await live();
    for (const channel of ['c', 'd']) client.subscribe(channel, on(channel, { after: '0-0' }));
    await reopened(world);
    const forbidden = { error: { code: 'forbidden', message: 'Not you' } };
    world.request.answers(403, forbidden);
    await settled();
    world.elapse();
    assert.deepEqual(asked(world)[1], '/events?envelope=1&channel=a,b,c&after=6-0.8-0.0-0');
    world.request.answers(403, forbidden);
    await settled();
    assert.ok(told.some(([what, channel]) => what === 'refused' && channel === 'c'));
    world.elapse();
    await streams(world, begins('6-0.8-0.0-0'));
    assert.deepEqual(asked(world)[2], '/events?envelope=1&channel=a,b,d&after=6-0.8-0.0-0');
    assert.equal(client.state, 'live');
    assert.ok(!told.some(([what, channel]) => what === 'refused' && channel !== 'c'));
  });

  it('gives up where the stream as such is refused', async () => {
    const { client, world, told, on } = sse();
    client.subscribe('a', on('a'));
    const history = client.history('a');
    world.requests[0]?.answers(403, { error: { code: 'forbidden', message: 'Not from here' } });
    await settled();
    assert.deepEqual(told.slice(1), [
      ['refused', 'a', 'forbidden'],
      ['refused', 'Not from here'],
    ]);
    world.requests[1]?.answers(503, {});
    await assert.rejects(history, { code: 'forbidden' });
  });

  for (const status of [500, 502, 503]) {
    it(`comes back after ${status}`, async () => {
      const { client, world, told, on } = sse();
      client.subscribe('a', on('a'));
      world.request.answers(status, 'Bad gateway');
      await settled();
      assert.equal(told.at(-1)?.[0], 'reconnecting');
      assert.equal(world.elapse(), 250);
      assert.equal(world.requests.length, 2);
    });
  }

  it('comes back when it was turned away, at the time that it was told', async () => {
    const { client, world, told, on } = sse();
    client.subscribe('a', on('a'));
    world.request.streams('retry: 4321\n\n');
    world.request.ends();
    await settled();
    assert.deepEqual(told.at(-1), ['reconnecting', '']);
    assert.equal(world.elapse(), 4321);
  });

  it('leaves a stream that is silent for two keep-alive intervals', async () => {
    const { world, told, stream } = await live();
    for (let time = 0; time < 10; time++) {
      world.pass(15_000);
      stream.streams(': keep-alive\n\n');
      await settled();
    }
    assert.deepEqual(told, []);
    world.pass(60_000);
    assert.deepEqual(told[0], ['reconnecting', 'The gateway was silent']);
  });

  it('publishes by HTTP, in order and with the same key until it is answered', async () => {
    const { client, world } = sse();
    const published = [client.publish('a', 1, { event: 'x' }), client.publish('a', 2)];
    await settled();
    assert.equal(client.state, 'live');
    assert.deepEqual(asked(world), ['/api/publish']);
    world.request.fails();
    await settled();
    world.elapse();
    await settled();
    assert.deepEqual(world.request.body, world.requests[0]?.body);
    assert.equal(world.request.method, 'POST');
    world.request.answers(200, { channel: 'a', id: '1-0' });
    await settled();
    world.request.answers(200, { channel: 'a', id: '2-0', duplicate: true });
    assert.deepEqual(await Promise.all(published), [
      { id: '1-0', duplicate: false },
      { id: '2-0', duplicate: true },
    ]);
    const refused = client.publish('a', 3);
    await settled();
    world.request.answers(413, { error: { code: 'too_large', message: 'Too large' } });
    await assert.rejects(refused, { name: 'PasserelleError', code: 'too_large', message: 'Too large' });
    const history = client.history('a', { after: '1-0', limit: 5 });
    await settled();
    assert.equal(asked(world).at(-1), '/api/history?channel=a&after=1-0&limit=5');
    world.request.answers(200, { events: [], position: '2-0', complete: true });
    assert.deepEqual(await history, { events: [], position: '2-0', complete: true });
  });

  it('publishes to a channel only once the subscription that was asked for before stands', async () => {
    const { client, world, on, told } = await live();
    client.subscribe('c', on('c'));
    const published = client.publish('c', 1);
    const beside = client.publish('other', 2);
    await reopened(world);
    assert.deepEqual(asked(world), ['/events?envelope=1&channel=c', '/api/publish']);
    const [stream, other] = world.requests;
    assert.match(JSON.stringify(other?.body), /"channel":"other"/);
    other?.answers(200, { channel: 'other', id: '1-0' });
    assert.equal((await beside).id, '1-0');
    stream?.streams(begins('3-0'));
    await settled();
    const [all, own] = world.requests.slice(2);
    assert.deepEqual(asked(world).slice(2), ['/events?envelope=1&channel=a,b,c&after=6-0.8-0.3-0', '/api/publish']);
    own?.answers(200, { channel: 'c', id: '4-0' });
    assert.equal((await published).id, '4-0');
    all?.streams(begins('6-0.8-0.3-0') + block('6-0.8-0.4-0', 'c', '4-0', 1));
    await settled();
    assert.deepEqual(told.at(-1), ['message', 'c', '4-0', 1]);
  });

  it('publishes to a channel that the page has left again before the subscription stood', async () => {
    const { client, world, on } = await live();
    const c = client.subscribe('c', on('c'));
    const published = client.publish('c', 1);
    await settled();
    assert.deepEqual(asked(world), []);
    c.unsubscribe();
    await settled();
    assert.deepEqual(asked(world), ['/api/publish']);
    world.request.answers(200, { channel: 'c', id: '4-0' });
    assert.equal((await published).id, '4-0');
  });
});
