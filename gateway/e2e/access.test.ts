/**
 * Who may do what, on every transport, with every kind of token and key, good and bad: a table of what is asked for and what should come
 * of it, put to real gateways. Then what has to do with time: tokens that end and are renewed. And nothing secret in the log.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { aligned, ask, CONTENT, connect, type Shown } from './access-matrix.ts';
import { type Counter, credential, type GatewayName, KEYS, sha256, TABLE } from './access-table.ts';
import { call, post, RawStream } from './harness/http-client.ts';
import { type Claims, Issuer } from './harness/issuer.ts';
import { GatewayProcess } from './harness/processes.ts';

const begunAt = performance.now();
let issuer: Issuer;

/** Everything secret that was ever shown to a gateway. */
const shownEver = new Set<string>(Object.values(KEYS));

/** Shows one credential where the table says. */
async function show(name: string, where: string, gateway: GatewayName): Promise<Shown> {
  if (name === '-') return where === '-' ? {} : { authorization: where };
  const text = await credential(issuer, name, counterOf(gateway));
  shownEver.add(text);
  const query = `token=${encodeURIComponent(text)}`;
  switch (where) {
    case 'query':
      return { query };
    case 'header':
      return { authorization: `Bearer ${text}` };
    case 'ticket':
      return { query: `ticket=${encodeURIComponent(text)}` };
    case 'subprotocol':
      return { protocols: ['passerelle', text] };
    case 'twice':
      return { query, authorization: `bearer ${text}` };
    case 'beside HS256': {
      const other = await issuer.signed();
      shownEver.add(other);
      return { query: `token=${other}`, authorization: `Bearer ${text}` };
    }
    default:
      return { authorization: where.replace('KEY', text) };
  }
}

const gateways = new Map<GatewayName, GatewayProcess>();
const log: string[] = [];
let folder: string;

before(async () => {
  issuer = await Issuer.start();
  folder = mkdtempSync(join(tmpdir(), 'passerelle-access-'));
  const file = (name: string, content: object) => {
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  };
  const keys = {
    all: { key: KEYS.all },
    orders: { key: KEYS.orders, publish: ['orders:*'] },
    hashed: { key: `sha256:${sha256(KEYS.hashed)}` },
  };
  const namespaces = {
    servers: { rights: { subscribe: 'keys' } },
    own: { rights: { subscribe: 'self' } },
    hall: { presence: 'announce' },
  };
  const common = {
    LOG_LEVEL: 'debug',
    TOKEN_CLOCK_TOLERANCE_SECONDS: '0',
    CHANNELS_FILE: file('channels.json', { namespaces }),
  };
  const trusting = { ...common, ...issuer.env, API_KEYS_FILE: file('keys.json', { keys }) };
  const settings: Record<GatewayName, Record<string, string>> = {
    guarded: trusting,
    anonymous: { ...trusting, ALLOW_ANONYMOUS: 'on' },
    open: common,
    // Nobody listens on the port of TCP's discard service, which would not answer anyway.
    keyless: { ...common, TOKEN_JWKS_URL: 'http://127.0.0.1:9/keys.json' },
  };
  await Promise.all(
    Object.entries(settings).map(async ([name, env]) => {
      const process = await GatewayProcess.start({ env, onLine: (line) => log.push(line) });
      gateways.set(name as GatewayName, process);
    }),
  );
});

