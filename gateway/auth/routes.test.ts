import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { BrokerUnavailable } from '../../broker/broker.ts';
import type { FleetAsk } from '../fleet/fleet-asks.ts';
import { type Outcome, UNAVAILABLE } from '../operations.ts';
import { loadNamespaces } from '../settings/namespaces.ts';
import { parseApiKeys } from './api-keys.ts';
import { parseSecret } from './keys.ts';
import { ANONYMOUS, type Caller, Rights } from './rights.ts';
import { type AuthRouteParts, authRoutes } from './routes.ts';
import { TokenVerifier } from './tokens.ts';

const SECRET = 'a secret of thirty-two bytes, or more';
const NOW_S = 1_800_000_000;

const ada: Caller = {
  kind: 'user',
  identity: {
    user: 'ada',
    segment: 'ada',
    name: null,
    expiresAtMs: undefined,
    tokenId: undefined,
    subscribe: undefined,
    publish: undefined,
  },
};

function server(): Caller {
  const parsed = parseApiKeys('shop:k3y-of-the-shop-0001');
  const [key] = parsed.ok ? parsed.value : [];
  assert.ok(key);
  return { kind: 'key', key };
}

function rights(): Rights {
  const loaded = loadNamespaces('channels.json', () => '{"namespaces":{}}');
  assert.ok(loaded.ok);
  return new Rights(loaded.namespaces, false);
}

function verifier(): TokenVerifier {
  const key = parseSecret(SECRET);
  assert.ok(key.ok);
  const rules = {
    issuer: undefined,
    audience: undefined,
    clockToleranceSeconds: 5,
    expiryRequired: true,
  };
  return new TokenVerifier({ keys: [key.value], keySet: undefined, rules, now: () => NOW_S * 1_000 });
}

const token = (claims: { exp: number; jti?: string }, secret = SECRET) =>
  new SignJWT({ sub: 'ada', ...claims }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret));

function scene(given: Partial<AuthRouteParts> = {}) {
  const asked: FleetAsk[] = [];
  const revoked: [string, number | undefined][] = [];
  const routes = authRoutes({
    rights: rights(),
    tickets: { issue: async ({ user }) => ({ ticket: `for ${user}`, expiresInMs: 30_000 }) },
    revocations: {
      revoke: async (...each) => {
        revoked.push(each);
        return true;
      },
    },
    tokens: verifier(),
    fleet: {
      ask: async (ask) => {
        asked.push(ask);
        return { answers: [2, 0, 1], missing: [] };
      },
    },
    operations: {
      ask: async (task) => {
        try {
          return { ok: true, fields: await task() };
        } catch (error) {
          assert.ok(error instanceof BrokerUnavailable);
          return { ok: false, refusal: UNAVAILABLE };
        }
      },
    },
    ...given,
  });
  return { routes, asked, revoked };
}

function fields(outcome: Outcome): Record<string, unknown> {
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.refusal.error);
  return outcome.fields;
}

function refusal(outcome: Outcome): [code: string, error: string] {
  assert.ok(!outcome.ok, 'was answered');
  return [outcome.refusal.code, outcome.refusal.error];
}

const away = () => Promise.reject(new BrokerUnavailable('away'));

test('a user gets a ticket, a server and somebody anonymous get none', async () => {
  const { routes } = scene();
  const ticket = routes['/api/ticket'];
  assert.deepEqual(fields(await ticket(ada, undefined)), {
    ticket: 'for ada',
    expiresInMs: 30_000,
    user: 'ada',
    me: '@ada',
  });
  assert.equal(refusal(await ticket(server(), undefined))[0], 'forbidden');
  assert.equal(refusal(await ticket(ANONYMOUS, undefined))[0], 'unauthorized');
  const [code, error] = refusal(await ticket({ ...ada, byTicket: true }, undefined));
  assert.equal(code, 'forbidden', 'a ticket buys no other ticket');
  assert.match(String(error), /buys no other ticket/);
});

test('only who manages may end connections and revoke tokens', async () => {
  const { routes, asked, revoked } = scene();
  for (const caller of [ada, ANONYMOUS]) {
    assert.equal(refusal(await routes['/api/disconnect'](caller, { user: 'ada' }))[0], 'forbidden');
    assert.equal(refusal(await routes['/api/revoke'](caller, { jti: 'T1' }))[0], 'forbidden');
  }
  assert.deepEqual([asked, revoked], [[], []]);
});

