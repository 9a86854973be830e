/** The browser client, in a real browser, against real gateways behind a proxy that does what networks do. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { type RedisDeployment, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import {
  type ClientReport,
  command,
  eventsOf,
  openClient,
  publishNumbers,
  report,
  subscribe,
  type Told,
  type Transport,
  unsubscribe,
} from './client-pages.ts';
import { launchBrowser } from './harness/browser.ts';
import { type ChannelsFile, channelNames, SMALL_SIZE, writeChannelsFile } from './harness/fixtures.ts';
import { call, post, publish } from './harness/http-client.ts';
import { Issuer } from './harness/issuer.ts';
import { GatewayProcess } from './harness/processes.ts';
import { UnrulyProxy } from './harness/unruly-proxy.ts';

const TRANSPORTS = ['websocket', 'sse'] as const;
/** Pages at a time: most of what they do is to wait until they may connect again. */
const CONCURRENCY = 4;
const CLIENT = 'client';
/** A fifth of it is left when the next one is asked for. */
const TOKEN_SECONDS = 6;
const newChannel = channelNames();

let redis: RedisDeployment;
let channels: ChannelsFile;
/** The one behind the proxy, and the one by which is published meanwhile. */
let gateways: readonly [GatewayProcess, GatewayProcess];
let browser: Browser;
let startGateway: (more?: Readonly<Record<string, string>>) => Promise<GatewayProcess>;

before(async () => {
  [redis, browser] = await Promise.all([startStandalone(), launchBrowser()]);
  channels = writeChannelsFile();
  const env = { REDIS_URL: redis.url, CHANNELS_FILE: channels.path, RETRY_MS: '100', KEEP_ALIVE_SECONDS: '1' };
  startGateway = (more = {}) => GatewayProcess.start({ env: { ...env, ...more } });
  gateways = await Promise.all([startGateway(), startGateway()]);
});

after(async () => {
  await browser?.close();
  await Promise.all((gateways ?? []).map((gateway) => gateway.kill()));
  await redis?.stop();
  channels?.remove();
});

interface Stage {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly proxy: UnrulyProxy;
  /** Resolves once what the client tells is so. */
  told(what: string, condition: (told: ClientReport) => boolean): Promise<void>;
  /** Everything that came, in order. */
  events(): Promise<readonly Told[]>;
  /** The data of one channel's events, in order, with `(gap)` for each gap. */
  data(channel: string): Promise<readonly unknown[]>;
}

/** A page with a client that reaches its gateways through a proxy of its own. */
async function onStage(
  transport: Transport,
  play: (stage: Stage) => Promise<void>,
  urls: readonly string[] = [gateways[0].url],
  prepare: (stage: Pick<Stage, 'page' | 'proxy'>) => void | Promise<void> = () => undefined,
  askToken?: () => Promise<string>,
): Promise<void> {
  const proxy = await UnrulyProxy.start(urls);
  const context = await browser.newContext();
  const page = await context.newPage();
  const faults: unknown[] = [];
  page.on('pageerror', (error) => faults.push(error));
  try {
    await prepare({ page, proxy });
    await page.goto(`${proxy.url}/healthz`); // nothing else runs there
    await openClient(page, CLIENT, transport, askToken);
    const told: Stage['told'] = async (what, condition) => {
      let last: ClientReport | undefined;
      await until(what, async () => {
        last = await report(page, CLIENT);
        return condition(last);
      }).catch((cause: unknown) => {
        throw new Error(`Not told: ${what}. The last was: ${JSON.stringify(last)}`, { cause });
      });
    };
    const events = () => eventsOf(page, CLIENT);
    const data = async (channel: string) =>
      (await events())
        .filter((one) => one.channel === channel)
        .map((one) => (one.event === '(gap)' ? one.event : one.data));
    await play({ page, context, proxy, told, events, data });
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
    await proxy.stop();
  }
}

const isLive = ({ state }: ClientReport) => state === 'live';
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);

