/** Tokens over real sockets, against a gateway of the test's own. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { until } from '../../broker/testing/until.ts';
import { Passerelle, type PasserelleOptions } from './client.ts';
import { FakeGateway } from './testing/fake-gateway.ts';

let gateway: FakeGateway;
let client: Passerelle;

beforeEach(async () => {
  gateway = await FakeGateway.start();
});

afterEach(async () => {
  client.close();
  await gateway.stop();
});

function open(options: PasserelleOptions): void {
  client = new Passerelle({ url: gateway.url, WebSocket, ...options });
  client.subscribe('a');
}

/** Tokens that end after so many seconds, each another; the first ones can end sooner. */
function tokens(...seconds: readonly number[]): { ask(): string; readonly asked: readonly string[] } {
  const asked: string[] = [];
  const ask = () => {
    const exp = Date.now() / 1_000 + (seconds[asked.length] ?? 3_600);
    const claims = Buffer.from(JSON.stringify({ exp, n: asked.length })).toString('base64url');
    asked.push(`h.${claims}.s`);
    return asked.at(-1) ?? '';
  };
  return { ask, asked };
}

const live = () => until('it is live', () => client.state === 'live');

describe('tokens over WebSocket', () => {
  it('are shown as a subprotocol, and renewed on the connection before they end', async () => {
    const { ask, asked } = tokens(2);
    open({ token: ask, transport: 'websocket' });
    await until('it is renewed', () => gateway.shown.length === 2);
    assert.deepEqual(gateway.shown, [`ws ${asked[0]}`, `auth ${asked[1]}`]);
    assert.equal(gateway.sockets.size, 1);
    assert.equal(client.state, 'live');
  });

  it('are replaced where the gateway takes one no more', async () => {
    const { ask, asked } = tokens();
    open({ token: ask, transport: 'websocket' });
    await live();
    for (const socket of gateway.sockets) socket.close(4401);
    await until('it comes back', () => gateway.shown.length === 2);
    await live();
    assert.deepEqual(gateway.shown, [`ws ${asked[0]}`, `ws ${asked[1]}`]);
  });

  it('are not shown where they are empty', async () => {
    open({ token: () => '' });
    await live();
    assert.deepEqual(gateway.shown, ['ws ']);
  });

  it('are tried twice, where none is taken', async () => {
    const reasons: string[] = [];
    for (const n of [0, 1]) gateway.refused.add(`t${n}`);
    let count = 0;
    open({
      token: () => `t${count++}`,
      transport: 'websocket',
      state: (state, reason) => reasons.push(`${state} ${reason}`),
    });
    await until('it gives up', () => client.state === 'refused');
    assert.deepEqual(gateway.shown, ['ws t0', 'ws t1']);
    assert.equal(reasons.at(-1), 'refused Not this one');
    await assert.rejects(client.publish('a', 1), { code: 'unauthorized' });
    client.connect();
    await live();
    assert.equal(gateway.shown.at(-1), 'ws t2');
  });
});

describe('tokens over SSE', () => {
  it('are shown in a header, and renewed by another stream before they end', async () => {
    const { ask, asked } = tokens(2);
    open({ token: ask, transport: 'sse' });
    await until('it is renewed', () => gateway.shown.length === 2 && gateway.streams === 1);
    assert.deepEqual(gateway.shown, [`events ${asked[0]}`, `events ${asked[1]}`]);
    await live();
  });

  it('are replaced where the gateway takes one no more, for streams and for requests', async () => {
    let count = 0;
    gateway.refused.add('t0');
    open({ token: async () => `t${count++}`, transport: 'sse' });
    await live();
    gateway.refused.add('t1');
    assert.deepEqual(await client.publish('a', 1), { id: '1-0', duplicate: false });
    assert.deepEqual(gateway.shown, ['events t0', 'events t1', 'publish t1', 'publish t2']);
    for (const n of [2, 3]) gateway.refused.add(`t${n}`);
    await assert.rejects(client.publish('a', 1), { name: 'PasserelleError', code: 'unauthorized' });
  });
});
