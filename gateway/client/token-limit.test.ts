import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settled, World } from './testing/world.ts';
import { Tokens } from './tokens.ts';

const MINUTE = 60_000;

describe('a function that is asked for a token', () => {
  it('and never answers is asked anew after a minute, and whoever waited is told', async () => {
    const world = new World();
    const answers: ((token: string) => void)[] = [];
    const tokens = new Tokens(() => new Promise((resolve) => answers.push(resolve)), world);
    const waits = [tokens.get(), tokens.fresh()].map((each) => assert.rejects(each, { code: 'unavailable' }));
    world.pass(MINUTE - 1);
    await settled();
    const late = assert.rejects(tokens.get(), { code: 'unavailable' });
    assert.equal(answers.length, 1);
    world.pass(1);
    await Promise.all([...waits, late]);
    const next = tokens.get();
    assert.equal(answers.length, 2);
    answers[1]?.('second');
    assert.equal(await next, 'second');
    assert.deepEqual(world.timers, []);
  });
});