test('connections are ended on all gateways, and it is told how many they were', async () => {
  const { routes, asked } = scene();
  const disconnect = routes['/api/disconnect'];
  assert.deepEqual(fields(await disconnect(server(), { user: 'ada' })), { disconnected: 3, complete: true });
  await disconnect(server(), { connection: 'c1' });
  await disconnect(server(), { user: 7 });
  assert.deepEqual(asked, [
    { kind: 'disconnect', user: 'ada' },
    { kind: 'disconnect', connection: 'c1' },
    { kind: 'disconnect', user: '7' },
  ]);
  const partly = scene({ fleet: { ask: async () => ({ answers: [2], missing: ['b.1'] }) } });
  const outcome = await partly.routes['/api/disconnect'](server(), { user: 'ada' });
  assert.deepEqual(fields(outcome), { disconnected: 2, complete: false });
});

test('what to disconnect must be said, and once', async () => {
  const { routes, asked } = scene();
  const wrong = [
    undefined,
    null,
    [],
    {},
    { user: 1.5 },
    { user: 'x'.repeat(513) },
    { user: '' },
    { user: 'a', connection: 'b' },
  ];
  for (const body of wrong)
    assert.equal(refusal(await routes['/api/disconnect'](server(), body))[0], 'bad_request', JSON.stringify(body));
  assert.match(refusal(await routes['/api/disconnect'](server(), {}))[1], /either "user" or "connection"/);
  assert.deepEqual(asked, []);
});

test('a token is revoked by its id, until it is not taken any more', async () => {
  const { routes, revoked } = scene();
  const revoke = routes['/api/revoke'];
  assert.deepEqual(fields(await revoke(server(), { jti: 'T1' })), { revoked: true });
  await revoke(server(), { jti: 'T2', expires: NOW_S });
  await revoke(server(), { token: await token({ jti: 'T3', exp: NOW_S + 60 }) });
  assert.deepEqual(revoked, [
    ['T1', undefined],
    ['T2', NOW_S * 1_000],
    ['T3', (NOW_S + 60) * 1_000],
  ]);
});

test('a token that has expired needs no revoking, and one that is not taken here is told of', async () => {
  const { routes, revoked } = scene();
  const revoke = routes['/api/revoke'];
  const expired = await token({ jti: 'T1', exp: NOW_S - 60 });
  assert.deepEqual(fields(await revoke(server(), { token: expired })), { revoked: false });
  const foreign = await token({ jti: 'T1', exp: NOW_S + 60 }, 'another secret of thirty-two bytes..');
  const wrong = [{ token: foreign }, { token: 'x' }, { token: await token({ exp: NOW_S + 60 }) }];
  for (const body of wrong) assert.equal(refusal(await revoke(server(), body))[0], 'bad_request');
  const none = scene({ tokens: undefined });
  assert.match(refusal(await none.routes['/api/revoke'](server(), { token: expired }))[1], /takes no tokens/);
  assert.deepEqual(revoked, []);
});

test('what to revoke must be said, and once', async () => {
  const { routes, revoked } = scene();
  const wrong = [
    undefined,
    {},
    { jti: '' },
    { jti: 'x'.repeat(257) },
    { jti: 'a', token: 'b' },
    { jti: 'a', expires: 'soon' },
    { token: 'a', expires: 1 },
  ];
  for (const body of wrong)
    assert.equal(refusal(await routes['/api/revoke'](server(), body))[0], 'bad_request', JSON.stringify(body));
  assert.deepEqual(revoked, []);
});

test('while the broker is away each is unavailable', async () => {
  const { routes } = scene({ tickets: { issue: away }, revocations: { revoke: away }, fleet: { ask: away } });
  const outcomes = [
    routes['/api/ticket'](ada, undefined),
    routes['/api/disconnect'](server(), { user: 'ada' }),
    routes['/api/revoke'](server(), { jti: 'T1' }),
  ];
  for (const outcome of await Promise.all(outcomes)) assert.equal(refusal(outcome)[0], 'unavailable');
});

test('while keys cannot be fetched it is not said that a token is wrong', async () => {
  const verify = async () => ({ ok: false, refusal: { code: 'unavailable', error: 'keys' }, expired: false }) as const;
  const { routes } = scene({ tokens: { verify } });
  assert.equal(refusal(await routes['/api/revoke'](server(), { token: 'x' }))[0], 'unavailable');
});
