import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cameByTls, clientAddress, type ProxyHeader, parseTrustedProxies } from './forwarded.ts';

function client(
  trusted: string | undefined,
  peer: string,
  value: string,
  header: ProxyHeader = 'x-forwarded-for',
): string {
  const proxies = trusted === undefined ? undefined : parseTrustedProxies(trusted);
  assert.ok(proxies?.ok !== false, `${trusted} was refused`);
  return clientAddress(proxies?.value, header)(peer, value);
}

const INSIDE = '10.0.0.0/8, 127.0.0.1, fd00::/8, ::1';

/** Trusted proxies, who is connected, what X-Forwarded-For says, and who is the client. */
const TABLE: [trusted: string | undefined, peer: string, header: string, client: string][] = [
  // Nobody is trusted.
  [undefined, '192.0.2.1', '198.51.100.7', '192.0.2.1'],
  [undefined, '::ffff:192.0.2.1', '', '192.0.2.1'],
  [undefined, '0000:0000:0000:0000:0000:ffff:c000:0201', '', '192.0.2.1'],
  [undefined, '2001:0db8:0000:0000:0000:0000:0000:0001', '', '2001:db8::1'],
  // Networks.
  [INSIDE, '10.1.2.3', '', '10.1.2.3'],
  [INSIDE, '10.1.2.3', '198.51.100.7', '198.51.100.7'],
  [INSIDE, '::ffff:10.1.2.3', '198.51.100.7', '198.51.100.7'],
  [INSIDE, '192.0.2.1', '198.51.100.7', '192.0.2.1'],
  [INSIDE, '10.1.2.3', '1.1.1.1, 198.51.100.7', '198.51.100.7'],
  [INSIDE, '10.1.2.3', '1.1.1.1, 198.51.100.7, 10.9.9.9', '198.51.100.7'],
  [INSIDE, '10.1.2.3', '10.0.0.1, 198.51.100.7', '198.51.100.7'],
  [INSIDE, '10.1.2.3', '10.0.0.1,10.0.0.2', '10.0.0.1'],
  [INSIDE, 'fd00::1', '2001:DB8::0001', '2001:db8::1'],
  [INSIDE, '0000:0000:0000:0000:0000:0000:0000:0001', '::ffff:198.51.100.7', '198.51.100.7'],
  // Ports.
  [INSIDE, '10.1.2.3', '198.51.100.7:443', '198.51.100.7'],
  [INSIDE, '10.1.2.3', '[2001:db8::1]:443', '2001:db8::1'],
  [INSIDE, '10.1.2.3', '[2001:db8::1]', '2001:db8::1'],
  // What cannot be read.
  [INSIDE, '10.1.2.3', 'unknown', '10.1.2.3'],
  [INSIDE, '10.1.2.3', '198.51.100.7, _hidden', '10.1.2.3'],
  [INSIDE, '10.1.2.3', 'garbage, 198.51.100.7', '198.51.100.7'],
  [INSIDE, '10.1.2.3', '198.51.100.7,', '10.1.2.3'],
  [INSIDE, '10.1.2.3', '127.1', '10.1.2.3'],
  [INSIDE, '10.1.2.3', '0x7f.0.0.1', '10.1.2.3'],
  [INSIDE, '10.1.2.3', '1.2.3.4.5', '10.1.2.3'],
  [INSIDE, '10.1.2.3', '[198.51.100.7', '10.1.2.3'],
  [INSIDE, '10.1.2.3', '<script>', '10.1.2.3'],
  // A number of proxies.
  ['1', '192.0.2.1', '', '192.0.2.1'],
  ['1', '192.0.2.1', '1.1.1.1, 198.51.100.7', '198.51.100.7'],
  ['2', '192.0.2.1', '1.1.1.1, 198.51.100.7, 203.0.113.9', '198.51.100.7'],
  ['2', '192.0.2.1', '198.51.100.7', '198.51.100.7'],
  ['3', '192.0.2.1', '203.0.113.9, 198.51.100.7', '203.0.113.9'],
  ['2', '192.0.2.1', '198.51.100.7, nonsense', '192.0.2.1'],
  // One whose address is none, such as a socket in a file system, is nobody's proxy.
  [INSIDE, '', '198.51.100.7', ''],
];

for (const [trusted, peer, header, expected] of TABLE) {
  test(`trusting ${trusted ?? 'nobody'}, ${peer || 'nobody'} with "${header}" is ${expected || 'nobody'}`, () => {
    assert.equal(client(trusted, peer, header), expected);
  });
}