/** Publishes numbers in order, by the gateway that is not behind the proxy. */
async function publishRange(channel: string, from: number, to: number): Promise<void> {
  const publishes = numbers(from, to).map((data) => ({ channel, data }));
  const answer = await post(`${gateways[1].url}/api/batch`, { publishes });
  assert.equal(answer.status, 200, answer.text);
}

async function stored(channel: string): Promise<unknown[]> {
  const { json } = await call(`${gateways[1].url}/api/history?channel=${channel}&after=0-0&limit=1000`);
  return (json as { events: { data: unknown }[] }).events.map(({ data }) => data);
}

for (const transport of TRANSPORTS) {
  describe(`the client over ${transport}`, { concurrency: CONCURRENCY }, () => {
    it('is told 10,000 events once and in order, over random cuts', async () => {
      await onStage(transport, async ({ page, proxy, told, data }) => {
        const names = ['bulk', 'bulk', 'bulk', 'bulk'].map((namespace) => newChannel(namespace));
        await subscribe(page, CLIENT, Object.fromEntries(names.map((name) => [name, {}])));
        await told('it is live', isLive);
        const rounds = 20;
        const share = 10_000 / rounds / names.length;
        for (let round = 0; round < rounds; round++) {
          const { heard } = await report(page, CLIENT);
          const cut = proxy.cutAfter(randomInt(1, 20_000));
          const from = round * share + 1;
          await Promise.all([cut, ...names.map((name) => publishRange(name, from, from + share - 1))]);
          await told('it goes on', (now) => isLive(now) && now.heard > heard);
        }
        await told('everything came', ({ heard }) => heard >= 10_000);
        for (const name of names) assert.deepEqual(await data(name), numbers(1, rounds * share), name);
        const { resumed } = await report(page, CLIENT);
        assert.ok(resumed >= rounds, `It was interrupted ${resumed} times only`);
      });
    });

    it('takes channels in and leaves them while events come, and loses and doubles nothing', async () => {
      await onStage(transport, async ({ page, proxy, told, data }) => {
        const [steady, late, back] = [newChannel('bulk'), newChannel('bulk'), newChannel('bulk')];
        await publishRange(late, 1, 50);
        await publishRange(back, 1, 50);
        await subscribe(page, CLIENT, { [steady]: {}, [back]: { after: '0-0' } });
        await told('it is live', isLive);
        for (let round = 0; round < 5; round++) {
          const from = round * 100;
          const publishing = Promise.all([
            publishRange(steady, from + 1, from + 100),
            publishRange(back, from + 51, from + 150),
          ]);
          const after = await unsubscribe(page, CLIENT, back);
          if (round === 1) await subscribe(page, CLIENT, { [late]: { tail: 10 }, [newChannel('bulk')]: {} });
          if (round === 3) proxy.cut();
          await subscribe(page, CLIENT, { [back]: { after } });
          await publishing;
        }
        await told('the late one has begun', ({ begun }) => begun.includes(late));
        await publishRange(late, 51, 60);
        await told('everything came', ({ heard }) => heard >= 500 + 550 + 20);
        assert.deepEqual(await data(steady), numbers(1, 500));
        assert.deepEqual(await data(back), numbers(1, 550));
        assert.deepEqual(await data(late), numbers(41, 60));
      });
    });

    it('drops the connection when the network goes, and goes on when it is back', async () => {
      await onStage(transport, async ({ page, context, told, data }) => {
        const channel = newChannel();
        await subscribe(page, CLIENT, { [channel]: {} });
        await told('it is live', isLive);
        await context.setOffline(true);
        await told('it knows', ({ state }) => state === 'reconnecting');
        await publishRange(channel, 1, 3);
        await context.setOffline(false);
        await told('it goes on', ({ heard, resumed }) => heard === 3 && resumed >= 1);
        assert.deepEqual(await data(channel), [1, 2, 3]);
      });
    });

    it('leaves a connection that hangs', async () => {
      const prepare = async ({ page }: Pick<Stage, 'page'>) => page.clock.install();
      await onStage(
        transport,
        async ({ page, proxy, told, data }) => {
          const channel = newChannel();
          await subscribe(page, CLIENT, { [channel]: {} });
          await told('it is live', isLive);
          proxy.hang();
          await publishRange(channel, 1, 3);
          await until('it has gone on', async () => {
            await page.clock.fastForward(10_000);
            return (await report(page, CLIENT)).resumed > 0;
          });
          await told('it is told', ({ heard, states }) => heard === 3 && states.includes('reconnecting'));
          assert.deepEqual(await data(channel), [1, 2, 3]);
        },
        undefined,
        prepare,
      );
    });

    it('has its publishes stored once and in order, though its gateway is killed among them', async () => {
      const doomed = await startGateway();
      await onStage(
        transport,
        async ({ page, told, events }) => {
          const channel = newChannel('bulk');
          await subscribe(page, CLIENT, { [channel]: {} });
          await told('it is live', isLive);
          const published = publishNumbers(page, CLIENT, channel, 150);
          await told('some are stored', ({ heard }) => heard > 20);
          await doomed.kill();
          const ids = await published;
          assert.deepEqual(await stored(channel), numbers(1, 150));
          assert.ok(ids.every((id) => /^\d+-\d+$/.test(id)));
          await told('it hears them all', ({ heard }) => heard >= 150);
          assert.deepEqual(
            (await events()).map(({ id }) => id),
            ids,
          );
        },
        [doomed.url, gateways[0].url],
      );
    });

    it('renews its token before it ends, again and again, and nobody notices', async (t) => {
      const issuer = await Issuer.start();
      t.after(() => issuer.stop());
      const guarded = await startGateway({ TOKEN_SECRET: issuer.secret, TOKEN_CLOCK_TOLERANCE_SECONDS: '0' });
      t.after(() => guarded.kill());
      /** When each token that was handed out ends. */
      const ends: number[] = [];
      const askToken = () => {
        ends.push(Date.now() + TOKEN_SECONDS * 1_000);
        return issuer.signed({ endsIn: TOKEN_SECONDS });
      };
      const twoAreOver = () => ends.length > 2 && ends.every((end, index) => index > 1 || end < Date.now());
      const play = async ({ page, proxy, told, data }: Stage) => {
        const channel = newChannel('bulk');
        await subscribe(page, CLIENT, { [channel]: {} });
        await told('it is live', isLive);
        let published = 0;
        while (!twoAreOver()) {
          await publishRange(channel, ++published, published);
          await told('it hears on', ({ heard }) => heard >= published);
        }
        assert.deepEqual(await data(channel), numbers(1, published));
        const { states, resumed } = await report(page, CLIENT);
        assert.deepEqual([states, resumed], [['connecting', 'live'], 0]);
        if (transport === 'websocket') assert.equal(proxy.upgrades, 1);
      };
      await onStage(transport, play, [guarded.url], undefined, askToken);
    });

    it('is told of a gap once', async () => {
      await onStage(transport, async ({ page, proxy, told, data }) => {
        const [channel, other] = [newChannel('small'), newChannel()];
        await subscribe(page, CLIENT, { [channel]: {}, [other]: {} });
        await told('it is live', isLive);
        await publishRange(channel, 1, 1);
        await told('it has the first', ({ heard }) => heard === 1);
        await command(page, CLIENT, 'disconnect');
        await publishRange(channel, 2, 10);
        await command(page, CLIENT, 'connect');
        // Live once both channels stand: one that has all its events may come before the other one's answer.
        await told('it goes on', (now) => isLive(now) && now.heard >= 2 + SMALL_SIZE);
        proxy.cut();
        await told('it goes on again', ({ state, resumed }) => state === 'live' && resumed === 4);
        await publishRange(channel, 11, 11);
        await told('it has the last', ({ heard }) => heard >= 3 + SMALL_SIZE);
        assert.deepEqual(await data(channel), [1, '(gap)', 8, 9, 10, 11]);
        const { states } = await report(page, CLIENT);
        assert.deepEqual(states, ['connecting', 'live', 'closed', 'reconnecting', 'live', 'reconnecting', 'live']);
      });
    });

    it('ends a subscription on the event that says so', async () => {
      await onStage(transport, async ({ page, told, data }) => {
        const [channel, other] = [newChannel(), newChannel()];
        await subscribe(page, CLIENT, { [channel]: {}, [other]: {} });
        await told('it is live', isLive);
        await publish(gateways[1].url, channel, 'bye', { event: 'end' });
        await publish(gateways[1].url, channel, 'too late');
        await told('it has ended', ({ ended }) => ended.length === 1);
        await publish(gateways[1].url, other, 'here');
        await told('the other goes on', ({ heard, ended }) => heard === 2 && ended.length === 1);
        assert.deepEqual(await data(channel), ['bye']);
        assert.deepEqual(await data(other), ['here']);
      });
    });

    it('hands over whatever is published', async () => {
      const names = ['error', 'open', 'constructor', '__proto__', 'toString', '-', 'message', 'x'.repeat(64)];
      const values = [
        '</script><script>hacked=1</script>',
        'a\nid: 1-0\n\nevent: gap\rdata: {}\u0000\u2028\u2029\ufeff',
        { ['__proto__']: { hacked: 1 }, event: 'gap', channel: 'other', id: '0-0' },
        [[], {}, null, 1e308, -0.1],
        'é€😀'.repeat(6_000),
        '\ud800',
        null,
        false,
      ];
      await onStage(transport, async ({ page, told }) => {
        const channel = newChannel();
        await subscribe(page, CLIENT, { [channel]: {} });
        await told('it is live', isLive);
        for (const [index, data] of values.entries())
          await publish(gateways[1].url, channel, data, { event: names[index] });
        await told('all came', ({ heard }) => heard === values.length);
        const came = await page.evaluate(
          `JSON.stringify(clients.${CLIENT}.events.map(({ event, data }) => [event, data]))`,
        );
        assert.equal(came, JSON.stringify(values.map((value, index) => [names[index], value])));
        assert.equal(await page.evaluate('typeof hacked + typeof ({}).hacked'), 'undefinedundefined');
      });
    });
  });
}

