/** Publishes wait for others to go with; whatever else one gateway asks of Redis keeps its place among them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { noticesOf } from '../presence.ts';
import { Recorder } from '../testing/events.ts';
import { until } from '../testing/until.ts';
import { RedisBroker } from './engine.ts';
import { type RedisDeployment, startStandalone } from './testing/servers.ts';
import { parseRedisUrl } from './url.ts';

describe('what is asked in one turn', () => {
  let deployment: RedisDeployment;
  let broker: RedisBroker;
  const heard = new Recorder();
  before(async () => {
    deployment = await startStandalone();
    const parsed = parseRedisUrl(deployment.url);
    assert(parsed.ok);
    broker = new RedisBroker({ target: parsed.target, retentionOf: () => ({ size: 100, retentionMs: 3_600_000 }) });
    broker.listen(heard);
    await broker.connect();
    await broker.presence.renewLease('g', 60_000);
  });
  after(async () => {
    await broker.close();
    await deployment.stop();
  });

  it('is done in the order asked: a publish, another name, a publish', async () => {
    const notices = noticesOf('room');
    await broker.subscribe(notices);
    const member = { connection: 'c', gateway: 'g', user: null, name: 'n', claim: 'n', secret: 's' };
    await broker.presence.join('room', { ...member, previous: undefined, announce: true });
    const expected = ['joined'];
    for (let i = 0; i < 20; i++) {
      await Promise.all([
        broker.publish(notices, { name: 'before', data: '1' }),
        broker.presence.rename('room', 'c', `n${i}`, `n${i}`),
        broker.publish(notices, { name: 'after', data: '1' }),
      ]);
      expected.push('before', 'renamed', 'after');
    }
    await until('all is heard', () => heard.events.length === expected.length);
    assert.deepEqual(
      heard.events.map(({ event }) => event.name),
      expected,
    );
  });

  it('is read after what was published and acknowledged', async () => {
    const { id: published } = await broker.publish('plain', { name: 'message', data: '1' });
    const { events } = await broker.readTail('plain', 10);
    assert.deepEqual(
      events.map(({ id }) => id),
      [published],
    );
  });

  it('is one chain in the order asked, also where it is far more than the history keeps, or there was no stream', async () => {
    for (const round of ['new', 'known']) {
      heard.events.length = 0;
      await broker.subscribe('many');
      const asked = Array.from({ length: 500 }, (_, i) => broker.publish('many', { name: round, data: String(i) }));
      const ids = (await Promise.all(asked)).map(({ id }) => id);
      await until('all is heard', () => heard.events.length === ids.length);
      assert.deepEqual(
        heard.events.map(({ event }) => [event.id, event.data.toString()]),
        ids.map((id, i) => [id, String(i)]),
      );
      for (const [i, { event }] of heard.events.entries()) if (i > 0) assert.equal(event.prev, ids[i - 1]);
      const { events, start } = await broker.readTail('many', 1_000);
      assert.deepEqual(
        [start, ...events.map(({ id }) => id)],
        ids.slice(-101), // the history keeps 100
      );
    }
  });
});
