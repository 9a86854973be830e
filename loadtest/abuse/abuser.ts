/** A process of its own that abuses a gateway in one way, until it is told to stop. It says when it has begun, and in the end what it did. Started by `startAbuser`. */
import { setMaxListeners } from 'node:events';
import { setPriority } from 'node:os';
import type { Done } from './attacks.ts';
import { CASES } from './cases.ts';

const [name = '', url = '', address = ''] = process.argv.slice(2);
const attack = CASES.get(name);
if (attack === undefined) throw new Error(`There is no case ${JSON.stringify(name)}`);
// It stands for a client on a machine of its own: what it computes is not to be taken from those that it abuses.
setPriority(10);
const ending = new AbortController();
setMaxListeners(0, ending.signal); // one for each connection
const done: Done = { sent: 0, bytesReceived: 0, refused: 0, connections: 0 };
attack({ url, address, signal: ending.signal, done });
const beginning = setInterval(() => {
  if (done.sent === 0) return;
  clearInterval(beginning);
  process.send?.('begun');
}, 20);
process.on('message', () => {
  ending.abort();
  process.send?.(done, () => process.exit());
});
process.on('disconnect', () => process.exit());
