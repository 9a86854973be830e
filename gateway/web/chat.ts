/** The chat page: one room at a time. Binds the forms to the room, and the room to its connection. */
import { Conversation } from './chat/conversation.ts';
import { decode } from './chat/frames.ts';
import { type Fault, Room } from './chat/room.ts';
import { texts } from './chat/texts.ts';
import { byId, element, say } from './shared/dom.ts';
import { openPage } from './shared/page.ts';
import { PageSocket } from './shared/page-socket.ts';
import { randomKey } from './shared/random-key.ts';
import { WaitingTitle } from './shared/waiting-title.ts';

const DEFAULT_ROOM = 'lobby';
/** Of this window: another one is another person. */
const NAME_KEY = 'chat-name';
/** More typers than this are not named. */
const NAMED_TYPERS = 3;
const RESEND_MS = 3_000;

const { t, format, locale } = openPage(texts);

const roomForm = byId('room-form', HTMLFormElement);
const roomField = byId('room', HTMLInputElement);
const nameForm = byId('name-form', HTMLFormElement);
const nameField = byId('name', HTMLInputElement);
const messageForm = byId('message-form', HTMLFormElement);
const messageField = byId('message', HTMLTextAreaElement);
const conversation = new Conversation(t, format);
const title = new WaitingTitle((count, text) => t.unread(format.number(count), text));

roomField.value = new URLSearchParams(location.search).get('room') ?? DEFAULT_ROOM;
if (!roomField.checkValidity()) roomField.value = DEFAULT_ROOM;
let room = newRoom();
let scheduled = false;

const socket = new PageSocket({
  url: () => `/chat?${room.query}`,
  message: (frame) => {
    const known = decode(frame);
    if (known === undefined) return;
    if (known.type === 'message') title.add();
    for (const answer of room.receive(known, Date.now())) socket.send(answer);
    if (known.type === 'error') faulted();
    if (known.type === 'welcome' || known.type === 'username_changed') rememberName();
    schedule();
  },
  t,
  toggle: t,
});
socket.connect();
setInterval(drawTypers, 1_000);

roomForm.addEventListener('submit', (event) => {
  event.preventDefault();
  if (roomField.value !== room.room) enter();
  messageField.focus();
});
nameForm.addEventListener('submit', (event) => {
  event.preventDefault();
  const renaming = room.rename(nameField.value);
  if (renaming !== undefined) socket.send(renaming);
  schedule();
});
messageForm.addEventListener('submit', (event) => {
  event.preventDefault();
  sendMessage();
});
messageField.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  sendMessage();
});
messageField.addEventListener('input', () => {
  const notice = messageField.value === '' ? undefined : room.typing(Date.now());
  if (notice !== undefined) socket.send(notice);
});

function newRoom(): Room {
  return new Room({ room: roomField.value, username: sessionStorage.getItem(NAME_KEY) ?? '', newKey: randomKey });
}

/** Turns to the room that the field names. */
function enter(): void {
  socket.disconnect();
  room = newRoom();
  conversation.clear();
  const url = new URL(location.href);
  url.searchParams.set('room', room.room);
  history.replaceState(null, '', url);
  socket.connect();
  schedule();
}

function sendMessage(): void {
  const content = messageField.value.trim();
  if (content === '') return;
  const message = room.say(content);
  schedule();
  if (message === undefined) return; // to be shortened
  socket.send(message); // where it cannot be sent, it waits for the next welcome
  messageField.value = '';
  conversation.toEnd();
}

function faulted(): void {
  const fault = room.fault;
  if (fault?.about !== 'message') return;
  if (fault.code === 'too_large') socket.mended(); // it will not be sent again
  if (fault.code === 'unavailable') setTimeout(resend, RESEND_MS);
  else if (messageField.value === '') messageField.value = fault.content ?? '';
}

function resend(): void {
  for (const message of room.pending) socket.send(message);
}

function rememberName(): void {
  sessionStorage.setItem(NAME_KEY, room.me);
  if (document.activeElement !== nameField) nameField.value = room.me;
}

/** At most once a frame, however fast messages come. */
function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(draw);
}

function draw(): void {
  scheduled = false;
  conversation.draw(room);
  drawTypers();
  const users = room.users(locale);
  byId('people', HTMLElement).replaceChildren(
    ...users.map((name) => element('li', '', name === room.me ? `${name} ${t.you}` : name)),
  );
  say(byId('people-title', HTMLElement), t.peopleCount(format.number(users.length)));
  say(byId('messages-title', HTMLElement), t.inRoom(room.room));
  say(byId('served', HTMLElement), room.gateway === '' ? '' : t.servedBy(room.gateway));
  const fault = room.fault;
  const sentence = fault === undefined ? '' : sentenceOf(fault);
  say(byId('name-fault', HTMLElement), fault?.about === 'name' ? sentence : '');
  say(byId('message-fault', HTMLElement), fault === undefined || fault.about === 'name' ? '' : sentence);
}

function sentenceOf({ code, error, nameFault }: Fault): string {
  if (nameFault !== undefined) return t.wrongName(nameFault);
  return code === 'too_large' ? t.tooLong : t.gatewayError(code, error);
}

function drawTypers(): void {
  say(byId('typing', HTMLElement), typersIn(room.typers(Date.now())));
}

function typersIn(names: readonly string[]): string {
  if (names.length > NAMED_TYPERS) return t.manyType;
  if (names.length > 1) return t.severalType(format.list(names));
  return names[0] === undefined ? '' : t.oneTypes(names[0]);
}
