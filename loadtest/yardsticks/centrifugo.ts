/** Starts Centrifugo, or a server that takes the same configuration, with Redis as its engine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { until } from '../../broker/testing/until.ts';

export async function startBinary(binary: string, redisUrl: string, folder: string, under: readonly string[]) {
  const port = await freePort();
  const file = join(folder, `centrifugo-${port}.json`);
  writeFileSync(file, JSON.stringify(configuration(port, redisUrl)));
  const [program = '', ...parameters] = ['setpriv', '--pdeathsig', 'KILL', '--', ...under, binary, '--config', file];
  const child = spawn(program, parameters, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${binary} ended at once (${code})`)));
  });
  ended.catch(() => undefined); // Only of interest while starting.
  const url = `http://127.0.0.1:${port}`;
  const answers = async () => (await fetch(`${url}/health`).catch(() => undefined))?.ok === true;
  await Promise.race([ended, until('Centrifugo answers', answers)]);
  return {
    url,
    pid: child.pid ?? 0,
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** History as long as the gateway's, and open to everybody, as the gateway is in these runs. The load client answers no pings. */
function configuration(port: number, redisUrl: string): object {
  return {
    http_server: { address: '127.0.0.1', port: String(port) },
    health: { enabled: true },
    log: { level: 'error' },
    engine: { type: 'redis', redis: { address: redisUrl } },
    http_api: { insecure: true },
    client: {
      insecure: true,
      allow_anonymous_connect_without_token: true,
      ping_interval: '3600s',
      pong_timeout: '60s',
      channel_limit: 10_000,
    },
    channel: {
      without_namespace: { history_size: 10_000, history_ttl: '1h', force_positioning: true, force_recovery: true },
      namespaces: [
        {
          name: 'load',
          history_size: 10_000,
          history_ttl: '1h',
          force_positioning: true,
          force_recovery: true,
          allow_subscribe_for_client: true,
          allow_publish_for_client: true,
        },
      ],
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
