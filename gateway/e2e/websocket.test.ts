/** `/ws` as a client sees it: section 3 of the protocol, row by row, against a real gateway process. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { type Frame, WsClient } from './harness/clients.ts';
import { channelNames } from './harness/fixtures.ts';
import { call, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { handshake, OPCODE, RawSocket, wireFrame } from './harness/raw-socket.ts';

const name = channelNames();
const refs = ['a text', 7, 0, '', -1.5] as const;

/** Sends a request and resolves with what repeats its `ref`. */
async function ask(client: WsClient, request: object, ref: string | number = 'asked'): Promise<Frame> {
  client.send({ ...request, ref });
  return client.frames.find((frame) => frame.ref === ref);
}

describe('a WebSocket', () => {
  let gateway: GatewayProcess;
  let client: WsClient;
  before(async () => {
    gateway = await GatewayProcess.start({ env: { MAX_CHANNELS_PER_CONNECTION: '4', GATEWAY_ID: 'test-gateway' } });
    client = await WsClient.open(`${gateway.url}/ws`);
  });
  after(() => gateway.kill());

  /** A connection that the test may spoil. */
  const connect = async (t: { after(fn: () => void): void }) => {
    const own = await WsClient.open(`${gateway.url}/ws`);
    t.after(() => own.destroy());
    return own;
  };

  test('is welcomed first, and each under an id of its own', async (t) => {
    const [one, two] = [await connect(t), await connect(t)];
    const [first, second] = [await one.frames.next(), await two.frames.next()];
    for (const welcome of [first, second]) {
      assert.deepEqual(Object.keys(welcome).sort(), [
        'connection',
        'gateway',
        'me',
        'message',
        'resume',
        'type',
        'user',
      ]);
      assert.equal(welcome.type, 'welcome');
      assert.equal(welcome.gateway, 'test-gateway');
      assert.equal(welcome.user, null);
      assert.equal(typeof welcome.message, 'string');
      assert.match(String(welcome.connection), /^[\w-]{21}$/);
    }
    assert.notEqual(first.connection, second.connection);
  });

  test('has what can be answered at once answered to who asks and closes in one breath, as with "echo … | websocat"', async () => {
    const socket = await RawSocket.upgraded(gateway.url);
    const frame = (text: string) => wireFrame({ opcode: OPCODE.text, payload: Buffer.from(text) });
    const close = wireFrame({ opcode: OPCODE.close, payload: Buffer.of(0x03, 0xe8) });
    socket.write(Buffer.concat([frame('hello'), frame('{"type":"ping","ref":1}'), close]));
    await socket.closed();
    assert.match(socket.received, /"type":"welcome".*"original":"hello".*"type":"pong","ref":1/s);
  });

  test('answers what is asked of a channel in the order asked, also all at once', async (t) => {
    const [own, channel] = [await connect(t), name()];
    for (const [ref, type] of [
      'subscribe',
      'subscribe',
      'unsubscribe',
      'subscribe',
      'unsubscribe',
      'unsubscribe',
    ].entries())
      own.send({ type, channel, ref });
    const answers: unknown[] = [];
    while (answers.length < 6) {
      const { type, ref } = await own.frames.next();
      if (ref !== undefined) answers.push([ref, type]);
    }
    assert.deepEqual(answers, [
      [0, 'subscribed'],
      [1, 'error'],
      [2, 'unsubscribed'],
      [3, 'subscribed'],
      [4, 'unsubscribed'],
      [5, 'error'],
    ]);
  });

  test('subscribes, is sent what is published, and is sent nothing once it has unsubscribed', async (t) => {
    const own = await connect(t);
    const channel = name();
    const before = await publish(gateway.url, channel, 'before');
    assert.deepEqual(await ask(own, { type: 'subscribe', channel }), {
      type: 'subscribed',
      ref: 'asked',
      channel,
      position: before,
      recovered: true,
    });
    const id = await publish(gateway.url, channel, { a: [1, null, 'ü'] }, { event: 'named' });
    assert.deepEqual(await own.frames.next(), {
      type: 'event',
      channel,
      id,
      event: 'named',
      data: { a: [1, null, 'ü'] },
    });
    assert.deepEqual(await ask(own, { type: 'unsubscribe', channel }), { type: 'unsubscribed', ref: 'asked', channel });
    await publish(gateway.url, channel, 'not for it');
    assert.deepEqual(await ask(own, { type: 'ping' }), { type: 'pong', ref: 'asked' });
    assert.equal(own.frames.all.filter(({ type }) => type === 'event').length, 1);
  });

  for (const { title, asked, position, first } of [
    { title: 'tail 2', asked: { tail: 2 }, position: 2, first: 3 },
    { title: 'tail 0', asked: { tail: 0 }, position: 4, first: 5 },
    { title: 'a tail of more than there is', asked: { tail: 1000 }, position: -1, first: 0 },
    { title: 'what is after the second', asked: { after: 'second' }, position: 1, first: 2 },
    { title: 'after 0-0', asked: { after: '0-0' }, position: -1, first: 0 },
    { title: 'neither', asked: {}, position: 4, first: 5 },
  ]) {
    test(`begins with ${title}`, async (t) => {
      const channel = name();
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) ids.push(await publish(gateway.url, channel, i));
      const own = await connect(t);
      const start = asked.after === 'second' ? { after: ids[1] } : asked;
      assert.deepEqual(await ask(own, { type: 'subscribe', channel, ...start }), {
        type: 'subscribed',
        ref: 'asked',
        channel,
        position: ids[position] ?? '0-0',
        recovered: true,
      });
      ids.push(await publish(gateway.url, channel, 'live'));
      for (const id of ids.slice(first)) assert.equal((await own.frames.next()).id, id);
    });
  }

  test('publishes, and has a repeated key told as a duplicate', async () => {
    const channel = name();
    const first = await ask(client, { type: 'publish', channel, data: 1, key: 'k' });
    assert.deepEqual(first, { type: 'published', ref: 'asked', channel, id: first.id });
    assert.match(String(first.id), /^\d+-\d+$/);
    const again = await ask(client, { type: 'publish', channel, data: 2, key: 'k' }, 'again');
    assert.deepEqual(again, { type: 'published', ref: 'again', channel, id: first.id, duplicate: true });
    const another = await ask(client, { type: 'publish', channel, data: null }, 'null');
    assert.notEqual(another.id, first.id);
  });

  test('reads history', async () => {
    const channel = name();
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) ids.push(await publish(gateway.url, channel, i, { event: 'e' }));
    const reply = await ask(client, { type: 'history', channel, after: ids[0], before: ids[3], limit: 1 });
    assert.deepEqual(reply, {
      type: 'history',
      ref: 'asked',
      channel,
      events: [{ id: ids[1], channel, event: 'e', data: 1 }],
      position: ids[3],
      complete: false,
    });
  });

  test('has its ref repeated, text and number alike, by replies and by errors', async () => {
    for (const ref of refs) {
      assert.deepEqual(await ask(client, { type: 'ping' }, ref), { type: 'pong', ref });
      const refused = await ask(client, { type: 'unsubscribe', channel: name() }, ref);
      assert.deepEqual([refused.type, refused.code], ['error', 'bad_request']);
    }
    for (const ref of [null, true, {}, [], 'x'.repeat(129)]) {
      client.send({ type: 'ping', ref });
      const refused = await client.frames.next();
      assert.deepEqual([refused.type, refused.code], ['error', 'bad_request']);
      assert.equal('ref' in refused, false);
    }
  });

  test('without a ref has none in its replies', async () => {
    client.send({ type: 'ping' });
    assert.deepEqual(await client.frames.next(), { type: 'pong' });
  });

  test('has text echoed that is no command, with a hint where only its type is unknown', async () => {
    for (const text of ['hello', '', '42', 'null', '"ping"', '[1]', '{', '{}', '{"type":7}', 'ünï\u2028\u0000"']) {
      client.send(text);
      const echo = await client.frames.next();
      assert.deepEqual(echo, { type: 'echo', original: text, timestamp: echo.timestamp });
      assert.equal(new Date(String(echo.timestamp)).toISOString(), echo.timestamp);
    }
    for (const type of ['subscibe', 'toString', '__proto__', 'constructor', '']) {
      const text = JSON.stringify({ type, ref: 1 });
      client.send(text);
      const echo = await client.frames.next();
      assert.deepEqual([echo.type, echo.original], ['echo', text]);
      assert(String(echo.hint).includes(JSON.stringify(type)), String(echo.hint));
    }
  });

  test('has bytes echoed as the same bytes', async () => {
    for (const bytes of [Buffer.of(0, 255, 10), Buffer.alloc(60_000, 0xfe), Buffer.of()]) {
      client.sendBinary(bytes);
      const echo = await client.frames.next();
      assert.equal(echo.type, 'binary');
      assert(bytes.equals(echo.bytes as Buffer));
    }
  });

  test('is refused what is not valid, in words that name the field, and stays open', async (t) => {
    const own = await connect(t);
    const channel = name();
    const wrong: [string, object][] = [
      ['channel', { type: 'subscribe' }],
      ['channel', { type: 'subscribe', channel: '' }],
      ['channel', { type: 'subscribe', channel: 'x'.repeat(129) }],
      ['channel', { type: 'subscribe', channel: 'a b' }],
      ['channel', { type: 'subscribe', channel: 'a\n' }],
      ['channel', { type: 'subscribe', channel: 'ä' }],
      ['channel', { type: 'subscribe', channel: 'a,b' }],
      ['channel', { type: 'subscribe', channel: '$fleet' }],
      ['channel', { type: 'subscribe', channel: 5 }],
      ['channel', { type: 'subscribe', channel: [channel] }],
      ['tail', { type: 'subscribe', channel, tail: -1 }],
      ['tail', { type: 'subscribe', channel, tail: 1.5 }],
      ['tail', { type: 'subscribe', channel, tail: 1001 }],
      ['tail', { type: 'subscribe', channel, tail: '5' }],
      ['tail', { type: 'subscribe', channel, tail: null }],
      ['tail', { type: 'subscribe', channel, tail: 1, after: '0-0' }],
      ['channel', { type: 'unsubscribe' }],
      ['data', { type: 'publish', channel }],
      ['channel', { type: 'publish', data: 1 }],
      ['event', { type: 'publish', channel, data: 1, event: '' }],
      ['event', { type: 'publish', channel, data: 1, event: 'a b' }],
      ['event', { type: 'publish', channel, data: 1, event: 'a\nid: 1-0' }],
      ['event', { type: 'publish', channel, data: 1, event: 'x'.repeat(65) }],
      ['event', { type: 'publish', channel, data: 1, event: null }],
      ['key', { type: 'publish', channel, data: 1, key: '' }],
      ['key', { type: 'publish', channel, data: 1, key: 5 }],
      ['key', { type: 'publish', channel, data: 1, key: 'x'.repeat(129) }],
      ['limit', { type: 'history', channel, limit: 0 }],
      ['limit', { type: 'history', channel, limit: 1001 }],
      ['limit', { type: 'history', channel, limit: '10' }],
      ['after', { type: 'history', channel, after: 'abc' }],
      ['before', { type: 'history', channel, before: '1' }],
    ];
    for (const [field, request] of wrong) {
      const refused = await ask(own, request);
      assert.deepEqual([refused.type, refused.code], ['error', 'bad_request'], JSON.stringify(request));
      assert(String(refused.error).includes(`"${field}"`), `${JSON.stringify(request)}: ${refused.error}`);
    }
    assert.equal((await ask(own, { type: 'ping' })).type, 'pong');
  });

  test('names the channel with the longest name and every character that a name may have', async (t) => {
    const own = await connect(t);
    for (const channel of [`Az09_.:@-${'x'.repeat(119)}`, '-', ':', '@']) {
      assert.equal((await ask(own, { type: 'subscribe', channel })).type, 'subscribed');
      const id = await publish(gateway.url, channel, 1, { event: `Az09_.:-${'x'.repeat(56)}` });
      assert.equal((await own.frames.find(({ type }) => type === 'event')).id, id);
    }
  });

  test('is told of a channel that it has already, of one that it has not, and of one too many', async (t) => {
    const own = await connect(t);
    const [first = '', ...others] = [name(), name(), name(), name()];
    assert.equal((await ask(own, { type: 'subscribe', channel: first })).type, 'subscribed');
    assert.equal((await ask(own, { type: 'subscribe', channel: first })).code, 'bad_request');
    assert.equal((await ask(own, { type: 'unsubscribe', channel: name() })).code, 'bad_request');
    for (const channel of others) assert.equal((await ask(own, { type: 'subscribe', channel })).type, 'subscribed');
    assert.equal((await ask(own, { type: 'subscribe', channel: name() })).code, 'too_many');
    assert.equal((await ask(own, { type: 'unsubscribe', channel: first })).type, 'unsubscribed');
    assert.equal((await ask(own, { type: 'subscribe', channel: name() })).type, 'subscribed');
  });

  test('counts channels that are still being joined', async (t) => {
    const own = await connect(t);
    for (let i = 0; i < 6; i++) own.send({ type: 'subscribe', channel: name(), ref: i });
    const replies = [];
    for (let i = 0; i < 6; i++) replies.push(await own.frames.find(({ ref }) => typeof ref === 'number'));
    assert.equal(replies.filter(({ type }) => type === 'subscribed').length, 4);
    assert.equal(replies.filter(({ code }) => code === 'too_many').length, 2);
  });

  test('may ask for a channel and give it up in one breath, again and again', async (t) => {
    const own = await connect(t);
    const channel = name();
    for (let i = 0; i < 20; i++) {
      own.send({ type: 'subscribe', channel, ref: `on ${i}` });
      own.send({ type: 'unsubscribe', channel, ref: `off ${i}` });
      assert.equal((await own.frames.find(({ ref }) => ref === `on ${i}`)).type, 'subscribed');
      assert.equal((await own.frames.find(({ ref }) => ref === `off ${i}`)).type, 'unsubscribed');
    }
    assert.equal((await ask(own, { type: 'subscribe', channel })).type, 'subscribed');
    const id = await publish(gateway.url, channel, 1);
    assert.equal((await own.frames.next()).id, id);
  });

  test('is refused a frame that is too large, and closed with 1009, also at a megabyte', async (t) => {
    for (const bytes of [65_537, 1_048_576]) {
      for (const send of [
        (own: WsClient) => own.send('x'.repeat(bytes)),
        (own: WsClient) => own.sendBinary(Buffer.alloc(bytes)),
      ]) {
        const own = await connect(t);
        send(own);
        send(own); // what follows in the same packets must do no harm
        const refused = await own.frames.find(({ type }) => type === 'error');
        assert.equal(refused.code, 'too_large');
        assert.equal((await own.closed).code, 1009);
      }
    }
  });

  test('may use all of MAX_MESSAGE_BYTES', async (t) => {
    const own = await connect(t);
    const text = 'x'.repeat(65_536);
    own.send(text);
    assert.equal((await own.frames.find(({ type }) => type === 'echo')).original, text);
  });

  test('is sent the very same bytes as every other subscriber', async (t) => {
    const channel = name();
    const [one, two] = [await connect(t), await connect(t)];
    for (const each of [one, two]) await ask(each, { type: 'subscribe', channel });
    await publish(gateway.url, channel, { b: 1, a: 2 });
    const frames = [await one.frames.next(), await two.frames.next()].map((frame) => JSON.stringify(frame));
    assert.equal(frames[0], frames[1]);
  });

  test('that offers subprotocols has passerelle chosen, and never its token', async (t) => {
    const protocolOf = (protocols: string[]) => handshakeAnswer(gateway.url, protocols);
    assert.equal(await protocolOf(['passerelle', 'a.secret.token']), 'passerelle');
    assert.equal(await protocolOf(['a.secret.token', 'passerelle']), 'passerelle');
    assert.equal(await protocolOf([]), undefined);
    const own = new WsClient(`${gateway.url}/ws`, { protocols: ['passerelle', 'a.secret.token'] });
    t.after(() => own.destroy());
    assert.equal((await own.frames.next()).type, 'welcome');
  });

  test('of a foreign page is refused and closed with 4403, of the own page and of no page is not', async (t) => {
    const host = new URL(gateway.url).host;
    for (const origin of ['https://evil.example', 'null', `https://${host}.evil.example`, `http://evil@${host}`]) {
      const foreign = new WsClient(`${gateway.url}/ws`, { ws: { origin } });
      t.after(() => foreign.destroy());
      const first = await foreign.frames.next();
      assert.deepEqual([first.type, first.code], ['error', 'forbidden'], origin);
      assert.equal((await foreign.closed).code, 4403);
    }
    const own = new WsClient(`${gateway.url}/ws`, { ws: { origin: gateway.url } });
    t.after(() => own.destroy());
    assert.equal((await own.frames.next()).type, 'welcome');
  });
});

