/** Users as identity providers issue them: each has channels of its own, and is known by its `sub` everywhere. Over two gateways. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { SUBJECTS } from '../auth/testing/subjects.ts';
import { segmentOf } from '../auth/users.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { call, post } from './harness/http-client.ts';
import { Issuer } from './harness/issuer.ts';
import type { GatewayProcess } from './harness/processes.ts';
import { startTwoGateways, type TwoGateways } from './harness/two-gateways.ts';

const KEY = 'k'.repeat(32);
const AS_SERVER = { authorization: `Bearer ${KEY}` };
const MALLORY = 'auth0|mallory';

describe('users of identity providers', () => {
  let issuer: Issuer;
  let both: TwoGateways;
  let a: GatewayProcess;
  let b: GatewayProcess;
  const open: { destroy(): void }[] = [];
  before(async () => {
    issuer = await Issuer.start();
    both = await startTwoGateways({ ...issuer.env, API_KEYS: `backend:${KEY}` });
    ({ a, b } = both);
  });
  after(async () => {
    for (const client of open) client.destroy();
    await both?.stop();
    issuer?.stop();
  });

  /** `sub` may be a number, as the tokens of some providers have it. */
  const tokenOf = (sub: string | number, claims: object = {}) => issuer.signed({ sub: sub as string, ...claims });
  const connect = async (gateway: GatewayProcess, path: string, token: string) => {
    const client = new WsClient(`${gateway.url}${path}`, { protocols: ['passerelle', token] });
    open.push(client);
    return { client, first: await client.frames.next() };
  };
  const ask = async (client: WsClient, frame: object) => {
    client.send({ ...frame, ref: 'asked' });
    return client.frames.find(({ ref }) => ref === 'asked');
  };

  for (const { provider, sub, segment } of SUBJECTS) {
    const user = String(sub);
    const own = `notify:@${segment}`;

    test(`${provider}: has channels of its own, which nobody else reads or publishes to`, async () => {
      const { client, first } = await connect(a, '/ws', await tokenOf(sub));
      assert.deepEqual([first.type, first.user, first.me], ['welcome', user, `@${segment}`]);
      const { client: mallory } = await connect(b, '/ws', await tokenOf(MALLORY));
      for (const channel of [own, `dm:${first.me}`, `${first.me}`]) {
        if (channel.length > 128) continue;
        assert.equal((await ask(client, { type: 'subscribe', channel })).type, 'subscribed', channel);
        assert.equal((await ask(client, { type: 'history', channel })).type, 'history', channel);
        for (const type of ['subscribe', 'history', 'presence', 'publish'])
          assert.equal((await ask(mallory, { type, channel, data: 1 })).code, 'forbidden', `${type} ${channel}`);
        if (channel === own) continue; // servers only
        assert.equal((await ask(client, { type: 'publish', channel, data: 1 })).type, 'published', channel);
      }
      const { status } = await post(`${b.url}/api/publish`, { channel: own, data: 'from the backend' }, AS_SERVER);
      assert.equal(status, 200);
      const event = await client.frames.find((frame) => frame.type === 'event' && frame.channel === own);
      assert.equal(event.data, 'from the backend');
    });

    test(`${provider}: @me in its token is that channel, also of a stream`, async () => {
      const token = await tokenOf(sub, { subscribe: ['notify:@me'] });
      const stream = await SseClient.open(`${a.url}/events?channel=${own}`, { authorization: `Bearer ${token}` });
      open.push(stream);
      assert.equal((await stream.opened).statusCode, 200);
      const { client } = await connect(b, '/ws', token);
      assert.equal(
        (await ask(client, { type: 'subscribe', channel: `notify:@${segmentOf(MALLORY)}` })).code,
        'forbidden',
      );
    });

    test(`${provider}: notifications reach it, and what it has read stays read`, async () => {
      const token = await tokenOf(sub, { publish: ['notify:@*'] });
      const { client, first } = await connect(a, '/notifications', token);
      assert.deepEqual([first.type, first.user, first.me], ['history', user, `@${segment}`]);
      const { client: sender } = await connect(b, '/notifications', await tokenOf(MALLORY, { publish: 'notify:@*' }));
      const { id } = await ask(sender, { type: 'create', title: 'hello', to: sub });
      const notification = await client.frames.find(({ type }) => type === 'notification');
      assert.deepEqual([notification.id, notification.channel], [id, own]);
      client.send({ type: 'read', id });
      assert.equal((await client.frames.find(({ type }) => type === 'read')).unread, 0);
      const { first: again } = await connect(b, '/notifications', token);
      assert.equal(again.unread, 0);
      const { first: bySender } = await connect(b, '/notifications', await tokenOf(MALLORY));
      assert.ok(!JSON.stringify(bySender.notifications).includes('hello'));
    });

    test(`${provider}: is in rooms and in presence by its sub, ends by it, and its token can be revoked`, async () => {
      const jti = `token of ${provider}`;
      const { client } = await connect(a, '/ws', await tokenOf(sub, { jti }));
      await ask(client, { type: 'subscribe', channel: 'room' });
      const { client: room, first } = await connect(b, '/chat?room=r', await tokenOf(sub));
      assert.deepEqual([first.type, first.user, first.me], ['welcome', user, `@${segment}`]);
      assert.equal((await ask(room, { type: 'message', content: 'hi' })).type, 'published');
      await until('it is seen from elsewhere', async () => {
        const { json } = await call(`${b.url}/api/presence?channel=room`, { headers: AS_SERVER });
        return (json as { users: { user: unknown }[] }).users.some((each) => each.user === user);
      });
      const ended = await post(`${b.url}/api/disconnect`, { user: sub }, AS_SERVER);
      assert.equal(ended.status, 200, ended.text);
      for (const each of [client, room]) assert.equal((await each.closed).code, 4401);
      assert.equal((await post(`${a.url}/api/revoke`, { jti }, AS_SERVER)).status, 200);
      const { first: refused } = await connect(a, '/ws', await tokenOf(sub, { jti }));
      assert.equal(refused.code, 'unauthorized');
    });
  }

  test('a visitor without a sub has the rights that the token lists, and is nobody', async () => {
    const token = await issuer.signed({ sub: undefined as never, subscribe: ['news'], publish: 'news' });
    const { client, first } = await connect(a, '/ws', token);
    assert.deepEqual([first.type, first.user, first.me], ['welcome', null, null]);
    assert.equal((await ask(client, { type: 'subscribe', channel: 'news' })).type, 'subscribed');
    assert.equal((await ask(client, { type: 'publish', channel: 'news', data: 1 })).type, 'published');
    assert.equal((await ask(client, { type: 'subscribe', channel: 'other' })).code, 'forbidden');
    assert.equal((await ask(client, { type: 'subscribe', channel: `notify:@ada` })).code, 'forbidden');
    const fresh = await issuer.signed({ sub: undefined as never, subscribe: 'other' });
    assert.equal((await ask(client, { type: 'auth', token: fresh })).user, null);
    assert.equal((await ask(client, { type: 'auth', token: await tokenOf('ada') })).code, 'forbidden');
  });
});

