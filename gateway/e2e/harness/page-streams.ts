/**
 * Plain EventSources in a page, and what they hear. What runs in the page is written out here as functions that the browser is
 * handed as text: they see nothing of this module.
 */
import type { Page } from 'playwright-core';

/** What tests publish to these streams. */
export interface Numbered {
  readonly channel: string;
  readonly n: number;
}

export interface Heard {
  /** How often the stream was opened. */
  readonly opens: number;
  readonly events: readonly Numbered[];
  readonly gaps: number;
  /** Whether the browser has given it up. */
  readonly ended: boolean;
}

export async function openStream(page: Page, name: string, channels: readonly string[]): Promise<void> {
  const query = channels.map((channel) => `channel=${channel}`).join('&');
  await page.evaluate(
    ([key, url]) => {
      const source = new EventSource(url);
      const stream = { source, opens: 0, events: [] as unknown[], gaps: 0 };
      globalThis.streams ??= {};
      globalThis.streams[key] = stream;
      source.addEventListener('open', () => stream.opens++);
      source.addEventListener('message', ({ data }) => stream.events.push(JSON.parse(data)));
      source.addEventListener('gap', () => stream.gaps++);
    },
    [name, `/events?${query}`] as const,
  );
}

export async function heard(page: Page, name: string): Promise<Heard> {
  return await page.evaluate((key) => {
    const stream = globalThis.streams?.[key];
    if (stream === undefined) throw new Error(`The page has no stream ${key}`);
    const { source, opens, events, gaps } = stream;
    return { opens, events: events as Numbered[], gaps, ended: source.readyState === 2 };
  }, name);
}

/** The little of the browser that is used above; the gateway itself is compiled without its types. */
declare global {
  var streams: Record<string, PageStream> | undefined;
}

interface PageStream {
  readonly source: BrowserEventSource;
  opens: number;
  readonly events: unknown[];
  gaps: number;
}

interface BrowserEventSource {
  readonly readyState: number;
  addEventListener(name: string, listener: (event: { readonly data: string }) => void): void;
}

declare const EventSource: new (url: string) => BrowserEventSource;
