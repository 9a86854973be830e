import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Event } from '../../broker/broker.ts';
import { NoticeLimit } from './notice-limit.ts';

const notice = (name: string): Event => ({ id: '', prev: '', name, data: Buffer.from('{}') });

function world(maxPerSecond: number, audiences: Record<string, number>) {
  const state = { now: 0, leftOut: 0 };
  const told: [string, string][] = [];
  const limit = new NoticeLimit({
    maxPerSecond,
    audienceOf: (channel) => audiences[channel] ?? 0,
    forward: (channel, { name }) => told.push([channel, name]),
    onLeftOut: (connections) => {
      state.leftOut += connections;
    },
    clock: () => state.now,
  });
  return { state, told, limit };
}

describe('the limit of presence notices', () => {
  it('lets a crowd be told of as much as it says, and then once that the list has changed', () => {
    const { state, told, limit } = world(1_000, { a: 100 });
    for (let joined = 0; joined < 500; joined++) limit.event('a', notice('joined'));
    assert.equal(told.length, 10);
    assert.equal(state.leftOut, 490 * 100);
    limit.tellChanged();
    assert.equal(told.length, 10, 'not before the limit allows it');
    state.now += 1_000;
    limit.tellChanged();
    limit.tellChanged();
    assert.deepEqual(told.slice(10), [['a', 'changed']]);
  });

  it('leaves out what is of the moment without a word, and never what goes to nobody', () => {
    const { state, told, limit } = world(10, { a: 10, b: 0 });
    limit.event('a', notice('joined'));
    limit.event('a', notice('typing'));
    limit.event('b', notice('joined'));
    state.now += 5_000;
    limit.tellChanged();
    assert.deepEqual(told, [
      ['a', 'joined'],
      ['b', 'joined'],
    ]);
  });

  it('without a limit lets everything through', () => {
    const { told, limit } = world(0, { a: 1_000_000 });
    for (let joined = 0; joined < 50; joined++) limit.event('a', notice('joined'));
    assert.equal(told.length, 50);
  });

  it('over any time writes at most a burst and the rate, and in the end tells every channel that something was left out', () => {
    const step = fc.record({ channel: fc.constantFrom('a', 'b', 'c'), waitMs: fc.nat(300) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const audiences = { a: 1, b: 40, c: 900 };
        const { state, told, limit } = world(1_000, audiences);
        const silenced = new Set<string>();
        for (const { channel, waitMs } of steps) {
          const so = state.leftOut;
          limit.event(channel, notice('left'));
          if (state.leftOut > so) silenced.add(channel);
          state.now += waitMs;
        }
        const sum = told.reduce((all, [channel]) => all + audiences[channel as 'a' | 'b' | 'c'], 0);
        assert.ok(sum <= 1_000 + state.now + 1, `${sum} in ${state.now} ms`);
        for (let second = 0; second < 5; second++) {
          state.now += 1_000;
          limit.tellChanged();
        }
        const changed = told.filter(([, name]) => name === 'changed').map(([channel]) => channel);
        assert.deepEqual(changed.sort(), [...silenced].sort());
      }),
    );
  });
});
