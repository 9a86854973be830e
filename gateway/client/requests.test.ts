import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PasserelleError } from './errors.ts';
import type { Fields } from './frames.ts';
import { Requests } from './requests.ts';
import { settled, World } from './testing/world.ts';

interface Asked {
  readonly fields: Record<string, unknown>;
  answer(fields: Fields): void;
  fail(code: string): void;
}

function begun() {
  const world = new World();
  const asked: Asked[] = [];
  const parts = { connected: true };
  const requests = new Requests((_, fields) => {
    if (!parts.connected) return undefined;
    return new Promise((resolve, reject) => {
      asked.push({
        fields: JSON.parse(fields) as Record<string, unknown>,
        answer: resolve,
        fail: (code) => reject(new PasserelleError(code, code)),
      });
    });
  }, world);
  const publish = (channel: string, data: unknown, key = `key-${data}`) =>
    requests.publish({ channel, event: undefined, data, key });
  return { world, asked, parts, requests, publish };
}

const codeIs = (code: string) => (error: unknown) => error instanceof PasserelleError && error.code === code;

describe('publishes', () => {
  it('resolve with what the gateway says', async () => {
    const { asked, publish } = begun();
    const published = [publish('a', 1), publish('b', 2), publish('c', 3)];
    await settled();
    asked[0]?.answer({ channel: 'a', id: '1-0' });
    asked[1]?.answer({ channel: 'b', id: '2-0', duplicate: true });
    asked[2]?.answer({ channel: 'c' });
    assert.deepEqual(await Promise.all(published), [
      { id: '1-0', duplicate: false },
      { id: '2-0', duplicate: true },
      { id: '', duplicate: false },
    ]);
    assert.deepEqual(asked[0]?.fields, { channel: 'a', data: 1, key: 'key-1' });
  });

  it('go out one after the other in each channel, through every failure', async () => {
    const { world, asked, publish } = begun();
    const published = [publish('a', 1), publish('a', 2), publish('b', 3), publish('a', 4)];
    const results = Promise.allSettled(published);
    const sent = async () => {
      await settled();
      return asked.map(({ fields }) => fields.data);
    };
    assert.deepEqual(await sent(), [1, 3]);
    asked[0]?.fail('unavailable');
    await settled();
    world.elapse();
    assert.deepEqual(await sent(), [1, 3, 1]);
    asked[2]?.answer({ id: '1-0' });
    assert.deepEqual(await sent(), [1, 3, 1, 2]);
    asked[3]?.fail('forbidden');
    assert.deepEqual(await sent(), [1, 3, 1, 2, 4]);
    asked[4]?.answer({ id: '2-0' });
    asked[1]?.answer({ id: '1-0' });
    assert.deepEqual(
      (await results).map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    );
  });

  it('send what the data was when they were called', async () => {
    const { asked, parts, requests, publish } = begun();
    parts.connected = false;
    const data = { n: 1 };
    const published = publish('a', data, 'key');
    data.n = 2;
    parts.connected = true;
    await settled();
    requests.wake();
    await settled();
    assert.deepEqual(asked[0]?.fields.data, { n: 1 });
    asked[0]?.answer({});
    await published;
  });

  for (const code of ['bad_request', 'forbidden', 'too_large', 'unauthorized']) {
    it(`are rejected with ${code} where the gateway says so`, async () => {
      const { asked, publish } = begun();
      const published = publish('a', 1);
      await settled();
      asked[0]?.fail(code);
      await assert.rejects(published, codeIs(code));
    });
  }

  it('are rejected where a thousand wait already', async () => {
    const { asked, parts, requests, publish } = begun();
    parts.connected = false;
    const waiting = Array.from({ length: 1_000 }, (_, n) => publish('a', n));
    const settledAll = Promise.allSettled(waiting);
    await assert.rejects(publish('b', 1), codeIs('too_many'));
    requests.stop(new PasserelleError('closed', ''));
    const results = await settledAll;
    assert.ok(results.every((result) => result.status === 'rejected' && codeIs('closed')(result.reason)));
    requests.wake();
    parts.connected = true;
    const published = publish('b', 1);
    await settled();
    asked[0]?.answer({});
    await published;
  });

  it('are rejected where their data cannot be JSON', async () => {
    const { publish } = begun();
    await assert.rejects(publish('a', 1n), TypeError);
  });

  it('wait for a connection however long that takes, but do not repeat themselves when their key may be forgotten', async () => {
    const { world, asked, parts, requests, publish } = begun();
    parts.connected = false;
    const published = publish('a', 1);
    await settled();
    world.pass(3_600_000);
    parts.connected = true;
    requests.wake();
    await settled();
    assert.equal(asked.length, 1);
    asked[0]?.fail('unavailable');
    await settled();
    world.pass(5 * 60_000);
    await assert.rejects(published, codeIs('unavailable'));
    assert.equal(asked.length, 1);
  });

  it('are asked again at once when there is a connection again', async () => {
    const { world, asked, requests, publish } = begun();
    const published = publish('a', 1);
    await settled();
    asked[0]?.fail('unavailable');
    await settled();
    assert.equal(world.timers.length, 1);
    requests.wake();
    await settled();
    assert.deepEqual(asked[1]?.fields, asked[0]?.fields);
    assert.equal(world.timers.length, 0);
    asked[1]?.answer({ id: '1-0', duplicate: true });
    assert.deepEqual(await published, { id: '1-0', duplicate: true });
  });
});
