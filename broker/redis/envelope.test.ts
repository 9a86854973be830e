import assert from 'node:assert/strict';
import { it } from 'node:test';
import { decodeBody, decodeEnvelope, encodeBody } from './envelope.ts';

const data = '{"text":"é 漢 \u2028 a b"}';

it('finds the parts of an envelope, also where the data has spaces and no end in sight', () => {
  const body = encodeBody({ name: 'greeting', data });
  const event = { id: '12-3', prev: '11-0', name: 'greeting', data: Buffer.from(data) };
  assert.deepEqual(decodeEnvelope(Buffer.from(`12-3 11-0 ${body}`)), event);
  assert.deepEqual(decodeBody('12-3', '11-0', Buffer.from(body)), event);
});

it('gives an ephemeral event no ids', () => {
  assert.deepEqual(decodeEnvelope(Buffer.from('- - name\n1')), {
    id: '',
    prev: '',
    name: 'name',
    data: Buffer.from('1'),
  });
});

it('takes foreign bytes for no event', () => {
  for (const foreign of ['', ' ', 'hello', 'hello world', 'a b c', '\n', ' a b\n'])
    assert.equal(decodeEnvelope(Buffer.from(foreign)), undefined, JSON.stringify(foreign));
});
