/** The pages of the chat and of the notifications in a real browser, each in several windows, on a gateway that ends and comes back. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Locator, Page } from 'playwright-core';
import { type RedisDeployment, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { launchBrowser, PAGE_LIMIT_MS, type PageOptions, withFaultlessPage } from './harness/browser.ts';
import { GatewayProcess } from './harness/processes.ts';
import { RestartableGateway } from './harness/restartable.ts';

const TOO_LONG = /^That is longer than the gateway takes/;
const HOSTILE = '<img src=x onerror="hacked=1">';
/** More bytes than a gateway takes, though not as many characters. */
const LONG = 'é'.repeat(40_000);
const LOST: PageOptions = { expected: [/ERR_/, /WebSocket connection to .* failed/] };

let redis: RedisDeployment;
let browser: Browser;
let gateway: RestartableGateway;

before(async () => {
  redis = await startStandalone();
  [gateway, browser] = await Promise.all([RestartableGateway.start({ REDIS_URL: redis.url }), launchBrowser()]);
});

after(async () => {
  await browser?.close();
  await gateway?.end('SIGKILL');
  await redis?.stop();
});

describe('the chat page', () => {
  it('shows in every window what is said in the room, as text, and who says it', async () => {
    await withRoom('said', async (ada, bob) => {
      await say(ada, 'Hello');
      await say(bob, HOSTILE);
      await say(ada, 'first line\nsecond line');
      const said = ['Ada: Hello', `Bob: ${HOSTILE}`, 'Ada: first line\nsecond line'];
      for (const page of [ada, bob]) {
        await hears(page, said);
        assert.equal(await page.locator('#lines img').count(), 0);
        assert.equal(await page.evaluate('typeof hacked'), 'undefined');
      }
    });
  });

  it('says who is there, who comes and goes, and who is typing', async () => {
    await withRoom('people', async (ada, bob) => {
      const people = ada.getByRole('region', { name: /^People/ }).getByRole('listitem');
      await until('both are named', async () => (await people.allTextContents()).join() === 'Ada (you),Bob');
      await bob.getByLabel('Message', { exact: true }).pressSequentially('Hm');
      await ada.getByText('Bob is typing…').waitFor();
      await rename(bob, 'Robert');
      await ada.getByText('Bob is now Robert').waitFor();
      await bob.close();
      await ada.getByText('Robert has left').waitFor();
      await ada.getByRole('heading', { name: 'People (1)' }).waitFor();
    });
  });

  it('says what is wrong with a name', async () => {
    await withRoom('names', async (ada) => {
      await ada.getByLabel('Your name').fill('bOB');
      await ada.getByRole('button', { name: 'Change' }).click();
      await ada
        .getByRole('alert')
        .getByText(/^The name "bOB" is taken/)
        .waitFor();
      await rename(ada, 'Eve');
      await until('the sentence is gone', async () => (await ada.getByRole('alert').allTextContents()).join('') === '');
    });
  });

  it('says in the reader’s language what can be no name', async () => {
    const french: PageOptions = { context: { locale: 'fr-FR' } };
    const use = async (page: Page) => {
      await page.getByText('En direct', { exact: true }).waitFor();
      const [field, change] = [page.getByLabel('Votre nom'), page.getByRole('button', { name: 'Changer' })];
      for (const [name, sentence] of [
        ['x'.repeat(21), 'Un nom a au plus 20 caractères.'],
        ['   ', 'Un nom a au moins un caractère.'],
        ['a\u0007b', 'Un nom n’a ni caractères de contrôle ni retours à la ligne.'],
      ] as const) {
        await field.fill(name);
        await change.click();
        await page.getByRole('alert').getByText(sentence, { exact: true }).waitFor();
      }
      await field.fill('Élodie');
      await change.click();
      await page.getByText('Élodie (vous)', { exact: true }).waitFor();
    };
    await withFaultlessPage(browser, `${gateway.url}/chat.html?room=noms`, use, french);
  });

  it('goes on after a connection was cut: with what was said, and with what it had to say', async () => {
    await withRoom('cut', async (ada, bob) => {
      await say(ada, 'one');
      await hears(bob, ['Ada: one']);
      await ada.getByRole('button', { name: 'Disconnect' }).click();
      await say(bob, 'two');
      await say(ada, 'three');
      await ada.getByText('Not stored yet').waitFor();
      await hears(bob, ['Ada: one', 'Bob: two']);
      await ada.getByRole('button', { name: 'Connect' }).click();
      await ada.getByText(/^Connected again\. Nothing is missing/).waitFor();
      for (const page of [ada, bob]) await hears(page, ['Ada: one', 'Bob: two', 'Ada: three']);
      assert.equal(await ada.getByText('Not stored yet').count(), 0);
    });
  });

  it('goes on, under its name, after its gateway was killed and came back', async () => {
    await withRoom(
      'killed',
      async (ada, bob) => {
        await say(ada, 'one');
        await hears(bob, ['Ada: one']);
        await gateway.end('SIGKILL');
        await say(bob, 'two');
        await gateway.start();
        for (const page of [ada, bob]) await hears(page, ['Ada: one', 'Bob: two']);
        assert.equal(await ada.getByLabel('Your name').inputValue(), 'Ada');
      },
      LOST,
    );
  });

  it('sends nothing that is too long, leaves it in its field, and says so', async () => {
    await withRoom('long', async (ada) => {
      await say(ada, LONG);
      await ada.getByRole('alert').getByText(TOO_LONG).waitFor();
      assert.equal(await ada.getByLabel('Message', { exact: true }).inputValue(), LONG);
      await say(ada, 'short');
      await hears(ada, ['Ada: short']);
      assert.equal(await ada.getByText(TOO_LONG).count(), 0);
    });
  });

  it('turns to another room, and names it in its address', async () => {
    await withRoom('first', async (ada) => {
      await say(ada, 'one');
      await hears(ada, ['Ada: one']);
      await ada.getByLabel('Room').fill('second');
      await ada.getByRole('button', { name: 'Enter' }).click();
      await ada.getByRole('heading', { name: 'Messages in second' }).waitFor();
      await live(ada);
      assert.deepEqual(await heardBy(ada), []);
      assert.equal(new URL(ada.url()).searchParams.get('room'), 'second');
    });
  });
});

