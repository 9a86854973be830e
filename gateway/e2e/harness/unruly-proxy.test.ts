import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { until } from '../../../broker/testing/until.ts';
import { UnrulyProxy } from './unruly-proxy.ts';

interface Link {
  readonly proxy: UnrulyProxy;
  readonly client: Socket;
  /** The far end, behind the proxy. */
  readonly gateway: Socket;
  /** What the far end got, and the client. */
  readonly got: { gateway: string; client: string };
}

async function link(t: TestContext): Promise<Link> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await UnrulyProxy.start([`http://127.0.0.1:${(server.address() as AddressInfo).port}`]);
  const client = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  client.on('error', () => undefined); // a reset is what is tested
  client.write('hello');
  const [gateway] = (await once(server, 'connection')) as [Socket];
  const got = { gateway: '', client: '' };
  gateway.on('data', (bytes) => {
    got.gateway += bytes;
  });
  client.on('data', (bytes) => {
    got.client += bytes;
  });
  t.after(async () => {
    client.destroy();
    await proxy.stop();
    server.close();
  });
  await until('the first bytes have come', () => got.gateway === 'hello');
  return { proxy, client, gateway, got };
}

test('what is delayed comes in order, also before what is not delayed any more', async (t) => {
  const { proxy, client, gateway, got } = await link(t);
  const startedAt = performance.now();
  proxy.delay(500);
  gateway.write('1');
  client.write(' and 1');
  await until('the proxy has read them', () => proxy.late === 2);
  assert.deepEqual(got, { gateway: 'hello', client: '' });
  proxy.delay(0);
  gateway.write('2');
  client.write(' and 2');
  await until('all has come', () => got.client === '12' && got.gateway === 'hello and 1 and 2');
  assert(performance.now() - startedAt > 490);
});

test('a link that hangs stays open, and nothing passes', async (t) => {
  const { proxy, client, gateway, got } = await link(t);
  proxy.hang();
  client.write('lost');
  gateway.write('lost');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(got, { gateway: 'hello', client: '' });
  assert(!client.destroyed && !gateway.destroyed);
});

for (const left of ['client', 'gateway'] as const)
  test(`of a half-open link the ${left} is not told that the other end is gone`, async (t) => {
    const { proxy, client, gateway } = await link(t);
    const [stays, goes] = left === 'client' ? [client, gateway] : [gateway, client];
    proxy.halfOpen(left);
    await until('the other end is gone', () => goes.destroyed);
    stays.write('into the void');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert(!stays.destroyed);
    assert.equal(proxy.links, 0);
  });

test('only the links that are chosen are struck', async (t) => {
  const { proxy, client } = await link(t);
  proxy.cut(() => false);
  assert.equal(proxy.links, 1);
  proxy.cut(() => true);
  await until('it is cut', () => client.destroyed && proxy.links === 0);
});
