/** Tickets, ended connections and revoked tokens, over two gateways. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SignJWT } from 'jose';
import { until } from '../../broker/testing/until.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { type Answer, call, post } from './harness/http-client.ts';
import type { GatewayProcess } from './harness/processes.ts';
import { startTwoGateways, type TwoGateways } from './harness/two-gateways.ts';

const SECRET = 'a secret of more than thirty-two bytes';
const KEY = 'k'.repeat(32);
const AS_SERVER = { authorization: `Bearer ${KEY}` };

let ids = 0;

async function tokenOf(user: string, jti = `token-${++ids}`): Promise<string> {
  const claims = new SignJWT({ jti }).setProtectedHeader({ alg: 'HS256' }).setSubject(user).setExpirationTime('1h');
  return claims.sign(Buffer.from(SECRET));
}

/** So many were ended; of a gateway that did not answer within a second it is said that it is missing, and not how many it has ended. */
function assertEnded({ json }: Answer, count: number): void {
  const { disconnected, complete } = json as { disconnected: number; complete: boolean };
  assert.ok(complete ? disconnected === count : disconnected <= count, JSON.stringify(json));
}

describe('servers and tickets', () => {
  let both: TwoGateways;
  let a: GatewayProcess;
  let b: GatewayProcess;
  const open: { destroy(): void }[] = [];
  before(async () => {
    both = await startTwoGateways({ TOKEN_SECRET: SECRET, API_KEYS: `backend:${KEY}` });
    ({ a, b } = both);
  });
  after(async () => {
    for (const client of open) client.destroy();
    await both?.stop();
  });

  const ticketFor = async (gateway: GatewayProcess, token: string): Promise<string> => {
    const answer = await call(`${gateway.url}/api/ticket`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal(answer.status, 200, answer.text);
    const { ticket, expiresInMs } = answer.json as { ticket: string; expiresInMs: number };
    assert.match(ticket, /^[\w-]{21}$/);
    assert.ok(expiresInMs > 0 && expiresInMs <= 30_000);
    return ticket;
  };
  const connect = async (gateway: GatewayProcess, query: string) => {
    const client = new WsClient(`${gateway.url}/ws?${query}`);
    open.push(client);
    const first = await client.frames.next();
    return { client, first };
  };

  test('a ticket opens one connection, on any gateway, as the user of its token', async () => {
    const ticket = await ticketFor(a, await tokenOf('ada'));
    const { first } = await connect(b, `ticket=${ticket}`);
    assert.deepEqual([first.type, first.user], ['welcome', 'ada']);
    for (const gateway of [a, b]) {
      const { client, first: again } = await connect(gateway, `ticket=${ticket}`);
      assert.deepEqual([again.type, again.code], ['error', 'unauthorized']);
      assert.match(String(again.error), /used before/);
      assert.equal((await client.closed).code, 4401);
    }
    const stream = await SseClient.open(
      `${a.url}/events?channel=notify:@ada&ticket=${await ticketFor(b, await tokenOf('ada'))}`,
    );
    open.push(stream);
    assert.equal((await stream.opened).statusCode, 200);
  });

  test('of many who show one ticket at once, one gets in', async () => {
    const ticket = await ticketFor(a, await tokenOf('ada'));
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => (await connect(n % 2 === 0 ? a : b, `ticket=${ticket}`)).first.type),
    );
    assert.equal(outcomes.filter((type) => type === 'welcome').length, 1);
  });

  test('tickets are for users: not for servers, and not for nobody', async () => {
    assert.equal((await call(`${a.url}/api/ticket`, { method: 'POST', headers: AS_SERVER })).status, 403);
    assert.equal((await call(`${a.url}/api/ticket`, { method: 'POST' })).status, 401);
    assert.equal((await connect(a, 'ticket=guessed')).first.code, 'unauthorized');
  });

  test('a server ends the connections of a user, or one connection, on every gateway', async () => {
    const token = await tokenOf('bob');
    const mine = [await connect(a, `token=${token}`), await connect(b, `token=${token}`)];
    const other = await connect(b, `token=${await tokenOf('eve')}`);
    const stream = await SseClient.open(`${b.url}/events?channel=notify:@bob&token=${token}`);
    open.push(stream);
    await stream.blocks.next();
    assertEnded(await post(`${a.url}/api/disconnect`, { user: 'bob' }, AS_SERVER), 3);
    for (const { client } of mine) {
      assert.equal((await client.closed).code, 4401);
      assert.match(JSON.stringify(client.frames.all.at(-1)), /unauthorized.*ended by an administrator/);
    }
    await stream.closed;
    assertEnded(await post(`${a.url}/api/disconnect`, { connection: other.first.connection }, AS_SERVER), 1);
    assert.equal((await other.client.closed).code, 4401);
    assertEnded(await post(`${a.url}/api/disconnect`, { user: 'bob' }, AS_SERVER), 0);
  });

  test('a revoked token ends its connections and opens none, on every gateway, also one that starts later', async () => {
    const [token, fine] = [await tokenOf('carol', 'revoked-one'), await tokenOf('carol')];
    const gone = [await connect(a, `token=${token}`), await connect(b, `token=${token}`)];
    const stays = await connect(b, `token=${fine}`);
    const ticket = await ticketFor(a, token);
    assert.deepEqual((await post(`${a.url}/api/revoke`, { token }, AS_SERVER)).json, { revoked: true });
    for (const { client } of gone) assert.equal((await client.closed).code, 4401);
    const later = await both.another();
    try {
      for (const gateway of [a, b, later]) {
        await until('the token is refused', async () => {
          const { first } = await connect(gateway, `token=${token}`);
          return first.code === 'unauthorized' && /revoked/.test(String(first.error));
        });
        assert.equal((await call(`${gateway.url}/api/history?channel=x&token=${token}`)).status, 401);
      }
      assert.equal((await connect(later, `ticket=${ticket}`)).first.code, 'unauthorized');
      stays.client.send({ type: 'ping' });
      assert.equal((await stays.client.frames.next()).type, 'pong');
    } finally {
      await later.kill();
    }
  });

  test('only servers may end connections and revoke tokens, and what is wrong is said', async () => {
    const asUser = { authorization: `Bearer ${await tokenOf('ada')}` };
    for (const [path, body] of [
      ['/api/disconnect', { user: 'bob' }],
      ['/api/revoke', { jti: 'x' }],
    ] as const) {
      assert.equal((await post(`${a.url}${path}`, body)).status, 401);
      assert.equal((await post(`${a.url}${path}`, body, asUser)).status, 403);
    }
    for (const [path, body, why] of [
      ['/api/disconnect', {}, /either \\"user\\" or \\"connection\\"/],
      ['/api/disconnect', { user: 'a', connection: 'b' }, /either/],
      ['/api/revoke', { token: 'none' }, /revoke: /],
      ['/api/revoke', {}, /either \\"jti\\" or \\"token\\"/],
    ] as const) {
      const answer = await post(`${a.url}${path}`, body, AS_SERVER);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.text, why);
    }
  });
});
