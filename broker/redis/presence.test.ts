/** What presence in Redis does with more than one page of members, and when something of it was lost. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { noticesOf } from '../presence.ts';
import { fresh, numbers, Recorder } from '../testing/events.ts';
import { retentionOf } from '../testing/harness.ts';
import { joining, listOf, memberOf, type OpenGateway, openSide, type Side, told } from '../testing/presence.ts';
import { until } from '../testing/until.ts';
import { RedisBroker } from './engine.ts';
import { Keys } from './keys.ts';
import { type RedisDeployment, type RedisServer, startStandalone } from './testing/servers.ts';
import { parseRedisUrl } from './url.ts';

const PREFIX = 'p';

describe('presence in Redis', () => {
  let deployment: RedisDeployment;
  let server: RedisServer;
  const brokers: RedisBroker[] = [];
  before(async () => {
    deployment = await startStandalone();
    const [only] = deployment.servers;
    assert.ok(only);
    server = only;
  });
  after(async () => {
    for (const broker of brokers) await broker.close();
    await deployment?.stop();
  });

  const keys = new Keys(PREFIX);
  const open: OpenGateway = async (graceMs) => {
    const parsed = parseRedisUrl(deployment.url);
    assert.ok(parsed.ok);
    const broker = new RedisBroker({ target: parsed.target, retentionOf, prefix: PREFIX, timeoutMs: 60_000, graceMs });
    brokers.push(broker);
    const heard = new Recorder();
    broker.listen(heard);
    await broker.connect();
    return { broker, heard };
  };
  const scene = async (): Promise<{ one: Side; dead: Side; channel: string }> => {
    const [one, dead] = [await openSide(open, 0), await openSide(open, 0)];
    const channel = fresh('plain');
    await one.broker.subscribe(noticesOf(channel));
    return { one, dead, channel };
  };
  const count = async (...command: [string, string]): Promise<number> => Number(await server.command(...command));

  it('lists the others where something was stored among the members that is none', async () => {
    const { one, channel } = await scene();
    const member = joining(one, { user: 'u' });
    await one.presence.join(channel, member);
    const by = JSON.stringify(one.gateway);
    const entries = [`${by}`, `${by}\n`, `${by}\n"u`, `${by}\n7\n"n"`, `${by}\n"u"\n{}`, `${by}\nnull\nundefined`];
    for (const [index, entry] of entries.entries())
      await server.command('HSET', keys.members(channel), `"c${index}"`, entry);
    await server.command('HSET', keys.members(channel), 'no JSON', `${by}\n"u"\n"n"`);
    await server.command('HSET', keys.members(channel), 'null', `${by}\n"u"\n"n"`);
    assert.deepEqual(await listOf(one, channel), [memberOf(member)]);
  });

  it('removes a dead gateway from a channel and from many channels, however many they are', async () => {
    const { one, dead, channel } = await scene();
    const stay = numbers(1_500).map((n) => joining(one, { user: `stay ${n}` }));
    const go = numbers(1_500).map((n) => joining(dead, { user: `go ${n}`, name: n, claim: n }));
    const channels = numbers(1_200).map(() => fresh('plain'));
    await Promise.all([...stay, ...go].map((each) => dead.presence.join(channel, each)));
    await Promise.all(channels.map((each) => dead.presence.join(each, joining(dead))));
    assert.equal(await count('HLEN', keys.channelsOf(dead.gateway)), 1_201);
    await dead.presence.endLease(dead.gateway);
    const counts = await Promise.all([one, dead, one].map(({ presence }) => presence.removeDead()));
    assert.deepEqual(counts.sort(), [0, 0, 1]);
    assert.equal((await listOf(one, channel)).length, 1_500);
    const left = (await told(one, channel)).filter(([what]) => what === 'left').map(([, connection]) => connection);
    assert.deepEqual(left.sort(), go.map(({ connection }) => connection).sort());
    const names = await server.command('KEYS', '*');
    assert.ok(Array.isArray(names));
    const emptied = [keys.channelsOf(dead.gateway), ...channels.map((each) => keys.members(each))];
    assert.deepEqual(
      emptied.filter((name) => names.includes(name)),
      [],
    );
  });

  it('leaves a dead gateway to the one that is at work on it, until that one has had its time', async () => {
    const { one, dead, channel } = await scene();
    await dead.presence.join(channel, joining(dead));
    await dead.presence.endLease(dead.gateway);
    // As one that died while it was at work would leave it.
    const untilMs = Date.now() + 500;
    await server.command('ZADD', keys.removals(), untilMs, dead.gateway);
    const early = await one.presence.removeDead();
    if (Date.now() < untilMs) assert.equal(early, 0);
    await until('another takes over', async () => (await one.presence.removeDead()) + early === 1);
    assert.ok(Date.now() >= untilMs);
    assert.equal((await told(one, channel)).length, 2);
    assert.equal(await count('EXISTS', keys.removals()), 0);
  });

  it('forgets no gateway that enters members while it is being removed', async () => {
    const { one, dead, channel } = await scene();
    await dead.presence.join(channel, joining(dead));
    await dead.presence.endLease(dead.gateway);
    // One page of channels is read; this is what comes after.
    await server.command('HSET', keys.channelsOf(dead.gateway), channel, 'another mark');
    await server.command('HSET', keys.index(channel), `g${JSON.stringify(dead.gateway)}`, 2);
    assert.equal(await one.presence.removeDead(), 0);
    assert.equal(await dead.presence.renewLease(dead.gateway, 1_000), false);
    assert.equal(await count('EXISTS', keys.channelsOf(dead.gateway)), 1);
    // When the one at work has had its time, the next one finds the rest.
    await server.command('DEL', keys.removals());
    assert.equal(await one.presence.removeDead(), 1);
    assert.equal(await count('EXISTS', keys.channelsOf(dead.gateway)), 0);
  });

  it('takes an index that has outlived its members for nothing', async () => {
    const { one, dead, channel } = await scene();
    await one.presence.join(channel, joining(one, { user: 'ann', claim: 'n' }));
    await server.command('DEL', keys.members(channel));
    const bob = joining(one, { user: 'bob', claim: 'n' });
    assert.equal(await one.presence.join(channel, bob), true);
    assert.deepEqual(await listOf(one, channel), [memberOf(bob)]);
    await one.presence.leave(channel, bob.connection);
    assert.deepEqual(await server.command('KEYS', `*${channel}*`), []);

    await dead.presence.join(channel, joining(dead));
    await server.command('DEL', keys.members(channel));
    await dead.presence.endLease(dead.gateway);
    assert.equal(await one.presence.removeDead(), 1);
    assert.deepEqual(await server.command('KEYS', `*${channel}*`), []);
  });

  it('lets members who have outlived their index leave, and tells of it', async () => {
    const { one, channel } = await scene();
    const [a, b] = [joining(one, { user: 'ann', claim: 'n' }), joining(one, { user: 'bob' })];
    for (const each of [a, b]) await one.presence.join(channel, each);
    await server.command('DEL', keys.index(channel));
    for (const { connection } of [a, b]) await one.presence.leave(channel, connection);
    assert.equal((await told(one, channel)).length, 4);
    assert.deepEqual(await server.command('KEYS', `*${channel}*`), []);
  });

  it('lets members leave when the memory of Redis is full', async (t) => {
    const { one, channel } = await scene();
    const a = joining(one, { claim: 'a' });
    await one.presence.join(channel, a);
    await server.command('CONFIG', 'SET', 'maxmemory', 1);
    t.after(() => server.command('CONFIG', 'SET', 'maxmemory', 0));
    await assert.rejects(one.presence.join(channel, joining(one)), /OOM/);
    await one.presence.leave(channel, a.connection);
    await one.presence.endLease(one.gateway);
    assert.equal(await one.presence.removeDead(), 1);
    await server.command('CONFIG', 'SET', 'maxmemory', 0);
    assert.equal((await told(one, channel)).length, 2);
  });
});
