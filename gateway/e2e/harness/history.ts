/** Reads a channel's whole history over HTTP, as one more subscriber for the checker to judge. */
import { ORIGIN } from '../../../broker/broker.ts';
import type { Item, Subscription } from './checker.ts';

/** The most that one request may ask for. */
const PAGE = 1_000;

export async function readHistory(url: string, reader: string, channels: readonly string[]): Promise<Subscription[]> {
  const subscriptions: Subscription[] = [];
  for (const channel of channels)
    subscriptions.push({ subscriber: reader, channel, start: ORIGIN, items: await readAll(url, channel) });
  return subscriptions;
}

async function readAll(url: string, channel: string): Promise<Item[]> {
  const items: Item[] = [];
  let after = ORIGIN;
  while (true) {
    const response = await fetch(`${url}/api/history?channel=${channel}&after=${after}&limit=${PAGE}`);
    const text = await response.text();
    if (!response.ok) throw new Error(`The history of ${channel} was refused: ${response.status} ${text}`);
    const { events } = JSON.parse(text) as { events: { id: string; data: unknown }[] };
    for (const { id, data } of events) items.push({ type: 'event', id, data: JSON.stringify(data) });
    const last = events.at(-1);
    // Pages are read until one is empty: whether a page may be short without being the last is not this reader's to know.
    if (last === undefined || last.id === after) return items;
    after = last.id;
  }
}
