/**
 * `npm run bench:smoke`: what one gateway delivers per CPU second and holds per idle connection, beside bare uWebSockets.js
 * in the same run. Prints a table, writes `loadtest/results/smoke.json`. See README.md for what each figure means.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startStandalone } from '../broker/redis/testing/servers.ts';
import { type GatewayOptions, GatewayProcess } from '../gateway/e2e/processes.ts';
import { type FanoutResult, measureFanout, type Subject } from './fanout.ts';
import { measureIdle } from './idle.ts';
import { describeMachine, pin } from './machine.ts';
import { CHANNEL, PAYLOAD, PAYLOAD_BYTES } from './payload.ts';
import { type IdleResult, type Results, report } from './report.ts';
import type { Transport } from './sockets.ts';

const { values } = parseArgs({
  options: {
    subscribers: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '10000' },
    out: { type: 'string', default: fileURLToPath(new URL('../../loadtest/results/smoke.json', import.meta.url)) },
  },
});

const TRANSPORTS: readonly Transport[] = ['ws', 'sse'];
/** By events a tick: so many ticks that a round takes about one CPU second. */
const TICKS = { 1: 150, 32: 120 } as const;
/** The body that publishes so many events at once. */
const BATCHES = new Map(
  Object.keys(TICKS).map((events) => {
    const publish = `{"channel":"${CHANNEL}","data":${PAYLOAD}}`;
    return [Number(events), `{"publishes":[${Array(Number(events)).fill(publish).join(',')}]}`];
  }),
);
const SERVER_CORE = 0;
const CLIENT_CORE = 1;
const ON_SERVER_CORE = ['taskset', '-c', String(SERVER_CORE)];
const BARE: GatewayOptions = { main: fileURLToPath(new URL('bare.js', import.meta.url)), under: ON_SERVER_CORE };

// Redis and the publishing gateway inherit the client's core: the measured server has its own to itself.
pin(process.pid, CLIENT_CORE);
const folder = mkdtempSync(join(tmpdir(), 'passerelle-bench-'));
const redis = await startStandalone();
try {
  const results = await measure(environment(redis.url));
  mkdirSync(join(values.out, '..'), { recursive: true });
  writeFileSync(values.out, `${JSON.stringify(results, null, 2)}\n`);
  console.log(report(results));
} finally {
  await redis.stop();
  rmSync(folder, { recursive: true });
}

function environment(redisUrl: string): Record<string, string> {
  const channelsFile = join(folder, 'channels.json');
  writeFileSync(channelsFile, JSON.stringify({ namespaces: { load: { history: { size: 10_000, retention: '1h' } } } }));
  // The raw load client answers no pings.
  return { REDIS_URL: redisUrl, CHANNELS_FILE: channelsFile, IDLE_TIMEOUT_SECONDS: '960' };
}

async function measure(env: Record<string, string>): Promise<Results> {
  return {
    machine: describeMachine(),
    measuredAt: new Date().toISOString(),
    payloadBytes: PAYLOAD_BYTES,
    fanout: await fanout(env),
    idle: await idle(env),
  };
}

async function fanout(env: Record<string, string>): Promise<FanoutResult[]> {
  const measured = await GatewayProcess.start({ env, under: ON_SERVER_CORE });
  const publisher = await GatewayProcess.start({ env });
  const bare = await GatewayProcess.start(BARE);
  const subjects: [Subject, Subject] = [
    {
      pid: measured.pid,
      sockets: { url: measured.url, subscribes: true },
      tick: (events) => post(`${publisher.url}/api/batch`, BATCHES.get(events)),
    },
    {
      pid: bare.pid,
      sockets: { url: bare.url, subscribes: false },
      tick: (events) => post(`${bare.url}/tick/${events}`),
    },
  ];
  const results: FanoutResult[] = [];
  try {
    for (const transport of TRANSPORTS) {
      for (const [events, ticks] of Object.entries(TICKS)) {
        const eventsPerTick = Number(events);
        console.log(`${transport}, ${eventsPerTick} a tick`);
        const subscribers = Number(values.subscribers);
        const options = { transport, eventsPerTick, ticks, rounds: Number(values.rounds), subscribers };
        results.push(await measureFanout(options, ...subjects));
      }
    }
  } finally {
    await Promise.all([measured, publisher, bare].map((server) => server.kill()));
  }
  return results;
}

async function idle(env: Record<string, string>): Promise<IdleResult[]> {
  const results: IdleResult[] = [];
  for (const transport of TRANSPORTS) {
    console.log(`${transport}, idle`);
    const options = { transport, connections: Number(values.connections), channels: 100 };
    const gateway = await measureIdle(options, true, () => GatewayProcess.start({ env, under: ON_SERVER_CORE }));
    const bare = await measureIdle(options, false, () => GatewayProcess.start(BARE));
    results.push({ ...options, gateway, bare });
  }
  return results;
}

async function post(url: string, body?: string): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: body ?? null });
  const text = await response.text();
  if (!response.ok || text.includes('"error"'))
    throw new Error(`${url} answered ${response.status}: ${text.slice(0, 500)}`);
}
