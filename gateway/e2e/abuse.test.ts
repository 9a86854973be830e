/**
 * One client that asks for as much as it can of what is kept, beside healthy ones: these go on publishing and hearing, the gateways stay ready,
 * and neither they nor Redis take up more memory than their bounds say. Times are no part of it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type RedisDeployment, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import {
  type Abuser,
  abandonedGets,
  fill,
  HealthyPair,
  peakMemoryOf,
  peakMemoryOfRedis,
  unreadFrames,
  unreadGet,
} from './harness/abuse.ts';
import { WsClient } from './harness/clients.ts';
import { call } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

const LARGE = 'large';
const SMALL = 'small';
const ROOM = 'full';
const MEMBERS = 200;
const MB = 1_048_576;
/** What is kept is 12 MB; what Redis may take beyond is some 8 MiB of answers, and what it frees late. */
const REDIS_BYTES = 96 * MB;
/** A gateway at rest has some 110 MB. Of answers that are not read it may keep 64 MiB, and of its own garbage as much. */
const GATEWAY_BYTES = 420 * MB;

const times = (count: number, of: (n: number) => Abuser): Abuser[] => Array.from({ length: count }, (_, n) => of(n));
const history = { type: 'history', limit: 1_000 };

const ABUSES: Readonly<Record<string, (gateway: string) => Abuser[]>> = {
  'asks for large histories by WebSocket': (gateway) =>
    times(4, () => unreadFrames(gateway, new Array(200).fill({ ...history, channel: LARGE }))),
  'asks for large histories by GET': (gateway) =>
    times(60, () => unreadGet(gateway, `/api/history?channel=${LARGE}&limit=1000`)),
  'gives up its requests for large histories': (gateway) =>
    times(16, () => abandonedGets(gateway, `/api/history?channel=${LARGE}&limit=1000`)),
  'subscribes with a tail of large events': (gateway) =>
    times(64, () => unreadFrames(gateway, [{ type: 'subscribe', channel: LARGE, tail: 1_000 }])),
  'streams large events from the first on': (gateway) =>
    times(64, () => unreadGet(gateway, `/events?channel=${LARGE}&after=0-0`)),
  'asks for small histories in great number': (gateway) =>
    times(2, () => unreadFrames(gateway, new Array(8_000).fill({ ...history, channel: SMALL }))),
  'asks who is there in great number': (gateway) =>
    times(2, () => unreadFrames(gateway, new Array(5_000).fill({ type: 'presence', channel: ROOM }))),
};

describe('one client beside healthy ones', () => {
  let redis: RedisDeployment;
  let gateways: readonly [GatewayProcess, GatewayProcess];
  const members: WsClient[] = [];
  before(async () => {
    redis = await startStandalone();
    const env = { REDIS_URL: redis.url, TRUSTED_PROXIES: '1' };
    gateways = await Promise.all([GatewayProcess.start({ env }), GatewayProcess.start({ env })]);
    for (const { url } of gateways)
      await until('it is ready', async () => (await call(`${url}/readyz`)).status === 200);
    await fill(gateways[0].url, LARGE, 200, 60_000);
    await fill(gateways[0].url, SMALL, 500, 20);
    for (let n = 0; n < MEMBERS; n++) members.push(await WsClient.open(`${gateways[1].url}/ws`));
    for (const member of members) member.send({ type: 'subscribe', channel: ROOM });
    await until('all are there', async () =>
      (await call(`${gateways[1].url}/api/presence?channel=${ROOM}`)).text.includes(`"count":${MEMBERS}`),
    );
  });
  after(async () => {
    for (const member of members) member.destroy();
    await Promise.all((gateways ?? []).map((gateway) => gateway.kill()));
    await redis?.stop();
  });

  for (const [what, begin] of Object.entries(ABUSES)) {
    test(`that ${what} takes nothing from them`, async (t) => {
      const [one, other] = gateways;
      const pairs = await Promise.all([
        HealthyPair.start(one.url, other.url, `pair:one:${Object.keys(ABUSES).indexOf(what)}`),
        HealthyPair.start(other.url, one.url, `pair:two:${Object.keys(ABUSES).indexOf(what)}`),
      ]);
      const abusers = begin(one.url);
      t.after(() => {
        for (const abuser of abusers) abuser.stop();
      });
      // Rounds, and not a time: whatever the machine, the abusers are at it all the while.
      for (let round = 0; round < 4; round++) {
        await Promise.all(pairs.map((pair) => pair.goOn(20)));
        for (const { url } of gateways) assert.equal((await call(`${url}/readyz`)).status, 200);
      }
      for (const abuser of abusers) abuser.stop();
      for (const pair of pairs) {
        await pair.stop();
        assert.deepEqual(pair.faults, []);
        assert.deepEqual(pair.heard, [...pair.heard.keys()]);
      }
      const [ofRedis, ...ofGateways] = [await peakMemoryOfRedis(redis), ...gateways.map(peakMemoryOf)];
      t.diagnostic(
        `Redis at most ${Math.round(ofRedis / MB)} MB, gateways ${ofGateways.map((b) => Math.round(b / MB))}`,
      );
      assert.ok(ofRedis < REDIS_BYTES, `${ofRedis} bytes of Redis`);
      for (const bytes of ofGateways) assert.ok(bytes < GATEWAY_BYTES, `${bytes} bytes of a gateway`);
    });
  }
});