after(async () => {
  await Promise.all([...gateways.values()].map((gateway) => gateway.kill()));
  issuer?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function url(name: GatewayName): string {
  const gateway = gateways.get(name);
  assert.ok(gateway);
  return gateway.url;
}

function counterOf(name: GatewayName): Counter {
  const asked = async (path: string, key: string, body: object): Promise<unknown> => {
    const { status, text, json } = await post(`${url(name)}${path}`, body, { authorization: `Bearer ${key}` });
    assert.equal(status, 200, text);
    return json;
  };
  return {
    ticketFor: async (token) => {
      shownEver.add(token);
      return ((await asked('/api/ticket', token, {})) as { ticket: string }).ticket;
    },
    use: async (ticket) => {
      assert.equal((await call(`${url(name)}/api/history?channel=news&ticket=${ticket}`)).status, 200);
    },
    revoke: async (what) => {
      if ('token' in what) shownEver.add(what.token);
      assert.deepEqual(await asked('/api/revoke', KEYS.all, what), { revoked: true });
    },
  };
}

it('lets everybody do what they may, and nothing else', async (t) => {
  const head = ['gateway', 'transport', 'action', 'target', 'credential', 'shown', 'expected', 'got', ''];
  const rows: string[][] = [];
  let wrong = 0;
  for (const [gateway, transport, action, target, name, where, expected] of TABLE) {
    const fresh = action === 'auth' ? await credential(issuer, target, counterOf(gateway)) : target;
    if (action === 'auth') shownEver.add(fresh);
    const shown = await show(name, where, gateway);
    const got = await ask(url(gateway), { transport, action, target: fresh }, shown).catch(
      (error: Error) => error.message,
    );
    if (got !== expected) wrong++;
    rows.push([gateway, transport, action, target, name, where, expected, got, got === expected ? '' : 'WRONG']);
  }
  t.diagnostic(`${rows.length} rows, ${wrong} wrong\n${aligned([head, ...rows])}`);
  assert.equal(wrong, 0, aligned([head, ...rows.filter((row) => row.at(-1) !== '')]));
});

describe('a token that ends', { concurrency: true }, () => {
  const SECONDS = 4;
  /** A second at most passes between two looks at who must go. */
  const LATEST_MS = (SECONDS + 2) * 1_000;
  const brief = async (claims: Claims = {}) => {
    const token = await issuer.signed({ endsIn: SECONDS, ...claims });
    shownEver.add(token);
    return token;
  };

  for (const path of ['/ws', '/chat', '/notifications']) {
    it(`ends its connection to ${path}, which is told why`, async () => {
      const began = Date.now();
      const client = connect(url('guarded'), path, { query: `token=${await brief()}` });
      const { code } = await client.frames.find(({ type }) => type === 'error');
      assert.equal(code, 'unauthorized');
      assert.equal((await client.closed).code, 4401);
      const lasted = Date.now() - began;
      assert.ok(lasted > (SECONDS - 1) * 1_000, `${lasted} ms`);
    });
  }

  it('takes the tickets with it that were handed out for it', async () => {
    const { ticketFor } = counterOf('guarded');
    const token = await brief();
    const [early, late] = [await ticketFor(token), await ticketFor(token)];
    const stream = await RawStream.open(`${url('guarded')}/events?channel=news&ticket=${early}`);
    assert.equal(stream.status, 200);
    await until('the stream has ended', () => stream.ended);
    assert.equal((await call(`${url('guarded')}/api/history?channel=news&ticket=${late}`)).status, 401);
  });

  it('ends its event stream, and a reconnect with it is refused for good', async () => {
    const at = `${url('guarded')}/events?channel=news&token=${await brief()}`;
    const stream = await RawStream.open(at);
    await until('the stream has ended', () => stream.ended);
    const again = await call(at, { headers: { accept: 'text/event-stream' } });
    assert.deepEqual([again.status, again.headers['www-authenticate']], [401, 'Bearer']);
  });

  const GOING_ON = [
    { path: '/ws', first: { type: 'subscribe', channel: 'renewed' }, channel: 'renewed', heard: 'event' },
    { path: '/chat?room=renewed', first: { type: 'typing' }, channel: 'chat:renewed', heard: 'message' },
    { path: '/notifications', first: { type: 'ping' }, channel: 'notify:@ada', heard: 'notification' },
  ];
  for (const { path, first, channel, heard } of GOING_ON) {
    it(`goes on at ${path} where it was renewed, and hears what is sent after the first one has ended`, async () => {
      const began = Date.now();
      const fresh = await issuer.signed({ endsIn: 60 });
      const client = connect(url('guarded'), path, { query: `token=${await brief()}` });
      await client.opened;
      client.send({ type: 'auth', token: fresh, ref: 2 });
      client.send(first);
      const { user, expires } = await client.frames.find(({ ref }) => ref === 2);
      assert.equal(user, 'ada');
      assert.ok(Number(expires) >= 58 - (Date.now() - began) / 1_000 && Number(expires) <= 60, String(expires));
      await passed(LATEST_MS);
      await publishAs(await issuer.signed({ publish: [channel] }), channel);
      await client.frames.find(({ type }) => type === heard);
      assert.deepEqual(
        client.frames.all.filter(({ type }) => type === 'error'),
        [],
      );
      client.destroy();
    });

    it(`ends its connection to ${path} also where it is the fresh one`, async () => {
      const client = connect(url('guarded'), path, { query: `token=${await issuer.signed()}` });
      await client.opened;
      client.send({ type: 'auth', token: await brief(), ref: 1 });
      assert.equal((await client.frames.find(({ ref }) => ref === 1)).type, 'authenticated');
      assert.equal((await client.frames.find(({ type }) => type === 'error')).code, 'unauthorized');
      assert.equal((await client.closed).code, 4401);
    });
  }

  it('ends as before where the token it was to be renewed by is of somebody else', async () => {
    const foreign = await issuer.signed({ sub: 'bob' });
    const client = connect(url('guarded'), '/ws', { query: `token=${await brief()}` });
    await client.opened;
    client.send({ type: 'auth', token: foreign, ref: 1 });
    assert.equal((await client.frames.find(({ ref }) => ref === 1)).code, 'forbidden');
    assert.equal((await client.frames.find(({ type }) => type === 'error')).code, 'unauthorized');
    assert.equal((await client.closed).code, 4401);
  });
});

it('takes back, with a fresh token that allows less, the subscriptions that it does not allow', async () => {
  const client = connect(url('guarded'), '/ws', { query: `token=${await issuer.signed()}` });
  await client.opened;
  for (const channel of ['kept', 'lost']) client.send({ type: 'subscribe', channel, ref: channel });
  for (const channel of ['kept', 'lost']) await client.frames.find(({ ref }) => ref === channel);
  client.send({ type: 'auth', token: await issuer.signed({ subscribe: ['kept'] }), ref: 1 });
  assert.equal((await client.frames.find(({ type }) => type === 'error')).code, 'forbidden');
  assert.equal((await client.frames.find(({ type }) => type === 'unsubscribed')).channel, 'lost');
  for (const channel of ['lost', 'kept']) await publishAs(await issuer.signed(), channel);
  assert.equal((await client.frames.find(({ type }) => type === 'event')).channel, 'kept');
  client.destroy();
});

it('fetches the key set no more often than it must, whatever tokens name', () => {
  // Two gateways had use for it. Each fetches it once, and for the sake of unknown names no more often than every 30 seconds.
  const most = 2 * (1 + Math.floor((performance.now() - begunAt) / 30_000));
  assert.ok(issuer.fetches >= 1 && issuer.fetches <= most, `${issuer.fetches} fetches, where ${most} may be`);
});

it('writes no token, no key, no secret and no content into its log', () => {
  assert.ok(log.filter((line) => line.includes('connection opened')).length > 50, 'the log is not that of debug');
  const text = log.join('\n');
  const secrets = [issuer.secret, CONTENT];
  for (const shown of shownEver) {
    secrets.push(shown);
    // The payload and the signature by themselves as well. A short part could be anywhere by accident.
    secrets.push(
      ...shown
        .split('.')
        .slice(1)
        .filter((part) => part.length > 10),
    );
  }
  assert.ok(secrets.length > 100);
  assert.deepEqual(
    secrets.filter((secret) => secret.length > 10 && text.includes(secret)),
    [],
  );
});

async function publishAs(token: string, channel: string): Promise<void> {
  shownEver.add(token);
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await post(`${url('guarded')}/api/publish`, { channel, data: CONTENT }, headers)).status, 200);
}

/** The one thing waited for here is time itself. */
function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
