import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { ApiKeys, parseApiKeys } from './api-keys.ts';
import { type Authenticated, Authenticator, type AuthenticatorParts } from './authenticator.ts';
import { type Credential, findCredential } from './credentials.ts';
import { parseSecret } from './keys.ts';
import { ANONYMOUS } from './rights.ts';
import { TokenVerifier } from './tokens.ts';

const SECRET = 'a secret of thirty-two bytes, or more';
const API_KEY = 'k3y-of-the-shop-0001';
const NOW_S = 1_800_000_000;

function tokens(): TokenVerifier {
  const key = parseSecret(SECRET);
  assert.ok(key.ok);
  const rules = { issuer: undefined, audience: undefined, clockToleranceSeconds: 0, expiryRequired: true };
  return new TokenVerifier({ keys: [key.value], keySet: undefined, rules, now: () => NOW_S * 1_000 });
}

function keys(): ApiKeys {
  const parsed = parseApiKeys(`shop:${API_KEY}`);
  assert.ok(parsed.ok);
  return new ApiKeys(parsed.value);
}

function authenticator(parts: Partial<AuthenticatorParts> = {}): Authenticator {
  const revocations = { admit: (authenticated: Authenticated) => authenticated };
  return new Authenticator({
    tokens: tokens(),
    keys: keys(),
    allowAnonymous: false,
    redeem: undefined,
    revocations,
    ...parts,
  });
}

const nothing = { ok: true, credential: undefined } as const;
const shown = (kind: Credential['kind'], text: string) => ({ ok: true, credential: { kind, text } }) as const;
const token = (exp = NOW_S + 60) =>
  new SignJWT({ sub: 'ada', exp }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(SECRET));

async function refusal(by: Authenticator, found: Parameters<Authenticator['authenticate']>[0]) {
  const outcome = await by.authenticate(found);
  assert.ok(!outcome.ok, 'was let in');
  return { ...outcome.refusal, expired: outcome.expired };
}

test('a gateway without authentication lets everybody in as nobody, whatever they show', async () => {
  const open = authenticator({ tokens: undefined, keys: new ApiKeys([]) });
  assert.ok(open.open && !authenticator().open);
  const malformed = findCredential({ authorization: 'x', query: new URLSearchParams(), protocols: '' });
  for (const found of [nothing, shown('token', 'nonsense'), malformed])
    assert.deepEqual(await open.authenticate(found), { ok: true, caller: ANONYMOUS });
});

test('somebody who shows nothing is let in where that is allowed', async () => {
  assert.deepEqual(await authenticator({ allowAnonymous: true }).authenticate(nothing), {
    ok: true,
    caller: ANONYMOUS,
  });
  const { code, error } = await refusal(authenticator(), nothing);
  assert.equal(code, 'unauthorized');
  assert.match(error, /token is needed/);
});

test('a token is taken from everywhere, an API key from the header only', async () => {
  for (const kind of ['bearer', 'token'] as const) {
    const outcome = await authenticator().authenticate(shown(kind, await token()));
    assert.ok(outcome.ok && outcome.caller.kind === 'user');
    assert.equal(outcome.caller.identity.user, 'ada');
  }
  const outcome = await authenticator().authenticate(shown('bearer', API_KEY));
  assert.ok(outcome.ok && outcome.caller.kind === 'key');
  assert.equal(outcome.caller.key.name, 'shop');
  assert.match((await refusal(authenticator(), shown('token', API_KEY))).error, /no JSON Web Token/);
});

test('what is shown must hold, also where nothing need be shown', async () => {
  const lenient = authenticator({ allowAnonymous: true });
  assert.equal((await refusal(lenient, shown('token', await token(NOW_S)))).expired, true);
  assert.match((await refusal(lenient, shown('bearer', `${API_KEY}x`))).error, /API key is not known/);
  assert.match((await refusal(lenient, shown('ticket', 'x'))).error, /no tickets/);
  const conflict = findCredential({ authorization: '', query: new URLSearchParams('token=a&token=b'), protocols: '' });
  assert.match((await refusal(lenient, conflict)).error, /two different/);
});

test('a gateway with API keys only takes no tokens', async () => {
  const by = authenticator({ tokens: undefined });
  assert.match((await refusal(by, shown('token', await token()))).error, /no tokens/);
  assert.match((await refusal(by, shown('bearer', await token()))).error, /API key is not known/);
});

test('a ticket is whoever it was handed out to', async () => {
  const redeem = async (ticket: string) => {
    assert.equal(ticket, 't1');
    return { ok: true, caller: ANONYMOUS } as const;
  };
  assert.ok((await authenticator({ redeem }).authenticate(shown('ticket', 't1'))).ok);
});

test('a token that was revoked lets nobody in, nor does a ticket for it', async () => {
  const refusal = { code: 'unauthorized', error: 'revoked' } as const;
  const revocations = { admit: (): Authenticated => ({ ok: false, refusal, expired: false }) };
  const redeem = async (): Promise<Authenticated> => ({ ok: true, caller: { kind: 'anonymous' } });
  const strict = authenticator({ revocations, redeem });
  for (const credential of [shown('token', await token()), shown('ticket', 'abc')]) {
    const authenticated = await strict.authenticate(credential);
    assert.deepEqual(authenticated, { ok: false, refusal, expired: false });
  }
  assert.equal((await strict.verifyToken(await token())).ok, false);
});
