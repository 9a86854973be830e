/** Small words for tests about events: making, collecting and checking them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type Broker, comparePositions, type Event, type Listener, type Page, type Position } from '../broker.ts';

/** Writes down what a broker tells. */
export class Recorder implements Listener {
  readonly events: { readonly channel: string; readonly event: Event }[] = [];
  readonly resubscriptions: string[] = [];
  /** Set while a call to the broker is on the stack. */
  inside = false;
  calledInside = false;

  event(channel: string, event: Event): void {
    this.calledInside ||= this.inside;
    // A copy, as the data may be a view into what the connection reuses.
    this.events.push({ channel, event: { ...event, data: Buffer.from(event.data) } });
  }

  resubscribed(channels: readonly string[]): void {
    this.resubscriptions.push(...channels);
  }

  of(channel: string): Event[] {
    return this.events.filter((each) => each.channel === channel).map(({ event }) => event);
  }

  ids(channel: string): Position[] {
    return this.of(channel).map(({ id }) => id);
  }
}

export function fresh(namespace: string): string {
  return `${namespace}:${randomBytes(6).toString('hex')}`;
}

/** A number, also as text, is itself; any other text is a JSON string. */
export function message(content: number | string): { name: string; data: string } {
  return { name: 'message', data: /^\d+$/.test(String(content)) ? String(content) : JSON.stringify(content) };
}

export function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i));
}

/** Without waiting for one before the next. */
export async function publishMany(broker: Broker, channel: string, count: number): Promise<Position[]> {
  const results = await Promise.all(numbers(count).map((n) => broker.publish(channel, message(n))));
  return results.map(({ id }) => id);
}

/** A position that no event of the channel has reached. */
export function beyond(position: Position): Position {
  return `${Number(position.split('-')[0]) + 3_600_000}-0`;
}

export function idsOf(page: Page): Position[] {
  return page.events.map(({ id }) => id);
}

export function dataOf(event: Event): string {
  return Buffer.from(event.data).toString();
}

export function copies(page: Page): Event[] {
  return page.events.map((event) => ({ ...event, data: Buffer.from(event.data) }));
}

export function assertGrowing(ids: readonly Position[]): void {
  for (let i = 1; i < ids.length; i += 1) {
    const [a = '', b = ''] = [ids[i - 1], ids[i]];
    assert.ok(comparePositions(a, b) < 0, `${a} is before ${b}`);
  }
}

export function assertChain(page: Page): void {
  let prev = page.start;
  for (const event of page.events) {
    assert.equal(event.prev, prev);
    prev = event.id;
  }
  assertGrowing(idsOf(page));
}
