/** The home page: which gateway serves it, and code samples that name it. */
import { ReconnectingSocket } from '../client/client.ts';
import { samplesFor } from './index/samples.ts';
import { texts } from './index/texts.ts';
import { bindCopying } from './shared/copying.ts';
import { byId, say } from './shared/dom.ts';
import { openPage } from './shared/page.ts';
import { StateLabel } from './shared/state-label.ts';

const { t } = openPage(texts);

const samples = samplesFor(location.origin);
for (const [name, code] of Object.entries(samples)) byId(`${name}-code`, HTMLElement).textContent = code;
bindCopying(byId('copied', HTMLElement), t);

const label = new StateLabel(byId('connection', HTMLElement), t);
const socket = new ReconnectingSocket({
  url: () => '/ws',
  message: ({ type, gateway }) => {
    if (type === 'welcome') say(byId('served', HTMLElement), t.servedBy(String(gateway)));
  },
  state: (state, reason) => label.show(state, t.said(reason)),
});
socket.connect();
