/**
 * The chat and the notifications as people use them: the project's own pages, in several windows of a real browser, through a real nginx, on two
 * gateways and one Redis, of which gateways are killed.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { type RedisDeployment, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { launchBrowser } from './harness/browser.ts';
import { publish } from './harness/http-client.ts';
import { NginxProcess } from './harness/nginx.ts';
import { RestartableGateway } from './harness/restartable.ts';

const SCREENSHOTS = join(tmpdir(), 'passerelle-applications');
const HOSTILE = '<img src=x onerror="globalThis.hacked=1">';

describe('the applications, through nginx', () => {
  let redis: RedisDeployment;
  let gateways: Readonly<Record<string, RestartableGateway>>;
  let nginx: NginxProcess;
  let browser: Browser;
  const problems: string[] = [];

  before(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true });
    redis = await startStandalone();
    const [a, b] = await Promise.all(
      ['a', 'b'].map((id) =>
        RestartableGateway.start({ REDIS_URL: redis.url, GATEWAY_ID: id, MAX_BODY_BYTES: '262144' }),
      ),
    );
    assert.ok(a && b);
    gateways = { a, b };
    nginx = await NginxProcess.start([a.url, b.url]);
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await nginx?.stop();
    await Promise.all(Object.values(gateways ?? {}).map((gateway) => gateway.end('SIGKILL')));
    await redis?.stop();
  });

  /** A window of its own: another person than those in the others. */
  const openWindow = async (path: string): Promise<Page> => {
    const page = await (await browser.newContext({ locale: 'en-GB' })).newPage();
    page.on('pageerror', (error) => problems.push(`${path}: ${error.message}`));
    await page.goto(`${nginx.url}${path}`);
    return page;
  };
  const shot = (page: Page, name: string) =>
    page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });

  describe('chat', () => {
    const ROOM = 'acceptance';
    const PEOPLE = ['Ada', 'Bob', HOSTILE.slice(0, 20)];
    let windows: readonly Page[] = [];

    const said = async (page: Page): Promise<string[]> =>
      page
        .locator('#lines li.message')
        .evaluateAll((rows) =>
          rows.map((row) => `${row.querySelector('.author')?.textContent}: ${row.querySelector('p')?.textContent}`),
        );
    const say = async (page: Page, content: string) => {
      await page.getByLabel('Message', { exact: true }).fill(content);
      await page.keyboard.press('Enter');
    };
    const people = (page: Page) => page.locator('#people li').allTextContents();
    const gatewayOf = async (page: Page) =>
      ((await page.locator('#served').textContent()) ?? '').replace('Gateway ', '');
    const everybodyReads = async (...lines: string[]) => {
      for (const page of windows) {
        const missing = async () => {
          const shown = await said(page);
          return lines.filter((line) => !shown.includes(line));
        };
        await until('a window shows everything', async () => (await missing()).length === 0).catch(async (cause) => {
          const state = await page.locator('#connection').textContent();
          throw new Error(`Missing (${state}): ${JSON.stringify(await missing())}`, { cause });
        });
      }
    };

    it('has the names, the messages and the list of people in every window', async () => {
      windows = await Promise.all(PEOPLE.map(() => openWindow(`/chat.html?room=${ROOM}`)));
      for (const [index, page] of windows.entries()) {
        await page.getByLabel('Your name').fill(PEOPLE[index] ?? '');
        await page.keyboard.press('Enter');
      }
      for (const [index, page] of windows.entries()) {
        const mine = PEOPLE[index] ?? '';
        await until('everyone is listed', async () => {
          const listed = await people(page);
          return PEOPLE.every((name) => listed.includes(name === mine ? `${name} (you)` : name)) && listed.length === 3;
        });
      }
      for (const [index, page] of windows.entries()) await say(page, `I am ${PEOPLE[index]} ${HOSTILE}`);
      await everybodyReads(...PEOPLE.map((name) => `${name}: I am ${name} ${HOSTILE}`));
    });

    it('shows who types to the others', async () => {
      const [ada, bob] = windows as [Page, Page];
      await ada.getByLabel('Message', { exact: true }).pressSequentially('hm');
      await until('Bob sees it', async () => (await bob.locator('#typing').textContent()) === 'Ada is typing…');
      assert.equal(await ada.locator('#typing').textContent(), '');
      await shot(bob, 'chat');
    });

    it('refuses a name that is taken, in words', async () => {
      const [, bob] = windows as [Page, Page];
      await bob.getByLabel('Your name').fill('ADA');
      await bob.keyboard.press('Enter');
      await until('it is told', async () => ((await bob.locator('#name-fault').textContent()) ?? '').includes('taken'));
      await bob.getByLabel('Your name').fill('x'.repeat(21));
      await bob.keyboard.press('Enter');
      await bob.getByText('A name has 20 characters at most.').waitFor();
      await bob.getByLabel('Your name').fill('Bob');
    });

    it('loses, doubles and reorders nothing when the gateway under a window is killed, and killed again', async () => {
      const expected = new Set<string>();
      for (const round of [1, 2]) {
        const [ada, bob] = windows as [Page, Page];
        const doomed = await gatewayOf(ada);
        const gateway = gateways[doomed];
        const other = Object.entries(gateways).find(([id]) => id !== doomed)?.[1];
        assert.ok(gateway && other, `Ada is on gateway ${doomed}`);
        const server = { username: 'Server', content: '' };
        const flood = (async () => {
          for (let n = 0; n < 60; n++) {
            const content = `round ${round} line ${n}`;
            expected.add(`Server: ${content}`);
            await publish(other.url, `chat:${ROOM}`, { ...server, content }, { key: content });
          }
        })();
        await say(ada, `before the death ${round}`);
        await gateway.end('SIGKILL');
        for (const [page, name] of [
          [ada, 'Ada'],
          [bob, 'Bob'],
        ] as const) {
          await say(page, `${name} during ${round}`);
          expected.add(`${name}: ${name} during ${round}`);
        }
        expected.add(`Ada: before the death ${round}`);
        await flood;
        await everybodyReads(...expected);
        await gateway.start();
      }
      const transcripts = await Promise.all(windows.map(said));
      for (const transcript of transcripts) {
        assert.equal(new Set(transcript).size, transcript.length, 'nothing twice');
        assert.deepEqual(transcript, transcripts[0], 'one order for all');
        const lines = transcript.filter((line) => line.startsWith('Server: '));
        assert.deepEqual(
          lines,
          [...expected].filter((line) => line.startsWith('Server: ')),
          'in the order of publishing',
        );
      }
      for (const page of windows) {
        assert.equal(await page.locator('#lines li.gap').count(), 0);
        await until('all are listed, and nobody else', async () => {
          const listed = (await people(page)).map((name) => name.replace(' (you)', ''));
          return listed.sort().join() === [...PEOPLE].sort().join();
        });
      }
      await shot(windows[0] as Page, 'chat-after-deaths');
    });

    it('runs nothing that people have written', async () => {
      for (const page of windows) {
        assert.equal(await page.evaluate('typeof hacked'), 'undefined');
        assert.equal(await page.locator('#lines img, #people img').count(), 0);
        await page.context().close();
      }
    });
  });

  describe('notifications', () => {
    const items = (page: Page) => page.locator('#items > li');
    const unread = (page: Page) => page.locator('#unread').getAttribute('data-unread');
    const create = async (page: Page, title: string, priority: string) => {
      await page.getByLabel('Title').fill(title);
      await page.getByLabel('Message').fill(`about ${title}`);
      await page.getByLabel('Priority').selectOption(priority);
      await page.getByRole('button', { name: 'Send' }).click();
    };

    it('are in all windows at once, and read in one they are read in the others', async () => {
      const windows = await Promise.all([1, 2, 3].map(() => openWindow('/notifications.html?user=ada')));
      const [one, two] = windows as [Page, Page];
      for (const page of windows) await until('the inbox is there', async () => (await unread(page)) === '0');
      await create(one, 'First', 'low');
      await create(two, HOSTILE, 'high');
      for (const page of windows) {
        await until(
          'both are there, unread',
          async () => (await items(page).count()) === 2 && (await unread(page)) === '2',
        );
        assert.ok((await items(page).first().textContent())?.includes(HOSTILE));
        assert.equal(await page.locator('#items img').count(), 0);
      }
      await shot(two, 'notifications');
      await one.getByRole('button', { name: 'Mark all as read' }).click();
      for (const page of windows) await until('none is unread', async () => (await unread(page)) === '0');
      await create(one, 'Third', 'normal');
      for (const page of windows) await until('one is unread', async () => (await unread(page)) === '1');
      for (const page of windows) await page.context().close();
    });

    it('are there after everything but Redis was restarted', async () => {
      await nginx.stop();
      for (const gateway of Object.values(gateways)) await gateway.end('SIGKILL');
      for (const gateway of Object.values(gateways)) await gateway.start();
      nginx = await NginxProcess.start(Object.values(gateways).map(({ url }) => url));
      const page = await openWindow('/notifications.html?user=ada');
      await until(
        'all three are there, one unread',
        async () => (await items(page).count()) === 3 && (await unread(page)) === '1',
      );
      const titles = await items(page).locator('h3').allTextContents();
      assert.deepEqual(titles, ['Third', HOSTILE, 'First']);
      assert.equal(await page.evaluate('typeof hacked'), 'undefined');
      await page.context().close();
    });
  });

  it('and no page met an error', () => assert.deepEqual(problems, []));
});