describe('the client where no WebSocket gets through', { concurrency: CONCURRENCY }, () => {
  it('falls back to SSE and HTTP', async () => {
    const blocked = ({ proxy }: Pick<Stage, 'proxy'>) => {
      proxy.blocksWebSockets = true;
    };
    await onStage(
      'auto',
      async ({ page, proxy, told, data, events }) => {
        const channel = newChannel('bulk');
        await publishRange(channel, 1, 5);
        await subscribe(page, CLIENT, { [channel]: { after: '0-0' } });
        const ids = await publishNumbers(page, CLIENT, channel, 5);
        await told('it hears all over SSE', ({ heard, transport }) => heard >= 10 && transport === 'sse');
        assert.equal(proxy.upgrades, 2);
        assert.deepEqual(await data(channel), [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
        assert.deepEqual(
          (await events()).slice(5).map(({ id }) => id),
          ids,
        );
      },
      undefined,
      blocked,
    );
  });

  it('takes its positions along, there and back', async () => {
    await onStage('auto', async ({ page, proxy, told, data }) => {
      const names = [newChannel('bulk'), newChannel('bulk')];
      await subscribe(page, CLIENT, Object.fromEntries(names.map((name) => [name, {}])));
      await told('it is live', isLive);
      for (const [round, transport] of ['websocket', 'sse', 'websocket'].entries()) {
        proxy.blocksWebSockets = transport === 'sse';
        if (round > 0) proxy.cut();
        for (const name of names) await publishRange(name, round * 10 + 1, round * 10 + 10);
        const hearsAll = (now: ClientReport) => now.transport === transport && now.heard >= (round + 1) * 20;
        await told(`it hears all over ${transport}`, hearsAll);
      }
      for (const name of names) assert.deepEqual(await data(name), numbers(1, 30));
    });
  });
});
