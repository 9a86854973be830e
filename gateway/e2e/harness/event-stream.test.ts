import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Block, EventStreamParser } from './event-stream.ts';

function parse(...chunks: string[]): { blocks: Block[]; retryMs: number | undefined } {
  const blocks: Block[] = [];
  const parser = new EventStreamParser((block) => blocks.push(block));
  for (const chunk of chunks) parser.push(chunk);
  return { blocks, retryMs: parser.retryMs };
}

test('LF, CR and CRLF end lines alike', () => {
  for (const end of ['\n', '\r', '\r\n']) {
    const text = ['id: 1-0', 'event: news', 'data: a', 'data:b', '', 'data: c', '', ': end'].join(end);
    assert.deepEqual(parse(text).blocks, [
      { lastEventId: '1-0', event: 'news', data: 'a\nb' },
      { lastEventId: '1-0', event: 'message', data: 'c' },
    ]);
  }
});

test('a block with only an id moves the position, has no data', () => {
  assert.deepEqual(parse('retry: 250\nid: 5-1\n\n'), {
    blocks: [{ lastEventId: '5-1', event: 'message', data: undefined }],
    retryMs: 250,
  });
});

test('comments, unknown fields, a bad retry and an id with NUL are ignored; only one leading blank is taken off', () => {
  assert.deepEqual(parse(': hi\nretry: 1s\nid: a\0b\ncolour: red\ndata:  x\ndata\n\n'), {
    blocks: [{ lastEventId: '', event: 'message', data: ' x\n' }],
    retryMs: undefined,
  });
});

test('the byte order mark is taken off once', () => {
  assert.deepEqual(
    parse('\uFEFFdata: \uFEFF\n\n').blocks.map((block) => block.data),
    ['\uFEFF'],
  );
});

test('an unfinished block is not handed on', () => {
  assert.deepEqual(parse('data: x\n').blocks, []);
});

test('where the chunks are cut makes no difference', () => {
  const end = fc.constantFrom('\n', '\r', '\r\n');
  const line = fc.constantFrom('data: x', 'data', 'id: 1-2', 'event: e', ': c', '', 'retry: 7', 'data: é\u2028');
  const text = fc
    .array(fc.tuple(line, end), { maxLength: 20 })
    .map((lines) => `${lines.map((parts) => parts.join('')).join('')}:`);
  fc.assert(
    fc.property(text, fc.array(fc.nat(60), { maxLength: 8 }), (whole, cuts) => {
      const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
      const chunks = at.slice(1).map((to, index) => whole.slice(at[index], to));
      assert.deepEqual(parse(...chunks), parse(whole));
    }),
  );
});
