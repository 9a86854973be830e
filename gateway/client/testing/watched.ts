/** A client in a world of the test's own, and what it tells. */
import { Passerelle, type PasserelleOptions, type SubscribeOptions } from '../client.ts';
import { World } from './world.ts';

export interface Watched {
  readonly world: World;
  readonly client: Passerelle;
  /** Everything that was told, in order: what, of which channel, and the rest. */
  readonly told: unknown[][];
  /** Options that write down all that a subscription tells. */
  on(channel: string, options?: SubscribeOptions): SubscribeOptions;
}

export function watched(options: PasserelleOptions = {}): Watched {
  const world = new World();
  const told: unknown[][] = [];
  const client = new Passerelle(
    {
      url: 'https://gateway.test',
      WebSocket: world.WebSocket,
      fetch: world.fetch,
      state: (state, reason) => told.push([state, reason]),
      ...options,
    },
    world,
  );
  const on = (channel: string, more: SubscribeOptions = {}): SubscribeOptions => ({
    subscribed: ({ position, recovered, resumed }) =>
      told.push(['subscribed', channel, position, ...(recovered ? [] : ['lost']), ...(resumed ? ['resumed'] : [])]),
    event: ({ id, event, data }) => told.push([event, channel, id, data]),
    gap: ({ after, id }) => told.push(['gap', channel, after, id]),
    joined: (member) => told.push(['joined', channel, member.connection]),
    left: (member) => told.push(['left', channel, member.connection]),
    ended: () => told.push(['ended', channel]),
    refused: ({ code }) => told.push(['refused', channel, code]),
    ...more,
  });
  return { world, client, told, on };
}

/** The wire form of an event of a WebSocket. */
export function event(channel: string, id: string, data: unknown = id, name = 'message'): object {
  return { type: 'event', channel, ...(id === '' ? {} : { id }), event: name, data };
}
