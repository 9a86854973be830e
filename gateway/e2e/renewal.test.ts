/** What a fresh token changes for who is in a room, or reads notifications: the name, and what is allowed no more. (When it ends is in access.test.ts.) */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { connect } from './access-matrix.ts';
import type { Frame, WsClient } from './harness/clients.ts';
import { post } from './harness/http-client.ts';
import { type Claims, Issuer } from './harness/issuer.ts';
import { GatewayProcess } from './harness/processes.ts';

const KEY = 'a-key-of-the-tests';

describe('a fresh token', { concurrency: true }, () => {
  let issuer: Issuer;
  let gateway: GatewayProcess;
  const open: WsClient[] = [];
  let rooms = 0;

  before(async () => {
    issuer = await Issuer.start();
    gateway = await GatewayProcess.start({ env: { TOKEN_SECRET: issuer.secret, API_KEYS: `tests:${KEY}` } });
  });
  after(async () => {
    for (const client of open) client.destroy();
    await gateway?.kill();
    issuer?.stop();
  });

  const arrive = async (path: string, claims: Claims) => {
    const client = connect(gateway.url, path, { query: `token=${await issuer.signed(claims)}` });
    open.push(client);
    await client.opened;
    return client;
  };
  /** Somebody who is in the room already. */
  const enter = async (room: string, claims: Claims, more = '') => {
    const client = await arrive(`/chat?room=${room}${more}`, claims);
    const welcome = await client.frames.find(({ type }) => type === 'welcome');
    return { client, welcome };
  };
  const newRoom = () => `renewal-${++rooms}`;
  const auth = async (claims: Claims) => ({ type: 'auth', token: await issuer.signed(claims), ref: 'auth' });
  const typed = (type: string) => (frame: Frame) => frame.type === type;
  /** The frame whenever it came: replies and what everyone is told may overtake each other. */
  const heard = async (client: WsClient, wanted: (frame: Frame) => boolean): Promise<Frame> => {
    await until('it is heard', () => client.frames.all.some(wanted));
    return client.frames.all.find(wanted) as Frame;
  };
  const publish = async (channel: string, data: unknown) => {
    const { status } = await post(`${gateway.url}/api/publish`, { channel, data }, { authorization: `Bearer ${KEY}` });
    assert.equal(status, 200);
  };

  it('with another name renames its user, as everyone is told, between what was said before it and after it', async () => {
    const room = newRoom();
    const { client: bob } = await enter(room, { sub: 'bob', name: 'Bob' });
    const { client: ada } = await enter(room, { name: 'Ada' });
    const fresh = await auth({ name: 'Lady Ada' });
    ada.send({ type: 'message', content: 'before' });
    ada.send(fresh);
    ada.send({ type: 'message', content: 'after' });
    ada.send({ type: 'set_username', username: 'Ada', ref: 'back' });
    ada.send({ type: 'get_users', ref: 'users' });
    for (const each of [ada, bob]) {
      const { old_username, new_username } = await heard(each, typed('username_changed'));
      assert.deepEqual([old_username, new_username], ['Ada', 'Lady Ada']);
    }
    assert.equal((await heard(ada, ({ ref }) => ref === 'back')).code, 'forbidden');
    assert.deepEqual((await heard(ada, ({ ref }) => ref === 'users')).users, ['Bob', 'Lady Ada']);
    await heard(ada, ({ content }) => content === 'after');
    assert.deepEqual(
      ada.frames.all.filter(typed('message')).map(({ username, content }) => `${username}: ${content}`),
      ['Ada: before', 'Lady Ada: after'],
    );
    assert.equal(ada.frames.all.filter(typed('username_changed')).length, 1);
  });

  it('without a name leaves the name, which may then be set', async () => {
    const room = newRoom();
    const { client: ada } = await enter(room, { name: 'Ada' });
    ada.send(await auth({}));
    ada.send({ type: 'get_users' });
    assert.deepEqual((await ada.frames.find(typed('userlist'))).users, ['Ada']);
    ada.send({ type: 'set_username', username: 'Countess' });
    assert.equal((await ada.frames.find(typed('username_changed'))).new_username, 'Countess');
    ada.send(await auth({ name: 'Ada' }));
    assert.equal((await ada.frames.find(typed('username_changed'))).new_username, 'Ada');
  });

  it('with a name that another has does not leave its user the old one: the connection ends, and comes back under any other', async () => {
    const room = newRoom();
    await enter(room, { sub: 'bob', name: 'Bob' });
    const { client: ada, welcome } = await enter(room, { name: 'Admin' });
    ada.send(await auth({ name: 'bob' }));
    ada.send({ type: 'message', content: 'not as Admin' });
    assert.equal((await ada.frames.find(typed('error'))).code, 'name_taken');
    assert.equal((await ada.closed).code, 1013);
    assert.deepEqual(ada.frames.all.filter(typed('message')), []);
    const { client, welcome: back } = await enter(room, { name: 'bob' }, `&resume=${welcome.resume}`);
    assert.match(String(back.username), /^User\d{4}$/);
    // Whose token goes on with the same name goes on with the name it got.
    client.send(await auth({ name: 'bob' }));
    client.send({ type: 'get_users' });
    assert.deepEqual((await client.frames.find(typed('userlist'))).users, ['Bob', back.username].sort());
  });

  it('that does not allow the room ends the connection, and what was said after it is not said', async () => {
    const room = newRoom();
    const { client: bob } = await enter(room, { sub: 'bob' });
    const { client: ada } = await enter(room, {});
    ada.send({ type: 'message', content: 'allowed' });
    ada.send(await auth({ subscribe: ['chat:another'] }));
    ada.send({ type: 'message', content: 'not any more' });
    assert.equal((await ada.frames.find(typed('error'))).code, 'forbidden');
    assert.equal((await ada.closed).code, 4403);
    bob.send({ type: 'message', content: 'the last' });
    await bob.frames.find(({ content }) => content === 'the last');
    assert.deepEqual(
      bob.frames.all.filter(typed('message')).map(({ content }) => content),
      ['allowed', 'the last'],
    );
  });

  it('that does not allow to publish leaves its user to listen', async () => {
    const room = newRoom();
    const { client: ada } = await enter(room, {});
    ada.send(await auth({ publish: [] }));
    ada.send({ type: 'message', content: 'one', ref: 1 });
    assert.equal((await ada.frames.find(({ ref }) => ref === 1)).code, 'forbidden');
    await publish(`chat:${room}`, 'heard');
    await ada.frames.find(({ content }) => content === 'heard');
  });

  it('is taken in its turn where it comes before the connection has entered', async () => {
    const room = newRoom();
    const ada = await arrive(`/chat?room=${room}`, { name: 'Ada' });
    ada.send(await auth({ name: 'Lady Ada' }));
    await ada.frames.find(({ ref }) => ref === 'auth');
    await ada.frames.find(typed('username_changed'));
    assert.deepEqual(
      ada.frames.all
        .map(({ type }) => type)
        .filter((type) => ['welcome', 'authenticated', 'username_changed'].includes(type)),
      ['welcome', 'authenticated', 'username_changed'],
    );
  });

  it('that does not allow all channels of the notifications ends the connection, which hears nothing more', async () => {
    const readers = [
      { user: 'eve', subscribe: ['notify:all'], channel: 'notify:@eve' },
      { user: 'dan', subscribe: ['notify:@me'], channel: 'notify:all' },
    ];
    for (const { user, subscribe, channel } of readers) {
      const client = await arrive('/notifications', { sub: user });
      await client.frames.find(typed('history'));
      client.send(await auth({ sub: user, subscribe: ['notify:all', 'notify:@me'] }));
      await publish(channel, { title: 'heard' });
      await client.frames.find(({ title }) => title === 'heard');
      client.send(await auth({ sub: user, subscribe }));
      assert.equal((await client.frames.find(typed('error'))).code, 'forbidden');
      assert.equal((await client.closed).code, 4403);
    }
  });
});
