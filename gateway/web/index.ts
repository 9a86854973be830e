/** The home page: which gateway serves it, and code samples that name it. */
import { samplesFor } from './index/samples.ts';
import { texts } from './index/texts.ts';
import { bindCopying } from './shared/copying.ts';
import { byId, say } from './shared/dom.ts';
import { openPage } from './shared/page.ts';
import { PageSocket } from './shared/page-socket.ts';

const { t } = openPage(texts);

const samples = samplesFor(location.origin);
for (const [name, code] of Object.entries(samples)) byId(`${name}-code`, HTMLElement).textContent = code;
bindCopying(byId('copied', HTMLElement), t);

const socket = new PageSocket({
  url: () => '/ws',
  message: ({ type, gateway }) => {
    if (type === 'welcome') say(byId('served', HTMLElement), t.servedBy(String(gateway)));
  },
  t,
});
socket.connect();
