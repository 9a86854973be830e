/**
 * Clients of `/client.js` in a page, and what they tell. What runs in the page is written out here as functions that the browser
 * is handed as text: they see nothing of this module.
 */
import type { Page } from 'playwright-core';

export type Transport = 'auto' | 'websocket' | 'sse';

export interface Told {
  readonly channel: string;
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

export interface ClientReport {
  readonly state: string;
  readonly transport: string;
  /** Every state that was told, in order. */
  readonly states: readonly string[];
  /** How many events and gaps came. */
  readonly heard: number;
  /** How often a subscription went on after it was interrupted. */
  readonly resumed: number;
  /** Channels of which it was told that they have begun, in order. */
  readonly begun: readonly string[];
  readonly ended: readonly string[];
}

export interface SubscribeFrom {
  readonly after?: string;
  readonly tail?: number;
}

/** Begins a client without a subscription; further calls know it by its name. `askToken` stands for the page's own server. */
export async function openClient(
  page: Page,
  name: string,
  transport: Transport,
  askToken?: () => Promise<string>,
): Promise<void> {
  if (askToken !== undefined) await page.exposeFunction('askToken', askToken);
  // As text: an import would be the compiler's to rewrite.
  await page.evaluate(`import('/client.js').then(({ Passerelle }) => { globalThis.Passerelle = Passerelle; })`);
  await page.evaluate(
    ([key, kind]) => {
      const states: string[] = [];
      const token = globalThis.askToken;
      const client = new Passerelle({ token, transport: kind, state: (state) => states.push(state) });
      globalThis.clients ??= {};
      globalThis.clients[key] = { client, states, events: [], resumed: 0, begun: [], ended: [], subscriptions: {} };
    },
    [name, transport] as const,
  );
}

/** Subscribes in one moment to all the channels. */
export async function subscribe(
  page: Page,
  name: string,
  channels: Readonly<Record<string, SubscribeFrom>>,
): Promise<void> {
  await page.evaluate(
    ([key, all]) => {
      const entry = globalThis.clients?.[key];
      if (entry === undefined) throw new Error(`The page has no client ${key}`);
      for (const [channel, from] of Object.entries(all)) {
        entry.subscriptions[channel] = entry.client.subscribe(channel, {
          ...from,
          event: (event) => entry.events.push(event),
          gap: (gap) => entry.events.push({ ...gap, event: '(gap)', data: null }),
          subscribed: ({ resumed }) => {
            if (resumed) entry.resumed++;
            else entry.begun.push(channel);
          },
          ended: () => entry.ended.push(channel),
        });
      }
    },
    [name, channels] as const,
  );
}

/** Unsubscribes, and resolves with the position that the channel had. */
export async function unsubscribe(page: Page, name: string, channel: string): Promise<string> {
  return await page.evaluate(
    ([key, which]) => {
      const subscription = globalThis.clients?.[key]?.subscriptions[which];
      subscription?.unsubscribe();
      return subscription?.position ?? '';
    },
    [name, channel] as const,
  );
}

/** Publishes numbers from 1 on in one moment; resolves with how each ended, as an id or an error's code. */
export async function publishNumbers(
  page: Page,
  name: string,
  channel: string,
  count: number,
): Promise<readonly string[]> {
  return await page.evaluate(
    async ([key, where, many]) => {
      const client = globalThis.clients?.[key]?.client;
      const published = Array.from({ length: many }, async (_, n) => {
        try {
          return (await client?.publish(where, n + 1))?.id ?? 'no client';
        } catch (error) {
          return String((error as { code?: unknown }).code ?? error);
        }
      });
      return await Promise.all(published);
    },
    [name, channel, count] as const,
  );
}

export async function command(page: Page, name: string, what: 'connect' | 'disconnect' | 'close'): Promise<void> {
  await page.evaluate(([key, verb]) => globalThis.clients?.[key]?.client[verb](), [name, what] as const);
}

export async function report(page: Page, name: string): Promise<ClientReport> {
  return await page.evaluate((key) => {
    const entry = globalThis.clients?.[key];
    if (entry === undefined) throw new Error(`The page has no client ${key}`);
    const { client, states, events, resumed, begun, ended } = entry;
    return { state: client.state, transport: client.transport, states, heard: events.length, resumed, begun, ended };
  }, name);
}

/** Events and gaps, in the order in which they came; a gap is an event named `(gap)`. */
export async function eventsOf(page: Page, name: string): Promise<readonly Told[]> {
  return await page.evaluate((key) => globalThis.clients?.[key]?.events ?? [], name);
}

/** The little of the client that is used above; the gateway itself is compiled without a browser's types. */
declare global {
  var askToken: (() => Promise<string>) | undefined;
  var Passerelle: new (options: {
    token: (() => Promise<string>) | undefined;
    transport: Transport;
    state(state: string): void;
  }) => BrowserClient;
  var clients: Record<string, PageClient> | undefined;
}

interface PageClient {
  readonly client: BrowserClient;
  readonly states: string[];
  readonly events: Told[];
  resumed: number;
  readonly begun: string[];
  readonly ended: string[];
  readonly subscriptions: Record<string, { readonly position: string | undefined; unsubscribe(): void }>;
}

interface BrowserClient {
  readonly state: string;
  readonly transport: string;
  subscribe(channel: string, options: PageHandlers): PageClient['subscriptions'][string];
  publish(channel: string, data: unknown): Promise<{ readonly id: string }>;
  connect(): void;
  disconnect(): void;
  close(): void;
}

interface PageHandlers extends SubscribeFrom {
  event(event: Told): void;
  gap(gap: { readonly channel: string; readonly id: string }): void;
  subscribed(how: { readonly resumed: boolean }): void;
  ended(): void;
}
