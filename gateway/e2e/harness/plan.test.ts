import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makePlan, type PlanOptions } from './plan.ts';

const options: PlanOptions = {
  seed: 7,
  events: 2_000,
  channels: 5,
  subscribers: 40,
  cuts: 30,
  kills: 2,
  gateways: 2,
};

test('the same seed gives the same plan, another one does not', () => {
  assert.deepEqual(makePlan(options), makePlan(options));
  assert.notDeepEqual(makePlan(options), makePlan({ ...options, seed: 8 }));
});

test('as much is planned as was asked for, over every route, transport and channel', () => {
  const { subscribers, requests, disturbances } = makePlan(options);
  const publishes = requests.flatMap((request) => request.publishes);
  assert.equal(publishes.length, options.events);
  assert.equal(new Set(publishes.map(({ key }) => key)).size, options.events);
  assert.equal(new Set(publishes.map(({ data }) => data)).size, options.events);
  assert.equal(new Set(publishes.map(({ channel }) => channel)).size, options.channels);
  assert.deepEqual([...new Set(requests.map(({ route }) => route))].sort(), ['batch', 'publish', 'ws']);
  assert.equal(subscribers.filter(({ transport }) => transport === 'ws').length, options.subscribers / 2);
  for (const transport of ['ws', 'sse'])
    assert(subscribers.some((one) => one.transport === transport && one.channels.length > 1));
  assert.equal(disturbances.filter(({ kind }) => kind === 'cut').length, options.cuts);
  assert.deepEqual(
    disturbances.filter(({ kind }) => kind === 'kill').map(({ at }) => at),
    [666, 1333],
  );
});
