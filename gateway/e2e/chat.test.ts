/** The chat over two gateways: names, messages, who is there, and coming back. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { type Frame, WsClient } from './harness/clients.ts';
import { publish } from './harness/http-client.ts';
import type { GatewayProcess } from './harness/processes.ts';
import { startTwoGateways, type TwoGateways } from './harness/two-gateways.ts';

let rooms = 0;
const newRoom = () => `room-${++rooms}`;

describe('chat', () => {
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

  const enter = async (gateway: GatewayProcess, query: Readonly<Record<string, string>>) => {
    const client = await WsClient.open(`${gateway.url}/chat?${new URLSearchParams(query)}`);
    open.push(client);
    const welcome = await client.frames.find(({ type }) => type === 'welcome');
    return { client, welcome };
  };
  const said = (client: WsClient) => client.frames.all.filter(({ type }) => type === 'message');
  const heard = (client: WsClient, type: string) => client.frames.all.filter((frame) => frame.type === type);
  const usersOf = async (client: WsClient) => {
    client.send({ type: 'get_users' });
    return (await client.frames.find(({ type }) => type === 'userlist')).users as string[];
  };
  const isMessage = (content: string) => (frame: Frame) => frame.type === 'message' && frame.content === content;

  test('what is said on one gateway is heard on both, by everyone, once and in one order', async () => {
    const room = newRoom();
    const people = await Promise.all(
      [a, b, a, b].map((gateway, index) => enter(gateway, { room, username: `P${index}` })),
    );
    for (const [index, { client }] of people.entries())
      for (let n = 0; n < 25; n++) client.send({ type: 'message', content: `${index} ${n}` });
    for (const { client } of people) await until('all is heard', () => said(client).length === 100);
    const orders = people.map(({ client }) =>
      said(client).map(({ id, username, content }) => ({ id, username, content })),
    );
    for (const order of orders) assert.deepEqual(order, orders[0]);
    for (const index of people.keys()) {
      const own = orders[0]?.filter(({ username }) => username === `P${index}`).map(({ content }) => content);
      assert.deepEqual(
        own,
        Array.from({ length: 25 }, (_, n) => `${index} ${n}`),
      );
    }
    const [message] = said(people[0]?.client as WsClient);
    const ms = Number(String(message?.id).split('-')[0]);
    assert.equal(message?.timestamp, new Date(ms).toISOString());
    assert.deepEqual(Object.keys(message ?? {}).sort(), ['content', 'id', 'timestamp', 'type', 'username']);
  });

  test('the room is lobby and the name is User and four digits, unless given', async () => {
    const { client, welcome } = await enter(a, {});
    assert.equal(welcome.room, 'lobby');
    assert.match(String(welcome.username), /^User\d{4}$/);
    assert.deepEqual(await usersOf(client), [welcome.username]);
    await client.close();
  });

  test('joining, typing, a new name and leaving are told to everyone in the room, and to nobody else', async () => {
    const room = newRoom();
    const { client: ada } = await enter(a, { room, username: 'Ada' });
    const { client: elsewhere } = await enter(b, { room: newRoom(), username: 'Eve' });
    const { client: bob } = await enter(b, { room, username: 'Bob' });
    assert.equal((await ada.frames.find((f) => f.type === 'user_joined' && f.username === 'Bob')).username, 'Bob');
    bob.send({ type: 'typing' });
    bob.send({ type: 'set_username', username: ' Robert ' }); // so that he may have the new name when his typing is told
    assert.deepEqual(await ada.frames.find(({ type }) => type === 'typing'), { type: 'typing', username: 'Bob' });
    const changed = { type: 'username_changed', old_username: 'Bob', new_username: 'Robert' };
    for (const each of [ada, bob])
      assert.deepEqual(await each.frames.find(({ type }) => type === changed.type), changed);
    assert.deepEqual(await usersOf(ada), ['Ada', 'Robert']);
    assert.deepEqual(await usersOf(bob), ['Ada', 'Robert']);
    bob.send({ type: 'message', content: 'under the new name' });
    assert.equal((await ada.frames.find(isMessage('under the new name'))).username, 'Robert');
    await bob.close();
    const left = await ada.frames.find(({ type }) => type === 'user_left', 15_000);
    assert.deepEqual(left, { type: 'user_left', username: 'Robert' });
    assert.deepEqual(await usersOf(ada), ['Ada']);
    assert.equal(heard(bob, 'typing').length, 0, 'who types is not told');
    assert.deepEqual(
      heard(elsewhere, 'user_joined').map(({ username }) => username),
      ['Eve'],
    );
    assert.equal(heard(elsewhere, 'user_left').length, 0);
    assert.equal(heard(ada, 'user_left').length, 1);
  });

  test('a name that cannot be had is refused in words, and the old one stays', async () => {
    const room = newRoom();
    const { client: ada } = await enter(a, { room, username: 'Ada' });
    const { client, welcome } = await enter(b, { room, username: 'ADA' });
    const taken = await client.frames.find(({ type }) => type === 'error');
    assert.equal(taken.code, 'name_taken');
    assert.match(String(taken.error), /"ADA" is taken/);
    const cases: readonly (readonly [unknown, string, RegExp])[] = [
      ['x'.repeat(21), 'bad_request', /21 characters/],
      ['', 'bad_request', /is empty/],
      ['   ', 'bad_request', /is empty/],
      ['a\u0000b', 'bad_request', /control character/],
      ['a\nb', 'bad_request', /control character/],
      ['\u202eadA', 'bad_request', /direction of text/],
      ['A\u200bda', 'bad_request', /cannot be seen/],
      ['Ａda', 'name_taken', /taken/],
      [7, 'bad_request', /"username" must be text/],
    ];
    for (const [username, code, why] of cases) {
      client.send({ type: 'set_username', username, ref: 5 });
      const refused = await client.frames.find(({ type }) => type === 'error');
      assert.equal(refused.code, code, JSON.stringify(username));
      assert.equal(refused.ref, 5);
      assert.match(String(refused.error), why);
    }
    assert.deepEqual(await usersOf(ada), ['Ada', welcome.username].sort());
    for (const username of ['👩‍👩‍👧‍👦'.repeat(20), 'می‌خواهم', '<img src=x onerror=alert(1)>'.slice(0, 20)]) {
      client.send({ type: 'set_username', username });
      assert.equal((await ada.frames.find(({ type }) => type === 'username_changed')).new_username, username);
    }
  });

  test('of 50 connections on two gateways that ask for one name at once, one gets it', async () => {
    const room = newRoom();
    const opened = await Promise.all(
      Array.from({ length: 50 }, (_, index) => enter(index % 2 === 0 ? a : b, { room, username: 'Highlander' })),
    );
    const winners = opened.filter(({ welcome }) => welcome.username === 'Highlander');
    assert.equal(winners.length, 1);
    const [{ client } = { client: undefined }] = winners;
    assert.ok(client);
    assert.equal((await usersOf(client)).length, 50);

    // And so when all are in the room already.
    for (const other of opened) other.client.send({ type: 'set_username', username: 'Connor', ref: 'race' });
    const outcome = async (each: WsClient) => {
      const answered = (frame: Frame) => frame.ref === 'race' || frame.new_username === 'Connor';
      await each.frames.find(answered);
      return each.frames.all.some(({ ref }) => ref === 'race');
    };
    await Promise.all(opened.map((each) => outcome(each.client)));
    await until(
      'the others are refused',
      () => opened.filter((each) => heard(each.client, 'error').some(({ ref }) => ref === 'race')).length === 49,
    );
    const users = await usersOf(client);
    assert.equal(users.filter((user) => user === 'Connor').length, 1);
    assert.equal(new Set(users).size, 50);
    const toldOf = (each: WsClient) =>
      heard(each, 'username_changed').filter((frame) => frame.new_username === 'Connor');
    await until('everybody is told', () => opened.every((each) => toldOf(each.client).length > 0));
    for (const each of opened) assert.equal(toldOf(each.client).length, 1);
    await Promise.all(opened.map((each) => each.client.close()));
  });

  test('a backlog comes on joining; who comes back after a position has none, and misses nothing', async () => {
    const room = newRoom();
    const { client: ada } = await enter(a, { room, username: 'Ada' });
    for (let n = 1; n <= 30; n++) ada.send({ type: 'message', content: String(n), ref: n });
    await ada.frames.find(({ ref }) => ref === 30);
    const { client: bob, welcome: first } = await enter(b, { room, username: 'Bob' });
    await until('the backlog is there', () => said(bob).length === 20);
    assert.deepEqual(
      said(bob).map(({ content }) => Number(content)),
      Array.from({ length: 20 }, (_, i) => i + 11),
    );
    const last = String(said(bob).at(-1)?.id);
    bob.destroy();
    ada.send({ type: 'message', content: 'meanwhile', ref: 'm' });
    await ada.frames.find(({ ref }) => ref === 'm');
    const resume = String(first.resume);
    const { client: back, welcome } = await enter(a, { room, username: 'Bob', after: last, resume });
    assert.deepEqual([welcome.recovered, welcome.position, welcome.username], [true, last, 'Bob']);
    await back.frames.find(isMessage('meanwhile'));
    ada.send({ type: 'message', content: 'after' });
    await back.frames.find(isMessage('after'));
    assert.deepEqual(
      said(back).map(({ content }) => content),
      ['meanwhile', 'after'],
    );
    const { client: fresh } = await enter(a, { room, tail: '0' });
    ada.send({ type: 'message', content: 'fresh' });
    await fresh.frames.find(isMessage('fresh'));
    assert.equal(said(fresh).length, 1);
    assert.equal(heard(ada, 'user_left').length, 0, 'who comes back at once has not left');
    assert.equal(heard(ada, 'user_joined').filter(({ username }) => username === 'Bob').length, 1);
  });

  test('whose gateway is killed comes back on another one with the name: nobody sees a leave or a join', async () => {
    const room = newRoom();
    const doomed = await both.another();
    const { client: ada } = await enter(a, { room, username: 'Ada' });
    const { client: bob, welcome } = await enter(doomed, { room, username: 'Bob' });
    await enter(doomed, { room, username: 'Ghost' });
    await ada.frames.find((frame) => frame.type === 'user_joined' && frame.username === 'Ghost');
    await doomed.kill();
    await bob.closed;
    const { welcome: thief } = await enter(b, { room, username: 'Bob' });
    assert.match(String(thief.username), /^User\d{4}$/, 'the name is held for who proves to be Bob');
    const forged = `${String(welcome.resume).split('.')[0]}.${'x'.repeat(22)}`;
    const { welcome: forger } = await enter(b, { room, username: 'Bob', resume: forged });
    assert.match(String(forger.username), /^User\d{4}$/);
    const { welcome: back, client } = await enter(b, { room, username: 'Bob', resume: String(welcome.resume) });
    assert.equal(back.username, 'Bob');
    assert.deepEqual(
      (await usersOf(client)).filter((user) => user === 'Bob'),
      ['Bob'],
    );
    // When the dead gateway's members are removed, this one is none of them.
    await ada.frames.find(({ type }) => type === 'user_left', 45_000);
    assert.deepEqual(
      heard(ada, 'user_left').map(({ username }) => username),
      ['Ghost'],
    );
    assert.equal(heard(ada, 'user_joined').filter(({ username }) => username === 'Bob').length, 1);
  });

  test('who leaves on a draining gateway and comes back on another keeps the name', async () => {
    const room = newRoom();
    const draining = await both.another();
    const { client: ada } = await enter(a, { room, username: 'Ada' });
    const { client: bob } = await enter(draining, { room, username: 'Bob' });
    const { client: gone } = await enter(draining, { room, username: 'Gone' });
    await ada.frames.find((frame) => frame.type === 'user_joined' && frame.username === 'Gone');
    const stopped = draining.stop();
    await Promise.all([bob.closed, gone.closed]);
    const { welcome } = await enter(b, { room, username: 'Bob' });
    assert.equal(welcome.username, 'Bob');
    assert.equal(await stopped, 0);
    const left = await ada.frames.find(({ type }) => type === 'user_left', 45_000);
    assert.equal(left.username, 'Gone');
    assert.deepEqual(
      heard(ada, 'user_left').map(({ username }) => username),
      ['Gone'],
    );
  });

  test('a name whose taking was never answered is free again for others', async () => {
    const room = newRoom();
    const hasty = await both.another({ REDIS_TIMEOUT_MS: '1500' });
    try {
      // With somebody there already, all that Redis is asked for is the name.
      await enter(hasty, { room, username: 'Ada', tail: '0' });
      for (const server of both.redis.servers) server.pause();
      const lost = new WsClient(`${hasty.url}/chat?room=${room}&username=Bob&tail=0`);
      assert.equal((await lost.closed).code, 1013);
      for (const server of both.redis.servers) server.resume();
      await until('Bob is free', async () => {
        const { client, welcome } = await enter(b, { room, username: 'Bob' });
        if (welcome.username === 'Bob') return true;
        await client.close();
        return false;
      });
    } finally {
      for (const server of both.redis.servers) server.resume();
      await hasty.kill();
    }
  });

  test('what a server publishes to the room is shown as it is', async () => {
    const room = newRoom();
    const { client } = await enter(a, { room });
    const channel = `chat:${room}`;
    await publish(b.url, channel, { username: 'Server', content: 'hello' });
    await publish(b.url, channel, 'only text', { event: 'other' });
    await publish(b.url, channel, { some: ['thing'] });
    await until('all are heard', () => said(client).length === 3);
    assert.deepEqual(
      said(client).map(({ username, content }) => [username, content]),
      [
        ['Server', 'hello'],
        ['', 'only text'],
        ['', '{"some":["thing"]}'],
      ],
    );
  });

  test('what is no command, and what is wrong in the URL, is answered in words', async () => {
    const { client } = await enter(a, { room: newRoom() });
    for (const [sent, why] of [
      ['no json', /"type" is one of set_username, message/],
      [{ type: 'dance' }, /"type" is one of/],
      [{ type: 'message' }, /"content" must be text/],
      [{ type: 'message', content: ' ' }, /"content" must not be empty/],
    ] as const) {
      client.send(sent);
      const refused = await client.frames.find(({ type }) => type === 'error');
      assert.equal(refused.code, 'bad_request');
      assert.match(String(refused.error), why);
    }
    for (const [query, why] of [
      ['room=a%20b', /"room" must be/],
      ['room=', /"room" must/],
      ['after=yesterday', /"after" must be an id/],
      ['tail=many', /"tail" must be/],
      ['tail=5&after=1-0', /not both/],
    ] as const) {
      const refused = new WsClient(`${a.url}/chat?${query}`);
      assert.match(String((await refused.frames.find(({ type }) => type === 'error')).error), why);
      assert.equal((await refused.closed).code, 1008);
    }
    const trimmed = await enter(a, { room: newRoom(), after: '5-5' });
    assert.equal(trimmed.welcome.recovered, false);
    assert.equal((await trimmed.client.frames.find(({ type }) => type === 'gap')).after, '5-5');
  });

  test('who comes out of a standstill says nothing under a name that somebody else has by now', async () => {
    const room = newRoom();
    const stalled = await both.another();
    const { client: ada } = await enter(stalled, { room, username: 'Ada' });
    const { client: witness } = await enter(a, { room, username: 'Witness' });
    stalled.signal('SIGSTOP');
    try {
      ada.send({ type: 'message', content: 'from beyond', ref: 'stale' });
      // Once the others have taken the gateway for dead.
      await until(
        'its name is free',
        () => heard(witness, 'user_left').some(({ username }) => username === 'Ada'),
        90_000,
      );
      const { welcome, client: successor } = await enter(b, { room, username: 'Ada' });
      assert.equal(welcome.username, 'Ada');
      successor.send({ type: 'message', content: 'I am Ada' });
      await witness.frames.find(isMessage('I am Ada'));
      stalled.signal('SIGCONT');
      const { code } = await ada.frames.find(({ ref }) => ref === 'stale');
      assert.equal(code, 'unavailable');
      const { new_username: renamed } = await ada.frames.find(({ type }) => type === 'username_changed');
      assert.notEqual(renamed, 'Ada');
      ada.send({ type: 'message', content: 'under another name' });
      const { username } = await witness.frames.find(isMessage('under another name'));
      assert.equal(username, renamed);
      assert.ok(!said(witness).some(({ content }) => content === 'from beyond'));
    } finally {
      stalled.signal('SIGCONT');
      await stalled.kill();
    }
  });

  test('who comes out of a standstill under a name that nobody took goes on under it', async () => {
    const room = newRoom();
    const stalled = await both.another();
    const { client: ada } = await enter(stalled, { room, username: 'Ada' });
    const { client: witness } = await enter(a, { room, username: 'Witness' });
    stalled.signal('SIGSTOP');
    try {
      await until(
        'it counts as dead',
        () => heard(witness, 'user_left').some(({ username }) => username === 'Ada'),
        90_000,
      );
      stalled.signal('SIGCONT');
      await until('it is there again', () => heard(witness, 'user_joined').some(({ username }) => username === 'Ada'));
      const said = async () => {
        ada.send({ type: 'message', content: 'back', ref: 'back' });
        return (await ada.frames.find(({ ref }) => ref === 'back')).type === 'published';
      };
      await until('it speaks again', said);
      assert.equal((await witness.frames.find(isMessage('back'))).username, 'Ada');
    } finally {
      stalled.signal('SIGCONT');
      await stalled.kill();
    }
  });
});
