/** A slot that moves to another node while its channel is in use. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Event, ORIGIN } from '../broker.ts';
import { retentionOf } from '../testing/harness.ts';
import { until } from '../testing/until.ts';
import { RedisBroker } from './engine.ts';
import { Keys, slotOf } from './keys.ts';
import { type RedisServer, startCluster } from './testing/servers.ts';
import { parseRedisUrl } from './url.ts';

it('follows a channel whose slot moves, and tells that its subscription was interrupted', async (t) => {
  const deployment = await startCluster();
  t.after(() => deployment.stop());
  const parsed = parseRedisUrl(deployment.url);
  assert.ok(parsed.ok);
  const broker = new RedisBroker({ target: parsed.target, retentionOf, prefix: 'p', timeoutMs: 2_000 });
  t.after(() => broker.close());
  const events: Event[] = [];
  const resubscribed: string[] = [];
  broker.listen({
    event: (_, event) => events.push(event),
    resubscribed: (channels) => resubscribed.push(...channels),
  });
  await broker.connect();
  // They live in slots of their own, and one stays where it is.
  const [moving, staying] = ['plain:moving', 'plain:staying'] as const;
  const sent: string[] = [];
  const publish = async (channel: string) => {
    await until('publishing works', async () => {
      const { id } = await broker.publish(channel, { name: 'message', data: String(sent.length) });
      sent.push(id);
      return true;
    });
  };
  for (const channel of [moving, staying]) {
    await broker.subscribe(channel);
    await publish(channel);
  }

  const key = new Keys('p').stream(moving);
  const source = await deployment.masterOf(key);
  const masters = await deployment.masters();
  const target = masters.find((master) => master !== source);
  assert.ok(target);
  const move = async (slot: number, keysThere: number) => {
    const [from, to] = [await idOf(source), await idOf(target)];
    await target.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from);
    await source.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to);
    const keys = await source.command('CLUSTER', 'GETKEYSINSLOT', slot, 100);
    assert.ok(Array.isArray(keys) && keys.length === keysThere);
    if (keysThere > 0)
      await source.command('MIGRATE', '127.0.0.1', target.port, '', 0, 5_000, 'KEYS', ...keys.map(String));
    for (const server of [target, source, ...masters]) await server.command('CLUSTER', 'SETSLOT', slot, 'NODE', to);
  };
  await move(slotOf(key), 2);

  await until('the interruption is told', () => resubscribed.includes(moving));
  assert.equal(resubscribed.includes(staying), false);
  for (const channel of [moving, staying]) await publish(channel);
  const last = sent.at(-2) ?? '';
  await until('both events arrive', () => [last, sent.at(-1)].every((id) => events.some((event) => event.id === id)));
  const page = await broker.readAfter(moving, ORIGIN, 10);
  assert.deepEqual([page.known, page.events.map(({ id }) => id)], [true, [sent[0], last]]);
  // New subscriptions on both nodes hold as well: no reply on the old connection was taken for another's.
  for (const channel of ['plain:1', 'plain:2', 'plain:3', 'plain:4', 'plain:5', 'plain:6']) {
    await broker.subscribe(channel);
    await publish(channel);
    await until('its event arrives', () => events.some(({ id }) => id === sent.at(-1)));
  }

  const probes = () => broker.shards('none:probe-');
  const before = probes();
  assert.equal(before.length, masters.length);
  const probe = before.find(({ name }) => name === `127.0.0.1:${source.port}`)?.channel ?? '';
  await broker.subscribe(probe);
  await move(slotOf(new Keys('p').events(probe)), 0);
  await until('the shard has another channel', () => !probes().some(({ channel }) => channel === probe));
  assert.deepEqual(
    probes().map(({ name }) => name),
    before.map(({ name }) => name),
  );
  for (const { channel } of probes()) {
    await broker.subscribe(channel);
    await until('what is published comes back', async () => {
      await broker.publish(channel, { name: 'message', data: JSON.stringify(channel) });
      return events.some(({ data }) => Buffer.from(data).toString() === JSON.stringify(channel));
    });
  }
  await broker.unsubscribe(probe);
  await until('the broker is ready', () => broker.status().ready);
});

async function idOf(server: RedisServer): Promise<string> {
  return String(await server.command('CLUSTER', 'MYID'));
}