describe('the notifications page', () => {
  it('shows in every window what is created, as text, and how much of it is unread', async () => {
    await withInboxes('shown', async (one, other) => {
      await create(one, HOSTILE, 'High');
      await create(one, 'Second', 'Low');
      for (const page of [one, other]) {
        await shows(page, ['Second', HOSTILE]);
        await page.getByText('2 unread', { exact: true }).waitFor();
        assert.match(await page.title(), /^\(2\) /);
        assert.deepEqual(await items(page).locator('.priority').allTextContents(), ['Low', 'High']);
        assert.equal(await items(page).locator('img').count(), 0);
      }
    });
  });

  it('marks as read up to one, or all, in every window and for good', async () => {
    await withInboxes('read', async (one, other) => {
      for (const title of ['a', 'b', 'c']) await create(one, title, 'Normal');
      await shows(other, ['c', 'b', 'a']);
      await items(other).nth(1).getByRole('button', { name: 'Mark as read up to here' }).click();
      for (const page of [one, other]) await page.getByText('1 unread', { exact: true }).waitFor();
      await one.getByRole('button', { name: 'Mark all as read' }).click();
      for (const page of [one, other]) await page.getByText('All read', { exact: true }).waitFor();
      await other.reload();
      await shows(other, ['c', 'b', 'a']);
      await other.getByText('All read', { exact: true }).waitFor();
    });
  });

  it('says on its return what came meanwhile, also after its gateway was killed', async () => {
    await withInboxes(
      'return',
      async (one, other) => {
        await other.getByRole('button', { name: 'Disconnect' }).click();
        await create(one, 'meanwhile', 'Normal');
        await other.getByRole('button', { name: 'Connect' }).click();
        await other.getByText('Connected again. 1 notification came meanwhile.').waitFor();
        await gateway.end('SIGKILL');
        await one.getByLabel('Title').fill('while it was gone');
        await one.getByRole('button', { name: 'Send' }).click();
        await one.getByText(/^There is no connection now/).waitFor();
        await gateway.start();
        for (const page of [one, other]) await shows(page, ['while it was gone', 'meanwhile']);
      },
      LOST,
    );
  });

  it('sends nothing that is too long, and says so', async () => {
    await withInboxes('long', async (one) => {
      await one.getByLabel('Title').fill('Long');
      await one.getByLabel('Message').fill(LONG);
      await one.getByRole('button', { name: 'Send' }).click();
      await one.getByText(TOO_LONG).waitFor();
      await one.getByLabel('Message').fill('short');
      await create(one, 'Short', 'Normal');
      await shows(one, ['Short']);
    });
  });

  it('has an inbox for each user', async () => {
    await withInboxes('somebody', async (one, other) => {
      await other.getByLabel('As user').fill('somebody-else');
      await other.getByRole('button', { name: 'Open' }).click();
      await other.getByRole('heading', { name: 'Inbox of somebody-else' }).waitFor();
      await create(one, 'private', 'Normal');
      await one.getByLabel('To').fill('somebody-else');
      await create(one, 'for the other', 'Normal');
      await shows(one, ['private']);
      await until('it is there', async () => (await titles(other)).includes('for the other'), PAGE_LIMIT_MS);
      assert.equal((await titles(other)).includes('private'), false);
    });
  });
});

