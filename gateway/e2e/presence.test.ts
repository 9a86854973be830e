/** Who is in a channel, over several gateways, both transports, and the deaths of gateways. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { type Frame, SseClient, WsClient } from './harness/clients.ts';
import { call } from './harness/http-client.ts';
import type { GatewayProcess } from './harness/processes.ts';
import { startTwoGateways, type TwoGateways } from './harness/two-gateways.ts';

interface User {
  readonly connection: string;
  readonly user: string | null;
  readonly name: string | null;
  readonly connections: readonly string[];
}

/** Within this time whoever was on a killed gateway is announced as gone. */
const LEFT_WITHIN_MS = 45_000;

let channels = 0;
const newChannel = (namespace: string) => `${namespace}:presence-${++channels}`;

describe('presence', () => {
  let both: TwoGateways;
  let a: GatewayProcess;
  let b: GatewayProcess;
  const open: WsClient[] = [];
  before(async () => {
    both = await startTwoGateways();
    ({ a, b } = both);
  });
  after(async () => {
    for (const client of open) client.destroy();
    await both?.stop();
  });

  const connect = async (gateway: GatewayProcess, channel: string, query = '') => {
    const client = await WsClient.open(`${gateway.url}/ws${query}`);
    open.push(client);
    const { connection, resume } = await client.frames.find(({ type }) => type === 'welcome');
    client.send({ type: 'subscribe', channel });
    await client.frames.find(({ type }) => type === 'subscribed');
    return { client, connection: String(connection), resume: String(resume) };
  };
  const usersOf = async (gateway: GatewayProcess, channel: string): Promise<readonly User[]> => {
    const { status, json } = await call(`${gateway.url}/api/presence?channel=${encodeURIComponent(channel)}`);
    assert.equal(status, 200);
    const { users, count, complete } = json as { users: User[]; count: number; complete: boolean };
    assert.equal(count, users.length);
    assert.equal(complete, true);
    return users;
  };
  const connectionsIn = async (gateway: GatewayProcess, channel: string) =>
    (await usersOf(gateway, channel)).map(({ connection }) => connection).sort();
  const notices = (client: WsClient, type: 'joined' | 'left') =>
    client.frames.all.filter((frame) => frame.type === type);

  test('who subscribes over WebSocket or SSE, on whatever gateway, is listed by every gateway, until it goes', async () => {
    const channel = newChannel('room');
    const first = await connect(a, channel);
    const second = await connect(b, channel);
    const stream = await SseClient.open(`${b.url}/events?channel=${channel}`);
    await until('three are listed', async () => (await usersOf(a, channel)).length === 3);
    assert.deepEqual(await connectionsIn(a, channel), await connectionsIn(b, channel));
    first.client.send({ type: 'presence', channel, ref: 7 });
    const reply = await first.client.frames.find(({ type }) => type === 'presence');
    assert.equal(reply.ref, 7);
    assert.equal(reply.channel, channel);
    assert.equal(reply.count, 3);
    const own = (reply.users as User[]).find(({ connection }) => connection === first.connection);
    assert.deepEqual(own, {
      connection: first.connection,
      user: null,
      name: null,
      connections: [first.connection],
    });
    stream.destroy();
    second.client.send({ type: 'unsubscribe', channel });
    await until('one is left', async () => (await usersOf(b, channel)).length === 1);
    assert.deepEqual(await connectionsIn(b, channel), [first.connection]);
    await first.client.close();
    await until('nobody is left', async () => (await usersOf(a, channel)).length === 0);
    assert.equal(notices(first.client, 'joined').length, 0, 'this namespace does not announce');
  });

  test('where the namespace announces, joining and leaving are told to subscribers, with who it is', async () => {
    const channel = newChannel('chat');
    const watcher = await connect(a, channel);
    const other = await connect(b, channel);
    const joined = (connection: string) => (frame: Frame) => frame.type === 'joined' && frame.connection === connection;
    assert.deepEqual(await watcher.client.frames.find(joined(other.connection)), {
      type: 'joined',
      channel,
      connection: other.connection,
      user: null,
      name: null,
    });
    other.client.send({ type: 'unsubscribe', channel });
    const left = await watcher.client.frames.find(({ type }) => type === 'left');
    assert.deepEqual(left, { type: 'left', channel, connection: other.connection, user: null, name: null });
    other.client.send({ type: 'subscribe', channel });
    await watcher.client.frames.find(joined(other.connection));
    assert.equal(notices(watcher.client, 'left').length, 1);
  });

  test('who comes back in time with its resume token neither leaves nor joins; who does not has left once', async () => {
    const channel = newChannel('chat');
    const watcher = await connect(a, channel);
    const [returning, gone] = [await connect(b, channel), await connect(b, channel)];
    await until('all have joined', () => notices(watcher.client, 'joined').length === 3);
    returning.client.destroy();
    gone.client.destroy();
    const back = await connect(a, channel, `?resume=${returning.resume}`);
    const left = await watcher.client.frames.find(({ type }) => type === 'left');
    assert.equal(left.connection, gone.connection);
    assert.deepEqual(await connectionsIn(b, channel), [watcher.connection, back.connection].sort());
    assert.equal(notices(watcher.client, 'joined').length, 3);
    assert.equal(notices(watcher.client, 'left').length, 1);
  });

  test('a namespace with presence off says so, and so does a name that is none', async () => {
    const { status, json } = await call(`${a.url}/api/presence?channel=notify:all`);
    assert.equal(status, 400);
    assert.match(JSON.stringify(json), /presence off/);
    assert.equal((await call(`${a.url}/api/presence?channel=a%20b`)).status, 400);
    assert.equal((await call(`${a.url}/api/presence`)).status, 400);
  });

  test('a thousand members on three gateways, one of which is killed: the lists are exact, and each left once', async () => {
    const c = await both.another();
    const gateways = [a, b, c];
    const room = 'thousand';
    const watchers = [await connect(a, `chat:${room}`), await connect(b, `chat:${room}`)];
    const members: { readonly name: string; readonly client: WsClient; readonly gateway: GatewayProcess }[] = [];
    for (let from = 0; from < 1_000; from += 100) {
      const opened = Array.from({ length: 100 }, async (_, index) => {
        const gateway = gateways[(from + index) % 3] as GatewayProcess;
        const name = `M${from + index}`;
        const client = await WsClient.open(`${gateway.url}/chat?room=${room}&username=${name}&tail=0`);
        open.push(client);
        assert.equal((await client.frames.find(({ type }) => type === 'welcome')).username, name);
        return { name, client, gateway };
      });
      members.push(...(await Promise.all(opened)));
    }
    const namesOf = (those: typeof members) => those.map(({ name }) => name).sort();
    let askers = 0; // each has a name of its own: the one before it may be in the room still
    const listOn = async (gateway: GatewayProcess) => {
      const asked = await WsClient.open(`${gateway.url}/chat?room=${room}&username=Asker${++askers}`);
      asked.send({ type: 'get_users' });
      const { users } = await asked.frames.find(({ type }) => type === 'userlist');
      await asked.close();
      return (users as string[]).filter((name) => !isAsker(name));
    };
    for (const gateway of gateways) assert.deepEqual(await listOn(gateway), namesOf(members));
    for (const { client } of watchers) await until('every join was told', () => joinedNames(client).length === 1_000);

    await c.kill();
    const killedAt = performance.now();
    const lost = members.filter(({ gateway }) => gateway === c);
    const kept = members.filter(({ gateway }) => gateway !== c);
    for (const { client } of watchers) {
      const left = LEFT_WITHIN_MS - (performance.now() - killedAt);
      await until('every leave was told', () => leftNames(client).length >= lost.length, left);
    }
    for (const gateway of [a, b]) assert.deepEqual(await listOn(gateway), namesOf(kept));
    // The people in the room are told in its own words, and as often.
    const someone = kept[0]?.client;
    assert.ok(someone);
    const told = () =>
      someone.frames.all
        .flatMap(({ type, username }) => (type === 'user_left' ? [String(username)] : []))
        .filter((name) => !isAsker(name));
    await until('the room was told', () => told().length >= lost.length);
    const eachOnce = () => {
      for (const { client } of watchers) assert.deepEqual(leftNames(client).sort(), namesOf(lost));
      assert.deepEqual(told().sort(), namesOf(lost));
    };
    eachOnce();
    // Nor is anybody announced once more, by whoever looks after the dead gateway next: until all that may come has come.
    await passed(LEFT_WITHIN_MS - (performance.now() - killedAt));
    eachOnce();
    for (const gateway of [a, b]) assert.deepEqual(await listOn(gateway), namesOf(kept));
  });

  const isAsker = (name: string) => name.startsWith('Asker');
  const named = (client: WsClient, type: 'joined' | 'left') =>
    notices(client, type).flatMap(({ name }) => (typeof name === 'string' && !isAsker(name) ? [name] : []));
  const joinedNames = (client: WsClient) => named(client, 'joined');
  const leftNames = (client: WsClient) => named(client, 'left');
});

/** The one thing waited for here is time itself. */
function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
