import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ORIGIN } from '../../broker/broker.ts';
import { decodeCursor, encodeCursor, Gap, OutgoingEvent } from './outgoing.ts';

const position = fc
  .tuple(fc.integer({ min: 0, max: 9_999_999_999_999 }), fc.integer({ min: 0, max: 999_999 }))
  .map(([ms, sequence]) => `${ms}-${sequence}`);

describe('cursor', () => {
  it('leads back to the positions it was made of, in an alphabet that needs no escape', () => {
    fc.assert(
      fc.property(fc.array(position, { minLength: 1, maxLength: 64 }), (positions) => {
        const cursor = encodeCursor(positions);
        assert.match(cursor, /^[A-Za-z0-9._~-]+$/);
        assert.deepEqual(decodeCursor(cursor, positions.length), positions);
      }),
    );
  });

  it('stays within 128 bytes for 8 channels, however many events came within one millisecond', () => {
    fc.assert(
      fc.property(fc.array(position, { minLength: 8, maxLength: 8 }), (positions) => {
        assert.ok(encodeCursor(positions).length <= 128);
      }),
    );
  });

  it('is the plain id of one channel, and plain ids joined by dots where they fit', () => {
    assert.equal(encodeCursor(['1700000000000-0']), '1700000000000-0');
    assert.equal(encodeCursor(['1700000000000-0', '0-0']), '1700000000000-0.0-0');
  });

  it('lets the origin stand for every channel, and is none for another number of channels', () => {
    assert.deepEqual(decodeCursor(ORIGIN, 3), [ORIGIN, ORIGIN, ORIGIN]);
    for (const wrong of [
      '1-0.2-0',
      '1-0.2-0.3-0.4-0',
      '',
      '~',
      '~1-0',
      '1-0.x.3-0',
      '9-9-9',
      '~1-0.2-0.!-0',
      '1-0..3-0',
    ]) {
      assert.equal(decodeCursor(wrong, 3), undefined, wrong);
    }
  });
});

describe('outgoing event', () => {
  const data = { text: 'a "quoted" line\nand a second one\r\u0000\u2028 \u{1f600}' };
  const event = new OutgoingEvent('chat:lobby', {
    id: '5-0',
    prev: '4-0',
    name: 'said',
    data: Buffer.from(JSON.stringify(data)),
  });

  it('is one frame of the protocol', () => {
    assert.deepEqual(JSON.parse(event.frame.toString()), {
      type: 'event',
      channel: 'chat:lobby',
      id: '5-0',
      event: 'said',
      data,
    });
  });

  it('is one block of the protocol, whose lines the data cannot forge', () => {
    const line = `data: ${JSON.stringify(data).replace('\u2028', '\\u2028')}`;
    assert.equal(event.block.toString(), `id: 5-0\nevent: said\n${line}\n\n`);
    assert.equal(event.blockAt('5-0.7-0', false).toString(), `id: 5-0.7-0\nevent: said\n${line}\n\n`);
  });

  it('can stand in an envelope', () => {
    const [id, name, line] = event.blockAt('5-0', true).toString().split('\n') as [string, string, string];
    assert.deepEqual([id, name], ['id: 5-0', 'event: said']);
    assert.deepEqual(JSON.parse(line.slice('data: '.length)), {
      channel: 'chat:lobby',
      id: '5-0',
      event: 'said',
      data,
    });
  });

  it('has no id on an ephemeral channel, and no name where it is the usual one', () => {
    const bare = new OutgoingEvent('ephemeral:x', { id: '', prev: '', name: 'message', data: Buffer.from('1') });
    assert.equal(bare.frame.toString(), '{"type":"event","channel":"ephemeral:x","event":"message","data":1}');
    assert.equal(bare.block.toString(), 'data: 1\n\n');
  });
});

describe('gap', () => {
  const gap = new Gap('news', '3-0', '9-0');

  it('is a frame and a block of the protocol', () => {
    assert.deepEqual(JSON.parse(gap.frame.toString()), { type: 'gap', channel: 'news', after: '3-0', id: '9-0' });
    assert.equal(
      gap.blockAt('8-0').toString(),
      'id: 8-0\nevent: gap\ndata: {"channel":"news","after":"3-0","id":"9-0"}\n\n',
    );
  });
});

describe('an event', () => {
  const dataOf = (block: Buffer): string => /^data: (.*)$/m.exec(block.toString())?.[1] ?? '';

  it('has no character in either of its forms that some language takes for the end of a line', () => {
    const value = { 'a\u2028b': '\u0085 \u2029\u2028, plain — “quoted”, Â£ \u{1f600}' };
    const event = new OutgoingEvent('room', {
      id: '2-0',
      prev: '1-0',
      name: 'message',
      data: Buffer.from(JSON.stringify(value)),
    });
    for (const bytes of [event.frame, event.block, event.blockAt('2-0', true)])
      assert.doesNotMatch(bytes.toString(), /[\u0085\u2028\u2029]/);
    assert.deepEqual(JSON.parse(event.frame.toString()).data, value);
    assert.deepEqual(JSON.parse(dataOf(event.block)), value);
    assert.deepEqual(JSON.parse(dataOf(event.blockAt('2-0', true))).data, value);
    assert.match(event.text, /\\u0085 \\u2029\\u2028, plain — “quoted”, Â£ /u);
  });

  it('bears any JSON text as it is where no such character is in it', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'grapheme' }), (json) => {
        fc.pre(!/[\u0085\u2028\u2029]/.test(json));
        const event = new OutgoingEvent('room', { id: '2-0', prev: '1-0', name: 'message', data: Buffer.from(json) });
        assert.equal(event.text, json);
        assert.equal(event.block.toString(), `id: 2-0\ndata: ${json}\n\n`);
      }),
    );
  });
});
