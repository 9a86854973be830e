/** A program that embeds a gateway, has clients connect, and ends it as its argument says: it must then exit by itself. */
import assert from 'node:assert/strict';
import { SseClient, WsClient } from './clients.ts';
import { embeddedGateway, listenedAt } from './embedded.ts';

const [how, redisUrl = ''] = process.argv.slice(2);
// A wait for Redis that outlived the gateway would be a long one.
const gateway = embeddedGateway(redisUrl === '' ? {} : { REDIS_URL: redisUrl, REDIS_TIMEOUT_MS: '60000' });
if (how === 'unheard') {
  await gateway.close();
} else {
  const url = await listenedAt(gateway);
  const socket = await WsClient.open(`${url}/ws`);
  assert.equal((await socket.frames.next()).type, 'welcome');
  const viewer = await SseClient.open(`${url}/monitoring`);
  await viewer.blocks.next();
  if (how === 'drain') await gateway.drain();
  else await gateway.close();
}
process.stdout.write('ended\n');
