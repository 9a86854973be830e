/** The page of events, and EventSource itself, in a real browser against real gateways that end and come back. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Locator, Page } from 'playwright-core';
import { type RedisDeployment, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { excessWidth, launchBrowser, PAGE_LIMIT_MS, withFaultlessPage } from './harness/browser.ts';
import { heard, type Numbered, openStream } from './harness/page-streams.ts';
import { GatewayProcess } from './harness/processes.ts';
import { RestartableGateway } from './harness/restartable.ts';

const SCREENSHOTS = join(tmpdir(), 'passerelle-page');

let redis: RedisDeployment;
let browser: Browser;
/** The gateway whose pages are open, and which goes away. */
let gateway: RestartableGateway;
/** Another one, by which is published meanwhile. */
let other: GatewayProcess;

before(async () => {
  redis = await startStandalone();
  const env = { REDIS_URL: redis.url, RETRY_MS: '200' };
  [gateway, other, browser] = await Promise.all([
    RestartableGateway.start(env),
    GatewayProcess.start({ env }),
    launchBrowser(),
  ]);
});

after(async () => {
  await browser?.close();
  await Promise.all([gateway?.end('SIGKILL'), other?.kill()]);
  await redis?.stop();
});

describe('the page of events', () => {
  it('shows a published event once in both panes', async () => {
    await withPage('first', async (page) => {
      await page.getByLabel('Event name').fill('greeting');
      await page.getByLabel('Data').fill('{"hello":"browser"}');
      await page.getByRole('button', { name: 'Publish' }).click();
      await page.getByText(/^Stored as \d+-\d+$/).waitFor();
      for (const pane of panes(page)) {
        await shows(pane, ['{"hello":"browser"}']);
        assert.equal(await pane.locator('.name').textContent(), 'greeting');
        const id = await pane.locator('.event .id').textContent();
        assert.equal(await page.locator('#result').textContent(), `Stored as ${id}`);
        await until('the position is told', async () => (await positionOf(pane)) === id);
      }
    });
  });

  it('says in both panes alike that a channel has had no event yet', async () => {
    await withPage('never-used', async (page) => {
      for (const pane of panes(page)) {
        await pane.getByText('Live', { exact: true }).waitFor();
        assert.equal(await positionOf(pane), 'none yet');
      }
    });
  });

  it('shows what a publisher sends as text, whatever it is', async () => {
    const hostile = ['<img src=x onerror="hacked=1">', '</script><script>hacked=1</script>', '"><svg onload=hacked=1>'];
    await withPage('hostile', async (page) => {
      for (const data of hostile) await publish('hostile', data);
      for (const pane of panes(page)) {
        await shows(
          pane,
          hostile.map((data) => JSON.stringify(data)),
        );
        assert.equal(await pane.locator('img, svg, script').count(), 0);
      }
      await page.getByLabel('Data').fill(hostile[0] ?? '');
      assert.equal(await page.locator('#publish-command img').count(), 0);
      assert.equal(await page.evaluate('typeof hacked'), 'undefined');
      await page.goto(`${gateway.url}/events.html?channel=${encodeURIComponent(hostile[0] ?? '')}`);
      assert.equal(await page.getByLabel('Channel').inputValue(), 'demo');
    });
  });

  it('catches up, once and in order, on what came while a connection was cut', async () => {
    await withPage('cut', async (page) => {
      await publish('cut', 1);
      for (const pane of panes(page)) {
        await shows(pane, ['1']);
        await pane.getByRole('button', { name: 'Cut the connection' }).click();
      }
      await publish('cut', 2);
      await publish('cut', 3);
      for (const pane of panes(page)) {
        await shows(pane, ['1']);
        await pane.getByRole('button', { name: 'Connect again' }).click();
        await pane.getByText(/^Resumed after/).waitFor();
      }
      await publish('cut', 4);
      for (const pane of panes(page)) await shows(pane, ['1', '2', '3', '4']);
    });
  });

  it('hears events by SSE whose name nobody foretold', async () => {
    await withPage('names', async (page) => {
      const names = ['new', 'message', 'error', 'open', 'newer'];
      await post('/api/batch', { publishes: names.map((event) => ({ channel: 'names', event, data: 0 })) });
      for (const pane of panes(page)) {
        // The stream may have to go back for some, which then stand above later ones.
        const heardNames = async () => (await pane.locator('.name').allTextContents()).sort().join();
        await until('the pane shows all of them, once', async () => (await heardNames()) === names.toSorted().join());
      }
    });
  });

  it('shows where events are missing', async () => {
    await withPage('gap', async (page) => {
      for (const pane of panes(page)) await pane.getByRole('button', { name: 'Cut the connection' }).click();
      // More than the history keeps.
      for (const from of [0, 1_000]) {
        const publishes = Array.from({ length: 1_000 }, (_, n) => ({ channel: 'gap', data: from + n + 1 }));
        await post('/api/batch', { publishes });
      }
      for (const pane of panes(page)) {
        await pane.getByRole('button', { name: 'Connect again' }).click();
        await until('the replay is through', async () => (await rows(pane)).at(-1) === '2000', PAGE_LIMIT_MS);
        await pane.getByText(/· 1 gap$/).waitFor();
      }
    });
  });

  it('keeps the last 200 rows', async () => {
    await withPage('many', async (page) => {
      const publishes = Array.from({ length: 300 }, (_, n) => ({ channel: 'many', data: n + 1 }));
      await post('/api/batch', { publishes });
      for (const pane of panes(page)) {
        await pane.getByText('300 events').waitFor();
        const shown = await rows(pane);
        assert.equal(await pane.locator('li').count(), 200);
        assert.equal(shown.at(-1), '300');
      }
    });
  });

  it('says in a sentence what is wrong with a publish', async () => {
    await withPage(
      'wrong',
      async (page) => {
        await page.getByLabel('Data').fill(JSON.stringify('x'.repeat(70_000)));
        await page.getByRole('button', { name: 'Publish' }).click();
        await page.getByText(/^The event's data is 70002 bytes/).waitFor();
      },
      [/status of 413/],
    );
  });

  it('goes on exactly after its gateway was killed and came back', async () => {
    await withPage(
      'killed',
      async (page) => {
        await publish('killed', 1);
        for (const pane of panes(page)) await shows(pane, ['1']);
        await gateway.end('SIGKILL');
        await publish('killed', 2);
        await publish('killed', 3);
        await gateway.start();
        for (const pane of panes(page)) await pane.getByText(/^Resumed after/).waitFor();
        await publish('killed', 4);
        for (const pane of panes(page)) {
          await shows(pane, ['1', '2', '3', '4']);
          assert.equal(await pane.locator('.gap').count(), 0);
        }
      },
      [/ERR_/, /WebSocket connection to .* failed/],
    );
  });

  for (const { name, colorScheme, width } of [
    { name: 'light', colorScheme: 'light', width: 1280 },
    { name: 'dark', colorScheme: 'dark', width: 1280 },
    { name: 'narrow', colorScheme: 'light', width: 390 },
  ] as const) {
    it(`fits its window: ${name}`, async () => {
      await withPage('orders:42', async (page) => {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await page.setViewportSize({ width, height: 900 });
        if (name === 'light') {
          await publish('orders:42', { order: 42, status: 'packed', weight: 1.25 }, 'status');
          await publish('orders:42', 'The courier is on the way', 'note');
        }
        await page.getByRole('button', { name: 'Publish' }).click();
        await page.getByText(/^Stored as/).waitFor();
        assert.equal(await excessWidth(page), 0);
        mkdirSync(SCREENSHOTS, { recursive: true });
        await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
      });
    });
  }
});

describe('EventSource, with three channels on one stream', () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    it(`hears every event once and in order over a restart by ${signal}`, async () => {
      const page = await browser.newPage();
      await page.goto(`${gateway.url}/`);
      const prefix = signal.toLowerCase();
      const streams = {
        // It has seen events, and so has a cursor from each of its channels.
        busy: channelsOf(`${prefix}-busy`),
        // It has seen none, of channels that never had any.
        empty: channelsOf(`${prefix}-empty`),
        // It has seen none, but its channels have a history that it did not ask for: its position is from the first block alone.
        idle: channelsOf(`${prefix}-idle`),
      };
      const all = Object.values(streams).flat();
      await publishNumbered(streams.idle, [-2, -1]);
      for (const [name, channels] of Object.entries(streams)) await openStream(page, name, channels);
      for (const name of Object.keys(streams))
        await until(`stream ${name} is open`, async () => (await heard(page, name)).opens === 1);
      await publishNumbered(streams.busy, [1, 2]);
      await until('the events before the restart are there', async () => {
        return (await heard(page, 'busy')).events.length === 2 * streams.busy.length;
      });

      await Promise.all([gateway.end(signal), publishNumbered(all, [3])]);
      await publishNumbered(all, [4, 5]);
      await gateway.start();
      await publishNumbered(all, [6]);
      for (const name of Object.keys(streams))
        await until(`stream ${name} is open again`, async () => (await heard(page, name)).opens > 1, PAGE_LIMIT_MS);
      await publishNumbered(all, [7, 8]);

      for (const [name, channels] of Object.entries(streams)) {
        const numbers = name === 'busy' ? [1, 2, 3, 4, 5, 6, 7, 8] : [3, 4, 5, 6, 7, 8];
        const complete = (events: readonly Numbered[]) => channels.every((c) => numbersOf(events, c).includes(8));
        await until(
          `stream ${name} is complete`,
          async () => complete((await heard(page, name)).events),
          PAGE_LIMIT_MS,
        );
        const { events, gaps, ended } = await heard(page, name);
        for (const channel of channels) assert.deepEqual(numbersOf(events, channel), numbers, `${name}, ${channel}`);
        assert.deepEqual({ gaps, ended }, { gaps: 0, ended: false }, name);
      }
      await page.close();
    });
  }
});

