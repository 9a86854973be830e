import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Joined } from './presence-scripts.ts';
import { Registrations } from './registrations.ts';

const ENTERED: Joined = { joined: true, hasMembers: true };
const REFUSED: Joined = { joined: false, hasMembers: false };

/** A store of registrations that remembers what it was asked. */
function scene() {
  const registered = new Map<string, string>();
  const calls: string[] = [];
  const registrations = new Registrations({
    register: async (gateway, { channel, mark }) => {
      calls.push(`+${gateway}/${channel}`);
      registered.set(`${gateway}/${channel}`, mark);
    },
    unregister: async (gateway, { channel, mark }) => {
      calls.push(`-${gateway}/${channel}`);
      if (registered.get(`${gateway}/${channel}`) === mark) registered.delete(`${gateway}/${channel}`);
    },
  });
  return { registrations, registered, calls };
}

function pending<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

it('registers a channel once, before the first member enters, and until none is left', async () => {
  const { registrations, registered, calls } = scene();
  const order: string[] = [];
  const enter = async () => {
    order.push(`entered with ${registered.size}`);
    return ENTERED;
  };
  await Promise.all([registrations.join('g', 'c', enter), registrations.join('g', 'c', enter)]);
  await registrations.join('g', 'c', enter);
  assert.deepEqual(order, Array(3).fill('entered with 1'));
  await registrations.leave('c', async () => []);
  assert.equal(registrations.size, 1);
  await registrations.leave('c', async (gateways) => gateways);
  assert.equal(registrations.size, 0);
  assert.deepEqual(calls, ['+g/c', '-g/c']);
});

it('asks only of the gateways that it registered in the channel', async () => {
  const { registrations, calls } = scene();
  for (const [gateway, channel] of [
    ['g', 'c'],
    ['h', 'c'],
    ['h', 'd'],
  ] as const)
    await registrations.join(gateway, channel, async () => ENTERED);
  let asked: readonly string[] = [];
  await registrations.leave('c', async (gateways) => {
    asked = gateways;
    return ['g'];
  });
  assert.deepEqual(asked, ['g', 'h']);
  assert.deepEqual(calls.slice(3), ['-g/c']);
});

it('keeps the registration where a join is under way, or came in between', async () => {
  const { registrations, calls } = scene();
  await registrations.join('g', 'c', async () => ENTERED);
  const [leaving, joining] = [pending<string[]>(), pending<Joined>()];
  const left = registrations.leave('c', () => leaving.promise);
  const joined = registrations.join('g', 'c', () => joining.promise);
  leaving.resolve(['g']);
  await left;
  joining.resolve(ENTERED);
  await joined;

  const leavingAgain = pending<string[]>();
  const leftAgain = registrations.leave('c', () => leavingAgain.promise);
  await registrations.join('g', 'c', async () => ENTERED);
  leavingAgain.resolve(['g']);
  await leftAgain;
  assert.deepEqual(calls, ['+g/c']);
});

it('keeps nothing of joins that were refused, in whatever order they are', async () => {
  const { registrations, registered } = scene();
  const answers = [pending<Joined>(), pending<Joined>(), pending<Joined>()];
  const joins = answers.map(({ promise }) => registrations.join('g', 'c', () => promise));
  for (const i of [1, 2, 0]) answers[i]?.resolve(REFUSED);
  assert.deepEqual(await Promise.all(joins), [false, false, false]);
  assert.deepEqual([registrations.size, registered.size], [0, 0]);
});

it('keeps the registration of a join whose outcome is unknown', async () => {
  const { registrations, registered } = scene();
  const [unknown, refused] = [pending<Joined>(), pending<Joined>()];
  const joins = [unknown, refused].map(({ promise }) => registrations.join('g', 'c', () => promise));
  unknown.reject(new Error('lost'));
  refused.resolve(REFUSED);
  await Promise.allSettled(joins);
  assert.equal(registered.size, 1);
});

it('registers anew what could not be registered, and what was forgotten', async () => {
  let works = false;
  let count = 0;
  const registrations = new Registrations({
    register: async () => {
      if (!works) throw new Error('away');
      count += 1;
    },
    unregister: async () => undefined,
  });
  const enter = async () => ENTERED;
  await assert.rejects(registrations.join('g', 'c', enter), /away/);
  assert.equal(registrations.size, 0);
  works = true;
  await registrations.join('g', 'c', enter);
  registrations.forget('g');
  await registrations.join('g', 'c', enter);
  assert.equal(count, 2);
});
