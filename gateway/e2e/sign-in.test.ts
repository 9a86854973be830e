/** The pages at a gateway that asks for tokens, in a real browser: none is let in without one, and all of them are with one. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { until } from '../../broker/testing/until.ts';
import { launchBrowser, PAGE_LIMIT_MS, withFaultlessPage } from './harness/browser.ts';
import { Issuer } from './harness/issuer.ts';
import { GatewayProcess } from './harness/processes.ts';
import { nameless, outOfReach } from './page-checks.ts';

const PATHS = ['/', '/echo.html', '/chat.html', '/events.html', '/notifications.html'];
/** What the browser itself remarks where it is refused. */
const REFUSED = [/status of 401/];

let browser: Browser;
let issuer: Issuer;
let gateway: GatewayProcess;

before(async () => {
  issuer = await Issuer.start();
  const env = { TOKEN_SECRET: issuer.secret, TOKEN_CLOCK_TOLERANCE_SECONDS: '0' };
  [gateway, browser] = await Promise.all([GatewayProcess.start({ env }), launchBrowser()]);
});

after(async () => {
  await browser?.close();
  await gateway?.kill();
  issuer?.stop();
});

describe('a page at a gateway that asks for a token', () => {
  for (const path of PATHS)
    it(`says so, takes one, and works with it: ${path}`, async () => {
      await withPage(path, async (page) => {
        await page.getByText('This gateway asks for a token').waitFor();
        await page.getByText(/: a valid token is needed$/).waitFor();
        await signIn(page, await issuer.signed());
        await live(page, 'Live');
        await page.getByText('This gateway asks for a token').waitFor({ state: 'hidden' });
        assert.equal(new URL(page.url()).search, '');
      });
    });

  it('says in the reader’s language what is wrong with a token', async () => {
    const context = { locale: 'fr-FR', viewport: { width: 360, height: 800 } };
    await withPage(
      '/chat.html',
      async (page) => {
        await page.getByText('Cette passerelle demande un jeton').waitFor();
        await signIn(page, 'not a token', 'Jeton', 'Utiliser');
        await page.getByText(/^Ce n’est pas un jeton/).waitFor();
        await signIn(page, await issuer.signed({ endsIn: -60 }), 'Jeton', 'Utiliser');
        await page.getByText(/^La passerelle n’accepte pas ce jeton\. «/).waitFor();
        await signIn(page, await issuer.signed(), 'Jeton', 'Utiliser');
        await live(page, 'En direct');
      },
      context,
    );
  });

  it('can be used by keyboard and screen reader while it asks', async () => {
    await withPage('/chat.html', async (page) => {
      await page.getByText('This gateway asks for a token').waitFor();
      assert.deepEqual(await nameless(page), []);
      assert.deepEqual(await outOfReach(page), []);
      await page.getByLabel('Token', { exact: true }).focus();
      await page.keyboard.insertText(await issuer.signed());
      await page.keyboard.press('Enter');
      await live(page, 'Live');
      await page.waitForFunction('document.activeElement.id === "main"');
    });
  });

  it('shows the token on all pages of this window, until it is forgotten', async () => {
    await withPage('/chat.html?room=named', async (page) => {
      await signIn(page, await issuer.signed({ name: 'Ada L.' }));
      await page.getByText('Ada L. (you)', { exact: true }).waitFor();
      await page.getByLabel('Message', { exact: true }).fill('Hello');
      await page.keyboard.press('Enter');
      await page.locator('#lines .message').getByText('Hello').waitFor();
      await page.goto(`${gateway.url}/notifications.html`);
      await page.getByRole('heading', { name: 'Inbox of ada' }).waitFor();
      await live(page, 'Live');
      await page.getByRole('button', { name: 'Forget the token' }).click();
      await page.getByText('This gateway asks for a token').waitFor();
      await page.goto(`${gateway.url}/chat.html`);
      await page.getByText('This gateway asks for a token').waitFor();
    });
  });

  it('publishes and watches over both transports', async () => {
    await withPage('/events.html?channel=signed', async (page) => {
      await signIn(page, await issuer.signed({ subscribe: ['signed'], publish: ['signed'] }));
      await live(page, 'Live');
      await page.getByRole('button', { name: 'Publish', exact: true }).click();
      await page.getByText(/^Stored as/).waitFor();
      for (const pane of ['#socket-pane', '#stream-pane'])
        await until('it is shown', async () => (await page.locator(`${pane} .event`).count()) === 1, PAGE_LIMIT_MS);
    });
  });

  it('asks again once the token has ended, and goes on with what there was to say', async () => {
    await withPage('/chat.html?room=ended', async (page) => {
      await signIn(page, await issuer.signed({ endsIn: 4 }));
      await live(page, 'Live');
      await page.getByText(/^The gateway does not take this token\. \w/).waitFor();
      await page.getByLabel('Message', { exact: true }).fill('one');
      await page.keyboard.press('Enter');
      await page.getByText('Not stored yet').waitFor();
      await signIn(page, await issuer.signed());
      await page.locator('#lines').getByText('one', { exact: true }).waitFor();
    });
  });
});

async function withPage(path: string, use: (page: Page) => Promise<void>, context = {}): Promise<void> {
  await withFaultlessPage(browser, `${gateway.url}${path}`, use, { context, expected: REFUSED });
}

async function signIn(page: Page, token: string, label = 'Token', button = 'Use it'): Promise<void> {
  await page.getByLabel(label, { exact: true }).fill(token);
  await page.getByRole('button', { name: button }).click();
}

/** Waits until all connections of the page stand. */
async function live(page: Page, text: string): Promise<void> {
  for (const state of await page.locator('[data-part=state]').all())
    await state.and(page.getByText(text, { exact: true })).waitFor();
}
