/** The first page: publish to a channel, and watch it over WebSocket and over SSE side by side. Binds the forms to the rest. */
import { Pane } from './pane.ts';
import { commandsFor, parseData } from './phrases.ts';
import { Publisher } from './publisher.ts';
import { Watching } from './watching.ts';

const DEFAULT_CHANNEL = 'demo';

const channelForm = byId('channel-form', HTMLFormElement);
const channelField = byId('channel', HTMLInputElement);
const publishForm = byId('publish-form', HTMLFormElement);
const eventField = byId('event', HTMLInputElement);
const dataField = byId('data', HTMLTextAreaElement);
const dataHint = byId('data-hint', HTMLElement);
const result = byId('result', HTMLElement);

const publisher = new Publisher();
const panes = {
  socket: new Pane(byId('socket-pane', HTMLElement), (connect) => watching.toggleSocket(connect)),
  stream: new Pane(byId('stream-pane', HTMLElement), (connect) => watching.toggleStream(connect)),
};

channelField.value = new URLSearchParams(location.search).get('channel') ?? DEFAULT_CHANNEL;
if (!channelField.checkValidity()) channelField.value = DEFAULT_CHANNEL;
let watching = new Watching(channelField.value, [eventField.value], panes);
describe();

channelForm.addEventListener('submit', (event) => {
  event.preventDefault();
  watch();
});
channelField.addEventListener('change', watch);
publishForm.addEventListener('submit', (event) => {
  event.preventDefault();
  void publish();
});
dataField.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  publishForm.requestSubmit();
});
for (const field of [eventField, dataField]) field.addEventListener('input', describe);
for (const button of document.querySelectorAll<HTMLElement>('[data-copies]'))
  button.addEventListener('click', () => void copy(button));

/** Turns to the channel that the field names, if it is another one. */
function watch(): void {
  const channel = channelField.value;
  if (channel === watching.channel || !channelField.checkValidity()) return;
  watching.close();
  watching = new Watching(channel, [eventField.value], panes);
  const url = new URL(location.href);
  url.searchParams.set('channel', channel);
  history.replaceState(null, '', url);
  say('', '');
  describe();
}

async function publish(): Promise<void> {
  const event = eventField.value;
  watching.listenFor(event); // before the event can arrive
  say('', 'Publishing…');
  const published = await publisher.publish({
    channel: watching.channel,
    event,
    data: parseData(dataField.value).value,
  });
  if (!published.ok) say('failed', published.error);
  else if (published.id === '') say('done', 'Sent; this channel keeps no history');
  else say('done', published.duplicate ? `Was stored already, as ${published.id}` : `Stored as ${published.id}`);
}

function say(outcome: string, sentence: string): void {
  result.dataset.outcome = outcome;
  result.textContent = sentence;
}

/** Everything on the page that follows from what the fields hold. */
function describe(): void {
  const { value, isJson } = parseData(dataField.value);
  dataHint.textContent = isJson ? 'Valid JSON, published as it is.' : 'Not JSON: published as a string.';
  const commands = commandsFor(location.origin, watching.channel, eventField.value, value);
  byId('stream-command', HTMLElement).textContent = commands.stream;
  byId('publish-command', HTMLElement).textContent = commands.publish;
  byId('socket-command', HTMLElement).textContent = commands.socket;
}

async function copy(button: HTMLElement): Promise<void> {
  const source = byId(button.dataset.copies ?? '', HTMLElement);
  const status = byId('copied', HTMLElement);
  try {
    await navigator.clipboard.writeText(source.textContent ?? '');
    status.textContent = 'Copied';
  } catch {
    // Browsers give the clipboard to pages over HTTPS and on localhost only.
    getSelection()?.selectAllChildren(source);
    status.textContent = 'Selected: copy it with the keyboard';
  }
}

function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${id}`);
  return found;
}
