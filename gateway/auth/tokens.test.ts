import assert from 'node:assert/strict';
import { createHmac, createSecretKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import { KeySet } from './key-set.ts';
import {
  type Algorithm,
  PUBLIC_ALGORITHMS,
  parsePublicKeys,
  parseSecret,
  SECRET_ALGORITHMS,
  type TokenKey,
} from './keys.ts';
import { type TokenRules, TokenVerifier } from './tokens.ts';
import { segmentOf } from './users.ts';

const SECRET = 'a secret of sixty-four bytes, so that HS512 may be signed by it, or more';
const NOW_S = 1_800_000_000;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed25519 = generateKeyPairSync('ed25519');
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' });
const strange = {
  HS256: createSecretKey(Buffer.alloc(32, 7)),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey,
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  EdDSA: generateKeyPairSync('ed25519').privateKey,
};
const secret = createSecretKey(Buffer.from(SECRET));
const SIGNERS: Readonly<Record<Algorithm, KeyObject>> = {
  ...{ HS256: secret, HS384: secret, HS512: secret },
  ...{ RS256: rsa.privateKey, RS384: rsa.privateKey, RS512: rsa.privateKey },
  ...{ PS256: rsa.privateKey, PS384: rsa.privateKey, PS512: rsa.privateKey },
  ...{ ES256: p256.privateKey, ES384: p384.privateKey, ES512: p521.privateKey },
  ...{ EdDSA: ed25519.privateKey, Ed25519: ed25519.privateKey },
};
const PEMS = [rsa, p256, p384, p521, ed25519].map(({ publicKey }) =>
  publicKey.export({ type: 'spki', format: 'pem' }).toString(),
);

const RULES: TokenRules = { issuer: undefined, audience: undefined, clockToleranceSeconds: 5, expiryRequired: true };

function secretKey(): TokenKey {
  const parsed = parseSecret(SECRET);
  assert.ok(parsed.ok);
  return parsed.value;
}

function publicKeys(...pems: string[]): readonly TokenKey[] {
  const parsed = parsePublicKeys(pems.join('\n'));
  assert.ok(parsed.ok);
  return parsed.value;
}

function verifier(
  rules: Partial<TokenRules> = {},
  keys: readonly TokenKey[] = [secretKey(), ...publicKeys(...PEMS)],
  keySet?: KeySet,
) {
  return new TokenVerifier({ keys, keySet, rules: { ...RULES, ...rules }, now: () => NOW_S * 1_000 });
}

interface Signing {
  readonly alg?: Algorithm;
  readonly key?: KeyObject;
  readonly header?: object;
}

function token(
  claims: Readonly<Record<string, unknown>> = {},
  { alg = 'HS256', key, header }: Signing = {},
): Promise<string> {
  const signer = key ?? SIGNERS[alg];
  const payload = Object.entries({ sub: 'ada', exp: NOW_S + 60, ...claims }).filter(([, value]) => value !== undefined);
  return new SignJWT(Object.fromEntries(payload)).setProtectedHeader({ alg, ...header }).sign(signer);
}

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token that no library would make. */
function forged(
  header: object,
  signature: (input: string) => Buffer,
  claims: object = { sub: 'ada', exp: NOW_S + 60 },
): string {
  const input = `${encoded(header)}.${encoded(claims)}`;
  return `${input}.${signature(input).toString('base64url')}`;
}

const hmac = (secret: string | Buffer) => (input: string) => createHmac('sha256', secret).update(input).digest();

async function accepted(given: string, by = verifier()) {
  const verified = await by.verify(given);
  assert.ok(verified.ok, verified.ok ? '' : verified.refusal.error);
  return verified.identity;
}

async function refusal(given: string, by = verifier()) {
  const verified = await by.verify(given);
  assert.ok(!verified.ok, 'was taken');
  const [, claims = ''] = given.split('.');
  assert.ok(given.length < 20 || !verified.refusal.error.includes(claims || given));
  assert.ok(!verified.refusal.error.includes('ada'));
  return { ...verified.refusal, expired: verified.expired };
}

for (const alg of [...SECRET_ALGORITHMS, ...PUBLIC_ALGORITHMS]) {
  test(`a token signed by ${alg} says who its user is`, async () => {
    const { user, name, expiresAtMs, tokenId, subscribe, publish } = await accepted(
      await token({ name: 'Ada L.', jti: 't-1', iat: NOW_S, nbf: NOW_S }, { alg, header: { kid: 'any', typ: 'JWT' } }),
    );
    assert.deepEqual([user, name, tokenId], ['ada', 'Ada L.', 't-1']);
    assert.equal(expiresAtMs, (NOW_S + 60) * 1_000);
    assert.deepEqual([subscribe, publish], [undefined, undefined]);
  });
}

for (const alg of ['HS256', 'RS256', 'ES256', 'EdDSA'] as const) {
  test(`a token signed by a strange key for ${alg} is refused`, async () => {
    assert.match((await refusal(await token({}, { alg, key: strange[alg] }))).error, /signature/);
  });

  test(`a token signed by ${alg} is refused by a gateway without such a key`, async () => {
    const others = [secretKey(), ...publicKeys(...PEMS)].filter(({ algorithms }) => !algorithms.includes(alg));
    assert.match((await refusal(await token({}, { alg }), verifier({}, others))).error, /signature/);
  });
}

test('several keys of one algorithm hold at once, as while one takes the place of another', async () => {
  const second = generateKeyPairSync('ed25519');
  const pem = second.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const both = verifier({}, [...publicKeys(...PEMS, pem)]);
  assert.equal((await accepted(await token({}, { alg: 'EdDSA' }), both)).user, 'ada');
  assert.equal((await accepted(await token({}, { alg: 'EdDSA', key: second.privateKey }), both)).user, 'ada');
});

test('a token without a signature is refused, in whatever case it says so', async () => {
  for (const alg of ['none', 'None', 'NONE', '']) {
    const bare = forged({ alg }, () => Buffer.alloc(0));
    assert.equal((await refusal(bare)).code, 'unauthorized');
    assert.equal((await refusal(forged({ alg }, hmac(SECRET)))).code, 'unauthorized');
  }
  assert.match((await refusal(forged({ alg: 'HS256' }, () => Buffer.alloc(0)))).error, /signature/);
});

test('a public key is never the secret of a MAC', async () => {
  const der = rsa.publicKey.export({ type: 'spki', format: 'der' });
  const [pem = ''] = PEMS;
  for (const keys of [publicKeys(...PEMS), [secretKey(), ...publicKeys(...PEMS)]])
    for (const secret of [pem, pem.trim(), der])
      assert.match((await refusal(forged({ alg: 'HS256' }, hmac(secret)), verifier({}, keys))).error, /signature/);
});

test('a signature of one algorithm under the name of another is refused', async () => {
  const byRsa = (input: string) => sign('sha256', Buffer.from(input), rsa.privateKey);
  for (const alg of ['HS256', 'ES256', 'ES384', 'EdDSA', 'PS256', 'RS512', 'rs256', 'HS512'])
    assert.equal((await refusal(forged({ alg }, byRsa))).code, 'unauthorized', alg);
  assert.equal((await accepted(forged({ alg: 'RS256' }, byRsa))).user, 'ada');
});

test('a token that was changed after it was signed is refused', async () => {
  const [header, , signature] = (await token()).split('.');
  const root = encoded({ sub: 'root', exp: NOW_S + 60 });
  assert.match((await refusal(`${header}.${root}.${signature}`)).error, /signature/);
});

test('a header with critical extensions, or with keys of its own, gains nothing', async () => {
  for (const crit of [['exp'], ['b64'], []]) {
    const given = forged({ alg: 'HS256', crit, exp: 1, b64: true }, hmac(SECRET));
    assert.equal((await refusal(given)).code, 'unauthorized');
  }
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const header = {
    jwk: own.publicKey.export({ format: 'jwk' }),
    jku: 'http://127.0.0.1:9/',
    x5u: 'http://127.0.0.1:9/',
  };
  const signed = forged({ alg: 'ES256', ...header }, (input) =>
    sign('sha256', Buffer.from(input), { key: own.privateKey, dsaEncoding: 'ieee-p1363' }),
  );
  assert.match((await refusal(signed)).error, /signature/);
});

test('what is no token is refused as such', async () => {
  const good = await token();
  const wrong = [
    '',
    'x',
    'a.b',
    'a.b.c',
    'a.b.c.d.e',
    `${good}.x`,
    ` ${good}`,
    `${good}\n`,
    `${good}=`,
    'Ã.Ã.Ã',
    '..',
    `${encoded([])}.e30.x`,
  ];
  for (const given of wrong) assert.match((await refusal(given)).error, /no JSON Web Token/, JSON.stringify(given));
  for (const claims of [[], 'ada', null, 7])
    assert.match((await refusal(forged({ alg: 'HS256' }, hmac(SECRET), claims as object))).error, /no JSON Web Token/);
});

test('whatever is done to a token, it is answered, and nobody else comes out of it', async () => {
  const by = verifier();
  const good = await Promise.all((['HS256', 'RS256', 'ES256', 'EdDSA'] as const).map((alg) => token({}, { alg })));
  const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const change = fc.record({ place, length: fc.nat(3), by: fc.string({ maxLength: 3 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...good),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      async (given, changes) => {
        const changed = changes.reduce((text, { place, length, by }) => {
          const at = Math.floor(place * text.length);
          return text.slice(0, at) + by + text.slice(at + length);
        }, given);
        const verified = await by.verify(changed);
        assert.ok(!verified.ok || verified.identity.user === 'ada');
      },
    ),
    { numRuns: 500 },
  );
});

test('a token of more than 8192 characters is not looked at', async () => {
  assert.match((await refusal(await token({ padding: 'x'.repeat(8_192) }))).error, /longer than 8192/);
  assert.equal((await accepted(await token({ padding: 'x'.repeat(6_000) }))).user, 'ada');
});

test('a token ends when it says, and whoever comes too late is told so', async () => {
  assert.equal((await accepted(await token({ exp: NOW_S + 1 }))).expiresAtMs, (NOW_S + 1) * 1_000);
  for (const exp of [NOW_S, NOW_S - 1, NOW_S - 60])
    for (const clockToleranceSeconds of [0, 5]) {
      const { error, expired } = await refusal(await token({ exp }), verifier({ clockToleranceSeconds }));
      assert.match(error, /expired/);
      assert.equal(expired, true);
    }
  const strangely = await refusal(await token({ exp: NOW_S - 5 }, { key: strange.HS256 }));
  assert.equal(strangely.expired, false);
});

test('a token that begins later is refused until then', async () => {
  assert.match((await refusal(await token({ nbf: NOW_S + 6 }))).error, /not valid yet/);
  assert.equal((await accepted(await token({ nbf: NOW_S + 5 }))).user, 'ada');
});

test('a token must have an end, unless the gateway takes endless ones', async () => {
  const endless = await token({ exp: undefined });
  assert.match((await refusal(endless)).error, /no end/);
  assert.equal((await accepted(endless, verifier({ expiryRequired: false }))).expiresAtMs, undefined);
  assert.equal((await refusal(await token({ exp: NOW_S - 9 }), verifier({ expiryRequired: false }))).expired, true);
});

test('times that are none are refused', async () => {
  for (const exp of ['1', null, {}])
    assert.match((await refusal(forged({ alg: 'HS256' }, hmac(SECRET), { sub: 'ada', exp }))).error, /end .*no time/);
  assert.match(
    (await refusal(forged({ alg: 'HS256' }, hmac(SECRET), { sub: 'ada', exp: NOW_S + 9, nbf: '1' }))).error,
    /nbf/,
  );
});

test('issuer and audience must be those that the gateway names', async () => {
  const strict = verifier({ issuer: 'https://id.example', audience: 'passerelle' });
  const iss = 'https://id.example';
  assert.equal((await accepted(await token({ iss, aud: 'passerelle' }), strict)).user, 'ada');
  assert.equal((await accepted(await token({ iss, aud: ['shop', 'passerelle'] }), strict)).user, 'ada');
  for (const aud of [undefined, 'shop', [], ['passerelle2']])
    assert.match((await refusal(await token({ iss, aud: aud }), strict)).error, /aud/);
  for (const wrong of [undefined, 'https://id.example/', 'other'])
    assert.match((await refusal(await token({ iss: wrong as string, aud: 'passerelle' }), strict)).error, /iss/);
  assert.equal((await accepted(await token({ iss: 'anybody', aud: 'anything' }))).user, 'ada');
});

test('a token whose end is more than a century away is refused, as that was meant in milliseconds', async () => {
  const century = 100 * 365.25 * 86_400;
  assert.equal((await accepted(await token({ exp: NOW_S + century }))).user, 'ada');
  for (const exp of [NOW_S + century + 1, (NOW_S + 60) * 1_000, 1e13, 1e300])
    for (const expiryRequired of [true, false]) {
      const { error, expired } = await refusal(await token({ exp }), verifier({ expiryRequired }));
      assert.match(error, /must be in seconds/, String(exp));
      assert.equal(expired, false);
    }
});

test('a secret that is too short for an algorithm takes no token of it, and says so', async () => {
  const parsed = parseSecret('a secret of thirty-two bytes, or more');
  assert.ok(parsed.ok);
  const short = verifier({}, [parsed.value]);
  for (const alg of ['HS384', 'HS512'] as const) {
    const given = await token({}, { alg, key: parsed.value.key });
    assert.match((await refusal(given, short)).error, /secret is too short/);
  }
  assert.match((await refusal(await token({}, { key: strange.HS256 }), short)).error, /signature/);
});

test('whatever an issuer calls a user is one, and a number is the text of its digits', async () => {
  for (const sub of ['a', 'A-Z_0.9:@', 'x'.repeat(512), 'a b', 'é', 'a*', 'a\n', 'a/b', 'auth0|5f7c', '\u{1f600}']) {
    const { user, segment } = await accepted(await token({ sub }));
    assert.deepEqual([user, segment], [sub, segmentOf(sub)]);
  }
  assert.equal((await accepted(await token({ sub: 583231 }))).user, '583231');
  for (const sub of ['', 'x'.repeat(513), '\ud800', 1.5, 2 ** 53, null, true, {}, ['ada']]) {
    const { error } = await refusal(await token({ sub: sub as string }));
    assert.match(error, /^The token's user \("sub"\) (must be|is a number|has half)/, String(sub));
  }
});

test('a token without a user has the rights that it lists, and one that lists none is refused', async () => {
  const visitor = await accepted(await token({ sub: undefined, subscribe: ['news', 'chat:*'] }));
  assert.deepEqual([visitor.user, visitor.segment], [null, undefined]);
  assert.ok(visitor.subscribe?.match('chat:a') && !visitor.subscribe.match('notify:@ada'));
  assert.match((await refusal(await token({ sub: undefined }))).error, /names no user .* and lists no rights/);
  const { error } = await refusal(await token({ sub: undefined, subscribe: ['notify:@me'] }));
  assert.match(error, /@me is the user of a token, and there is none/);
});

test('a name that cannot be shown is none', async () => {
  assert.equal((await accepted(await token({ name: '  Zoë ' }))).name, 'Zoë');
  for (const name of [undefined, null, 7, '', ' ', 'x'.repeat(21), 'a\nb', 'a\u202eb', '\u200b'])
    assert.equal((await accepted(await token({ name }))).name, null, String(name));
});

test('the lists of a token are patterns, with the user in the place of @me', async () => {
  const { subscribe, publish } = await accepted(await token({ subscribe: ['chat:*', 'notify:@me'], publish: [] }));
  assert.ok(subscribe?.match('chat:a') && subscribe.match('notify:@ada'));
  assert.ok(!subscribe?.match('notify:@bob') && !subscribe?.match('news'));
  assert.ok(publish !== undefined && !publish.match('chat:a'));
});

test('a single pattern is a list of one, and null is no list', async () => {
  const { subscribe, publish } = await accepted(await token({ subscribe: 'chat:*', publish: null }));
  assert.ok(subscribe?.match('chat:a') && !subscribe.match('news'));
  assert.equal(publish, undefined);
});

test('a list that is none is refused, since without it the token would allow more', async () => {
  for (const list of [7, {}, [7], 'a b', '', ['a b'], ['ok', '**'], new Array(101).fill('a')]) {
    assert.match((await refusal(await token({ subscribe: list }))).error, /"subscribe"/, String(list));
    assert.match((await refusal(await token({ publish: list }))).error, /"publish"/, String(list));
  }
  assert.match((await refusal(await token({ publish: ['ok', '**'] }))).error, /"publish" has at place 2/);
  for (const jti of [7, null, 'x'.repeat(257)]) assert.match((await refusal(await token({ jti: jti }))).error, /jti/);
});

async function keySetOf(t: TestContext, state: { status: number; keys: unknown[] }) {
  const server = createServer((_request, response) =>
    response.writeHead(state.status).end(JSON.stringify({ keys: state.keys })),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const time = { ms: NOW_S * 1_000 };
  const { port } = server.address() as AddressInfo;
  const set = new KeySet({ url: `http://127.0.0.1:${port}/`, now: () => time.ms, onFailure: () => undefined });
  return { set, time };
}

const jwk = ({ publicKey }: { publicKey: KeyObject }, kid: string) => ({ ...publicKey.export({ format: 'jwk' }), kid });

test('keys of a set verify tokens beside the configured ones, by id or without, and change while the gateway runs', async (t) => {
  const next = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const state = { status: 200, keys: [jwk(rsa, 'r1'), jwk(p256, 'e1'), jwk(ed25519, 'd1')] };
  const { set, time } = await keySetOf(t, state);
  const by = verifier({}, [secretKey()], set);
  assert.equal((await accepted(await token({}, { alg: 'HS256' }), by)).user, 'ada');
  for (const [alg, kid] of [
    ['RS256', 'r1'],
    ['ES256', 'e1'],
    ['EdDSA', 'd1'],
  ] as const) {
    assert.equal((await accepted(await token({}, { alg, header: { kid } }), by)).user, 'ada');
    assert.equal((await accepted(await token({}, { alg }), by)).user, 'ada');
    assert.match((await refusal(await token({}, { alg, header: { kid: 'other' } }), by)).error, /signature/);
    assert.match((await refusal(await token({}, { alg, key: strange[alg], header: { kid } }), by)).error, /signature/);
  }
  const fresh = await token({}, { alg: 'RS256', key: next.privateKey, header: { kid: 'r2' } });
  state.keys = [jwk(next, 'r2'), jwk(rsa, 'r1')];
  time.ms += 30_000;
  assert.equal((await accepted(fresh, by)).user, 'ada');
  const old = await token({}, { alg: 'RS256', header: { kid: 'r1' } });
  assert.equal((await accepted(old, by)).user, 'ada');
  state.keys = [jwk(next, 'r2')];
  time.ms += 11 * 60_000;
  assert.match((await refusal(old, by)).error, /signature/);
});

test('a key of a set that names its algorithm takes no other, and one that does not takes all of its type', async (t) => {
  const pinned = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const keys = [jwk(rsa, 'any'), { ...jwk(pinned, 'pinned'), alg: 'PS384' }, jwk(p384, 'p384')];
  const by = verifier({}, [secretKey()], (await keySetOf(t, { status: 200, keys })).set);
  for (const alg of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const) {
    assert.equal((await accepted(await token({}, { alg, header: { kid: 'any' } }), by)).user, 'ada');
    const signed = await token({}, { alg, key: pinned.privateKey, header: { kid: 'pinned' } });
    if (alg === 'PS384') assert.equal((await accepted(signed, by)).user, 'ada');
    else assert.match((await refusal(signed, by)).error, /signature/, alg);
  }
  assert.equal((await accepted(await token({}, { alg: 'ES384', header: { kid: 'p384' } }), by)).user, 'ada');
  assert.match((await refusal(await token({}, { alg: 'ES512', header: { kid: 'p384' } }), by)).error, /signature/);
});

test('while the set cannot be fetched its tokens are unavailable, and those of configured keys are not', async (t) => {
  const { set } = await keySetOf(t, { status: 503, keys: [] });
  const by = verifier({}, [secretKey()], set);
  const { code, expired } = await refusal(await token({}, { alg: 'RS256', header: { kid: 'r1' } }), by);
  assert.deepEqual([code, expired], ['unavailable', false]);
  assert.equal((await accepted(await token({}, { alg: 'HS256' }), by)).user, 'ada');
  assert.equal((await refusal(await token({}, { key: strange.HS256 }), by)).code, 'unauthorized');
});
