/** The PROXY protocol: believed where it is switched on, and nowhere else. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { GatewayProcess } from './harness/processes.ts';

/** A header of version 2 that says: TCP over IPv4, from 203.0.113.7:4000 to 192.0.2.1:80. */
const HEADER = Buffer.from('0d0a0d0a000d0a515549540a' + '2111000c' + 'cb007107' + 'c0000201' + '0fa0' + '0050', 'hex');

/** Opens a WebSocket behind that header; what has come as text, frames and all. */
async function open(url: string): Promise<{ readonly socket: Socket; readonly text: () => string }> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  const request = [
    'GET /ws HTTP/1.1',
    `Host: ${host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    '',
    '',
  ];
  socket.write(Buffer.concat([HEADER, Buffer.from(request.join('\r\n'))]));
  await until('it is answered', () => text.includes('"type"'));
  return { socket, text: () => text };
}

for (const { switched, second } of [
  { switched: 'on', second: /Your address has 1 connections here/ },
  { switched: 'off', second: /"type":"welcome"/ },
] as const) {
  test(`where it is switched ${switched} the address that it names ${switched === 'on' ? 'counts' : 'means nothing'}`, async (t) => {
    const gateway = await GatewayProcess.start({
      env: { PROXY_PROTOCOL: switched, MAX_CONNECTIONS_PER_ADDRESS: '1' },
    });
    t.after(() => gateway.kill());
    const [one, two] = [await open(gateway.url), await open(gateway.url)];
    assert.match(one.text(), /"type":"welcome"/);
    assert.match(two.text(), second);
    for (const { socket } of [one, two]) socket.destroy();
  });
}
