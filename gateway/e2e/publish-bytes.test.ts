/** How many bytes may be published in a time: on a connection, by a user, by an API key and from an address, by every way to publish. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { WsClient } from './harness/clients.ts';
import { call, post, publish } from './harness/http-client.ts';
import { Issuer } from './harness/issuer.ts';
import { GatewayProcess } from './harness/processes.ts';

const PER_SECOND = 20_000;
/** The data of one event, as JSON. */
const BYTES = 1_000;
const TEXT = 'x'.repeat(BYTES - 2);
const KEY = 'k'.repeat(32);

type Env = Readonly<Record<string, string>>;

async function start(t: TestContext, env: Env): Promise<GatewayProcess> {
  const gateway = await GatewayProcess.start({ env });
  t.after(() => gateway.kill());
  return gateway;
}

async function connect(t: TestContext, gateway: GatewayProcess, path: string, headers: Env = {}): Promise<WsClient> {
  const client = await WsClient.open(`${gateway.url}${path}`, { headers });
  t.after(() => client.destroy());
  return client;
}

/** How many of so many frames are taken; the others are told of the limit. */
async function taken(client: WsClient, frame: object, count: number, told: RegExp): Promise<number> {
  for (let n = 0; n < count; n++) client.send({ ...frame, ref: n });
  const replies = () => client.frames.all.filter(({ ref }) => ref !== undefined);
  await until(`${count} replies`, () => replies().length >= count);
  const refused = replies().filter(({ type }) => type === 'error');
  for (const { code, error } of refused) {
    assert.equal(code, 'too_many');
    assert.match(String(error), told);
  }
  return count - refused.length;
}

/** Two seconds' worth at once, and then what came back in all the time that may have gone by. */
function assertLimited(accepted: number, begun: number, eachBytes = BYTES): void {
  const most = (PER_SECOND * (2 + (performance.now() - begun) / 1_000)) / eachBytes;
  const least = Math.floor((2 * PER_SECOND) / eachBytes);
  assert(accepted >= least && accepted <= most, `${accepted} were accepted, and ${least} to ${most} might have been`);
}

async function refusalsOf(gateway: GatewayProcess): Promise<Record<string, number>> {
  const { json } = await call(`${gateway.url}/stats`);
  return (json as { limit_refusals: Record<string, number> }).limit_refusals;
}