/** The subprotocol that a handshake with these was answered with. */
async function handshakeAnswer(gateway: string, protocols: string[]): Promise<string | undefined> {
  const socket = await RawSocket.open(gateway);
  socket.write(handshake({ 'Sec-WebSocket-Protocol': protocols.length > 0 ? protocols.join(', ') : undefined }));
  await socket.matching(/\r\n\r\n/);
  socket.destroy();
  return /^sec-websocket-protocol: (.*)\r$/im.exec(socket.received)?.[1];
}

test('with ECHO=off what is no command is refused', async (t) => {
  const gateway = await GatewayProcess.start({ env: { ECHO: 'off' } });
  t.after(() => gateway.kill());
  const client = await WsClient.open(`${gateway.url}/ws`);
  await client.frames.next();
  for (const text of ['hello', '[]', '{"type":"nothing"}']) {
    client.send(text);
    const refused = await client.frames.next();
    assert.deepEqual([refused.type, refused.code], ['error', 'bad_request']);
  }
  client.sendBinary(Buffer.of(1));
  assert.equal((await client.frames.next()).code, 'bad_request');
  client.send({ type: 'ping' });
  assert.equal((await client.frames.next()).type, 'pong');
});

test('over MAX_CONNECTIONS the server says that it is full, until one leaves', async (t) => {
  const gateway = await GatewayProcess.start({ env: { MAX_CONNECTIONS: '2' } });
  t.after(() => gateway.kill());
  const [one, two] = [await WsClient.open(`${gateway.url}/ws`), await WsClient.open(`${gateway.url}/ws`)];
  for (const each of [one, two]) await each.frames.next();
  const third = new WsClient(`${gateway.url}/ws`);
  assert.equal(
    JSON.stringify(await third.frames.next()),
    '{"type":"error","code":"server_full","error":"Server full"}',
  );
  assert.equal((await third.closed).code, 1013);
  assert.equal((await call(`${gateway.url}/healthz`)).status, 200);
  await one.close();
  await until('there is room again', async () => {
    const next = await WsClient.open(`${gateway.url}/ws`);
    const { type } = await next.frames.next();
    next.destroy();
    return type === 'welcome';
  });
});

