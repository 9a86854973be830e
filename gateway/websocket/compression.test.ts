import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { agreedOffer, type Compression, compressedFrom } from './compression.ts';

const CHROMIUM =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36';
const safari = (version: string) =>
  `Mozilla/5.0 (iPhone; CPU iPhone OS 15_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/${version} Mobile/15E148 Safari/604.1`;

const agreed = (compression: Compression, offered: string, userAgent = CHROMIUM) =>
  agreedOffer(compression, (name) => ({ 'sec-websocket-extensions': offered, 'user-agent': userAgent })[name] ?? '');

describe('compression', () => {
  it('is agreed to as browsers and libraries offer it', () => {
    for (const offered of [
      'permessage-deflate',
      'permessage-deflate; client_max_window_bits', // browsers
      'permessage-deflate;client_max_window_bits="10" ; server_no_context_takeover',
      'permessage-deflate; client_max_window_bits = 15; client_no_context_takeover',
      'x-webkit-deflate-frame, permessage-deflate',
      'permessage-deflate; server_max_window_bits=10, permessage-deflate', // the second best that this client can do
    ])
      assert.equal(agreed('shared', offered), 'permessage-deflate', offered);
  });

  it('is not agreed to where that would be more than can be kept, nor where the offer is none', () => {
    for (const offered of [
      '',
      'x-webkit-deflate-frame',
      'permessage-deflated',
      'PERMESSAGE-DEFLATE',
      'permessage-deflate; server_max_window_bits=10',
      'permessage-deflate; server_max_window_bits=15',
      'permessage-deflate; client_max_window_bits=7',
      'permessage-deflate; client_max_window_bits=16',
      'permessage-deflate; client_max_window_bits=10; client_max_window_bits=11',
      'permessage-deflate; client_no_context_takeover=1',
      'permessage-deflate; unknown',
      'permessage-deflate;',
      ';;,,=;permessage-deflate',
    ])
      assert.equal(agreed('shared', offered), '', offered);
  });

  it('is not agreed to with a browser that offers it and cannot do it', () => {
    const answers = ['15.0', '15.2.1', '15.3', '15.4', '15.30', '14.1.2', '17.5'].map((version) => [
      version,
      agreed('shared', 'permessage-deflate', safari(version)) !== '',
    ]);
    assert.deepEqual(Object.fromEntries(answers), {
      ...{ '15.0': false, '15.2.1': false, '15.3': false },
      ...{ '15.4': true, '15.30': true, '14.1.2': true, '17.5': true },
    });
    assert.equal(agreed('shared', 'permessage-deflate', ''), 'permessage-deflate');
  });

  it('is neither agreed to nor done where it is off', () => {
    assert.equal(agreed('off', 'permessage-deflate'), '');
    assert.ok(Number.MAX_SAFE_INTEGER < compressedFrom('off'));
  });
});