describe('the samples of PROTOCOL.md', () => {
  const protocol = readFileSync(new URL('../../../gateway/PROTOCOL.md', import.meta.url), 'utf8');
  const sample = (language: string, name: string): string =>
    [...protocol.matchAll(/```(\w+)\n([\s\S]*?)```/g)].find(
      ([, of, code]) => of === language && code?.includes(name),
    )?.[2] ?? '';
  const users = [
    ...SUBJECTS.map(({ sub }) => String(sub)),
    ':',
    '|',
    'x'.repeat(119),
    'x'.repeat(120),
    'é'.repeat(19),
    'é'.repeat(20),
    '\0\n',
  ];
  const expected = users.map(segmentOf);
  const run = (program: string, args: readonly string[]) =>
    spawnSync(program, args, { input: JSON.stringify(users), encoding: 'utf8', timeout: 60_000 });

  test('compute segments as the gateway does, in Node.js', () => {
    const code = `${sample('js', 'segmentOf')}
      import { readFileSync } from 'node:fs';
      console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(segmentOf)));`;
    const { stdout, stderr } = run(process.execPath, ['--input-type=module', '--eval', code]);
    assert.deepEqual(JSON.parse(stdout || 'null'), expected, stderr);
  });

  test('compute segments as the gateway does, in Python', (t) => {
    if (spawnSync('python3', ['--version']).status !== 0) return t.skip('there is no python3 here');
    const code = `${sample('python', 'segment_of')}\nimport json, sys\nprint(json.dumps([segment_of(u) for u in json.load(sys.stdin)]))`;
    const { stdout, stderr } = run('python3', ['-c', code]);
    assert.deepEqual(JSON.parse(stdout || 'null'), expected, stderr);
  });
});
