/** What a crowd that comes at once costs a real Redis, by Redis's own count of its commands: as much as the channels, not as the crowd. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Redis } from 'ioredis';
import { startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { type ChannelsFile, writeChannelsFile } from './harness/fixtures.ts';
import { post } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

const CHANNELS = ['bulk:storm-1', 'bulk:storm-2', 'bulk:storm-3', 'bulk:storm-4'];
const MISSED = 100;
/** On each channel, half of them on each transport. */
const CROWD = 30;

describe('a storm', () => {
  let redis: Awaited<ReturnType<typeof startStandalone>>;
  let file: ChannelsFile;

  before(async () => {
    redis = await startStandalone();
    file = writeChannelsFile();
  });
  after(async () => {
    file.remove();
    await redis.stop();
  });

  const start = (): Promise<GatewayProcess> =>
    GatewayProcess.start({
      env: { REDIS_URL: redis.url, CHANNELS_FILE: file.path, MAX_CONNECTS_PER_SECOND: '0', MAX_EVENT_LOOP_LAG_MS: '0' },
    });

  /**
   * Hears which channels are subscribed to in Redis, and whose streams are read, within scripts too: but for the gateways' own. `heard` resolves
   * once it has heard all until now.
   */
  async function watch(t: TestContext): Promise<{ subscribes: string[]; reads: string[]; heard(): Promise<void> }> {
    const subscribes: string[] = [];
    const reads: string[] = [];
    let markers = 0;
    let heardMarkers = 0;
    const connection = new Redis(redis.url);
    const monitor = await connection.monitor();
    t.after(() => {
      connection.disconnect();
      monitor.disconnect();
    });
    monitor.on('monitor', (_time: string, [command = '', ...channels]: string[]) => {
      const ofClients = channels.filter((name) => name.includes('bulk:'));
      if (command.toLowerCase() === 'subscribe') subscribes.push(...ofClients);
      if (/^xr(ev)?range$/i.test(command)) reads.push(...ofClients);
      if (command.toLowerCase() === 'echo') heardMarkers++;
    });
    const heard = async () => {
      const marker = ++markers;
      await redis.servers[0]?.command('ECHO', 'marker');
      await until('all until now is heard', () => heardMarkers >= marker);
    };
    return { subscribes, reads, heard };
  }

  /** So many on each channel come at once to a gateway that does not know it yet, and get what they missed. */
  async function storm(each: number): Promise<void> {
    const gateway = await start();
    try {
      const crowd = CHANNELS.flatMap((channel) =>
        Array.from({ length: each }, (_, i) => comeBack(gateway, channel, i)),
      );
      await Promise.all(crowd);
    } finally {
      await gateway.kill();
    }
  }

  it('of reconnects costs as many reads of history as one client on each channel, and gives each what it missed', async (t) => {
    const publisher = await start();
    for (const channel of CHANNELS) {
      const publishes = Array.from({ length: MISSED }, (_, n) => ({ channel, data: n }));
      assert.equal((await post(`${publisher.url}/api/batch`, { publishes })).status, 200);
    }
    await publisher.stop();
    const { subscribes, reads, heard } = await watch(t);
    await storm(1);
    await heard();
    const alone = reads.splice(0).length;
    assert.ok(alone > 0, 'the history was read');
    await storm(CROWD);
    await heard();
    assert.equal(reads.length, alone);
    assert.equal(
      subscribes.length,
      2 * CHANNELS.length,
      `one for each channel in each of the two storms: ${subscribes}`,
    );
  });

  it('of subscribes to one new channel makes one SUBSCRIBE', async (t) => {
    const gateway = await start();
    t.after(() => gateway.stop());
    const sockets = await Promise.all(Array.from({ length: 100 }, () => WsClient.open(`${gateway.url}/ws`)));
    const { subscribes, heard } = await watch(t);
    for (const socket of sockets) socket.send({ type: 'subscribe', channel: 'bulk:new' });
    const streams = sockets.map(() => new SseClient(`${gateway.url}/events?channel=bulk:new`));
    await Promise.all(sockets.map(({ frames }) => frames.find(({ type }) => type === 'subscribed')));
    await Promise.all(streams.map(({ opened }) => opened));
    await post(`${gateway.url}/api/publish`, { channel: 'bulk:new', data: 1 });
    await Promise.all(sockets.map(({ frames }) => frames.find(({ type }) => type === 'event')));
    await Promise.all(streams.map(({ blocks }) => blocks.find(({ data }) => data === '1')));
    await heard();
    assert.equal(subscribes.length, 1, `${subscribes}`);
    for (const client of [...sockets, ...streams]) client.destroy();
  });
});

/** Resumes from the beginning, by one transport or the other, and resolves when it has everything, in order. */
async function comeBack(gateway: GatewayProcess, channel: string, index: number): Promise<void> {
  const values: number[] = [];
  const end = () => undefined;
  const url = `${gateway.url}${index % 2 === 0 ? '/ws' : `/events?channel=${channel}&after=0-0`}`;
  const client =
    index % 2 === 0
      ? new WsClient(url, {
          sink: { push: ({ type, data }) => void (type === 'event' && values.push(data as number)), end },
        })
      : new SseClient(url, { sink: { push: ({ data }) => data !== undefined && values.push(Number(data)), end } });
  await client.opened;
  if (client instanceof WsClient) client.send({ type: 'subscribe', channel, after: '0-0' });
  await until('it has what it missed', () => values.length >= MISSED);
  assert.deepEqual(values, [...Array(MISSED).keys()]);
  client.destroy();
}
