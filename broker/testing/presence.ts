/** Small words for tests about presence: gateways with a lease, members to enter, and what is told of them. */
import assert from 'node:assert/strict';
import type { Broker } from '../broker.ts';
import { type Joining, type Member, noticesOf, type Presence } from '../presence.ts';
import { dataOf, fresh, type Recorder } from './events.ts';
import { until } from './until.ts';

/** One gateway: its broker, and the name under which its lease runs. */
export interface Side {
  readonly broker: Broker;
  readonly presence: Presence;
  readonly heard: Recorder;
  readonly gateway: string;
}

/** Opens a broker; `graceMs` in place of `GRACE_MS`. */
export type OpenGateway = (graceMs?: number) => Promise<{ readonly broker: Broker; readonly heard: Recorder }>;

/** Longer than any test. */
export const LONG_LEASE_MS = 600_000;

/** A gateway whose lease holds. */
export async function openSide(open: OpenGateway, graceMs?: number): Promise<Side> {
  const { broker, heard } = await open(graceMs);
  const { presence } = broker;
  const gateway = fresh('gw');
  assert.equal(await presence.renewLease(gateway, LONG_LEASE_MS), false);
  return { broker, presence, heard, gateway };
}

/** An anonymous member without a name, of which notices are sent, unless said otherwise. */
export function joining(side: Pick<Side, 'gateway'>, given: Partial<Joining> = {}): Joining {
  const connection = given.connection ?? fresh('c');
  return {
    user: null,
    name: null,
    announce: true,
    gateway: side.gateway,
    secret: `s ${connection}`,
    ...given,
    connection,
  };
}

/** As a client that comes back says who it was. */
export function asPrevious({ connection, secret }: Joining): { previous: { connection: string; secret: string } } {
  return { previous: { connection, secret } };
}

/** A notice as an array of its name, connection, user, name and old name, as far as it has them. */
export type Told = readonly unknown[];

/** All notices so far of a channel whose notices this side has subscribed, including those of every call that has resolved. */
export async function told(side: Side, channel: string): Promise<Told[]> {
  const carrier = noticesOf(channel);
  const marker = JSON.stringify(fresh('marker'));
  await side.broker.publish(carrier, { name: 'typing', data: marker });
  await until('the marker arrives', () => side.heard.of(carrier).some((event) => dataOf(event) === marker));
  const events = side.heard.of(carrier).filter(({ name }) => name !== 'typing');
  return events.map((event) => {
    assert.deepEqual([event.id, event.prev], ['', '']);
    const data: unknown = JSON.parse(dataOf(event));
    assert.ok(typeof data === 'object' && data !== null);
    return [event.name, ...Object.values(data)];
  });
}

export function memberOf({ connection, gateway, user, name }: Joining): Member {
  return { connection, gateway, user, name };
}

export function byConnection(members: readonly Member[]): Member[] {
  return [...members].sort((a, b) => (a.connection < b.connection ? -1 : 1));
}

/** Whoever is in the channel, sorted. */
export async function listOf(side: Side, channel: string): Promise<Member[]> {
  const { members, more } = await side.presence.members(channel, 10_000);
  assert.equal(more, false);
  return byConnection(members);
}

/** Each call once. */
export function everyCall(presence: Presence): Promise<unknown>[] {
  const member = joining({ gateway: 'gw' });
  return [
    presence.renewLease('gw', 1_000),
    presence.endLease('gw'),
    presence.gateways(),
    presence.join('plain:a', member),
    presence.part('plain:a', member.connection),
    presence.leave('plain:a', member.connection),
    presence.rename('plain:a', member.connection, 'n', 'n'),
    presence.members('plain:a', 1),
    presence.removeDead(),
  ];
}
