/** The notifications page: one inbox at a time. Binds the forms to the inbox, and the inbox to its connection. */
import { decode, type Priority } from './notifications/frames.ts';
import { Inbox, type News } from './notifications/inbox.ts';
import { ItemList } from './notifications/item-list.ts';
import { texts } from './notifications/texts.ts';
import { byId, say } from './shared/dom.ts';
import { openPage } from './shared/page.ts';
import { PageSocket } from './shared/page-socket.ts';
import { randomKey } from './shared/random-key.ts';

const PRIORITIES: Readonly<Record<string, Priority>> = { low: 'low', normal: 'normal', high: 'high' };
const RESEND_MS = 3_000;

const { t, format } = openPage(texts);
const pageTitle = document.title;

const userForm = byId('user-form', HTMLFormElement);
const userField = byId('user', HTMLInputElement);
const createForm = byId('create-form', HTMLFormElement);
const titleField = byId('title', HTMLInputElement);
const messageField = byId('message', HTMLTextAreaElement);
const priorityField = byId('priority', HTMLSelectElement);
const toField = byId('to', HTMLInputElement);
const result = byId('result', HTMLElement);
const unread = byId('unread', HTMLElement);
const readAll = byId('read-all', HTMLButtonElement);

userField.value = new URLSearchParams(location.search).get('user') ?? '';
if (!userField.checkValidity()) userField.value = '';
let inbox = new Inbox(userField.value, randomKey);
let scheduled = false;
const list = new ItemList(t, format, (upTo) => socket.send(inbox.read(upTo)));

const socket = new PageSocket({
  url: () => `/notifications?${inbox.query}`,
  message: (frame) => {
    const known = decode(frame);
    if (known === undefined) return;
    const { news } = inbox;
    for (const answer of inbox.receive(known)) socket.send(answer);
    if (known.type === 'notification') say(byId('arrived', HTMLElement), t.arrived(known.title));
    if (inbox.news !== news) tellNews(inbox.news);
    schedule();
  },
  signedIn: clear,
  t,
  toggle: t,
});
socket.connect();
schedule();

userForm.addEventListener('submit', (event) => {
  event.preventDefault();
  if (userField.value !== inbox.user) open();
});
createForm.addEventListener('submit', (event) => {
  event.preventDefault();
  create();
});
readAll.addEventListener('click', () => {
  const [newest] = inbox.items;
  if (newest !== undefined) socket.send(inbox.read(newest));
});

/** Turns to the inbox of the user that the field names. */
function open(): void {
  socket.disconnect();
  clear();
  const url = new URL(location.href);
  if (inbox.user === '') url.searchParams.delete('user');
  else url.searchParams.set('user', inbox.user);
  history.replaceState(null, '', url);
  socket.connect();
}

function clear(): void {
  inbox = new Inbox(userField.value, randomKey);
  tell('', '');
  say(byId('returned', HTMLElement), '');
  schedule();
}

function create(): void {
  const frame = inbox.create({
    title: titleField.value,
    message: messageField.value,
    priority: PRIORITIES[priorityField.value] ?? 'normal',
    to: toField.value,
  });
  if (frame === undefined) tell('failed', t.tooLong);
  else tell('', socket.send(frame) ? t.sending : t.notConnected);
}

function tellNews(news: News | undefined): void {
  switch (news?.kind) {
    case 'stored':
      tell('done', t.storedAs(news.id));
      clearForm();
      return;
    case 'failed': {
      if (news.code === 'too_large') socket.mended(); // it will not be sent again
      const reason = news.code === 'too_large' ? t.tooLong : t.gatewayError(news.code, news.error);
      tell('failed', news.again ? t.tryAgain(reason) : reason);
      if (news.again) setTimeout(resend, RESEND_MS);
      return;
    }
    case 'returned':
      say(byId('returned', HTMLElement), news.gap ? t.gap : t.returned(news.missed));
      byId('returned', HTMLElement).classList.toggle('gap', news.gap);
      return;
  }
}

/** Whom it went to, and how urgently, is likely to be the same the next time. */
function clearForm(): void {
  const kept = { to: toField.value, priority: priorityField.value };
  createForm.reset();
  toField.value = kept.to;
  priorityField.value = kept.priority;
}

function resend(): void {
  for (const frame of inbox.pending) socket.send(frame);
}

/** At most once a frame, however fast notifications come. */
function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(draw);
}

function draw(): void {
  scheduled = false;
  const count = inbox.unread;
  list.draw(inbox);
  unread.dataset.unread = String(count);
  say(unread, count === 0 ? t.allRead : t.unreadCount(count));
  readAll.disabled = count === 0 || inbox.items.length === 0;
  say(byId('inbox-title', HTMLElement), inbox.user === '' ? t.inbox : t.inboxOf(inbox.user));
  document.title = count === 0 ? pageTitle : t.unreadTitle(format.number(count), pageTitle);
}

function tell(outcome: string, sentence: string): void {
  result.dataset.outcome = outcome;
  say(result, sentence);
}
