import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Restart } from '../../gateway/e2e/harness/rolling.ts';
import { picture } from './picture.ts';
import { boundOf, mostWithin, ratesOf } from './rates.ts';

const restart: Restart = { connections: 1_000, toldMs: 2_000, goneMs: 4_000, backMs: 5_000, exitCode: 0 };

test('the most within a span is found wherever it begins', () => {
  assert.equal(mostWithin([], 1_000), 0);
  assert.equal(mostWithin([0, 999, 1_000, 1_998, 1_999], 1_000), 3);
  assert.equal(mostWithin([0, 1_000, 2_000], 1_000), 1, 'a span has no end that belongs to it');
  assert.equal(mostWithin([5, 5, 5], 1), 3);
});

test('what is opened is counted by the second, and the most of it from the first restart on', () => {
  const opened = [100, 200, 300, 2_100, 2_900, 3_050];
  const rates = ratesOf({ opened, closed: [2_000, 3_999], restart }, 2_000, 4_000);
  assert.deepEqual(rates.openedPerSecond, [3, 0, 2, 1]);
  assert.deepEqual(rates.closedPerSecond, [0, 0, 1, 1]);
  assert.equal(rates.mostOpened, 3);
});

test('the bound is twice the pace of the gateway that had most', () => {
  const traffic = { published: 0, deliveries: 0, reconnects: 0, gaps: 0, violations: [], complaints: [] };
  const replicas = [
    { opened: [], closed: [], restart },
    { opened: [], closed: [], restart: { ...restart, connections: 1_500 } },
  ];
  assert.equal(boundOf({ traffic, turnedAway: 0, replicas, totalMs: 1 }, 10_000), 300);
  assert.equal(boundOf({ traffic, turnedAway: 0, replicas, totalMs: 1 }, 0), undefined);
});

test('the picture has a panel for each gateway of each run, and all of it lies within its frame', () => {
  const replica = { openedPerSecond: [0, 40, 80], closedPerSecond: [10, 0, 5], mostOpened: 80, restart };
  const svg = picture('a < b & c', [
    { title: 'paced', bound: 90, replicas: [replica, replica] },
    { title: 'at once', bound: undefined, replicas: [replica, replica] },
  ]);
  assert.match(svg, /^<svg [^>]*viewBox="0 0 (\d+) (\d+)"/);
  assert.match(svg, /<title>a &lt; b &amp; c<\/title>/);
  assert.equal(svg.match(/<polygon/g)?.length, 4);
  assert.equal(svg.match(/stroke-dasharray/g)?.length, 2);
  const [, width = '', height = ''] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
  for (const [, points = ''] of svg.matchAll(/points="([^"]+)"/g))
    for (const point of points.split(' ')) {
      const [x = -1, y = -1] = point.split(',').map(Number);
      assert(x >= 0 && x <= Number(width) && y >= 0 && y <= Number(height), point);
    }
  assert.doesNotMatch(svg, /NaN|undefined/);
});
