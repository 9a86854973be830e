/** The page of events: publish to a channel, and watch it over WebSocket and over SSE side by side. Binds the forms to the rest. */
import { Passerelle, PasserelleError } from '../client/client.ts';
import { Pane } from './events/pane.ts';
import { commandsFor, parseData } from './events/phrases.ts';
import { texts } from './events/texts.ts';
import { Watching } from './events/watching.ts';
import { bindCopying } from './shared/copying.ts';
import { byId, say } from './shared/dom.ts';
import { openPage } from './shared/page.ts';
import { SignIn } from './shared/sign-in.ts';
import { showingToken } from './shared/token.ts';

const DEFAULT_CHANNEL = 'demo';
/** A publish that takes longer is told to go on. */
const PATIENCE_MS = 3_000;

const { t, format } = openPage(texts);

const channelForm = byId('channel-form', HTMLFormElement);
const channelField = byId('channel', HTMLInputElement);
const publishForm = byId('publish-form', HTMLFormElement);
const eventField = byId('event', HTMLInputElement);
const dataField = byId('data', HTMLTextAreaElement);
const dataHint = byId('data-hint', HTMLElement);
const result = byId('result', HTMLElement);

let client = newClient();
const signIn = new SignIn(t, () => {
  client.close();
  client = newClient();
  watchAnew(watching.channel);
});
const panes = {
  socket: new Pane(byId('socket-pane', HTMLElement), { t, format }, (connect) => watching.toggleSocket(connect)),
  stream: new Pane(byId('stream-pane', HTMLElement), { t, format }, (connect) => watching.toggleStream(connect)),
};

channelField.value = new URLSearchParams(location.search).get('channel') ?? DEFAULT_CHANNEL;
if (!channelField.checkValidity()) channelField.value = DEFAULT_CHANNEL;
let watching = newWatching(channelField.value);
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
bindCopying(byId('copied', HTMLElement), t);

/** By HTTP, so that it needs none of the connections that the panes can cut. */
function newClient(): Passerelle {
  return new Passerelle({ ...showingToken(), transport: 'sse' });
}

function newWatching(channel: string): Watching {
  return new Watching(channel, [eventField.value], panes, client, signIn);
}

function watchAnew(channel: string): void {
  watching.close();
  watching = newWatching(channel);
}

/** Turns to the channel that the field names, if it is another one. */
function watch(): void {
  const channel = channelField.value;
  if (channel === watching.channel || !channelField.checkValidity()) return;
  watchAnew(channel);
  const url = new URL(location.href);
  url.searchParams.set('channel', channel);
  history.replaceState(null, '', url);
  tell('', '');
  describe();
}

async function publish(): Promise<void> {
  const event = eventField.value;
  watching.listenFor(event); // before the event can arrive
  tell('', t.publishing);
  const waiting = setTimeout(() => tell('', t.waiting), PATIENCE_MS);
  try {
    const { id, duplicate } = await client.publish(watching.channel, parseData(dataField.value).value, { event });
    if (id === '') tell('done', t.sent);
    else tell('done', duplicate ? t.storedBefore(id) : t.storedAs(id));
  } catch (error) {
    if (!(error instanceof PasserelleError)) throw error;
    if (error.code === 'unauthorized') signIn.refused(error.message);
    tell('failed', t.gatewayError(error.code, error.message));
  } finally {
    clearTimeout(waiting);
  }
}

function tell(outcome: string, sentence: string): void {
  result.dataset.outcome = outcome;
  say(result, sentence);
}

/** Everything on the page that follows from what the fields hold. */
function describe(): void {
  const { value, isJson } = parseData(dataField.value);
  dataHint.textContent = isJson ? t.isJson : t.isText;
  const commands = commandsFor(location.origin, watching.channel, eventField.value, value);
  byId('stream-command', HTMLElement).textContent = commands.stream;
  byId('publish-command', HTMLElement).textContent = commands.publish;
  byId('socket-command', HTMLElement).textContent = commands.socket;
}
