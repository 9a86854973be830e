/** The echo page: one WebSocket, kept as bare as it is. Binds the form and the ready-made frames to it. */
import { COMMANDS, isCommand } from './echo/payloads.ts';
import { type Payload, RoundTrips } from './echo/round-trips.ts';
import { texts } from './echo/texts.ts';
import { Traffic } from './echo/traffic.ts';
import { byId, say } from './shared/dom.ts';
import { openPage } from './shared/page.ts';
import { SignIn } from './shared/sign-in.ts';
import { StateLabel } from './shared/state-label.ts';
import { subprotocols } from './shared/token.ts';

const RANDOM_BYTES = 1_000;
/** The gateway wants a token, or another one. */
const TOKEN_CODE = 4401;

const { t, format } = openPage(texts);

const form = byId('send-form', HTMLFormElement);
const field = byId('frame', HTMLTextAreaElement);
const asText = byId('as-text', HTMLInputElement);
const result = byId('result', HTMLElement);
const served = byId('served', HTMLElement);
const toggle = byId('toggle', HTMLElement);
const label = new StateLabel(byId('connection', HTMLElement), t);
const traffic = new Traffic(t, format);
const roundTrips = new RoundTrips();
const signIn = new SignIn(t, () => {
  socket.onclose = null;
  socket.close();
  socket = connect();
});

/** What the gateway said last was wrong; with it, it may close. */
let refusal = '';
let socket = connect();

form.addEventListener('submit', (event) => {
  event.preventDefault();
  send(asText.checked ? field.value : new TextEncoder().encode(field.value));
});
field.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  form.requestSubmit();
});
byId('commands', HTMLElement).addEventListener('click', ({ target }) => {
  const name = target instanceof HTMLElement ? (target.dataset.command ?? '') : '';
  if (!isCommand(name)) return;
  field.value = JSON.stringify(COMMANDS[name]); // to be changed and sent again
  asText.checked = true;
  send(field.value);
});
byId('random-bytes', HTMLElement).addEventListener('click', () =>
  send(crypto.getRandomValues(new Uint8Array(RANDOM_BYTES))),
);
byId('clear', HTMLElement).addEventListener('click', () => traffic.clear());
toggle.addEventListener('click', () => {
  if (isOpening(socket)) socket.close();
  else socket = connect();
});

function connect(): WebSocket {
  const url = new URL('/ws', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const opened = new WebSocket(url, subprotocols());
  opened.binaryType = 'arraybuffer';
  label.show('connecting');
  say(toggle, t.disconnect);
  opened.onopen = () => label.show('live');
  opened.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) =>
    receive(typeof data === 'string' ? data : new Uint8Array(data));
  opened.onclose = ({ code }) => {
    roundTrips.forget();
    say(served, '');
    say(toggle, t.connect);
    const asks = code === TOKEN_CODE && signIn.refused(refusal);
    label.show('closed', asks ? t.tokenNeeded : t.closedWith(code));
  };
  return opened;
}

function send(payload: Payload): void {
  if (socket.readyState !== WebSocket.OPEN) {
    tell('failed', t.notConnected);
    return;
  }
  tell('', '');
  roundTrips.sent(payload, performance.now());
  socket.send(payload);
  traffic.add('sent', payload);
}

function receive(payload: Payload): void {
  const roundTripMs = roundTrips.received(payload, performance.now());
  traffic.add('received', payload, roundTripMs);
  if (roundTripMs !== undefined) tell('done', t.answeredAfter(format.milliseconds(roundTripMs)));
  else if (typeof payload === 'string') hear(payload);
}

/** What comes unasked: the first frame names the gateway and the connection, the last one says why it ends. */
function hear(text: string): void {
  const { type, gateway, connection, error } = JSON.parse(text) as Readonly<Record<string, unknown>>;
  if (type === 'error') refusal = String(error);
  if (type !== 'welcome') return;
  signIn.accepted();
  say(served, t.servedBy(String(gateway), String(connection)));
}

function isOpening({ readyState }: WebSocket): boolean {
  return readyState === WebSocket.CONNECTING || readyState === WebSocket.OPEN;
}

function tell(outcome: string, sentence: string): void {
  result.dataset.outcome = outcome;
  say(result, sentence);
}
