import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
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
  assert.deepEqual(verdict, {
    violations: [],
    published: 5,
    acknowledged: 5,
    lost: 0,
    deliveries: 7,
    gaps: 0,
    resumes: 1,
  });
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

test('a gap after what the history holds is a violation, and excuses nothing', () => {
  const gap: Item = { type: 'gap', after: id(1), id: id(4) };
  assert.deepEqual(faultsOf([event(1), gap, event(4), event(5)]), ['gap: a', 'missing: a 2 times']);
  assert.deepEqual(faultsOf([event(1), event(2), gap, event(4), event(5)]), [
    'wrong position: a',
    'gap: a',
    'missing: a',
  ]);
});

test('a resume at another position than the last event is told', () => {
  const at = (position: string, recovered: boolean): Item => ({ type: 'resumed', position, recovered });
  assert.deepEqual(faultsOf([event(1), at(id(2), true), ...[2, 3, 4, 5].map(event)]), ['wrong position: a']);
  assert.deepEqual(faultsOf([event(1), at(id(0), false), ...[2, 3, 4, 5].map(event)]), ['gap: a', 'gap missing: a']);
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
  const rules = { allAcknowledged: false };
  assert.deepEqual(faults([published(1, [{ outcome: 'failed' }])], [subscription([event(1)])], rules), ['foreign: a']);
  assert.deepEqual(faults([published(1, [{ outcome: 'unknown' }])], [subscription([event(1)])], rules), []);
  assert.deepEqual(faults([published(1, [{ outcome: 'unknown' }])], [subscription([])], rules), []);
});

test('an event of unknown outcome that one subscriber has is owed to all', () => {
  const publishes = [published(1, [{ outcome: 'unknown' }]), published(2)];
  const subscriptions = [subscription([1, 2].map(event)), subscription([event(2)], '0-0', 'b')];
  assert.deepEqual(faults(publishes, subscriptions, { allAcknowledged: false }), ['missing: b']);
});