/** Opens the page on a channel, and waits until both panes are live. */
async function withPage(
  channel: string,
  use: (page: Page) => Promise<void>,
  expected: readonly RegExp[] = [],
): Promise<void> {
  const live = async (page: Page) => {
    for (const pane of panes(page)) await pane.getByText('Live', { exact: true }).waitFor();
    await use(page);
  };
  await withFaultlessPage(browser, `${gateway.url}/events.html?channel=${channel}`, live, { expected });
}

function panes(page: Page): readonly [socket: Locator, stream: Locator] {
  return [page.getByRole('region', { name: 'WebSocket' }), page.getByRole('region', { name: 'Server-Sent Events' })];
}

/** The data of the events that a pane shows, in the order of arrival. */
async function rows(pane: Locator): Promise<string[]> {
  return (await pane.locator('.event .data').allTextContents()).reverse();
}

async function shows(pane: Locator, expected: readonly string[]): Promise<void> {
  let shown: readonly string[] = [];
  await until(
    'the pane shows the events',
    async () => {
      shown = await rows(pane);
      return shown.length >= expected.length;
    },
    PAGE_LIMIT_MS,
  );
  assert.deepEqual(shown, expected);
}

async function positionOf(pane: Locator): Promise<string | null> {
  return await pane.locator('[data-part=position]').textContent();
}

function channelsOf(prefix: string): readonly string[] {
  return ['a', 'b', 'c'].map((name) => `${prefix}.${name}`);
}

function numbersOf(events: readonly Numbered[], channel: string): readonly number[] {
  return events.filter((event) => event.channel === channel).map(({ n }) => n);
}

/** Publishes each number to each channel, by turns, so that the channels' events mix. */
async function publishNumbered(channels: readonly string[], numbers: readonly number[]): Promise<void> {
  for (const n of numbers) for (const channel of channels) await publish(channel, { channel, n });
}

/** Publishes by the gateway that stays. */
async function publish(channel: string, data: unknown, event = 'message'): Promise<void> {
  await post('/api/publish', { channel, event, data });
}

async function post(path: string, body: unknown): Promise<void> {
  const response = await fetch(`${other.url}${path}`, { method: 'POST', body: JSON.stringify(body) });
  assert.equal(response.status, 200, await response.text());
}
