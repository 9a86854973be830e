import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { check, type Item, type Publish, type Rules, type Subscription } from './checker.ts';

const CHANNEL = 'load:a';
const id = (number: number) => `1000-${number}`;
const data = (number: number) => JSON.stringify(`event ${number}`);
const event = (number: number): Item => ({ type: 'event', id: id(number), data: data(number) });
const published = (number: number, answers: Publish['answers'] = [{ outcome: 'acknowledged', id: id(number) }]) => ({
  channel: CHANNEL,
  data: data(number),
  answers,
});
const subscription = (items: Item[], start = '0-0', subscriber = 'a'): Subscription => ({
  subscriber,
  channel: CHANNEL,
  start,
  items,
});
const FIVE = [1, 2, 3, 4, 5];

function faults(publishes: Publish[], subscriptions: Subscription[], rules?: Rules): string[] {
  return check(publishes, subscriptions, rules).violations.map(
    ({ fault, subscriber, count }) => `${fault}: ${subscriber}${count > 1 ? ` ${count} times` : ''}`,
  );
}

function faultsOf(items: Item[], rules?: Rules): string[] {
  return faults(
    FIVE.map((number) => published(number)),
    [subscription(items)],
    rules,
  );
}

test('every event once and in order is right, and is counted', () => {
  const all = FIVE.map(event);
  const resumed: Item = { type: 'resumed', position: id(2), recovered: true };
  const verdict = check(
    FIVE.map((number) => published(number)),
    [subscription([...all.slice(0, 2), resumed, ...all.slice(2)]), subscription(all.slice(3), id(3), 'late')],
  );
  assert.deepEqual(verdict, { violations: [], published: 5, acknowledged: 5, deliveries: 7, gaps: 0, resumes: 1 });
});

test('an event that was passed over is missing', () => {
  assert.deepEqual(faultsOf([1, 2, 4, 5].map(event)), ['missing: a']);
});

test('events that never came at the end are missing', () => {
  assert.deepEqual(faultsOf([1, 2, 3].map(event)), ['tail missing: a 2 times']);
  assert.deepEqual(faultsOf([]), ['tail missing: a 5 times']);
});

test('what came before the start is not owed, all that comes after it is', () => {
  const publishes = FIVE.map((number) => published(number));
  assert.deepEqual(faults(publishes, [subscription([5].map(event), id(3))]), ['missing: a']);
});

test('an event that came twice is a duplicate, at once or later', () => {
  assert.deepEqual(faultsOf([1, 2, 2, 3, 4, 5].map(event)), ['duplicate: a']);
  assert.deepEqual(faultsOf([1, 2, 3, 4, 5, 1].map(event)), ['duplicate: a']);
});

test('events out of order are told', () => {
  assert.deepEqual(faultsOf([1, 3, 2, 4, 5].map(event)), ['reordered: a']);
});

test('an event from before the start is told', () => {
  const publishes = FIVE.map((number) => published(number));
  assert.deepEqual(faults(publishes, [subscription([3, 4, 5].map(event), id(3))]), ['reordered: a']);
});

test('a gap is a violation, or, where allowed, excuses just what it names', () => {
  const gap: Item = { type: 'gap', after: id(1), id: id(4) };
  assert.deepEqual(faultsOf([event(1), gap, event(4), event(5)]), ['gap: a', 'missing: a 2 times']);
  const allowed = { gapsAllowed: true, allAcknowledged: true };
  assert.deepEqual(faultsOf([event(1), gap, event(4), event(5)], allowed), []);
  assert.deepEqual(faultsOf([event(1), gap, event(4)], allowed), ['tail missing: a']);
  assert.deepEqual(faultsOf([event(1), event(2), gap, event(4), event(5)], allowed), ['wrong position: a']);
});

test('where nothing is left after a gap the last one is excused too', () => {
  const gap: Item = { type: 'gap', after: id(3), id: id(5) };
  assert.deepEqual(faultsOf([1, 2, 3].map(event).concat(gap), { gapsAllowed: true, allAcknowledged: true }), []);
});