const FORWARDED: [header: string, client: string][] = [
  ['for=198.51.100.7', '198.51.100.7'],
  ['For=198.51.100.7;proto=https;by=10.0.0.1', '198.51.100.7'],
  ['proto=https; for="198.51.100.7:4711" ; host=a.example', '198.51.100.7'],
  ['for="[2001:db8:cafe::17]:4711"', '2001:db8:cafe::17'],
  ['for="[2001:db8:cafe::17]"', '2001:db8:cafe::17'],
  ['for=1.1.1.1, for=198.51.100.7', '198.51.100.7'],
  ['for=1.1.1.1;by="a,b;for=2.2.2.2", for=198.51.100.7 , for=10.0.0.9', '198.51.100.7'],
  ['for=1.1.1.1;by="a\\"b", for="198.51.100.\\7"', '198.51.100.7'],
  ['for=198.51.100.7:4711', '198.51.100.7'],
  ['for=unknown', '10.1.2.3'],
  ['for=_gazonk', '10.1.2.3'],
  ['for="_gazonk:80"', '10.1.2.3'],
  ['proto=https', '10.1.2.3'],
  ['for=198.51.100.7, proto=https', '10.1.2.3'],
  ['for="198.51.100.7', '10.1.2.3'],
  ['for="1.1.1.1, for=198.51.100.7', '10.1.2.3'],
  ['198.51.100.7', '10.1.2.3'],
  ['for=', '10.1.2.3'],
  ['for=2001:db8::1', '2001:db8::1'],
  [',,', '10.1.2.3'],
];

for (const [header, expected] of FORWARDED) {
  test(`Forwarded: ${header} is ${expected}`, () => {
    assert.equal(client(INSIDE, '10.1.2.3', header, 'forwarded'), expected);
  });
}

test('whatever a client writes before what a trusted proxy adds, it is who the proxy says', () => {
  const anything = fc.string({ unit: 'grapheme', maxLength: 60 });
  fc.assert(
    fc.property(anything, (forged) => {
      assert.equal(client(INSIDE, '10.1.2.3', `${forged}, 198.51.100.7`), '198.51.100.7');
      assert.equal(client('1', '192.0.2.1', `${forged}, 198.51.100.7`), '198.51.100.7');
      // An open quotation swallows what comes after it: then the client is nobody but the proxy.
      const forwarded = client(INSIDE, '10.1.2.3', `${forged}, for=198.51.100.7`, 'forwarded');
      assert.ok(['198.51.100.7', '10.1.2.3'].includes(forwarded), forwarded);
    }),
    { numRuns: 2_000 },
  );
});

test('a long header takes no long time', () => {
  const start = process.cpuUsage();
  for (const part of ['"', '\\', 'for="', 'for=1;', ' ', ',', 'a=', '[', '1.'])
    for (const header of ['forwarded', 'x-forwarded-for'] as const)
      client(INSIDE, '10.1.2.3', part.repeat(16_384 / part.length), header);
  assert.ok(process.cpuUsage(start).user < 2_000_000);
});

test('trusted proxies are a number, or addresses and networks', () => {
  for (const good of [
    '1',
    '16',
    '10.0.0.0/8',
    '10.0.0.1',
    '::1',
    'fd00::/8, 10.0.0.0/8,127.0.0.1',
    '0.0.0.0/0',
    '::ffff:10.0.0.1',
  ])
    assert.ok(parseTrustedProxies(good).ok, good);
  for (const wrong of [
    '0',
    '17',
    '-1',
    '1.5',
    '10.0.0.0/33',
    '10.0.0/8',
    'fd00::/129',
    '10.0.0.0/8/8',
    'proxy.example',
    '10.0.0.1,',
    '::ffff:10.0.0.0/104',
    '10.0.0.0/',
    '10.0.0.0/a',
    '*',
  ])
    assert.ok(!parseTrustedProxies(wrong).ok, wrong);
  assert.equal(client('10.0.0.5/8', '10.9.9.9', '198.51.100.7'), '198.51.100.7');
  assert.equal(client('::ffff:10.0.0.1', '10.0.0.1', '198.51.100.7'), '198.51.100.7');
});

test('that a request came by TLS is believed of trusted proxies only, and of one of several', () => {
  const came = (trusted: string | undefined, peer: string, value: string, header: ProxyHeader = 'x-forwarded-for') => {
    const proxies = trusted === undefined ? undefined : parseTrustedProxies(trusted);
    assert.ok(proxies?.ok !== false);
    return cameByTls(proxies?.value, header)(peer, value);
  };
  assert.equal(came(undefined, '10.1.2.3', 'https'), false);
  assert.equal(came(INSIDE, '192.0.2.1', 'https'), false);
  for (const value of ['https', 'HTTPS', 'wss', 'https, http', 'http,https'])
    assert.equal(came(INSIDE, '10.1.2.3', value), true, value);
  for (const value of ['', 'http', 'httpss', 'ws', 'on']) assert.equal(came('1', '192.0.2.1', value), false, value);
  assert.equal(came('1', '192.0.2.1', 'for=198.51.100.7;proto=https', 'forwarded'), true);
  assert.equal(came('1', '192.0.2.1', 'for=198.51.100.7;Proto="https", for=10.1.1.1;proto=http', 'forwarded'), true);
  assert.equal(came('1', '192.0.2.1', 'for=198.51.100.7;proto=http', 'forwarded'), false);
  assert.equal(came('1', '192.0.2.1', 'proto=https;;=', 'forwarded'), false, 'not well-formed');
});
