import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReconnectingSocket, type ReconnectingSocketOptions } from './reconnecting-socket.ts';
import { settled, World } from './testing/world.ts';

const WELCOME = { type: 'welcome', connection: 'c' };

function watched(options: Partial<ReconnectingSocketOptions> = {}) {
  const world = new World();
  const told: unknown[][] = [];
  const socket = new ReconnectingSocket(
    {
      url: () => 'https://gateway.test/chat?room=a',
      message: (frame) => told.push(['message', frame.type]),
      open: () => told.push(['open']),
      state: (state, reason) => told.push([state, reason]),
      WebSocket: world.WebSocket,
      ...options,
    },
    world,
  );
  return { world, socket, told };
}

function live(options: Partial<ReconnectingSocketOptions> = {}) {
  const parts = watched(options);
  parts.socket.connect();
  parts.world.socket.opens(WELCOME);
  parts.told.length = 0;
  return parts;
}

describe('ReconnectingSocket', () => {
  it('connects when it is told to, and is live when the gateway has said something', () => {
    const { world, socket, told } = watched();
    assert.equal(socket.state, 'closed');
    assert.equal(socket.send({ type: 'typing' }), false);
    socket.connect();
    assert.equal(world.socket.url.href, 'wss://gateway.test/chat?room=a');
    assert.deepEqual(world.socket.protocols, []);
    world.socket.opens(WELCOME, { type: 'message' });
    assert.deepEqual(told, [
      ['connecting', ''],
      ['open'],
      ['live', ''],
      ['message', 'welcome'],
      ['message', 'message'],
    ]);
    assert.equal(socket.send({ type: 'typing' }), true);
    assert.deepEqual(world.socket.sent, [{ type: 'typing' }]);
  });

  it('waits a random part of a time that doubles, until it is live again', () => {
    const { world } = live();
    const waits = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      world.socket.ends(1006);
      waits.push(world.elapse());
    }
    assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 7500, 7500, 7500]);
    world.socket.opens(WELCOME);
    world.chance = 0;
    world.socket.ends(1006);
    assert.equal(world.elapse(), 0);
    assert.equal(world.sockets.length, 10);
  });

  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 4408, 4429]) {
    it(`comes back after ${code}`, () => {
      const { world, told } = live();
      world.socket.ends(code);
      assert.deepEqual(told, [['reconnecting', '']]);
      world.elapse();
      assert.equal(world.sockets.length, 2);
    });
  }

  for (const code of [1002, 1003, 1007, 1008, 1009, 4401, 4403]) {
    it(`gives up after ${code}, until it is told to connect`, () => {
      const { world, socket, told } = live();
      world.socket.says({ type: 'error', code: 'forbidden', error: 'Not from here' });
      world.socket.ends(code);
      assert.deepEqual(told.at(-1), ['refused', 'Not from here']);
      assert.deepEqual([world.timers, world.listeners], [[], 0]);
      socket.connect();
      world.socket.opens(WELCOME);
      assert.equal(socket.state, 'live');
    });
  }

  for (const code of [1011, 4408, 4429]) {
    it(`waits longer each time that ${code} follows`, () => {
      const { world } = live();
      const waits = [];
      for (let attempt = 0; attempt < 3; attempt++) {
        world.socket.ends(code);
        waits.push(world.elapse());
        world.socket.opens(WELCOME);
      }
      assert.deepEqual(waits, [250, 500, 1000]);
      world.pass(60_000 / 3); // it has held for long enough by now
      world.socket.says({ type: 'pong' });
      world.pass(60_000 / 3);
      world.socket.ends(code);
      assert.equal(world.elapse(), 250);
    });
  }

  it('comes back when a draining gateway says so, once', () => {
    const { world, told } = live();
    world.socket.says({ type: 'reconnect', after: 1234 });
    world.socket.ends(1012);
    assert.equal(world.elapse(), 1234);
    world.socket.ends(1006);
    assert.notEqual(world.elapse(), 1234);
    assert.ok(!told.some(([what]) => what === 'message'));
  });

  it('comes back when a gateway to which too many connect says so, as often as it does, and its own waits grow none by that', () => {
    const { world, socket } = watched();
    socket.connect();
    for (const after of [700, 9_000, 30]) {
      world.socket.opens({ type: 'reconnect', after });
      world.socket.ends(1013);
      assert.equal(world.elapse(), after);
    }
    world.socket.ends(1006);
    assert.equal(world.elapse(), 250);
  });

  it('asks a silent gateway for a sign of life, and leaves it where none comes', () => {
    const { world, told } = live();
    world.pass(10_000);
    world.pass(20_000);
    assert.deepEqual(world.socket.sent, [{ type: 'ping' }]);
    world.socket.says({ type: 'pong' });
    world.pass(10_000);
    assert.equal(world.socket.closed, false);
    world.pass(20_000 + 10_000);
    assert.equal(world.sockets[0]?.closed, true);
    assert.deepEqual(told, [['reconnecting', 'The gateway was silent']]);
  });

  it('gives up a socket that does not open', () => {
    const { world, socket, told } = watched();
    socket.connect();
    world.pass(10_000);
    assert.equal(world.sockets[0]?.closed, true);
    assert.deepEqual(told.at(-1), ['reconnecting', 'The gateway was silent']);
  });

  it('drops the connection when the network goes, and connects when it is back', () => {
    const { world, told } = live();
    world.tell('offline');
    assert.equal(world.socket.closed, true);
    assert.deepEqual(told, [['reconnecting', 'There is no network']]);
    world.tell('online');
    assert.equal(world.sockets.length, 2);
  });

  it('connects at once, or looks whether it still is connected, when the page is looked at again', () => {
    const { world } = live();
    world.pass(10_000);
    world.tell('visible');
    assert.deepEqual(world.socket.sent, [{ type: 'ping' }]);
    world.socket.ends(1006);
    world.tell('visible');
    assert.equal(world.sockets.length, 2);
  });

  it('hears nothing of a connection that it has left', () => {
    const { world, socket, told } = live();
    const left = world.socket;
    socket.disconnect();
    left.says({ type: 'message' });
    left.ends(1005);
    assert.deepEqual(told, [['closed', '']]);
    assert.deepEqual([world.timers, world.listeners], [[], 0]);
    world.tell('online');
    assert.equal(world.sockets.length, 1);
  });

  it('asks for the URL at every attempt, and hands back what it is known by', () => {
    let position = '1-0';
    const { world } = live({ url: () => `http://gateway.test/notifications?after=${position}` });
    world.socket.says({ type: 'welcome', resume: 'me' });
    position = '2-0';
    world.socket.ends(1006);
    world.elapse();
    assert.equal(world.socket.url.href, 'ws://gateway.test/notifications?after=2-0&resume=me');
  });

  it('takes a socket that cannot be for one that failed', () => {
    const { world, socket, told } = watched({ url: () => 'https://gateway.test:-1/' });
    socket.connect();
    assert.match(String(told.at(-1)), /^reconnecting,TypeError: Invalid URL/);
    assert.equal(world.timers.length, 1);
  });

  it('goes on where what it tells throws', async (t) => {
    const thrown: unknown[] = [];
    t.mock.method(globalThis, 'queueMicrotask', (task: () => void) => {
      try {
        task();
      } catch (error) {
        thrown.push(error);
      }
    });
    const { world, socket } = live({
      message: () => {
        throw new Error('not mine');
      },
    });
    world.socket.says({ type: 'message' });
    assert.equal(socket.state, 'live');
    assert.equal(thrown.length, 2);
  });
});

