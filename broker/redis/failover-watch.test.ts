import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Redis } from 'ioredis';
import { until } from '../testing/until.ts';
import { openSentinels } from './connections.ts';
import { FailoverWatch } from './failover-watch.ts';
import { startStandalone } from './testing/servers.ts';

it('leaves the master that was replaced, and no other connection', async (t) => {
  // A plain server takes the Sentinel's part: real ones publish nothing on demand.
  const [announcer, master, other] = await Promise.all([startStandalone(), startStandalone(), startStandalone()]);
  const redis = (url: string) => new Redis(url, { retryStrategy: () => 10 });
  const [toMaster, toOther, publisher] = [redis(master.url), redis(other.url), redis(announcer.url)];
  const portOf = (url: string) => Number(new URL(url).port);
  const target = {
    kind: 'sentinel' as const,
    sentinels: [{ host: '127.0.0.1', port: portOf(announcer.url) }],
    sentinelUsername: undefined,
    sentinelPassword: undefined,
    masterName: 'main',
    db: 0,
    tls: false,
    username: undefined,
    password: undefined,
  };
  const watch = new FailoverWatch(openSentinels(target, 1_000), 'main', () => [toMaster, toOther]);
  t.after(async () => {
    watch.close();
    for (const each of [toMaster, toOther, publisher]) each.disconnect();
    await Promise.all([announcer, master, other].map((server) => server.stop()));
  });
  await Promise.all([toMaster.ping(), toOther.ping()]);
  const made = { master: 0, other: 0 };
  toMaster.on('connect', () => made.master++);
  toOther.on('connect', () => made.other++);
  const announce = (name: string) =>
    publisher.publish('+switch-master', `${name} 127.0.0.1 ${portOf(master.url)} 127.0.0.1 ${portOf(other.url)}`);

  await until('the watch listens', async () => (await announce('another-master')) === 1);
  await announce('main');
  await until('the connection is made anew', () => made.master === 1);
  assert.equal(made.other, 0);
  assert.equal(await toMaster.ping(), 'PONG');

  // It listens again when its Sentinel comes back.
  await publisher.client('KILL', 'TYPE', 'pubsub');
  await until('the watch listens again', async () => (await announce('another-master')) === 1);
  await announce('main');
  await until('the connection is made anew', () => made.master === 2);
  assert.equal(made.other, 0);
});

it('leaves a replaced master also where the connection to it was just being made', async (t) => {
  const [announcer, master] = await Promise.all([startStandalone(), startStandalone()]);
  const publisher = new Redis(announcer.url);
  const portOf = (url: string) => Number(new URL(url).port);
  const target = {
    kind: 'sentinel' as const,
    sentinels: [{ host: '127.0.0.1', port: portOf(announcer.url) }],
    sentinelUsername: undefined,
    sentinelPassword: undefined,
    masterName: 'main',
    db: 0,
    tls: false,
    username: undefined,
    password: undefined,
  };
  const [server] = master.servers;
  assert.ok(server);
  // It takes connections, and answers none.
  server.pause();
  const toMaster = new Redis(master.url, { retryStrategy: () => 10, enableOfflineQueue: false });
  const watch = new FailoverWatch(openSentinels(target, 1_000), 'main', () => [toMaster]);
  t.after(async () => {
    server.resume();
    watch.close();
    for (const each of [toMaster, publisher]) each.disconnect();
    await Promise.all([announcer, master].map((each) => each.stop()));
  });
  const answers: string[] = [];
  toMaster.on('ready', () =>
    toMaster.ping().then(
      (answer) => answers.push(answer),
      () => answers.push('not sent'),
    ),
  );
  await until('the connection is being made', () => toMaster.status === 'connect');
  const announce = (name: string) =>
    publisher.publish('+switch-master', `${name} 127.0.0.1 ${portOf(master.url)} 127.0.0.1 1`);
  await until('the watch listens', async () => (await announce('another-master')) === 1);
  const listeners = toMaster.listenerCount('ready');
  await announce('main');
  await until('the watch has heard it', () => toMaster.listenerCount('ready') > listeners);
  server.resume();
  await until('the connection is made anew', () => answers.length === 2);
  // Whoever hears of the first one can send nothing on it any more.
  assert.deepEqual(answers, ['not sent', 'PONG']);
});
