/** How a raw connection of the load client gets its subscriptions from each kind of server. Pure. */

export type Transport = 'ws' | 'sse';

export interface Dialect {
  /** The target of the request that opens a connection for these channels. */
  readonly target: (transport: Transport, channels: readonly string[]) => string;
  /** The text frame by which a WebSocket asks for a channel; without it the target has said all. */
  readonly subscribe?: (channel: string, number: number, after?: string) => string;
  /** The text frame that is sent first, where the server wants one. */
  readonly hello?: string;
  /** What the answer to each of those requests holds, once and nowhere else. */
  readonly confirmation?: string;
}

const named = (path: string, channels: readonly string[]) => `${path}?channel=${channels.join(',')}`;

/** The gateway's own protocol, of which the server that people write themselves speaks the part that is needed. */
export const PASSERELLE: Dialect = {
  target: (transport, channels) => (transport === 'ws' ? '/ws' : named('/events', channels)),
  subscribe: (channel, _, after) => JSON.stringify({ type: 'subscribe', channel, after }),
  confirmation: '"type":"subscribed"',
};

/** Bare uWebSockets.js: whoever opens a connection is subscribed. */
export const BARE: Dialect = {
  target: (transport, channels) => named(transport === 'ws' ? '/ws' : '/events', channels),
};

/** Centrifugo's JSON protocol. */
export const CENTRIFUGO: Dialect = {
  target: () => '/connection/websocket',
  hello: '{"id":1,"connect":{}}',
  subscribe: (channel, number) => JSON.stringify({ id: number + 2, subscribe: { channel } }),
  confirmation: '"subscribe":{',
};
