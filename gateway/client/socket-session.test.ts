import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PasserelleError } from './client.ts';
import { event, watched } from './testing/watched.ts';

const WELCOME = { type: 'welcome', connection: 'c' };

const subscribed = (channel: string, position: string, recovered = true) => ({
  type: 'subscribed',
  channel,
  position,
  recovered,
});

/** Subscribed to two channels, of which one has had an event. */
function live() {
  const parts = watched();
  const { client, world, on } = parts;
  const a = client.subscribe('a', on('a', { tail: 3 }));
  const b = client.subscribe('b', on('b'));
  world.socket.opens(WELCOME);
  world.socket.says({ ...subscribed('a', '5-0'), ref: 1 }, event('a', '6-0'), { ...subscribed('b', '7-0'), ref: 2 });
  parts.told.length = 0;
  world.socket.sent.length = 0;
  return { ...parts, a, b };
}

/** The link is lost, and another one opens. */
function reconnect({ world }: Pick<ReturnType<typeof live>, 'world'>): void {
  world.socket.ends(1006);
  world.elapse();
  world.socket.opens(WELCOME);
}

describe('a client over WebSocket', () => {
  it('connects at the first subscribe, and is live once every subscription stands', () => {
    const { client, world, told, on } = watched();
    assert.equal(client.state, 'closed');
    client.subscribe('a', on('a', { tail: 3 }));
    const b = client.subscribe('b', on('b', { after: '1-0' }));
    assert.equal(world.socket.url.href, 'wss://gateway.test/ws');
    world.socket.opens(WELCOME);
    assert.deepEqual(world.socket.sent, [
      { type: 'subscribe', ref: 1, channel: 'a', tail: 3 },
      { type: 'subscribe', ref: 2, channel: 'b', after: '1-0' },
    ]);
    world.socket.says({ ...subscribed('a', '5-0'), ref: 1 }, event('a', '6-0'));
    assert.equal(client.state, 'connecting');
    world.socket.says(
      { ...subscribed('b', '2-0', false), ref: 2 },
      { type: 'gap', channel: 'b', after: '1-0', id: '3-0' },
    );
    assert.deepEqual(told, [
      ['connecting', ''],
      ['subscribed', 'a', '5-0'],
      ['message', 'a', '6-0', '6-0'],
      ['subscribed', 'b', '2-0', 'lost'],
      ['live', ''],
      ['gap', 'b', '1-0', '3-0'],
    ]);
    assert.equal(b.position, '2-0');
  });

  it('stands behind a gap once it was told of it, and not before', () => {
    const parts = live();
    const { world, told } = parts;
    reconnect(parts);
    world.socket.says({ ...subscribed('a', '8-0', false), ref: 1 }, { ...subscribed('b', '7-0'), ref: 2 });
    assert.equal(parts.a.position, '6-0');
    reconnect(parts); // before the gap has come
    assert.deepEqual(world.socket.sent.slice(-2), [
      { type: 'subscribe', ref: 1, channel: 'a', after: '6-0' },
      { type: 'subscribe', ref: 2, channel: 'b', after: '7-0' },
    ]);
    world.socket.says({ ...subscribed('a', '8-0', false), ref: 1 });
    told.length = 0;
    world.socket.says({ type: 'gap', channel: 'a', after: '6-0', id: '9-0' });
    assert.deepEqual(told, [['gap', 'a', '6-0', '9-0']]);
    assert.equal(parts.a.position, '8-0');
    reconnect(parts);
    world.socket.says({ ...subscribed('a', '9-0', false), ref: 1 }, event('a', '10-0'));
    world.socket.says({ type: 'gap', channel: 'a', after: '10-0', id: '12-0' });
    assert.equal(parts.a.position, '10-0', 'a gap that comes later does not move it');
  });

  it('goes on in each channel where it was', () => {
    const parts = live();
    reconnect(parts);
    assert.deepEqual(parts.world.socket.sent, [
      { type: 'subscribe', ref: 1, channel: 'a', after: '6-0' },
      { type: 'subscribe', ref: 2, channel: 'b', after: '7-0' },
    ]);
    parts.world.socket.says({ ...subscribed('a', '6-0'), ref: 1 });
    assert.deepEqual(parts.told, [
      ['reconnecting', ''],
      ['subscribed', 'a', '6-0', 'resumed'],
    ]);
  });

  it('stands at an event when it tells of it', () => {
    const { client, world, on } = watched();
    const positions: unknown[] = [];
    const a = client.subscribe('a', on('a', { event: () => positions.push(a.position) }));
    world.socket.opens(WELCOME);
    world.socket.says({ ...subscribed('a', '5-0'), ref: 1 }, event('a', '6-0'), event('a', '', 'ephemeral'));
    assert.deepEqual(positions, ['6-0', '6-0']);
  });

  it('tells nothing more of a channel that the page has left, and nothing old of one that it came back to', () => {
    const { client, world, told, on, a } = live();
    a.unsubscribe();
    a.unsubscribe();
    client.subscribe('a', on('again'));
    world.socket.says(event('a', '7-0'));
    assert.deepEqual(world.socket.sent, [{ type: 'unsubscribe', ref: 3, channel: 'a' }]);
    world.socket.says({ type: 'unsubscribed', channel: 'a', ref: 3 });
    assert.deepEqual(world.socket.sent[1], { type: 'subscribe', ref: 4, channel: 'a' });
    world.socket.says({ ...subscribed('a', '7-0'), ref: 4 }, event('a', '8-0'));
    assert.deepEqual(told, [
      ['subscribed', 'again', '7-0'],
      ['message', 'again', '8-0', '8-0'],
    ]);
  });

  it('asks one thing of a channel at a time, however fast the page changes its mind', () => {
    const { client, world, told, on } = live();
    for (let turn = 0; turn < 3; turn++) client.subscribe('c', on('c')).unsubscribe();
    client.subscribe('c', on('last'));
    assert.equal(world.socket.sent.length, 1);
    world.socket.says({ ...subscribed('c', '1-0'), ref: 3 });
    world.socket.says({ type: 'unsubscribed', channel: 'c', ref: 4 });
    world.socket.says({ ...subscribed('c', '2-0'), ref: 5 });
    assert.deepEqual(
      world.socket.sent.map(({ type }) => type),
      ['subscribe', 'unsubscribe', 'subscribe'],
    );
    assert.deepEqual(told, [['subscribed', 'last', '2-0']]);
  });

  it('refuses a second subscription of a channel, and a name that is none', () => {
    const { client, on } = live();
    const refused = (error: unknown) => error instanceof PasserelleError && error.code === 'bad_request';
    assert.throws(() => client.subscribe('a', on('a')), refused);
    assert.throws(() => client.subscribe('a,b', on('a,b')), refused);
    assert.throws(() => client.subscribe('', on('')), refused);
  });

  it('leaves a channel that the gateway refuses, and keeps the others', () => {
    const { client, world, told, on } = live();
    client.subscribe('c', on('c'));
    world.socket.answers('subscribe', { type: 'error', code: 'forbidden', error: 'Not you' });
    world.socket.says(event('a', '8-0'));
    assert.deepEqual(told, [
      ['refused', 'c', 'forbidden'],
      ['message', 'a', '8-0', '8-0'],
    ]);
    world.socket.sent.length = 0;
    client.subscribe('c', on('c'));
    assert.equal(world.socket.sent.length, 1);
  });

  it('subscribes again, on the same connection, where the events cannot be reached for now', () => {
    const parts = live();
    reconnect(parts);
    const { world, told } = parts;
    world.socket.says({ ...subscribed('a', '6-0'), ref: 1 });
    world.socket.answers('subscribe', { type: 'error', code: 'unavailable', error: 'Not now' });
    assert.deepEqual(told.at(-1), ['reconnecting', 'Not now']);
    world.elapse();
    assert.deepEqual(world.socket.sent[2], { type: 'subscribe', ref: 3, channel: 'b', after: '7-0' });
    world.socket.says({ ...subscribed('b', '7-0'), ref: 3 });
    assert.deepEqual(told.at(-1), ['live', '']);
    assert.equal(world.sockets.length, 2);
  });

  it('ends a subscription by itself on the event that says so, after telling it', () => {
    const { client, world, told, on, a } = live();
    a.on('end', ({ data }) => told.push(['heard', data]));
    world.socket.says(event('a', '8-0', 'bye', 'end'), event('a', '9-0'));
    assert.deepEqual(told, [
      ['end', 'a', '8-0', 'bye'],
      ['heard', 'bye'],
      ['ended', 'a'],
    ]);
    assert.equal(world.socket.sent[0]?.type, 'unsubscribe');
    client.subscribe('a', on('a'));
  });

  it('tells of an event by its name, whatever that is, as long as somebody listens', () => {
    const { world, told, a } = live();
    const names = ['__proto__', 'constructor', 'toString', 'error', 'gap', 'open'];
    const stops = names.map((name) => a.on(name, (each) => told.push(['heard', each.event])));
    world.socket.says(...names.map((name, index) => event('a', `8-${index}`, null, name)));
    assert.deepEqual(
      told.filter(([what]) => what === 'heard').map(([, name]) => name),
      names,
    );
    for (const stop of stops) stop();
    told.length = 0;
    world.socket.says(event('a', '9-0', null, 'open'));
    assert.deepEqual(told, [['open', 'a', '9-0', null]]);
  });

  it('tells who comes and goes', () => {
    const { world, told } = live();
    world.socket.says({ type: 'joined', channel: 'a', connection: 'x', user: 'u', name: null });
    world.socket.says({ type: 'left', channel: 'a', connection: 'x', user: 'u', name: null });
    assert.deepEqual(told, [
      ['joined', 'a', 'x'],
      ['left', 'a', 'x'],
    ]);
  });

  it('keeps its positions while it is disconnected, and connects only when told', () => {
    const { client, world, told } = live();
    client.disconnect();
    client.subscribe('c');
    assert.deepEqual(told, [['closed', '']]);
    assert.equal(world.sockets.length, 1);
    client.connect();
    world.socket.opens(WELCOME);
    assert.deepEqual(
      world.socket.sent.map(({ channel, after }) => [channel, after]),
      [
        ['a', '6-0'],
        ['b', '7-0'],
        ['c', undefined],
      ],
    );
  });

  it('does nothing more once it is closed', async () => {
    const { client, world } = live();
    const history = client.history('a');
    client.close();
    await assert.rejects(history, { code: 'closed' });
    await assert.rejects(client.publish('a', 1), { code: 'closed' });
    assert.throws(() => client.subscribe('z'), { code: 'closed' });
    client.connect();
    assert.deepEqual([world.sockets.length, world.timers, world.listeners], [1, [], 0]);
  });
});
