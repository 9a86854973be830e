import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULTS, faultsOf } from './catalogue.ts';
import { FORMS, type Form, LANES } from './fault.ts';
import { planFaults, planRequests, planSubscribers } from './plan.ts';

const CHANNELS = ['load:a', 'load:b', 'load:c'];
const namesOf = (form: Form, count: number, seed: number) =>
  [...planFaults(faultsOf(form), count, seed).values()].map((lane) => lane.map(({ fault }) => fault.name));

test('a seed gives one plan, and another seed another one', () => {
  const requests = (seed: number) => {
    const generator = planRequests(CHANNELS, seed);
    return Array.from({ length: 50 }, () => generator.next().value);
  };
  for (const form of FORMS) assert.deepEqual(namesOf(form, 40, 7), namesOf(form, 40, 7));
  assert.notDeepEqual(namesOf('cluster', 40, 7), namesOf('cluster', 40, 8));
  assert.deepEqual(planSubscribers(CHANNELS, 16, 40, 7), planSubscribers(CHANNELS, 16, 40, 7));
  assert.deepEqual(requests(7), requests(7));
  assert.notDeepEqual(requests(7), requests(8));
});

test('a long run has each fault that the form can suffer', () => {
  for (const form of FORMS) {
    const planned = new Set(namesOf(form, 95, 1).flat());
    assert.deepEqual(
      faultsOf(form).filter(({ name }) => !planned.has(name)),
      [],
    );
  }
});

test('there are as many as asked for, and none that the form can not suffer', () => {
  for (const form of FORMS) {
    const lanes = planFaults(faultsOf(form), 40, 3);
    assert.equal([...lanes.values()].flat().length, 40);
    for (const lane of LANES)
      for (const { fault } of lanes.get(lane) ?? []) {
        assert.equal(fault.lane, lane);
        assert(fault.forms === undefined || fault.forms.includes(form), fault.name);
      }
  }
});

test('what is published is of every size from one byte to a megabyte, and no two are the same', () => {
  const generator = planRequests(CHANNELS, 11);
  const data = Array.from({ length: 3_000 }, () =>
    generator.next().value.publishes.map((publish) => publish.data),
  ).flat();
  const sizes = data.map(({ length }) => length);
  assert.equal(new Set(data).size, data.length);
  assert(Math.min(...sizes) <= 3);
  assert(Math.max(...sizes) > 700_000 && Math.max(...sizes) <= 1_000_000);
  for (const [least, most] of [
    [1_000, 10_000],
    [10_000, 100_000],
    [100_000, 1_000_000],
  ] as const)
    assert(sizes.some((size) => size >= least && size < most));
});

test('no two faults have one name', () => {
  assert.equal(new Set(FAULTS.map(({ name }) => name)).size, FAULTS.length);
});
