/** Several processes on one port: real ones, with a real Redis. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { WsClient } from './harness/clients.ts';
import { call, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

/** So many that all of them at one of two workers is no accident. */
const SOCKETS = 24;
const NAMES = ['shop-1', 'shop-2'];

interface Stats {
  readonly gateway: string;
  readonly active_connections: number;
  readonly workers: readonly { readonly gateway: string; readonly active_connections: number }[];
}

const statsOf = async (url: string): Promise<Stats> => (await call(`${url}/stats`)).json as unknown as Stats;
const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);

/** As `ps` tells it; undefined for a process that is gone. */
function stateOf(pid: number): string | undefined {
  try {
    return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
  } catch {
    return undefined; // it has been taken away
  }
}
/** Nobody may be there to take away what was left by a process that was killed. */
const hasEnded = (pid: number): boolean => [undefined, 'Z', 'X'].includes(stateOf(pid));

describe('workers', () => {
  let redis: Awaited<ReturnType<typeof startStandalone>>;
  let gateway: GatewayProcess;
  let sockets: { readonly client: WsClient; readonly worker: string }[];

  before(async () => {
    redis = await startStandalone();
    gateway = await GatewayProcess.start({
      env: {
        REDIS_URL: redis.url,
        WORKERS: '2',
        GATEWAY_ID: 'shop',
        LOG_LEVEL: 'silent',
        DRAIN_SETTLE_MS: '0',
        DRAIN_WINDOW_MS: '200',
      },
    });
    await until('all are ready', async () => (await call(`${gateway.url}/readyz`)).status === 200);
    sockets = await Promise.all(
      Array.from({ length: SOCKETS }, async () => {
        const client = await WsClient.open(`${gateway.url}/ws`);
        const { gateway: worker } = await client.frames.find(({ type }) => type === 'welcome');
        client.send({ type: 'subscribe', channel: 'news' });
        await client.frames.find(({ type }) => type === 'subscribed');
        return { client, worker: worker as string };
      }),
    );
  });
  after(async () => {
    for (const { client } of sockets ?? []) client.destroy();
    await gateway?.kill();
    await redis.stop();
  });

  it('share the connections, each a gateway of its own name, and all get every event', async () => {
    assert.deepEqual([...new Set(sockets.map(({ worker }) => worker))].sort(), NAMES);
    await publish(gateway.url, 'news', 'for all');
    for (const { client } of sockets) {
      const { data } = await client.frames.find(({ type }) => type === 'event');
      assert.equal(data, 'for all');
    }
  });

  it('answer for all of them, whichever is asked', async () => {
    for (let asked = 0; asked < 8; asked++) {
      const { gateway: name, active_connections: open, workers } = await statsOf(gateway.url);
      assert.deepEqual([name.startsWith('shop'), open], [true, SOCKETS]);
      assert.deepEqual(workers.map((worker) => worker.gateway).sort(), NAMES);
      for (const worker of workers)
        assert.equal(worker.active_connections, sockets.filter((each) => each.worker === worker.gateway).length);
    }
    const { text } = await call(`${gateway.url}/metrics`);
    for (const name of NAMES) {
      const open = sockets.filter(({ worker }) => worker === name).length;
      assert.match(
        text,
        new RegExp(`^passerelle_connections\\{transport="websocket",gateway="${name}"\\} ${open}$`, 'm'),
      );
    }
    assert.equal(text.match(/^# HELP passerelle_connections /gm)?.length, 1);
  });

  it('are replaced when they die, and meanwhile the others go on', async () => {
    const [victim = 0, survivor = 0] = childrenOf(gateway.pid);
    const before = await statsOf(gateway.url);
    process.kill(victim, 'SIGKILL');
    await until('another one has started', async () => {
      const children = childrenOf(gateway.pid);
      return children.length === 2 && !children.includes(victim) && children.includes(survivor);
    });
    await until('both answer again', async () => (await statsOf(gateway.url)).workers.length === NAMES.length);
    await until('all are ready again', async () => (await call(`${gateway.url}/readyz`)).status === 200);
    const { active_connections: open, workers } = await statsOf(gateway.url);
    assert.deepEqual(workers.map((worker) => worker.gateway).sort(), NAMES);
    assert(
      before.workers.some((worker) => worker.active_connections === open),
      'those of the other one are open still',
    );
  });

  it('are drained together, and the process ends with 0 when all are', async () => {
    const { active_connections: open } = await statsOf(gateway.url);
    assert.equal(await gateway.stop(), 0);
    const codes = await Promise.all(sockets.map(async ({ client }) => (await client.closed).code));
    assert.equal(codes.filter((code) => code === 1012).length, open);
    assert.equal(codes.filter((code) => code === 1006).length, SOCKETS - open, 'those of the one that was killed');
  });

  describe('whose first process is killed', { concurrency: true }, () => {
    /** Long enough to ask them something meanwhile. */
    const SETTLE_MS = 3_000;
    const started: number[] = [];
    after(() => {
      for (const pid of started) if (!hasEnded(pid)) process.kill(pid, 'SIGKILL');
    });
    /** Two workers with sockets at both. */
    const startWith = async (id: string) => {
      const gateway = await GatewayProcess.start({
        env: {
          REDIS_URL: redis.url,
          REDIS_PREFIX: id,
          WORKERS: '2',
          GATEWAY_ID: id,
          LOG_LEVEL: 'fatal',
          DRAIN_SETTLE_MS: String(SETTLE_MS),
          DRAIN_WINDOW_MS: '300',
        },
      });
      const workers = childrenOf(gateway.pid);
      started.push(gateway.pid, ...workers);
      const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => WsClient.open(`${gateway.url}/ws`)));
      for (const socket of sockets) await socket.frames.find(({ type }) => type === 'welcome');
      return { gateway, workers, sockets };
    };
    /** Every socket is told to come back, the processes end by themselves and without a fault, and leave the port. */
    const assertDrained = async ({ gateway, workers, sockets }: Awaited<ReturnType<typeof startWith>>) => {
      const closes = await Promise.all(sockets.map(async ({ closed }) => (await closed).code));
      assert.deepEqual([...new Set(closes)], [1012], gateway.log);
      for (const { frames } of sockets) assert.equal(frames.all.at(-1)?.type, 'reconnect');
      await until('the workers have ended', () => workers.every(hasEnded));
      assert.doesNotMatch(gateway.log, /"fatal"/);
      const next = await GatewayProcess.start({ env: { PORT: new URL(gateway.url).port } });
      await next.kill();
    };

    it('are drained and end, and meanwhile each answers for itself', async () => {
      const begun = await startWith('killed');
      const { gateway } = begun;
      await gateway.kill();
      await until('they know', async () => (await call(`${gateway.url}/readyz`)).status === 503);
      for (let asked = 0; asked < 4; asked++) {
        const { status, json } = await call(`${gateway.url}/stats`);
        assert.equal(status, 200);
        assert.equal((json as Stats).workers.length, 1);
        assert.match((await call(`${gateway.url}/metrics`)).text, /^passerelle_connections\{/m);
      }
      await assertDrained(begun);
    });

    it('go on draining where they were', async () => {
      const begun = await startWith('draining');
      const { gateway, workers } = begun;
      // As a service manager does: all of them, and the first one tells the others once more.
      for (const pid of [gateway.pid, ...workers]) process.kill(pid, 'SIGTERM');
      await until('they drain', async () => (await call(`${gateway.url}/readyz`)).status === 503);
      await gateway.kill();
      await assertDrained(begun);
    });

    it('end also where they had only just been started', async () => {
      const { gateway, workers, sockets } = await startWith('young');
      const [victim = 0, other = 0] = workers;
      process.kill(victim, 'SIGKILL');
      const young = () => childrenOf(gateway.pid).filter((pid) => pid !== victim && pid !== other);
      await until('another one was started', () => young().length === 1);
      const left = [other, ...young()];
      started.push(...left);
      await gateway.kill();
      await until('the workers have ended', () => left.every(hasEnded));
      assert.doesNotMatch(gateway.log, /"fatal"/);
      for (const socket of sockets) socket.destroy();
    });
  });

  it('end at once by a second signal', async () => {
    const env = { REDIS_URL: redis.url, REDIS_PREFIX: 'twice', WORKERS: '2', DRAIN_SETTLE_MS: '60000' };
    const impatient = await GatewayProcess.start({ env: { ...env, SHUTDOWN_TIMEOUT_SECONDS: '120' } });
    const workers = childrenOf(impatient.pid);
    impatient.signal('SIGTERM');
    await until('they drain', async () => (await call(`${impatient.url}/readyz`)).status === 503);
    impatient.signal('SIGTERM');
    assert.equal(await impatient.exited(), 1);
    assert(workers.every(hasEnded));
  });

  it('need Redis, and say so', async () => {
    await assert.rejects(
      GatewayProcess.start({ env: { WORKERS: '2' } }),
      /WORKERS is more than 1, and REDIS_URL is not set/,
    );
  });

  it('do not start on a port that somebody has', async (t) => {
    const other = await GatewayProcess.start();
    t.after(() => other.kill());
    const port = new URL(other.url).port;
    const env = { WORKERS: '2', REDIS_URL: redis.url, PORT: port };
    await assert.rejects(GatewayProcess.start({ env }), /another program has this port/);
  });
});
