import assert from 'node:assert/strict';
import { it } from 'node:test';
import { decodeAsk } from './fleet-asks.ts';

it('knows what gateways of this version ask', () => {
  const asks = [
    { kind: 'channels', prefix: '' },
    { kind: 'disconnect', user: 'ada' },
    { kind: 'disconnect', connection: 'c1' },
  ];
  for (const ask of asks) assert.deepEqual(decodeAsk(ask), ask);
});

it('knows nothing else, and does nothing more widely than it is asked', () => {
  const asks = [
    undefined,
    'chat:',
    null,
    { kind: 'restart' },
    { kind: 'channels' },
    { kind: 'disconnect' },
    { kind: 'disconnect', user: 'ada', connection: 'c1' },
    { kind: 'disconnect', user: 'ada', except: 'c1' },
  ];
  for (const ask of asks) assert.equal(decodeAsk(ask), undefined, JSON.stringify(ask));
});
