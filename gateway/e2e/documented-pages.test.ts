/** What the documents show of pages is run as it stands there, in a real browser. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { until } from '../../broker/testing/until.ts';
import { launchBrowser } from './harness/browser.ts';
import { call, post, publish } from './harness/http-client.ts';
import { Issuer } from './harness/issuer.ts';
import { GatewayProcess } from './harness/processes.ts';

const KEY = 'key-of-the-documented-pages';
const AS_SERVER = { authorization: `Bearer ${KEY}` };

/** The first piece of code of its kind in a document that has this in it. */
function codeOf(document: string, language: string, mark: string): string {
  const text = readFileSync(new URL(`../../../${document}`, import.meta.url), 'utf8');
  const blocks = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(
    ([, code = '']) => code,
  );
  const code = blocks.find((block) => block.includes(mark));
  assert.ok(code, `${document} shows no ${language} with ${mark}`);
  return code;
}

describe('a page that a document shows', () => {
  let browser: Browser;
  let issuer: Issuer;
  let open: GatewayProcess;
  let guarded: GatewayProcess;

  before(async () => {
    [browser, issuer, open] = await Promise.all([launchBrowser(), Issuer.start(), GatewayProcess.start()]);
    guarded = await GatewayProcess.start({
      env: { TOKEN_SECRET: issuer.secret, API_KEYS: `tests:${KEY}`, RETRY_MS: '100' },
    });
  });
  after(async () => {
    await browser?.close();
    await Promise.all([open?.kill(), guarded?.kill()]);
    issuer?.stop();
  });

  const onPage = async (gateway: GatewayProcess, body: string, use: (page: Page) => Promise<void>) => {
    const page = await browser.newPage();
    const faults: unknown[] = [];
    page.on('pageerror', (error) => faults.push(error));
    await page.route('**/shown.html', (route) => route.fulfill({ contentType: 'text/html', body }));
    await page.exposeFunction('myToken', () => issuer.signed());
    try {
      await page.goto(`${gateway.url}/shown.html`);
      await use(page);
      assert.deepEqual(faults, []);
    } finally {
      await page.close();
    }
  };

  it('for the client says hello, and goes on after a reload where it was', async () => {
    const body = codeOf('gateway/client/README.md', 'html', '/client.js');
    for (let title = 1; title <= 12; title++) await publish(open.url, 'news', { title });
    await onPage(open, body, async (page) => {
      const shown = () => page.locator('#news li').allTextContents();
      const shows = (what: string, titles: readonly unknown[]) =>
        until(what, async () => (await shown()).join() === titles.join());
      await shows('it shows the last ten', [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
      await page.locator('#state').getByText('live', { exact: true }).waitFor();
      await page.getByRole('button').click();
      await until('it has said hello', async () => (await shown()).includes('Hello'));
      await page.goto('about:blank');
      await publish(open.url, 'news', { title: 'meanwhile' });
      await page.goto(`${open.url}/shown.html`);
      await shows('it shows what it has missed', ['meanwhile']);
    });
  });

  it('for tickets goes on with another one, where an EventSource by itself is refused for good', async () => {
    const watching = codeOf('README.md', 'js', '/api/ticket');
    const body = `<script>
      ${watching}
      const shown = [];
      const show = (data) => shown.push(data);
      watch();
      const plain = async () => {
        const headers = { Authorization: 'Bearer ' + (await myToken()) };
        const { ticket } = await (await fetch('/api/ticket', { method: 'POST', headers })).json();
        const url = '?ticket=' + ticket;
        globalThis.source = new EventSource('/events' + url);
        return url;
      };
    </script>`;
    await onPage(guarded, body, async (page) => {
      const shows = (data: readonly unknown[]) =>
        until(`it shows ${data}`, async () => (await page.evaluate<unknown[]>('shown')).join() === data.join());
      const streams = (count: number) =>
        until(`${count} are open`, async () => {
          const { text } = await call(`${guarded.url}/stats`);
          return (JSON.parse(text) as { active_streams: number }).active_streams === count;
        });
      const say = async (data: string) => {
        assert.equal((await post(`${guarded.url}/api/publish`, { channel: 'news', data }, AS_SERVER)).status, 200);
      };
      await streams(1);
      const used = await page.evaluate<string>('plain()');
      await streams(2);
      await say('one');
      await shows(['one']);
      await post(`${guarded.url}/api/disconnect`, { user: 'ada' }, AS_SERVER);
      await say('two');
      await shows(['one', 'two']);
      await until('the other has given up', async () => (await page.evaluate('source.readyState')) === 2);
      assert.equal((await call(`${guarded.url}/events${used}`)).status, 401);
    });
  });
});
