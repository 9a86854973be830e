/** Deployments in two databases of one Redis share nothing, also in pub/sub, which knows no database. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { noticesOf } from '../presence.ts';
import { Recorder } from '../testing/events.ts';
import { until } from '../testing/until.ts';
import { RedisBroker } from './engine.ts';
import { type RedisDeployment, startSentinel, startStandalone } from './testing/servers.ts';
import { parseRedisUrl } from './url.ts';

for (const [form, start] of [
  ['standalone Redis', startStandalone],
  ['Redis with Sentinel', startSentinel],
] as const) {
  describe(`two databases of ${form}`, () => {
    let deployment: RedisDeployment;
    const opened: RedisBroker[] = [];
    before(async () => {
      deployment = await start();
    });
    after(async () => {
      for (const broker of opened) await broker.close();
      await deployment.stop();
    });

    const open = async (db: number): Promise<{ broker: RedisBroker; heard: Recorder }> => {
      const parsed = parseRedisUrl(`${deployment.url}/${db}`);
      assert(parsed.ok);
      const broker = new RedisBroker({
        target: parsed.target,
        retentionOf: (channel) => ({ size: channel.startsWith('none:') ? 0 : 10, retentionMs: 60_000 }),
      });
      opened.push(broker);
      const heard = new Recorder();
      broker.listen(heard);
      await broker.connect();
      return { broker, heard };
    };

    it('hear nothing of each other, neither events nor notices of presence', async () => {
      const channels = ['kept', 'none:sent', '$own', noticesOf('chat:room')];
      const gateways = await Promise.all([0, 1, 2, 1].map(open));
      for (const { broker } of gateways) for (const channel of channels) await broker.subscribe(channel);
      for (const [index, { broker }] of gateways.slice(0, 3).entries()) {
        for (const channel of channels.slice(0, 3))
          await broker.publish(channel, { name: 'message', data: `"${index}"` });
        await broker.presence.renewLease('g', 60_000);
        const member = { connection: `c${index}`, gateway: 'g', user: null, name: `"${index}"`, secret: 's' };
        await broker.presence.join('chat:room', { ...member, announce: true });
      }
      // Redis sends in order, so whatever would come of other databases is there before the last of one's own.
      const expected = (index: number) => channels.map((channel) => [channel, index]);
      const got = ({ heard }: { heard: Recorder }) =>
        heard.events.map(({ channel, event }) => {
          const data: unknown = JSON.parse(event.data.toString());
          if (typeof data === 'string') return [channel, Number(data)];
          return [channel, Number(/"c(\d)"/.exec(event.data.toString())?.[1])];
        });
      for (const [at, index] of [0, 1, 2, 1].entries()) {
        const gateway = gateways[at];
        assert(gateway);
        await until('one’s own have come', () => got(gateway).filter(([, from]) => from === index).length === 4);
      }
      for (const [at, index] of [0, 1, 2, 1].entries()) {
        const gateway = gateways[at];
        assert(gateway);
        assert.deepEqual(got(gateway), expected(index));
      }
    });
  });
}
