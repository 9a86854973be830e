import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { noRefusals } from './limits.ts';
import { ReadLimits } from './read-limits.ts';

const ADDRESS = '203.0.113.7';

function scene(changed: Partial<ConstructorParameters<typeof ReadLimits>[0]> = {}) {
  const clock = { ms: 0 };
  const refusals = noRefusals();
  const limits = new ReadLimits({
    maxReadBytesPerSecond: 10_000,
    maxUserReadBytesPerSecond: 20_000,
    maxKeyReadBytesPerSecond: 0,
    maxAddressReadBytesPerSecond: 20_000,
    maxReadsPerAddress: 2,
    clock: () => clock.ms,
    refusals,
    ...changed,
  });
  return { limits, clock, refusals };
}

describe('what may be read', () => {
  it('is charged once it is known, and made up for before more is read', () => {
    const { limits, clock, refusals } = scene();
    const reader = { connection: 'c', anyAddress: ADDRESS };
    assert.equal(limits.refuse(reader), undefined);
    limits.askerFor(reader, () => false).onRead?.(30_000 - 1_024);
    const refusal = limits.refuse(reader);
    assert.equal(refusal?.code, 'too_many');
    assert.match(refusal?.error ?? '', /MAX_READ_BYTES_PER_SECOND/);
    assert.equal(refusals.connection_reads, 1);
    clock.ms += refusal?.againInMs ?? 0;
    assert.equal(limits.refuse(reader), undefined);
    assert.equal(limits.bytes, 30_000 - 1_024);
  });

  it('is counted for a user over all connections, for a key without a limit not at all, and for a loopback address neither', () => {
    const { limits } = scene();
    limits.charge({ connection: 'a', user: 'ada' }, 1_000_000);
    assert.ok(limits.waitMs({ connection: 'b', user: 'ada' }) > 0);
    assert.equal(limits.waitMs({ connection: 'b', user: 'eve' }), 0);
    limits.charge({ key: 'server' }, 1_000_000);
    assert.equal(limits.waitMs({ key: 'server' }), 0);
    limits.charge({ anyAddress: '127.0.0.1' }, 1_000_000);
    assert.equal(limits.waitMs({ anyAddress: '127.0.0.1' }), 0);
    limits.charge({ anyAddress: ADDRESS }, 1_000_000);
    assert.ok(limits.waitMs({ anyAddress: ADDRESS }) > 0);
  });

  it('has so many requests of one address at a time', async () => {
    const { limits, refusals } = scene();
    const reader = { anyAddress: ADDRESS };
    const ends: (() => void)[] = [];
    const ask = () =>
      limits.within(
        reader,
        () => new Promise<string>((resolve) => ends.push(() => resolve('done'))),
        ({ code }) => code,
      );
    const asked = [ask(), ask()];
    assert.equal(await ask(), 'too_many');
    assert.equal(refusals.address_requests, 1);
    for (const end of ends) end();
    assert.deepEqual(await Promise.all(asked), ['done', 'done']);
    const again = ask();
    ends.at(-1)?.();
    assert.equal(await again, 'done');
  });
});
