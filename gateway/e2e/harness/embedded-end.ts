/**
 * A program that embeds a gateway, has clients connect, and ends it as its argument says (`close`, `drain`, or `unheard` for one that never listened): it must
 * then exit by itself. The second argument is the gateway's settings as JSON.
 */
import assert from 'node:assert/strict';
import { z } from 'zod';
import { WsClient } from './clients.ts';
import { embeddedGateway, listenedAt } from './embedded.ts';

const [how, given = '{}'] = process.argv.slice(2);
const settings = z.record(z.string(), z.string()).parse(JSON.parse(given));
const gateway = embeddedGateway(settings);
if (how === 'unheard') {
  await gateway.close();
} else {
  const url = await listenedAt(gateway, settings.TLS_CERT_FILE === undefined ? 'http' : 'https');
  const socket = await WsClient.open(`${url}/ws`);
  assert.equal((await socket.frames.next()).type, 'welcome');
  const { body } = await fetch(`${url}/monitoring`);
  await body?.getReader().read();
  if (how === 'drain') await gateway.drain();
  else await gateway.close();
}
assert.equal(gateway.connections, 0);
process.stdout.write('ended\n');
