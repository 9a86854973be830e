import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerUnavailable } from '../../broker/broker.ts';
import type { StoreRefusal } from '../../broker/refusals.ts';
import { StorageProbe } from './storage-probe.ts';

function world() {
  const state = {
    now: 0,
    write: undefined as BrokerUnavailable | undefined,
    read: undefined as BrokerUnavailable | undefined,
    hangs: false,
    writes: 0,
  };
  const heard: [string, StoreRefusal | undefined][] = [];
  const probe = new StorageProbe({
    broker: {
      shards: (prefix) => [{ name: 'a', channel: `${prefix}0` }],
      publish: async () => {
        state.writes++;
        if (state.hangs) await new Promise(() => undefined);
        if (state.write) throw state.write;
        return { id: '1-0', duplicate: false };
      },
      heads: async () => {
        if (state.read) throw state.read;
        return ['1-0'];
      },
    },
    clock: () => state.now,
    onWrites: (shard, refusal) => heard.push([shard, refusal]),
  });
  const second = async () => {
    probe.check();
    await new Promise(setImmediate);
    state.now += 1_000;
  };
  return { state, heard, probe, second };
}

const OOM = new BrokerUnavailable('OOM command not allowed', { refusal: 'OOM' });
const NOPERM = new BrokerUnavailable('NOPERM no', { refusal: 'NOPERM' });
const AWAY = new BrokerUnavailable('away');

describe('the storage probe', () => {
  it('tells once that writes are refused, of another reason, and that they are taken again', async () => {
    const { state, heard, probe, second } = world();
    await second();
    assert.deepEqual([heard, probe.refusedWrites()], [[], []]);
    state.write = OOM;
    await second();
    await second();
    assert.deepEqual(probe.refusedWrites(), [{ shard: 'a', refusal: 'OOM' }]);
    state.write = NOPERM;
    await second();
    state.write = AWAY; // tells nothing about writes
    await second();
    state.write = undefined;
    await second();
    assert.deepEqual(heard, [
      ['a', 'OOM'],
      ['a', 'NOPERM'],
      ['a', undefined],
    ]);
  });

  it('takes what is kept for unreadable once no read was answered for the grace', async () => {
    const { state, probe, second } = world();
    await second();
    state.read = AWAY;
    await second();
    assert.equal(probe.unreadable(3_000), undefined);
    for (let passed = 0; passed < 3; passed++) await second();
    assert.equal(probe.unreadable(3_000), 'away');
    state.read = undefined;
    await second();
    assert.equal(probe.unreadable(3_000), undefined);
  });

  it('asks a shard that does not answer one thing at a time', async () => {
    const { state, second } = world();
    state.hangs = true;
    for (let passed = 0; passed < 5; passed++) await second();
    assert.equal(state.writes, 1);
  });
});
