import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findStalls, type Progress } from './liveness.ts';

const CHANNEL = 'load:a';
const RULES = { limitMs: 1_000, pauseMs: 200 };
const id = (number: number) => `${number}-0`;
/** Events 1 to `count`, each acknowledged 100 ms after the one before it. */
const acknowledged = (count: number, from = 1, startsAt = 0) =>
  Array.from({ length: count }, (_none, index) => {
    return { channel: CHANNEL, id: id(from + index), at: startsAt + (from + index) * 100 };
  });
const subscriber = (...steps: readonly (readonly [at: number, number: number])[]): Progress => {
  return { subscriber: 's', channel: CHANNEL, steps: steps.map(([at, number]) => ({ at, id: id(number) })) };
};
const atOnce = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_none, index) => [(from + index) * 100 + 5, from + index] as const);

test('a subscriber that has each event soon after it was acknowledged keeps up', () => {
  assert.deepEqual(findStalls(acknowledged(100), [subscriber([0, 0], ...atOnce(1, 100))], RULES), []);
});

test('a subscriber that stalls for good while events go on is found', () => {
  const [stall, ...more] = findStalls(acknowledged(100), [subscriber([0, 0], ...atOnce(1, 40))], RULES);
  assert.deepEqual(more, []);
  // Of 41 to 100 those that were acknowledged more than a second before the last one.
  assert.deepEqual(stall, { subscriber: 's', channel: CHANNEL, id: id(41), lateMs: undefined, count: 49 });
});

test('a subscriber that stalls for too long and then catches up is found, and by how much', () => {
  const steps = [[0, 0], ...atOnce(1, 40), [7_000, 70], ...atOnce(71, 100)] as const;
  const [stall] = findStalls(acknowledged(100), [subscriber(...steps)], RULES);
  assert.equal(stall?.id, id(41));
  assert.equal(stall?.lateMs, 2_900);
  assert.equal(stall?.count, 19);
});

test('a pause within the limit is none', () => {
  const steps = [[0, 0], ...atOnce(1, 40), [5_050, 50], ...atOnce(51, 100)] as const;
  assert.deepEqual(findStalls(acknowledged(100), [subscriber(...steps)], RULES), []);
});

test('while nothing is acknowledged nobody stalls', () => {
  // Redis is away for a minute, just after event 40 was acknowledged; whoever has not got it by then gets it when Redis is back.
  const publishes = [...acknowledged(40), ...acknowledged(60, 41, 60_000)];
  const later = atOnce(41, 100).map(([at, number]) => [at + 60_000, number] as const);
  assert.deepEqual(findStalls(publishes, [subscriber([0, 0], ...atOnce(1, 36), ...later)], RULES), []);
});

test('whoever comes late owes its progress from then on only', () => {
  const late = subscriber([9_000, 0], [9_100, 89], ...atOnce(90, 100));
  assert.deepEqual(findStalls(acknowledged(100), [late], RULES), []);
  const stuck = subscriber([8_000, 0]);
  assert.equal(findStalls(acknowledged(100), [stuck], RULES)[0]?.id, id(1));
});

test('what Redis lost afterwards is owed to nobody', () => {
  const lost = { ...RULES, owed: (_channel: string, position: string) => Number.parseInt(position, 10) <= 40 };
  assert.deepEqual(findStalls(acknowledged(100), [subscriber([0, 0], ...atOnce(1, 40))], lost), []);
});

test('one subscriber that stalls is found among those that do not, and only in its channel', () => {
  const other = acknowledged(100).map((one) => ({ ...one, channel: 'load:b' }));
  const well = subscriber([0, 0], ...atOnce(1, 100));
  const stuck = { ...subscriber([0, 0], ...atOnce(1, 10)), subscriber: 'stuck' };
  const found = findStalls(
    [...acknowledged(100), ...other],
    [well, stuck, { ...well, subscriber: 'stuck', channel: 'load:b' }],
    RULES,
  );
  assert.deepEqual(
    found.map((stall) => `${stall.subscriber} ${stall.channel}`),
    ['stuck load:a'],
  );
});