describe('a page at a gateway that takes less than the page knows', () => {
  const MORE = 'x'.repeat(2_000);
  let strict: GatewayProcess;
  before(async () => {
    strict = await GatewayProcess.start({ env: { REDIS_URL: redis.url, MAX_MESSAGE_BYTES: '1024' } });
  });
  after(async () => await strict?.kill());

  it('takes a message back that ended the connection, and goes on with the others', async () => {
    await withFaultlessPage(browser, `${strict.url}/chat.html?room=strict`, async (page) => {
      await live(page);
      await page.getByRole('button', { name: 'Disconnect' }).click();
      for (const text of ['one', MORE, 'three']) await say(page, text);
      await page.getByRole('button', { name: 'Connect' }).click();
      await page.getByRole('alert').getByText(TOO_LONG).waitFor();
      assert.equal(await page.getByLabel('Message', { exact: true }).inputValue(), MORE);
      await until('the others are said', async () => (await heardBy(page)).length === 2, PAGE_LIMIT_MS);
      await live(page);
      assert.deepEqual(
        (await heardBy(page)).map((line) => line.replace(/^.*: /, '')),
        ['one', 'three'],
      );
      await page.getByText(TOO_LONG).waitFor(); // still
      await say(page, 'four');
      await until('it is said', async () => (await heardBy(page)).length === 3, PAGE_LIMIT_MS);
    });
  });

  it('takes a notification back in the same way', async () => {
    await withFaultlessPage(browser, `${strict.url}/notifications.html?user=strict`, async (page) => {
      await live(page);
      await page.getByLabel('To').fill('strict');
      await page.getByLabel('Title').fill('Long');
      await page.getByLabel('Message').fill(MORE);
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByText(TOO_LONG).waitFor();
      await live(page);
      assert.equal(await page.getByLabel('Message').inputValue(), MORE);
      await page.getByLabel('Message').fill('short');
      await create(page, 'Short', 'Normal');
      await shows(page, ['Short']);
    });
  });
});

/** Two windows, of Ada and of Bob, in a room that is new. */
async function withRoom(
  room: string,
  use: (ada: Page, bob: Page) => Promise<void>,
  options?: PageOptions,
): Promise<void> {
  await withWindows(
    `/chat.html?room=${room}`,
    async (ada, bob) => {
      await rename(ada, 'Ada');
      await rename(bob, 'Bob');
      await ada.getByRole('heading', { name: 'People (2)' }).waitFor();
      await use(ada, bob);
    },
    options,
  );
}

/** Two windows with the inbox of one user, whom everything is created for. */
async function withInboxes(
  user: string,
  use: (one: Page, other: Page) => Promise<void>,
  options?: PageOptions,
): Promise<void> {
  await withWindows(
    `/notifications.html?user=${user}`,
    async (one, other) => {
      await one.getByLabel('To').fill(user);
      await use(one, other);
    },
    options,
  );
}

async function withWindows(
  path: string,
  use: (one: Page, other: Page) => Promise<void>,
  options: PageOptions = {},
): Promise<void> {
  const url = `${gateway.url}${path}`;
  const both = (one: Page) =>
    withFaultlessPage(
      browser,
      url,
      async (other) => {
        for (const page of [one, other]) await live(page);
        await use(one, other);
      },
      options,
    );
  await withFaultlessPage(browser, url, both, options);
}

async function live(page: Page): Promise<void> {
  await page.getByText('Live', { exact: true }).waitFor();
}

async function rename(page: Page, name: string): Promise<void> {
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Change' }).click();
  await page.getByText(`${name} (you)`, { exact: true }).waitFor();
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.keyboard.press('Enter');
}

/** What was said, as `name: text`, without what is not stored yet. */
async function heardBy(page: Page): Promise<readonly string[]> {
  const messages = await page.locator('#lines .message').all();
  const parts = messages.map((row) =>
    Promise.all([row.locator('.author').textContent(), row.locator('p').textContent()]),
  );
  return (await Promise.all(parts)).map(([author, text]) => `${author}: ${text}`);
}

async function hears(page: Page, expected: readonly string[]): Promise<void> {
  await until('as much is said', async () => (await heardBy(page)).length >= expected.length, PAGE_LIMIT_MS);
  assert.deepEqual(await heardBy(page), expected);
}

function items(page: Page): Locator {
  return page.getByRole('list', { name: 'Notifications, the newest first' }).getByRole('listitem');
}

async function titles(page: Page): Promise<readonly string[]> {
  return await items(page).getByRole('heading').allTextContents();
}

async function shows(page: Page, expected: readonly string[]): Promise<void> {
  await until('as many are shown', async () => (await titles(page)).length >= expected.length, PAGE_LIMIT_MS);
  assert.deepEqual(await titles(page), expected);
}

async function create(page: Page, title: string, priority: string): Promise<void> {
  await page.getByLabel('Title').fill(title);
  await page.getByLabel('Priority').selectOption(priority);
  await page.getByRole('button', { name: 'Send' }).click();
  await until('it is stored', async () => (await page.getByLabel('Title').inputValue()) === '', PAGE_LIMIT_MS);
}
