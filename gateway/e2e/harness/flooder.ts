/**
 * A process of its own that floods a gateway: so that what it costs to flood is not taken for what it costs to be beside one. Started by
 * `startFlood` with the gateway's address, the frame, and headers for its handshake.
 */
import { Flood } from './flood.ts';

const [gateway = '', frame = '', headers = ''] = process.argv.slice(2);
const flood = new Flood(gateway, JSON.parse(frame), JSON.parse(headers));
process.on('message', () => {
  flood.stop();
  const { sent, connections } = flood;
  process.send?.({ sent, connections }, () => process.disconnect());
});
process.on('disconnect', () => process.exit());
