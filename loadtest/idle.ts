/** Resident bytes for each idle connection: the growth of a fresh server while it takes on connections that then do nothing. */
import type { GatewayProcess } from '../gateway/e2e/processes.ts';
import { residentBytes } from './machine.ts';
import { LoadSockets, type SocketsOptions } from './sockets.ts';

export interface IdleOptions {
  readonly transport: SocketsOptions['transport'];
  readonly connections: number;
  /** The connections are spread over so many channels, each subscribed to one. */
  readonly channels: number;
}

/** Connections before the first reading, closed again: code is compiled and the first pools are allocated with them. */
const WARMUP_CONNECTIONS = 500;
/** For garbage and timers to come to rest. Memory has no condition to wait for. */
const SETTLE_MS = 2_000;

export async function measureIdle(
  options: IdleOptions,
  subscribes: boolean,
  start: () => Promise<GatewayProcess>,
): Promise<number> {
  const server = await start();
  const open = (count: number) => {
    const channel = (index: number) => `load:idle${index % options.channels}`;
    return LoadSockets.open({ url: server.url, transport: options.transport, count, channel, subscribes });
  };
  try {
    (await open(WARMUP_CONNECTIONS)).close();
    await settle();
    const before = residentBytes(server.pid);
    const sockets = await open(options.connections);
    await settle();
    const after = residentBytes(server.pid);
    sockets.close();
    if (sockets.lost > 0) throw new Error(`${sockets.lost} idle connections were lost`);
    return (after - before) / options.connections;
  } finally {
    await server.kill();
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}
