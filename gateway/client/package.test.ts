/** The client as it is in the gateway's package: by its name, built and minified, with its types. By itself it is tested in `e2e/packages.test.ts`. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Passerelle, PasserelleError, ReconnectingSocket, type State, type Subscription } from 'passerelle/client';
import { WebSocket } from 'ws';

it('can be imported by the name of the package, with types for browsers and for ws', () => {
  const states: State[] = [];
  const client = new Passerelle({ url: 'http://127.0.0.1:1', WebSocket, state: (state) => states.push(state) });
  const subscription: Subscription = client.subscribe('a', { event: ({ id, data }) => [id.length, data] });
  assert.equal(subscription.position, undefined);
  assert.throws(() => client.subscribe('a'), PasserelleError);
  client.close();
  assert.deepEqual(states, ['connecting', 'closed']);
  const socket = new ReconnectingSocket({ url: () => 'http://127.0.0.1:1/chat', message: () => undefined, WebSocket });
  assert.equal(socket.state, 'closed');
});