describe('published bytes per second', () => {
  let issuer: Issuer;
  before(async () => {
    issuer = await Issuer.start();
  });
  after(() => issuer?.stop());
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` });

  const ways = [
    { path: '/ws', frame: { type: 'publish', channel: 'limits', data: TEXT }, bytes: BYTES },
    { path: '/chat?room=r&username=Ada', frame: { type: 'message', content: TEXT }, bytes: BYTES + 31 },
    { path: '/notifications', frame: { type: 'create', title: 'a', message: TEXT }, bytes: BYTES + 42 },
  ];
  for (const { path, frame, bytes } of ways)
    test(`of one connection are limited on ${path}`, async (t) => {
      const gateway = await start(t, { MAX_PUBLISH_BYTES_PER_SECOND: String(PER_SECOND) });
      const client = await connect(t, gateway, path);
      const begun = performance.now();
      const told =
        /^More than 20000 bytes of data per second on this connection \(MAX_PUBLISH_BYTES_PER_SECOND\); .* again in \d+ ms$/;
      const accepted = await taken(client, frame, 100, told);
      assertLimited(accepted, begun, bytes);
      assert.equal((await refusalsOf(gateway)).connection_bytes, 100 - accepted);
      const other = await connect(t, gateway, path);
      assert.equal(await taken(other, frame, 1, told), 1, 'another connection has its own');
    });

  test('of one user are limited over all connections and by HTTP', async (t) => {
    const gateway = await start(t, { ...issuer.env, MAX_USER_PUBLISH_BYTES_PER_SECOND: String(PER_SECOND) });
    const token = async (sub: string) => bearer(await issuer.signed({ sub }));
    const told = /by this user \(MAX_USER_PUBLISH_BYTES_PER_SECOND\)/;
    const begun = performance.now();
    let accepted = 0;
    for (const path of ['/ws', '/ws']) {
      const client = await connect(t, gateway, path, await token('auth0|ada'));
      accepted += await taken(client, { type: 'publish', channel: 'limits', data: TEXT }, 15, told);
    }
    const publishes = Array.from({ length: 50 }, () => ({ channel: 'limits', data: TEXT }));
    const { json } = await post(`${gateway.url}/api/batch`, { publishes }, await token('auth0|ada'));
    const { results } = json as { results: { id?: string; error?: { code: string; message: string } }[] };
    for (const { error } of results) if (error !== undefined) assert.match(error.message, told);
    accepted += results.filter(({ id }) => id !== undefined).length;
    assertLimited(accepted, begun);
    const refused = await post(
      `${gateway.url}/api/publish`,
      { channel: 'limits', data: 'x'.repeat(39_000) },
      await token('auth0|ada'),
    );
    assert.equal(refused.status, 429);
    assert.match(String(refused.headers['retry-after']), /^[12]$/);
    assert.equal((await post(`${gateway.url}/api/publish`, publishes[0], await token('bob'))).status, 200);
  });

  test('of one API key, and of one address by HTTP and on connections, are limited', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'publish-bytes-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const channelsFile = join(folder, 'channels.json');
    writeFileSync(channelsFile, '{"namespaces":{"default":{"rights":{"publish":"everyone"}}}}');
    const gateway = await start(t, {
      API_KEYS: `shop:${KEY}`,
      ALLOW_ANONYMOUS: 'on',
      TRUSTED_PROXIES: '1',
      MAX_KEY_PUBLISH_BYTES_PER_SECOND: String(PER_SECOND),
      MAX_ADDRESS_PUBLISH_BYTES_PER_SECOND: String(PER_SECOND),
      CHANNELS_FILE: channelsFile,
    });
    const publishes = Array.from({ length: 60 }, () => ({ channel: 'limits', data: TEXT }));
    for (const [headers, told] of [
      [bearer(KEY), /by this API key \(MAX_KEY_PUBLISH_BYTES_PER_SECOND\)/],
      [{ 'X-Forwarded-For': '203.0.113.7' }, /from this address \(MAX_ADDRESS_PUBLISH_BYTES_PER_SECOND\)/],
    ] as const) {
      const begun = performance.now();
      const { json } = await post(`${gateway.url}/api/batch`, { publishes }, headers);
      const { results } = json as { results: { id?: string; error?: { code: string; message: string } }[] };
      for (const { error } of results) if (error !== undefined) assert.match(error.message, told);
      assertLimited(results.filter(({ id }) => id !== undefined).length, begun);
    }
    const begun = performance.now();
    const frame = { type: 'publish', channel: 'limits', data: TEXT };
    let accepted = 0;
    for (const address of ['2001:db8::1', '2001:db8::2', '2001:db8::3']) {
      const client = await connect(t, gateway, '/ws', { 'X-Forwarded-For': address });
      accepted += await taken(client, frame, 30, /from this address/);
    }
    assertLimited(accepted, begun);
    const { key_bytes = 0, address_bytes = 0, connection_bytes } = await refusalsOf(gateway);
    assert(key_bytes > 0 && address_bytes > 0);
    assert.equal(connection_bytes, 0);
  });

  test('let one event through that is larger than a second is worth', async (t) => {
    const gateway = await start(t, { MAX_PUBLISH_BYTES_PER_SECOND: '1000' });
    const client = await connect(t, gateway, '/ws');
    const frame = { type: 'publish', channel: 'limits', data: 'x'.repeat(50_000) };
    assert.equal(await taken(client, frame, 3, /again in (4[6-9]|50)\d{3} ms$/), 1);
  });

  test('are far from what a busy client needs, unless told otherwise', async (t) => {
    const gateway = await start(t, {});
    const client = await connect(t, gateway, '/ws');
    const frame = { type: 'publish', channel: 'limits', data: 'x'.repeat(60_000) };
    assert.equal(await taken(client, frame, 200, /never/), 200, '12 MB at once');
  });

  test('are kept up to what the namespace says, and what is gone is told', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'publish-bytes-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const channelsFile = join(folder, 'channels.json');
    writeFileSync(channelsFile, '{"namespaces":{"small":{"history":{"maxBytes":"2KB"}}}}');
    const gateway = await start(t, { CHANNELS_FILE: channelsFile });
    const ids: string[] = [];
    for (let n = 0; n < 10; n++) ids.push(await publish(gateway.url, 'small:a', 'x'.repeat(590)));
    const { json } = await call(`${gateway.url}/api/history?channel=small:a&after=0-0`);
    const { events, complete } = json as { events: { id: string }[]; complete: boolean };
    assert.deepEqual([events.map(({ id }) => id), complete], [ids.slice(-3), false]);
    const client = await connect(t, gateway, '/ws');
    client.send({ type: 'subscribe', channel: 'small:a', after: ids[2] });
    const { recovered, position } = await client.frames.find(({ type }) => type === 'subscribed');
    assert.deepEqual([recovered, position], [false, ids[6]]);
    assert.equal((await client.frames.next()).type, 'gap');
    for (const id of ids.slice(-3)) assert.equal((await client.frames.next()).id, id);
  });
});
