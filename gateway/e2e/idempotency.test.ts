/** Whose an idempotency key is: over two gateways, by every way to publish, on channels with history and without. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Frame, WsClient } from './harness/clients.ts';
import { call, post } from './harness/http-client.ts';
import { Issuer } from './harness/issuer.ts';
import type { GatewayProcess } from './harness/processes.ts';
import { startTwoGateways, type TwoGateways } from './harness/two-gateways.ts';

const KEYS = { shop: 's'.repeat(32), till: 't'.repeat(32) };

let channels = 0;

describe('idempotency keys', () => {
  let issuer: Issuer;
  let both: TwoGateways;
  let a: GatewayProcess;
  let b: GatewayProcess;
  const open: WsClient[] = [];
  before(async () => {
    issuer = await Issuer.start();
    const apiKeys = Object.entries(KEYS).map(([name, key]) => `${name}:${key}`);
    both = await startTwoGateways({ ...issuer.env, API_KEYS: apiKeys.join(), ALLOW_ANONYMOUS: 'on' });
    ({ a, b } = both);
  });
  after(async () => {
    for (const client of open) client.destroy();
    await both?.stop();
    issuer?.stop();
  });

  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  const tokenOf = (sub: string) => issuer.signed({ sub, publish: ['*', 'notify:@*'], subscribe: ['*', 'notify:@*'] });
  const connect = async (gateway: GatewayProcess, path: string, sub: string) => {
    const client = await WsClient.open(
      `${gateway.url}${path}${path.includes('?') ? '&' : '?'}token=${await tokenOf(sub)}`,
    );
    open.push(client);
    return client;
  };
  const ask = (client: WsClient, frame: object): Promise<Frame> => {
    client.send({ ...frame, ref: 'asked' });
    return client.frames.find(({ ref }) => ref === 'asked');
  };
  /** Whether the answer says that the key was seen before. */
  const repeated = ({ json, status, text }: Awaited<ReturnType<typeof post>>): boolean => {
    assert.equal(status, 200, text);
    return (json as { duplicate?: boolean }).duplicate === true;
  };
  const stored = async (channel: string): Promise<unknown[]> => {
    const { json } = await call(`${a.url}/api/history?channel=${channel}`, { headers: bearer(KEYS.shop) });
    return (json as { events: { data: unknown }[] }).events.map(({ data }) => data);
  };

  for (const namespace of ['orders', 'ephemeral']) {
    test(`${namespace}: each publisher has keys of its own, over all its connections and gateways`, async () => {
      const channel = `${namespace}:${++channels}`;
      const order = (data: string) => ({ channel, data, key: 'order-17' });
      const [ada, bob] = [await connect(a, '/ws', 'auth0|ada'), await connect(b, '/ws', 'bob')];
      assert.equal((await ask(ada, { type: 'publish', ...order('of ada') })).duplicate, undefined);
      assert.equal((await ask(bob, { type: 'publish', ...order('of bob') })).duplicate, undefined);
      assert.equal((await ask(ada, { type: 'publish', ...order('again') })).duplicate, true);
      assert.equal(
        (await ask(await connect(b, '/ws', 'auth0|ada'), { type: 'publish', ...order('again') })).duplicate,
        true,
      );
      assert.equal(repeated(await post(`${b.url}/api/publish`, order('again'), bearer(await tokenOf('bob')))), true);
      for (const [name, key] of Object.entries(KEYS)) {
        assert.equal(repeated(await post(`${a.url}/api/publish`, order(`of ${name}`), bearer(key))), false);
        assert.equal(repeated(await post(`${b.url}/api/publish`, order('again'), bearer(key))), true);
      }
      if (namespace === 'orders') assert.deepEqual(await stored(channel), ['of ada', 'of bob', 'of shop', 'of till']);
    });

    test(`${namespace}: servers that say so share their keys, and nobody else does`, async () => {
      const channel = `${namespace}:${++channels}`;
      const shared = { channel, data: 1, key: 'order-17', keyScope: 'channel' };
      const of = async (body: object, key: string) => repeated(await post(`${a.url}/api/publish`, body, bearer(key)));
      assert.equal(await of(shared, KEYS.shop), false);
      assert.equal(await of(shared, KEYS.till), true);
      assert.equal(await of({ ...shared, keyScope: 'publisher' }, KEYS.till), false);
      assert.equal(await of({ ...shared, keyScope: undefined }, KEYS.till), true);
      const batch = await post(`${b.url}/api/batch`, { publishes: [shared] }, bearer(KEYS.till));
      assert.equal((batch.json as { results: { duplicate?: boolean }[] }).results[0]?.duplicate, true);
      const ada = await connect(a, '/ws', 'ada');
      assert.equal((await ask(ada, { type: 'publish', ...shared })).code, 'forbidden');
      for (const wrong of [
        { ...shared, keyScope: 'everybody' },
        { ...shared, key: undefined },
      ]) {
        const { status, text } = await post(`${a.url}/api/publish`, wrong, bearer(KEYS.shop));
        assert.equal(status, 400);
        assert.match(text, /keyScope/);
      }
    });
  }

  test('in a room, and for notifications, too', async () => {
    const say = (content: string) => ({ type: 'message', content, key: 'k' });
    const create = { type: 'create', title: 'hello', to: `reader-${++channels}`, key: 'k' };
    for (const [path, frame, channel] of [
      [`/chat?room=keys-${channels}`, say('hello'), `chat:keys-${channels}`],
      ['/notifications', create, `notify:@${create.to}`],
    ] as const) {
      for (const sub of ['ada', 'bob']) {
        const client = await connect(a, path, sub);
        const { type, id } = await ask(client, frame);
        assert.equal(type, 'published');
        assert.equal((await ask(client, frame)).id, id, 'the same again');
      }
      assert.equal((await stored(channel)).length, 2, channel);
    }
  });

  test('two keys that differ in half a character are not taken for one: they are refused', async () => {
    const channel = `orders:${++channels}`;
    const ada = await connect(a, '/ws', 'ada');
    for (const key of ['\ud800', '\udc00', 'order \ud83d'])
      assert.equal((await ask(ada, { type: 'publish', channel, data: 1, key })).code, 'bad_request');
    const room = await connect(a, '/chat?room=lobby', 'ada');
    assert.equal((await ask(room, { type: 'message', content: 'x', key: '\ud800' })).code, 'bad_request');
    for (const key of ['\u{1f600}', '\u{1f601}', '\ufffd'])
      assert.equal((await ask(ada, { type: 'publish', channel, data: key, key })).type, 'published');
    assert.equal((await stored(channel)).length, 3);
  });
});
