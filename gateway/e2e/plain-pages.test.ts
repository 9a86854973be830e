/** Pages that know nothing of this project, in a real browser, from a web server of their own: they work as they are. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { until } from '../../broker/testing/until.ts';
import { launchBrowser } from './harness/browser.ts';
import { publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { PLAIN_PAGES } from './plain-pages.ts';

describe('plain pages', () => {
  let gateway: GatewayProcess;
  let server: Server;
  let origin: string;
  let browser: Browser;
  const problems: string[] = [];
  before(async () => {
    server = createServer((request, response) => {
      const name = new URL(request.url ?? '/', 'http://x').pathname.slice(1);
      const page = Object.hasOwn(PLAIN_PAGES, name) ? PLAIN_PAGES[name as keyof typeof PLAIN_PAGES] : '';
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
      response.end(page.replaceAll('GATEWAY', new URL(gateway.url).host));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    [gateway, browser] = await Promise.all([
      GatewayProcess.start({ env: { ALLOWED_ORIGINS: origin } }),
      launchBrowser(),
    ]);
  });
  after(async () => {
    await browser?.close();
    await gateway?.kill();
    server?.close();
  });

  const open = async (name: string): Promise<Page> => {
    const page = await browser.newPage();
    page.on('pageerror', (error) => problems.push(`${name}: ${error.message}`));
    await page.goto(`${origin}/${name}`);
    return page;
  };
  const lines = (page: Page) => page.locator('#log li').allTextContents();
  const shows = (page: Page, ...expected: string[]) =>
    until(`the page shows ${expected.join(' | ')}`, async () => {
      const shown = await lines(page);
      return expected.every((line) => shown.includes(line));
    });

  it('echo', async () => {
    const page = await open('echo');
    await shows(page, 'echo hello true', 'echo {"type":"test","n":1} true', 'binary 1,2,3');
    assert.match((await lines(page))[0] ?? '', /^welcome \w/);
  });

  it('chat', async () => {
    const [ada, bob] = [await open('chat?name=Ada'), await open('chat?name=Bob')];
    await ada.evaluate("say('hello <b>all</b>')");
    for (const page of [ada, bob]) {
      await shows(page, 'Ada: hello <b>all</b>');
      await until('both are listed', async () => (await page.locator('#users').textContent()) === 'Ada, Bob');
    }
    const late = await open('chat?name=Ada');
    await shows(late, 'Ada: hello <b>all</b>', 'error The name "Ada" is taken in this room; choose another one');
    await bob.close();
    await shows(ada, 'Bob left');
    assert.equal((await lines(ada)).filter((line) => line === 'Ada: hello <b>all</b>').length, 1);
  });

  it('events', async () => {
    const page = await open('events');
    await shows(page, 'open');
    await publish(gateway.url, 'events', 'plain');
    await publish(gateway.url, 'events', { value: 42 }, { event: 'price' });
    await publish(gateway.url, 'events', null, { event: 'end' });
    await publish(gateway.url, 'events', 'after the end');
    await shows(page, 'message "plain"', 'price 42', 'ended');
    assert.deepEqual(await lines(page), ['open', 'message "plain"', 'price 42', 'ended']);
  });

  it('dashboard', async () => {
    const page = await open('monitoring');
    const text = (id: string) => page.locator(`#${id}`).textContent();
    await until('figures are shown', async () => (await text('connections')) !== '');
    assert.match((await text('cpu')) ?? '', /^\d+\.\d%$/);
    for (const id of ['memory', 'disk']) assert.match((await text(id)) ?? '', /^\d+ of \d+ \d+\.\d%$/);
    assert.match((await text('connections')) ?? '', /^\d+ at 20\d\d$/);
  });

  it('notifications', async () => {
    const [one, two] = [await open('notifications'), await open('notifications')];
    const unread = (page: Page) => page.locator('#unread').textContent();
    for (const page of [one, two]) await until('the history has come', async () => (await unread(page)) === '0');
    await one.evaluate("create('Title', 'text', 'high')");
    for (const page of [one, two]) {
      await shows(page, 'high Title: text');
      await until('it is unread', async () => (await unread(page)) === '1');
    }
    await one.evaluate('readAll()');
    for (const page of [one, two]) await until('it is read', async () => (await unread(page)) === '0');
    const later = await open('notifications');
    await shows(later, 'high Title: text');
    assert.equal(await unread(later), '0');
  });

  it('and none of them met an error', () => assert.deepEqual(problems, []));
});
