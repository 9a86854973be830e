/** A real browser for tests, and pages in it that are held to be without fault. Knows no page by name. */
import assert from 'node:assert/strict';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const LAUNCH_LIMIT_MS = 120_000;
/** How long a page may take for whatever is waited for. */
export const PAGE_LIMIT_MS = 30_000;

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: LAUNCH_LIMIT_MS });
}

export interface PageOptions {
  readonly context?: BrowserContextOptions;
  /** What may be said on the console. */
  readonly expected?: readonly RegExp[];
}

/** Opens a page, and holds it to having no fault: no error that is not expected, and no request to another host. */
export async function withFaultlessPage(
  browser: Browser,
  url: string,
  use: (page: Page) => Promise<void>,
  { context = {}, expected = [] }: PageOptions = {},
): Promise<void> {
  const faults: string[] = [];
  const fault = (text: string) => {
    if (!expected.some((pattern) => pattern.test(text))) faults.push(text);
  };
  const page = await browser.newPage(context);
  const { host } = new URL(url);
  // A violation of the page's Content-Security-Policy is told on the console, too.
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') fault(message.text());
  });
  page.on('pageerror', (error) => fault(String(error)));
  page.on('request', (request) => {
    if (new URL(request.url()).host !== host) fault(`A request to ${request.url()}`);
  });
  page.on('websocket', (socket) => {
    if (new URL(socket.url()).host !== host) fault(`A WebSocket to ${socket.url()}`);
  });
  try {
    page.setDefaultTimeout(PAGE_LIMIT_MS);
    await page.goto(url);
    await use(page);
    assert.deepEqual(faults, []);
  } finally {
    await page.close();
  }
}

/** How much wider the page is than its window, in pixels. */
export async function excessWidth(page: Page): Promise<number> {
  return Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'));
}