test('SIGTERM tells every client to come back elsewhere, closes with 1012 and ends with 0', async (t) => {
  const gateway = await GatewayProcess.start();
  t.after(() => gateway.kill());
  const clients = await Promise.all(Array.from({ length: 50 }, () => WsClient.open(`${gateway.url}/ws`)));
  for (const client of clients) {
    await client.frames.next();
    client.send({ type: 'subscribe', channel: 'drained' });
    await client.frames.next();
  }
  const stopped = gateway.stop();
  const delays = new Set<unknown>();
  for (const client of clients) {
    const frame = await client.frames.next();
    assert.deepEqual(Object.keys(frame), ['type', 'after']);
    assert.equal(frame.type, 'reconnect');
    assert(typeof frame.after === 'number' && frame.after >= 0);
    delays.add(frame.after);
    assert.equal((await client.closed).code, 1012);
  }
  assert(delays.size > 5, 'they are not all told the same time');
  assert.equal(await stopped, 0);
});

test('a WebSocket that stays silent is pinged, and lives as long as it answers', async (t) => {
  const gateway = await GatewayProcess.start({ env: { IDLE_TIMEOUT_SECONDS: '8' } });
  t.after(() => gateway.kill());
  const [answers, mute] = [await RawSocket.upgraded(gateway.url), await RawSocket.upgraded(gateway.url)];
  const ping = wireFrame({ opcode: OPCODE.ping, masked: false }).toString('latin1');
  await until('both are pinged', () => [answers, mute].every(({ received }) => received.endsWith(ping)));
  answers.write(wireFrame({ opcode: OPCODE.pong }));
  await mute.closed();
  assert.equal(answers.ended, false);
});
