/**
 * One of the client processes of a crowd: each has the descriptors of one process. Started by the scenario `crowd` with what to
 * open as its argument; says how far it is over the channel to its parent, and ends with that.
 */
import { PASSERELLE, type Transport } from './dialects.ts';
import { LoadSockets } from './sockets.ts';

export interface CrowdOrder {
  readonly url: string;
  readonly transport: Transport;
  readonly count: number;
  readonly localAddress: string;
  readonly channel: string;
}

export type CrowdNews =
  | { readonly is: 'open' }
  | { readonly is: 'received'; readonly lost: number; readonly events: number };

const OPEN_LIMIT_MS = 240_000;
const RECEIVE_LIMIT_MS = 240_000;

const { url, transport, count, localAddress, channel } = JSON.parse(process.argv[2] ?? '') as CrowdOrder;
process.once('disconnect', () => process.exit());
const sockets = await LoadSockets.open({
  url,
  transport,
  count,
  localAddress,
  dialect: PASSERELLE,
  channels: () => [channel],
  openLimitMs: OPEN_LIMIT_MS,
});
tell({ is: 'open' });
await sockets.until(count, RECEIVE_LIMIT_MS);
tell({ is: 'received', lost: sockets.lost, events: sockets.received });

function tell(news: CrowdNews): void {
  process.send?.(news);
}
