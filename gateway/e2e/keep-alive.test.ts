/** What becomes of a connection after an answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { RawSocket } from './harness/raw-socket.ts';

const ASKED = ['/healthz', '/', '/nothing', '/api/history?channel=a', '/events?channel=a%20b'];

test('it takes another request, unless HTTP_KEEP_ALIVE is off: then every answer says that it is the last', async (t) => {
  const keeping = await GatewayProcess.start();
  t.after(() => keeping.kill());
  const closing = await GatewayProcess.start({ env: { HTTP_KEEP_ALIVE: 'off' } });
  t.after(() => closing.kill());
  for (const path of ASKED) {
    const said = async ({ url }: GatewayProcess) => {
      const socket = await RawSocket.open(url);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await socket.matching(/\r\n\r\n/);
      socket.destroy();
      return socket.received.match(/^connection: close\r$/gim)?.length ?? 0;
    };
    assert.equal(await said(keeping), 0, path);
    assert.equal(await said(closing), 1, path);
  }
  const stream = await call(`${closing.url}/events?channel=a`, { method: 'HEAD' });
  assert.equal(stream.headers.connection, 'close');
});
