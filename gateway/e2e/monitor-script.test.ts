/** infra/monitor.sh, as somebody at a terminal uses it. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ports } from '../../broker/testing/ports.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

const SCRIPT = fileURLToPath(new URL('../../../infra/monitor.sh', import.meta.url));

function monitor(...args: readonly string[]): Promise<{ code: number; lines: readonly string[]; errors: string }> {
  return new Promise((resolve) => {
    execFile(SCRIPT, args, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), lines: stdout.trimEnd().split('\n'), errors: stderr });
    });
  });
}

const skip = spawnSync('curl', ['--version']).error === undefined ? false : 'curl is not installed';

test('infra/monitor.sh shows what each gateway does, and ends with 1 where one is away', { skip }, async (t) => {
  const gateway = await GatewayProcess.start({ env: { GATEWAY_ID: 'the-gateway' } });
  t.after(() => gateway.kill());
  const { url } = gateway;
  const clients = [await WsClient.open(`${url}/ws`), await SseClient.open(`${url}/events?channel=a`)];
  const publishing = setInterval(() => publish(url, 'a', 1).catch(() => undefined), 5);
  t.after(() => {
    clearInterval(publishing);
    for (const client of clients) client.destroy();
  });
  const nobody = `127.0.0.1:${await ports.free()}`;
  const [whole, partly] = await Promise.all([monitor('--once', url), monitor('--once', url, `http://${nobody}`)]);
  assert.deepEqual([whole.code, whole.errors, whole.lines.length], [0, '', 2]);
  const [head = '', row = ''] = whole.lines;
  const columns = head.trim().split(/ +/);
  const shown = Object.fromEntries(
    row
      .trim()
      .split(/ +/)
      .map((cell, index) => [columns[index], cell]),
  );
  const { gateway: name, ready, sockets, streams, gaps } = shown;
  assert.deepEqual(
    { name, ready, sockets, streams, gaps },
    { name: 'the-gateway', ready: 'yes', sockets: '1', streams: '1', gaps: '0' },
  );
  assert.ok(Number(shown['publish/s']) > 0 && Number(shown['deliver/s']) > 0, row);
  assert.match(`${shown.p99} ${shown.cpu} ${shown.memory}`, /^[<>][\d.]+m?s \d+% \d+MB$/);
  assert.equal(partly.code, 1);
  assert.match(partly.lines[2] ?? '', new RegExp(`^${nobody} +away$`));
});

/** Something that says this by HTTP, whatever it is asked. Resolves with its URL. */
async function saying(t: TestContext, text: string): Promise<string> {
  const server = createServer((_, response) => response.end(text)).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const readiness = (ready: Readonly<Record<string, number>>) =>
  Object.entries(ready)
    .map(([gateway, value]) => `passerelle_ready{gateway="${gateway}"} ${value}\n`)
    .join('');

test('infra/monitor.sh shows workers on one port as one line of one name, in whatever order they answer', {
  skip,
}, async (t) => {
  const urls = [
    await saying(t, readiness({ 'shop-2': 1, 'shop-1': 1 })),
    await saying(t, readiness({ 'shop-1': 1, 'shop-2': 0 })),
    await saying(t, readiness({ 'passerelle-5d4f8c7b9-abcde': 1 })),
  ];
  const { code, lines } = await monitor('--once', ...urls);
  assert.equal(code, 1, 'a worker is not ready');
  assert.deepEqual(
    lines.slice(1).map((line) => line.slice(0, 24)),
    ['shop-1 +1            yes', 'shop-1 +1             NO', 'le-5d4f8c7b9-abcde   yes'],
  );
});

test('infra/monitor.sh takes what is no gateway for none', { skip }, async (t) => {
  const url = await saying(t, 'go_goroutines 5\n');
  const { code, lines } = await monitor('--once', url);
  assert.equal(code, 1);
  assert.match(lines[1] ?? '', /^127\.0\.0\.1:\d+ +away$/);
});

test('infra/monitor.sh tells what it can do, and what it cannot', async () => {
  const help = await monitor('--help');
  assert.deepEqual([help.code, help.errors], [0, '']);
  assert.match(help.lines.join('\n'), /--once[\s\S]*--interval/);
  for (const wrong of [['--all'], ['--interval', 'x'], ['--interval']]) assert.equal((await monitor(...wrong)).code, 2);
});
