import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Tend, Tending } from './tending.ts';

const RETENTION_MS = 80_000;
const AN_ID = /^(\d+)-(\d+)$/;

function world(): { tending: Tending; clock: { ms: number } } {
  const clock = { ms: 1 };
  return { tending: new Tending(() => clock.ms), clock };
}

function millisecondsOf(tend: Tend): number {
  assert.match(tend, AN_ID);
  return Number(AN_ID.exec(tend)?.[1]);
}

it('looks after the lifetimes of a channel with its first publish, and after an eighth of the retention again', () => {
  const { tending, clock } = world();
  assert.equal(tending.next('a', RETENTION_MS), '1');
  assert.equal(tending.next('a', RETENTION_MS), '0');
  assert.equal(tending.next('b', RETENTION_MS), '1');
  clock.ms += RETENTION_MS / 8 - 1;
  assert.equal(tending.next('a', RETENTION_MS), '0');
  clock.ms += 1;
  assert.equal(tending.next('a', RETENTION_MS), '1');
});

it('has every channel go on above what a server that was replaced may have given, until a publish of it is stored', () => {
  const { tending } = world();
  tending.next('a', RETENTION_MS);
  tending.serverReplaced(5_000.5);
  for (const channel of ['a', 'never published to']) {
    const first = tending.next(channel, RETENTION_MS);
    assert(millisecondsOf(first) > 5_001);
    assert.equal(
      millisecondsOf(tending.next(channel, RETENTION_MS)),
      millisecondsOf(first),
      'the first may come to nothing',
    );
    tending.stored(channel, first);
    assert.equal(tending.next(channel, RETENTION_MS), '0');
  }
});

it('never takes one replaced server for the next one, and never goes back', () => {
  const { tending } = world();
  tending.serverReplaced(50_000);
  const before = tending.next('a', RETENTION_MS);
  tending.serverReplaced(1_000); // its clock was behind
  const after = tending.next('a', RETENTION_MS);
  assert(millisecondsOf(after) > millisecondsOf(before));
  tending.stored('a', before); // what was sent to the one before
  assert.match(tending.next('a', RETENTION_MS), AN_ID);
  tending.stored('a', after);
  assert.equal(tending.next('a', RETENTION_MS), '0');
});

it('begins each time elsewhere, so that two servers seldom begin at the same id', () => {
  const { tending } = world();
  tending.serverReplaced(5_000);
  const ids = new Set(Array.from({ length: 100 }, () => tending.next('a', RETENTION_MS)));
  assert(ids.size > 90);
});

it('remembers channels up to a bound; one that is forgotten is only looked after sooner', () => {
  const { tending } = world();
  tending.serverReplaced(5_000);
  tending.stored('first', tending.next('first', RETENTION_MS));
  for (let i = 0; i < 10_000; i++) tending.next(`c${i}`, RETENTION_MS);
  assert.match(tending.next('first', RETENTION_MS), AN_ID);
});