test('a resume at another position than the last event is told, unless it says so', () => {
  const at = (position: string, recovered: boolean): Item => ({ type: 'resumed', position, recovered });
  assert.deepEqual(faultsOf([event(1), at(id(2), true), ...[2, 3, 4, 5].map(event)]), ['wrong position: a']);
  assert.deepEqual(faultsOf([event(1), at(id(0), false), ...[2, 3, 4, 5].map(event)]), []);
});

test('data that nobody published to the channel is foreign', () => {
  const odd: Item = { type: 'event', id: id(6), data: '"never"' };
  assert.deepEqual(faultsOf([...FIVE.map(event), odd]), ['foreign: a']);
  const elsewhere = { ...published(6), channel: 'load:b' };
  assert.deepEqual(
    faults([...FIVE.map((number) => published(number)), elsewhere], [subscription([...FIVE, 6].map(event))]),
    ['foreign: a'],
  );
});

test('an event whose publish was refused must not appear; one of unknown outcome may', () => {
  const rules = { gapsAllowed: false, allAcknowledged: false };
  assert.deepEqual(faults([published(1, [{ outcome: 'failed' }])], [subscription([event(1)])], rules), ['foreign: a']);
  assert.deepEqual(faults([published(1, [{ outcome: 'unknown' }])], [subscription([event(1)])], rules), []);
  assert.deepEqual(faults([published(1, [{ outcome: 'unknown' }])], [subscription([])], rules), []);
});

test('an event of unknown outcome that one subscriber has is owed to all', () => {
  const publishes = [published(1, [{ outcome: 'unknown' }]), published(2)];
  const subscriptions = [subscription([1, 2].map(event)), subscription([event(2)], '0-0', 'b')];
  assert.deepEqual(faults(publishes, subscriptions, { gapsAllowed: false, allAcknowledged: false }), ['missing: b']);
});

test('one id with other data is altered', () => {
  const publishes = [published(1, [{ outcome: 'unknown' }]), published(2)];
  const wrong: Item = { type: 'event', id: id(2), data: data(1) };
  assert.deepEqual(faults(publishes, [subscription([wrong])], { gapsAllowed: false, allAcknowledged: false }), [
    'altered: a',
  ]);
});

test('a retry that stored a second event is told, by its answer or by what was received', () => {
  const acknowledged = (number: number) => ({ outcome: 'acknowledged', id: id(number) }) as const;
  assert.deepEqual(faults([published(1, [acknowledged(1), acknowledged(2)])], []), ['stored twice: publishers']);
  const again: Item = { type: 'event', id: id(2), data: data(1) };
  assert.deepEqual(faults([published(1)], [subscription([event(1), again])]), ['stored twice: a']);
});

test('one id for two publishes is told', () => {
  const answers = [{ outcome: 'acknowledged', id: id(1) }] as const;
  assert.deepEqual(faults([published(1), published(2, answers)], []), ['shared id: publishers']);
});

test('a publish that was never acknowledged is told', () => {
  assert.deepEqual(faults([published(1, [{ outcome: 'unknown' }])], []), ['unacknowledged: publishers']);
});

test('two publishes with the same data cannot be told apart, so they are refused', () => {
  assert.throws(() => check([published(1), published(1)], []), /have the data/);
});

test('whatever is taken out, doubled or swapped is found', () => {
  const spoil = fc.record({ how: fc.constantFrom('drop', 'double', 'swap'), at: fc.nat(1_000) });
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 30 }), spoil, (size, { how, at }) => {
      const numbers = Array.from({ length: size }, (_none, index) => index + 1);
      const items = numbers.map(event);
      const index = at % (size - 1);
      if (how === 'drop') items.splice(index, 1);
      else if (how === 'double') items.splice(index, 0, items[index] as Item);
      else items.splice(index, 2, items[index + 1] as Item, items[index] as Item);
      const found = faults(
        numbers.map((number) => published(number)),
        [subscription(items)],
      );
      assert.deepEqual(found, [`${{ drop: 'missing', double: 'duplicate', swap: 'reordered' }[how]}: a`]);
    }),
  );
});
