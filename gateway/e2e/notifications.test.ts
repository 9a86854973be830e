/** Notifications over two gateways: for everybody and for one, unread ones, marks that last, and coming back. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { type Frame, SseClient, WsClient } from './harness/clients.ts';
import { publish } from './harness/http-client.ts';
import type { GatewayProcess } from './harness/processes.ts';
import { startTwoGateways, type TwoGateways } from './harness/two-gateways.ts';

let users = 0;
const newUser = () => `user-${++users}`;

describe('notifications', () => {
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
    const client = await WsClient.open(`${gateway.url}/notifications?${new URLSearchParams(query)}`);
    open.push(client);
    const history = await client.frames.find(({ type }) => type === 'history');
    return { client, history };
  };
  const of = (frame: Frame) => (frame.notifications as Frame[]).map(({ title }) => title);
  const notified = (client: WsClient) => client.frames.all.filter(({ type }) => type === 'notification');
  const titled = (title: string) => (frame: Frame) => frame.type === 'notification' && frame.title === title;
  const isRead = ({ type }: Frame) => type === 'read';

  test('one for everybody reaches everybody, one for a user all connections of that user, on every gateway', async () => {
    const [ada, bob] = [newUser(), newUser()];
    const { client: ada1 } = await enter(a, { user: ada });
    const { client: ada2 } = await enter(b, { user: ada });
    const { client: bob1 } = await enter(b, { user: bob });
    const { client: nobody } = await enter(a, {});
    bob1.send({ type: 'create', title: 'for ada', message: 'm', priority: 'high', to: ada, ref: 1 });
    const { id } = await bob1.frames.find(({ ref }) => ref === 1);
    bob1.send({ type: 'create', title: 'for all' });
    for (const client of [ada1, ada2, bob1, nobody])
      await until(
        'all for it has come',
        () => notified(client).length === (client === ada1 || client === ada2 ? 2 : 1),
      );
    const timestamp = new Date(Number(String(id).split('-')[0])).toISOString();
    const expected = {
      type: 'notification',
      channel: `notify:@${ada}`,
      id,
      title: 'for ada',
      message: 'm',
      priority: 'high',
      timestamp,
    };
    for (const client of [ada1, ada2]) assert.deepEqual(notified(client).find(titled('for ada')), expected);
    for (const client of [bob1, nobody])
      assert.deepEqual(
        notified(client).map(({ title }) => title),
        ['for all'],
      );
    assert.equal(notified(nobody)[0]?.priority, 'normal');
    assert.equal(notified(nobody)[0]?.message, '');
  });

  test('the last ten of both channels come first, in the order of their ids; unread are those after the mark', async () => {
    const user = newUser();
    const { client: early, history: before } = await enter(a, { user });
    const { client: earlyThere } = await enter(b, { user });
    const sent: string[] = [];
    for (let n = 0; n < 12; n++) {
      const channel = n % 3 === 0 ? 'notify:all' : `notify:@${user}`;
      sent.push(await publish(b.url, channel, { title: `t${n}` }, { event: 'notification' }));
    }
    // Where a gateway stands is where it begins whoever comes to it then.
    for (const each of [early, earlyThere]) await until('they are everywhere', () => notified(each).length === 12);
    const { client, history } = await enter(a, { user });
    assert.deepEqual(
      of(history),
      Array.from({ length: 10 }, (_, i) => `t${i + 2}`),
    );
    assert.equal(history.unread, Number(before.unread) + 12);
    const { client: other } = await enter(b, { user });
    client.send({ type: 'read', id: sent[8] });
    for (const each of [client, other])
      assert.deepEqual(await each.frames.find(isRead), { type: 'read', id: sent[8], unread: 3 });
    // One that lies before the mark changes nothing, and one beyond everything marks what there is.
    other.send({ type: 'read', id: sent[2], ref: 'back' });
    assert.deepEqual(await other.frames.find(isRead), { type: 'read', ref: 'back', id: sent[8], unread: 3 });
    other.send({ type: 'read', id: '999999999999999-0' });
    for (const each of [client, other])
      assert.deepEqual(await each.frames.find(isRead), { type: 'read', id: sent[11], unread: 0 });
    const { client: creator } = await enter(b, {});
    creator.send({ type: 'create', title: 'new', to: user });
    await other.frames.find(titled('new'));
    assert.equal((await enter(b, { user })).history.unread, 1);
  });

  test('read marks and notifications are there after all gateways were killed', async () => {
    const user = newUser();
    const [c, d] = await Promise.all([both.another(), both.another()]);
    const { client } = await enter(c, { user });
    client.send({ type: 'create', title: 'one', to: user, ref: 1 });
    const { id } = await client.frames.find(({ ref }) => ref === 1);
    client.send({ type: 'create', title: 'two', to: user, ref: 2 });
    await client.frames.find(titled('two'));
    client.send({ type: 'read', id });
    const { unread } = await client.frames.find(isRead);
    await Promise.all([c.kill(), d.kill()]);
    const { history } = await enter(b, { user });
    assert.deepEqual(of(history).slice(-2), ['one', 'two']);
    assert.equal(history.unread, unread);
    assert.equal(history.unread, 1);
  });

  test('who comes back with a position, on another gateway, gets all that came since, once', async () => {
    const user = newUser();
    const { client, history } = await enter(a, { user });
    let [all = '', own = ''] = String(history.position).split('.');
    await publish(b.url, 'notify:all', { title: '1' });
    await publish(b.url, `notify:@${user}`, { title: '2' });
    await until('both came', () => notified(client).length === 2);
    for (const { channel, id } of notified(client)) {
      if (channel === 'notify:all') all = String(id);
      else own = String(id);
    }
    client.destroy();
    await publish(b.url, `notify:@${user}`, { title: '3' });
    const last = await publish(b.url, 'notify:all', { title: '4' });
    const { client: back, history: since } = await enter(b, { user, after: `${all}.${own}` });
    assert.deepEqual(of(since), ['3', '4']);
    await publish(a.url, `notify:@${user}`, { title: '5' });
    await back.frames.find(titled('5'));
    assert.equal(notified(back).length, 1);
    // One id for both channels: everything later in either.
    const { history: later, client: third } = await enter(a, { user, after: own });
    assert.deepEqual(of(later), ['3', '4', '5']);
    assert.equal(third.frames.all.filter(({ type }) => type === 'gap').length, 0);
    const { history: nobody } = await enter(a, { after: last });
    assert.deepEqual(of(nobody), []);
  });

  test('what cannot be had any more is told by a gap', async () => {
    const user = newUser();
    await publish(a.url, `notify:@${user}`, { title: 'kept' });
    const client = new WsClient(`${a.url}/notifications?user=${user}&after=0-0.5-5`);
    open.push(client);
    const gap = await client.frames.find(({ type }) => type === 'gap');
    assert.deepEqual([gap.channel, gap.after], [`notify:@${user}`, '5-5']);
    const history = await client.frames.find(({ type }) => type === 'history');
    assert.ok(of(history).includes('kept'));
  });

  test('a backlog that is larger than one frame may be follows in order', async () => {
    const user = newUser();
    const small = await both.another({ MAX_BODY_BYTES: '2048' });
    try {
      const message = 'm'.repeat(500);
      for (let n = 0; n < 20; n++) await publish(a.url, `notify:@${user}`, { title: `t${n}`, message });
      const { client, history } = await enter(small, { user, after: '0-0.0-0' });
      assert.ok(of(history).length < 20);
      const own = () =>
        [...(history.notifications as Frame[]), ...notified(client)].filter(({ channel }) => channel !== 'notify:all');
      await until('all came', () => own().length === 20);
      assert.deepEqual(
        own().map(({ title }) => title),
        Array.from({ length: 20 }, (_, n) => `t${n}`),
      );
    } finally {
      await small.kill();
    }
  });

  test('as an event stream they are events named notification', async () => {
    const user = newUser();
    const stream = await SseClient.open(`${a.url}/events?channel=notify:all&channel=notify:@${user}`);
    await stream.blocks.next();
    const { client } = await enter(b, {});
    client.send({ type: 'create', title: '<b>t</b>', message: 'line\nbreak', to: user });
    const block = await stream.blocks.next();
    assert.equal(block.event, 'notification');
    assert.deepEqual(JSON.parse(block.data ?? ''), { title: '<b>t</b>', message: 'line\nbreak', priority: 'normal' });
    stream.destroy();
  });

  test('what is wrong is answered in words', async () => {
    const { client } = await enter(a, { user: newUser() });
    for (const [sent, why] of [
      [{ type: 'create' }, /"title" must be text/],
      [{ type: 'create', title: '' }, /"title" must not be empty/],
      [{ type: 'create', title: 'x'.repeat(201) }, /"title" may have 200 characters/],
      [{ type: 'create', title: 't', priority: 'urgent' }, /"priority" must be one of "low", "normal", "high"/],
      [{ type: 'create', title: 't', to: '' }, /"to" must be 1 to 512 characters/],
      [{ type: 'read', id: 'x' }, /"id" must be an id/],
      [{ type: 'sing' }, /"type" is one of create, read, auth, ping/],
    ] as const) {
      client.send(sent);
      const refused = await client.frames.find(({ type }) => type === 'error');
      assert.equal(refused.code, 'bad_request');
      assert.match(String(refused.error), why);
    }
    for (const query of [
      `user=${'x'.repeat(513)}`,
      'user=',
      'after=never',
      'after=1-0.1-0',
      'user=x&after=1-0.1-0.1-0',
    ]) {
      const refused = new WsClient(`${a.url}/notifications?${query}`);
      assert.equal((await refused.frames.find(({ type }) => type === 'error')).code, 'bad_request');
      assert.equal((await refused.closed).code, 1008);
    }
  });
});