test('one id with other data is altered', () => {
  const publishes = [published(1, [{ outcome: 'unknown' }]), published(2)];
  const wrong: Item = { type: 'event', id: id(2), data: data(1) };
  assert.deepEqual(faults(publishes, [subscription([wrong])], { allAcknowledged: false }), ['altered: a']);
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

test('an event that was sent once need not be acknowledged', () => {
  assert.deepEqual(faults([{ ...published(1, [{ outcome: 'unknown' }]), once: true }], []), []);
});

describe('where Redis lost the third and the fourth of six events', () => {
  const SIX = [1, 2, 3, 4, 5, 6].map((number) => ({ ...published(number), data: data(number) }));
  const at = (number: number, ms = 1_000 + number) => ({ id: `${ms}-0`, data: data(number) });
  const got = (number: number): Item => ({ type: 'event', ...at(number) });
  const publishes = SIX.map((publish, index) => ({
    ...publish,
    answers: [{ outcome: 'acknowledged' as const, id: at(index + 1).id }],
  }));
  const histories = new Map([[CHANNEL, { start: '0-0', events: [1, 2, 5, 6].map((number) => at(number)) }]]);
  const losses = [{ from: 1_003, until: 1_004 }];
  const gap = (after: number, next: number, more = {}): Item => {
    return { type: 'gap', after: at(after).id, id: at(next).id, ...more };
  };
  const found = (...all: Item[][]) =>
    faults(
      publishes,
      all.map((items, index) => subscription(items, '0-0', 'abc'[index])),
      { histories, losses },
    );

  test('who has the lost ones must be told, whoever has none need not', () => {
    const told = [got(1), got(2), got(3), got(4), gap(4, 5), got(5), got(6)];
    assert.deepEqual(found(told, [1, 2, 5, 6].map(got)), []);
    assert.deepEqual(found([1, 2, 3, 4, 5, 6].map(got)), ['untold: a']);
    assert.deepEqual(found([1, 2, 3, 4].map(got)), ['untold: a']);
  });

  test('what another channel lost excuses nothing here', () => {
    const of = (channels: readonly string[]) =>
      faults(publishes, [subscription([1, 2, 5, 6].map(got))], {
        histories,
        losses: losses.map((loss) => ({ ...loss, channels })),
      });
    assert.deepEqual(of([CHANNEL, 'another']), []);
    assert.deepEqual(of(['another']), ['lost: publishers 2 times']);
  });

  test('nobody is told where nothing is gone', () => {
    assert.deepEqual(found([got(1), got(2), gap(2, 5), got(5), got(6)]), ['gap: a']);
  });

  test('after the notice all is owed that is left', () => {
    assert.deepEqual(found([got(1), got(2), got(3), gap(3, 6), got(6)]), ['missing: a']);
    assert.deepEqual(found([got(1), got(2), got(3), gap(3, 5)]), ['tail missing: a 2 times']);
  });

  test('what is lost is given whole and in order, too, as others have it', () => {
    const whole = [got(1), got(2), got(3), got(4), gap(4, 5), got(5), got(6)];
    const holed = [got(1), got(2), got(4), gap(4, 5), got(5), got(6)];
    assert.deepEqual(found(whole, holed), ['missing: b']);
    assert.deepEqual(found([got(1), got(3), gap(3, 5), got(5), got(6)], whole), ['missing: a']);
  });

  test('a second notice in a row must be true as well, and begins where the first one led where that is known', () => {
    const first = [got(1), got(2), got(3)];
    assert.deepEqual(found([...first, gap(3, 4), gap(4, 5), got(5), got(6)]), []);
    assert.deepEqual(found([...first, gap(3, 5), gap(2, 5), got(5), got(6)]), ['gap: a']);
    const stands = { stands: at(4).id };
    assert.deepEqual(found([...first, gap(3, 4, stands), gap(4, 5), got(5), got(6)]), []);
  });

  test('a resume that was not recovered is followed by its notice', () => {
    const resumed: Item = { type: 'resumed', position: at(2).id, recovered: false };
    assert.deepEqual(found([got(1), got(2), got(3), resumed, gap(3, 5), got(5), got(6)]), []);
    assert.deepEqual(found([got(1), got(2), got(3), resumed, got(5), got(6)]), ['gap missing: a']);
    assert.deepEqual(found([got(1), got(2), got(3), resumed]), ['gap missing: a', 'tail missing: a 2 times']);
  });

  test('who was cut off before the notice came is told again from where it stood', () => {
    const resumed: Item = { type: 'resumed', position: at(2).id, recovered: false };
    const good = (number: number): Item => ({ type: 'resumed', position: at(number).id, recovered: true });
    const first = [got(1), got(2), got(3), resumed];
    assert.deepEqual(found([...first, resumed, gap(3, 5), got(5), got(6)]), []);
    assert.deepEqual(found([...first, good(2), got(5), got(6)]), ['wrong position: a', 'untold: a']);
    assert.deepEqual(found([...first, resumed, resumed, got(5), got(6)]), ['gap missing: a']);
  });

  test('the position before the oldest that is left is as good as that of an event, and the origin is not', () => {
    const rules = {
      histories: new Map([[CHANNEL, { start: at(2).id, events: [5, 6].map((n) => at(n)) }]]),
      losses: [{ from: 0, until: 1_004 }],
    };
    const of = (items: Item[]) => faults(publishes, [subscription(items)], rules);
    assert.deepEqual(of([1, 2, 5, 6].map(got)), []);
    assert.deepEqual(of([got(1), gap(1, 5), got(5), got(6)]), []);
    assert.deepEqual(of([{ type: 'gap', after: '0-0', id: at(5).id }, got(5), got(6)]), []);
    assert.deepEqual(of([got(5), got(6)]), ['untold: a']);
  });

  test('the origin may have been gone before all was lost, and be good again', () => {
    const rules = {
      histories: new Map([[CHANNEL, { start: '0-0', events: [5, 6].map((n) => at(n)) }]]),
      losses: [{ from: 0, until: 1_004 }],
    };
    const of = (items: Item[]) => faults(publishes, [subscription(items)], rules);
    const toldOf = (n: number): Item => ({ type: 'gap', after: '0-0', id: at(n).id });
    assert.deepEqual(of([toldOf(4), got(4), gap(4, 5), got(5), got(6)]), []);
    assert.deepEqual(of([toldOf(5), got(5), got(6)]), ['gap: a']);
  });

  test('what is gone at another time than Redis lost it was never stored', () => {
    const rules = { histories, losses: [{ from: 1_004, until: 1_004 }] };
    assert.deepEqual(faults(publishes, [], rules), ['lost: publishers']);
    const seen = publishes.map((publish) => ({ ...publish, answers: [{ outcome: 'unknown' as const }] }));
    const subscriber = subscription([got(1), got(2), got(3), gap(3, 5), got(5), got(6)]);
    assert.deepEqual(faults(seen, [subscriber], { ...rules, allAcknowledged: false }), ['lost: a']);
  });

  test('what was lost may be stored again, and nothing else', () => {
    const again = (number: number) => [
      {
        ...published(number),
        answers: [at(number), at(number, 1_006)].map(({ id }) => ({ outcome: 'acknowledged' as const, id })),
      },
    ];
    const rules = (number: number) => ({
      histories: new Map([[CHANNEL, { start: '0-0', events: [at(1), at(2), at(number, 1_006)] }]]),
      losses,
    });
    const others = publishes.slice(0, 2);
    assert.deepEqual(faults([...others, ...again(3)], [], rules(3)), []);
    assert.deepEqual(faults([...others, ...again(5)], [], rules(5)), ['lost: publishers', 'stored twice: publishers']);
  });
});

describe('of a channel that keeps its last two events only', () => {
  const histories = new Map([
    [
      CHANNEL,
      { start: '0-0', trimmed: true, events: [4, 5].map((number) => ({ id: id(number), data: data(number) })) },
    ],
  ]);
  const publishes = FIVE.map((number) => published(number));
  const all = subscription(FIVE.map(event), '0-0', 'all');
  const of = (items: Item[], start = '0-0') => faults(publishes, [all, subscription(items, start)], { histories });
  const gap = (after: number, next: number): Item => {
    return { type: 'gap', after: after === 0 ? '0-0' : id(after), id: id(next) };
  };

  test('what is trimmed may be passed over with a notice, and is not lost', () => {
    assert.deepEqual(of([]), ['tail missing: a 2 times']);
    assert.deepEqual(of(FIVE.map(event)), []);
    assert.deepEqual(of([gap(0, 4), event(4), event(5)]), []);
    assert.deepEqual(of([event(1), gap(1, 4), event(4), event(5)]), []);
  });

  test('without a notice it is missing, also where it is trimmed by now', () => {
    assert.deepEqual(of([event(1), event(3), event(4), event(5)]), ['missing: a']);
    assert.deepEqual(of([event(1), event(4), event(5)]), ['missing: a']);
  });

  test('what is kept is owed, also after a notice', () => {
    assert.deepEqual(of([event(1), gap(1, 5), event(5)]), ['missing: a']);
    assert.deepEqual(of([event(1), event(2), event(3)]), ['tail missing: a 2 times']);
    assert.deepEqual(of([event(1), event(2), gap(2, 4), event(4)]), ['tail missing: a']);
  });

  test('a notice after what is kept is none', () => {
    assert.deepEqual(of([...[1, 2, 3, 4].map(event), gap(4, 5), event(5)]), ['gap: a']);
  });

  test('what is not older than what is kept can not have been trimmed', () => {
    const kept = new Map([
      [CHANNEL, { start: '0-0', trimmed: true, events: [3, 5].map((n) => ({ id: id(n), data: data(n) })) }],
    ]);
    assert.deepEqual(faults(publishes, [], { histories: kept }), ['lost: publishers']);
  });
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
