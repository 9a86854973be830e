import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RoundTrips } from './round-trips.ts';

const json = JSON.stringify;

describe('round trips', () => {
  it('take an echo for the answer to the same text', () => {
    const trips = new RoundTrips();
    trips.sent('one', 10);
    trips.sent('{"two":2}', 20);
    assert.equal(trips.received(json({ type: 'echo', original: '{"two":2}', timestamp: '' }), 25), 5);
    assert.equal(trips.received(json({ type: 'echo', original: 'one', timestamp: '' }), 26), 16);
  });

  it('take a binary frame for the answer to the same bytes', () => {
    const trips = new RoundTrips();
    trips.sent(Uint8Array.of(1, 2), 0);
    assert.equal(trips.received(Uint8Array.of(1, 3), 1), undefined);
    assert.equal(trips.received(Uint8Array.of(1, 2), 2), 2);
  });

  it('tell replies apart by ref and by channel', () => {
    const trips = new RoundTrips();
    trips.sent(json({ type: 'publish', channel: 'a', data: 1, ref: 1 }), 0);
    trips.sent(json({ type: 'publish', channel: 'a', data: 2, ref: 2 }), 1);
    trips.sent(json({ type: 'subscribe', channel: 'b' }), 2);
    assert.equal(trips.received(json({ type: 'published', channel: 'a', id: '1-0', ref: 2 }), 10), 9);
    assert.equal(trips.received(json({ type: 'subscribed', channel: 'a', position: '0-0' }), 11), undefined);
    assert.equal(trips.received(json({ type: 'subscribed', channel: 'b', position: '0-0' }), 12), 10);
    assert.equal(trips.received(json({ type: 'error', code: 'unavailable', error: '', ref: 1 }), 13), 13);
  });

  it('take what comes unasked for no answer', () => {
    const trips = new RoundTrips();
    trips.sent('{"type":"ping"}', 0);
    assert.equal(
      trips.received(json({ type: 'event', channel: 'a', id: '1-0', event: 'pong', data: 1 }), 1),
      undefined,
    );
    assert.equal(trips.received('not JSON', 2), undefined);
    assert.equal(trips.received('{"type":"pong"}', 3), 3);
  });

  it('are over once answered, and forgotten with the connection', () => {
    const trips = new RoundTrips();
    trips.sent('{"type":"ping"}', 0);
    assert.equal(trips.received('{"type":"pong"}', 1), 1);
    assert.equal(trips.received('{"type":"pong"}', 2), undefined);
    trips.sent('{"type":"ping"}', 3);
    trips.forget();
    assert.equal(trips.received('{"type":"pong"}', 4), undefined);
  });
});
