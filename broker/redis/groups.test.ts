import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Group, Groups } from './groups.ts';

/** Groups as they were sent, and what becomes of them as the test says. */
function world() {
  const sent: Group[] = [];
  const answers: { resolve(ids: readonly string[]): void; reject(error: Error): void }[] = [];
  let asked = 0;
  const groups = new Groups(
    (group) => {
      sent.push({ ...group, bodies: [...group.bodies] });
      return new Promise((resolve, reject) => answers.push({ resolve, reject }));
    },
    () => asked++,
  );
  return { groups, sent, answers, asked: () => asked };
}

describe('publishes that come in one turn', () => {
  it('go by one call for each channel, and each gets its own id', async () => {
    const { groups, sent, answers, asked } = world();
    const ids = [groups.add('a', 'a1'), groups.add('b', 'b1'), groups.add('a', 'a2')];
    assert.deepEqual([sent.length, asked()], [0, 2]);
    groups.flush();
    assert.deepEqual(
      sent.map(({ channel, bodies }) => [channel, bodies]),
      [
        ['a', ['a1', 'a2']],
        ['b', ['b1']],
      ],
    );
    answers[1]?.resolve(['20-0']);
    answers[0]?.resolve(['10-0', '10-1']);
    assert.deepEqual(await Promise.all(ids), ['10-0', '20-0', '10-1']);
    groups.flush();
    assert.equal(sent.length, 2);
  });

  it('fail together, and none but those of the call that failed', async () => {
    const { groups, answers } = world();
    const outcomes = Promise.allSettled([groups.add('a', '1'), groups.add('a', '2')]);
    groups.flush();
    const later = groups.add('a', '3');
    groups.flush();
    answers[0]?.reject(new Error('lost'));
    answers[1]?.resolve(['1-0']);
    assert.deepEqual(
      (await outcomes).map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(await later, '1-0');
  });

  it('fail by themselves where sending throws, and hold nobody up', async () => {
    const groups = new Groups(
      ({ channel }) => {
        if (channel === 'broken') throw new Error('cannot be sent');
        return Promise.resolve(['1-0']);
      },
      () => undefined,
    );
    const broken = Promise.allSettled([groups.add('broken', '1'), groups.add('broken', '2')]);
    const beside = groups.add('beside', '1');
    groups.flush();
    assert.deepEqual(
      (await broken).map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(await beside, '1-0');
    const later = groups.add('beside', '2');
    groups.flush();
    assert.equal(await later, '1-0');
  });

  it('go once, though sending is itself an occasion to send what waits', () => {
    const sent: string[] = [];
    const groups: Groups = new Groups(
      async ({ channel, bodies }) => {
        groups.flush();
        sent.push(channel);
        return bodies.map(() => '1-0');
      },
      () => undefined,
    );
    for (const channel of ['a', 'b', 'c']) void groups.add(channel, '1');
    groups.flush();
    assert.deepEqual(sent, ['a', 'b', 'c']);
  });

  it('keep their order, whenever they are sent, in calls that are bounded', () => {
    const step = fc.record({ channel: fc.constantFrom('a', 'b'), length: fc.nat(100_000), flush: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const { groups, sent } = world();
        const given = new Map<string, string[]>([
          ['a', []],
          ['b', []],
        ]);
        for (const [index, { channel, length, flush }] of steps.entries()) {
          const body = `${index} `.padEnd(length, 'x');
          given.get(channel)?.push(body);
          void groups.add(channel, body);
          if (flush && index % 7 === 0) groups.flush();
        }
        groups.flush();
        for (const [channel, bodies] of given)
          assert.deepEqual(
            sent.filter((group) => group.channel === channel).flatMap((group) => group.bodies),
            bodies,
          );
        for (const { bodies } of sent) {
          assert(bodies.length >= 1 && bodies.length <= 128);
          assert(bodies.length === 1 || bodies.join('').length <= 262_144);
        }
      }),
      { numRuns: 50 },
    );
  });
});