describe('ReconnectingSocket with a token', () => {
  it('offers it, and asks for another one only where it was not taken', async () => {
    let asked = 0;
    const { world, socket, told } = watched({ token: async () => `token-${++asked}` });
    socket.connect();
    await settled();
    assert.deepEqual(world.socket.protocols, ['passerelle', 'token-1']);
    world.socket.opens(WELCOME);
    world.socket.ends(1006);
    world.elapse();
    await settled();
    assert.deepEqual(world.socket.protocols, ['passerelle', 'token-1']);
    world.socket.ends(4401);
    world.elapse();
    await settled();
    assert.deepEqual(world.socket.protocols, ['passerelle', 'token-2']);
    world.socket.ends(4401);
    assert.equal(told.at(-1)?.[0], 'refused');
    socket.connect();
    await settled();
    assert.deepEqual(world.socket.protocols, ['passerelle', 'token-3']);
  });

  it('tries again where there is none', async () => {
    let fails = true;
    const { world, socket, told } = watched({
      token: async () => {
        if (fails) throw new Error('not logged in');
        return 'token';
      },
    });
    socket.connect();
    await settled();
    assert.deepEqual(told.at(-1), ['reconnecting', 'Error: not logged in']);
    fails = false;
    world.elapse();
    await settled();
    assert.deepEqual(world.socket.protocols, ['passerelle', 'token']);
  });

  it('shows a fresh one before the old one ends, by what the token or the gateway says', async () => {
    const world = new World();
    let asked = 0;
    const jwt = () => {
      const claims = { exp: world.timeMs / 1000 + 100, name: 'Zoë', n: ++asked };
      return `h.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.s`;
    };
    const socket = new ReconnectingSocket(
      { url: () => 'https://gateway.test/ws', message: () => undefined, token: jwt, WebSocket: world.WebSocket },
      world,
    );
    const auths = () => world.socket.sent.filter(({ type }) => type === 'auth').length;
    socket.connect();
    await settled();
    world.socket.opens(WELCOME);
    for (let second = 0; second < 79; second++) pass(1_000);
    assert.equal(auths(), 0);
    pass(1_000);
    await settled();
    assert.equal(auths(), 1);
    world.socket.answers('auth', { type: 'authenticated', user: 'u', expires: 10 });
    pass(8_000);
    await settled();
    assert.equal(auths(), 2);
    assert.equal(world.sockets.length, 1);

    function pass(ms: number): void {
      world.pass(ms);
      world.socket.says({ type: 'pong' });
    }
  });
});
