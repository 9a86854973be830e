/** The demo pages in a real browser: what all of them have in common, and what echo, monitoring and the home page do. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { until } from '../../broker/testing/until.ts';
import { excessWidth, launchBrowser, PAGE_LIMIT_MS, withFaultlessPage } from './harness/browser.ts';
import { GatewayProcess } from './harness/processes.ts';
import { hasColour, nameless, outOfReach, palePlaceholders, picture } from './page-checks.ts';

const PAGES = [
  { path: '/', french: 'Ce qui est promis' },
  { path: '/echo.html', french: 'Trames toutes prêtes' },
  { path: '/chat.html', french: 'Votre nom' },
  { path: '/events.html', french: 'Nom de l’événement' },
  { path: '/notifications.html', french: 'Créer une notification' },
  { path: '/monitoring.html', french: 'Les cinq dernières minutes' },
];
const SCREENSHOTS = join(tmpdir(), 'passerelle-pages');
const HOSTILE = ['<img src=x onerror="hacked=1">', '</script><script>hacked=1</script>', '"><svg onload=hacked=1>'];

let browser: Browser;
let gateway: GatewayProcess;

before(async () => {
  [gateway, browser] = await Promise.all([GatewayProcess.start(), launchBrowser()]);
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(async () => {
  await browser?.close();
  await gateway?.kill();
});

for (const { path, french } of PAGES) {
  describe(`the page ${path}`, () => {
    for (const [locale, colorScheme, width] of [
      ['en-US', 'light', 1280],
      ['fr-FR', 'dark', 360],
    ] as const) {
      it(`loads without a fault and fits its window: ${locale}, ${colorScheme}, ${width} pixels`, async () => {
        const context = { locale, colorScheme, viewport: { width, height: 800 } };
        await withPage(path, context, async (page) => {
          const speaksFrench = locale === 'fr-FR';
          assert.equal(await page.locator('html').getAttribute('lang'), speaksFrench ? 'fr' : 'en');
          assert.equal(await page.getByText(french, { exact: true }).count(), speaksFrench ? 1 : 0);
          await live(page, speaksFrench ? 'En direct' : 'Live');
          assert.equal(await excessWidth(page), 0);
          assert.deepEqual(await palePlaceholders(page), []);
          const name = path.replace(/\W|html/g, '') || 'index';
          await page.screenshot({ path: join(SCREENSHOTS, `${name}-${locale}.png`), fullPage: true });
        });
      });
    }

    it('names every control, heading and picture to who cannot see it', async () => {
      await withPage(path, {}, async (page) => {
        assert.deepEqual(await nameless(page), []);
        assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
        for (const role of ['banner', 'main', 'contentinfo'] as const)
          assert.equal(await page.getByRole(role).count(), 1);
      });
    });

    it('can be used by keyboard alone', async () => {
      await withPage(path, {}, async (page) => {
        await page.keyboard.press('Tab');
        assert.equal(await page.evaluate('document.activeElement.className'), 'skip');
        await page.keyboard.press('Enter');
        assert.equal(await page.evaluate('document.activeElement.id'), 'main');
        assert.deepEqual(await outOfReach(page), []);
      });
    });
  });
}

describe('the home page', () => {
  it('names the gateway, and leads to every demo', async () => {
    await withPage('/', {}, async (page) => {
      await page.getByText(/^Served by gateway [\w-]+$/).waitFor();
      for (const name of ['Echo', 'Chat', 'Events', 'Notifications', 'Monitoring']) {
        await page.getByRole('main').getByRole('link', { name, exact: true }).click();
        await page.getByRole('heading', { level: 1, name }).waitFor();
        assert.equal(await page.locator('[aria-current=page]').textContent(), name);
        await page.getByRole('link', { name: 'Passerelle' }).click();
      }
    });
  });
});

describe('the echo page', () => {
  it('shows what comes back, and how soon', async () => {
    await withPage('/echo.html', {}, async (page) => {
      await live(page, 'Live');
      await page.getByLabel('Frame', { exact: true }).fill('Hello, gateway');
      await page.keyboard.press('Control+Enter');
      await page.getByText(/^Answered after [\d.,]+ ms$/).waitFor();
      const [answer] = await frames(page);
      assert.match(answer ?? '', /"original": "Hello, gateway"/);

      await page.getByLabel(/^Binary/).check();
      await page.getByRole('button', { name: 'Send' }).click();
      await until('the bytes come back', async () => (await frames(page)).length === 5); // the first was the welcome
      const [received, sent] = await frames(page);
      assert.deepEqual([received, sent?.startsWith('48 65 6c 6c 6f')], [sent, true]);
    });
  });

  it('has a frame ready for every command', async () => {
    await withPage('/echo.html', {}, async (page) => {
      await live(page, 'Live');
      for (const [command, reply] of [
        ['ping', 'pong'],
        ['subscribe', 'subscribed'],
        ['publish', 'published'],
        ['history', 'history'],
        ['presence', 'presence'],
        ['unsubscribe', 'unsubscribed'],
      ] as const) {
        await page.getByRole('button', { name: command, exact: true }).click();
        await until(`${command} is answered`, async () => {
          return (await frames(page)).some((text) => text.includes(`"type": "${reply}"`) || text.includes('"error"'));
        });
      }
    });
  });

  it('shows what comes back as text, whatever it is', async () => {
    await withPage('/echo.html', {}, async (page) => {
      await live(page, 'Live');
      for (const text of HOSTILE) {
        await page.getByLabel('Frame', { exact: true }).fill(text);
        await page.getByRole('button', { name: 'Send' }).click();
        await until('it has come back', async () => {
          const [answer = ''] = await frames(page);
          return answer.includes(JSON.stringify(text));
        });
      }
      assert.equal(await page.locator('#rows').locator('img, svg, script').count(), 0);
      assert.equal(await page.evaluate('typeof hacked'), 'undefined');
    });
  });

  it('says in the reader’s language what is wrong', async () => {
    await withPage('/echo.html', { locale: 'fr-CA' }, async (page) => {
      await live(page, 'En direct');
      await page.getByRole('button', { name: 'Déconnecter' }).click();
      await page.getByText(/^Déconnecté/).waitFor();
      await page.getByRole('button', { name: 'Envoyer' }).click();
      await page.getByText('Il n’y a pas de connexion. Connectez-vous d’abord.').waitFor();
    });
  });
});

describe('the monitoring page', () => {
  it('shows figures, draws them, and says them in words', async () => {
    const readingPixels = /willReadFrequently/; // what the browser remarks is this test's doing
    const use = async (page: Page) => {
      await page.getByText(/^Gateway [\w-]+, up for/).waitFor();
      const processor = page.getByRole('img', { name: /^Processor\. Machine: now [\d.]+%, lowest/ });
      await processor.waitFor();
      await until('a line is drawn', () => hasColour(processor), PAGE_LIMIT_MS);
      await page.getByText('The last five minutes in figures').click();
      assert.match((await page.getByRole('row', { name: /^Memory · In use/ }).textContent()) ?? '', /\d%/);
      assert.equal(await page.getByRole('term').filter({ hasText: 'Connections' }).count(), 1);
    };
    await withFaultlessPage(browser, `${gateway.url}/monitoring.html`, use, { expected: [readingPixels] });
  });

  it('draws anew for another size and another colour scheme', async () => {
    await withPage('/monitoring.html', {}, async (page) => {
      const canvas = page.getByRole('img', { name: /^Memory\. / });
      await canvas.waitFor();
      const width = () => canvas.evaluate((element) => Number(element.getAttribute('width')));
      const wide = await width();
      await page.setViewportSize({ width: 390, height: 800 });
      await until('the canvas fits', async () => (await width()) !== wide && (await excessWidth(page)) === 0);
      const light = await picture(canvas);
      await page.emulateMedia({ colorScheme: 'dark' });
      await until('the picture is another one', async () => (await picture(canvas)) !== light);
    });
  });

  it('pauses, and goes on', async () => {
    await withPage('/monitoring.html', {}, async (page) => {
      await live(page, 'Live');
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.getByText('Disconnected').waitFor();
      await page.getByRole('button', { name: 'Continue' }).click();
      await live(page, 'Live');
    });
  });
});

async function withPage(path: string, context: object, use: (page: Page) => Promise<void>): Promise<void> {
  await withFaultlessPage(browser, `${gateway.url}${path}`, use, { context });
}

/** Waits until all connections of the page stand. */
async function live(page: Page, text: string): Promise<void> {
  const states = page.locator('[data-part=state]');
  for (const state of await states.all()) await state.and(page.getByText(text, { exact: true })).waitFor();
}

/** What the frames hold, the newest first. */
async function frames(page: Page): Promise<string[]> {
  return await page.locator('#rows pre').allTextContents();
}
