/**
 * What faults are injected into: Redis in one of its forms, three gateways on it, the project's nginx in front of them, and proxies that
 * can spoil the links between clients and nginx, and, where Redis is one server, between each gateway and Redis.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type RedisDeployment,
  type RedisServer,
  startCluster,
  startSentinel,
  startStandalone,
} from '../../broker/redis/testing/servers.ts';
import type { Loss } from '../../gateway/e2e/harness/checker.ts';
import { NginxProcess } from '../../gateway/e2e/harness/nginx.ts';
import type { PlannedRequest } from '../../gateway/e2e/harness/plan.ts';
import { RestartableGateway } from '../../gateway/e2e/harness/restartable.ts';
import { UnrulyProxy } from '../../gateway/e2e/harness/unruly-proxy.ts';
import type { Form } from './fault.ts';
import { Switches } from './switches.ts';

/** Nothing of these is trimmed, so that whatever is not in the history was lost by a fault. */
export const KEPT = ['load:c0', 'load:c1', 'load:c2', 'load:c3'];
/** These keep so many of their last events only: a subscriber that was away for a moment has a gap. */
export const TRIMMED: ReadonlyMap<string, number> = new Map([1, 10, 1_000].map((size) => [`size${size}:c`, size]));
export const CHANNELS = [...KEPT, ...TRIMMED.keys()];
/** Where members come and go, and are never published to: one lists its members, the other announces them, too. */
export const PRESENT = ['list:c', 'announce:c'];
const GATEWAYS = 3;
/** How long a gateway waits for Redis. */
export const REDIS_TIMEOUT_MS = 1_000;
/** Where everything else on the machine fails as well, a start takes long. */
const START_LIMIT_MS = 60_000;
const NAMESPACES = {
  load: { history: { size: 1_000_000, retention: '2h' } },
  ...Object.fromEntries([...TRIMMED.values()].map((size) => [`size${size}`, { history: { size, retention: '2h' } }])),
  list: { presence: 'list' },
  announce: { presence: 'announce' },
};
/** What a gateway gives up, checks or says after, made short for what a run is to hold. */
const GATEWAY_SETTINGS = {
  REDIS_TIMEOUT_MS: String(REDIS_TIMEOUT_MS),
  POSITION_CHECK_SECONDS: '1',
  KEEP_ALIVE_SECONDS: '1',
  RETRY_MS: '200',
  IDLE_TIMEOUT_SECONDS: '8',
  DRAIN_SETTLE_MS: '200',
  DRAIN_WINDOW_MS: '1000',
  // On a busy machine there shall be links to strike all the same.
  MAX_EVENT_LOOP_LAG_MS: '0',
  // Events of up to 1 MB, with what stands around their data, and batches of them.
  MAX_MESSAGE_BYTES: '1310720',
  MAX_BODY_BYTES: '8388608',
  // Replays come from the rings and from the streams.
  RING_EVENTS: '64',
};
/** Everything in the file before it is acknowledged: a Redis that is killed loses nothing. */
const WITH_FILE = 'appendonly yes\nappendfsync always\n';
/** A write beyond the limit on its files then fails, as on a full disk, and does not end it. */
const SURVIVES_FULL_DISK = ['env', '--ignore-signal=XFSZ'];
/** By so much gateways have ids go on ahead of the clock when another server took over, and a second. */
const IDS_AHEAD_MS = 11_000;
const QUICK_CLUSTER = 'cluster-node-timeout 1000\n';
/** Long enough that none takes a master for dead, or gives up what it has begun, because this machine stood still for a moment. */
const QUICK_SENTINEL = [
  ['down-after-milliseconds', 2_000],
  ['failover-timeout', 4_000],
] as const;

export class World {
  readonly form: Form;
  readonly redis: RedisDeployment;
  readonly gateways: readonly RestartableGateway[];
  readonly nginx: NginxProcess;
  /** Between clients and nginx. */
  readonly clientLinks: UnrulyProxy;
  /** Between each gateway and Redis; none where clients of Redis are told addresses. */
  readonly redisLinks: readonly UnrulyProxy[];
  /** Of the Sentinels, where there are any. */
  readonly switches: Switches | undefined;
  /** When Redis may have lost what it had acknowledged. Faults that do that say so here. */
  readonly losses: Loss[] = [];
  /** No event has an id of a later millisecond, but for those that go by the clock. */
  #latestIdMs = 0;
  /** Publishes that a fault wants, beside those that go on anyway. */
  readonly wanted: PlannedRequest[] = [];
  /** What should not have happened, and is no event that was lost. */
  readonly complaints: string[] = [];
  readonly #ends: readonly End[];

  /** What was stored since `fromMs`, in all channels or in these, may be lost. */
  lose(fromMs: number, channels?: readonly string[]): void {
    const loss = { from: fromMs, until: Math.max(Date.now(), this.#latestIdMs) };
    this.losses.push(channels === undefined ? loss : { ...loss, channels });
  }

  /** Ids go on ahead of the clock: after another server took over, or a fault had them do so, by `aheadMs` of it. */
  idsGoAhead(aheadMs = IDS_AHEAD_MS): void {
    this.#latestIdMs = Math.max(this.#latestIdMs, Date.now() + aheadMs);
  }

  private constructor(parts: Parts, ends: readonly End[]) {
    ({
      form: this.form,
      redis: this.redis,
      gateways: this.gateways,
      nginx: this.nginx,
      clientLinks: this.clientLinks,
      redisLinks: this.redisLinks,
      switches: this.switches,
    } = parts);
    this.#ends = ends;
  }

  /** `redisDelayMs`: by how much Redis is away from each gateway, where there are proxies between them. */
  static async start(form: Form, redisDelayMs: number): Promise<World> {
    const ends: End[] = [];
    try {
      const parts = await startParts(form, ends);
      for (const links of parts.redisLinks) links.delay(redisDelayMs);
      return new World(parts, ends);
    } catch (error) {
      await endAll(ends);
      throw error;
    }
  }

  /** Where clients connect. */
  get url(): string {
    return this.clientLinks.url;
  }

  /** Servers that hold data, whatever they are now. */
  get dataServers(): readonly RedisServer[] {
    return this.form === 'sentinel' ? this.redis.servers.slice(0, 2) : this.redis.servers;
  }

  stop(): Promise<void> {
    return endAll(this.#ends);
  }
}

type Parts = Pick<World, 'form' | 'redis' | 'gateways' | 'nginx' | 'clientLinks' | 'redisLinks' | 'switches'>;
type End = () => Promise<unknown>;

/** Adds to `ends` what ends each part that was started, also where a later one fails. */
async function startParts(form: Form, ends: End[]): Promise<Parts> {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-faults-'));
  ends.push(async () => rmSync(folder, { recursive: true, force: true }));
  const channelsFile = join(folder, 'channels.json');
  writeFileSync(channelsFile, JSON.stringify({ namespaces: NAMESPACES }));
  const redis = await startRedis(form);
  ends.push(() => redis.stop());
  const switches = form === 'sentinel' ? await Switches.watch(redis.servers.slice(2)) : undefined;
  ends.push(async () => switches?.close());
  const proxyTo = async (url: string) => {
    const links = await UnrulyProxy.start([url]);
    ends.push(() => links.stop());
    return links;
  };
  const redisLinks: UnrulyProxy[] = [];
  const gateways: RestartableGateway[] = [];
  for (let index = 0; index < GATEWAYS; index++) {
    let url = redis.url;
    if (form === 'standalone') {
      const links = await proxyTo(redis.url);
      redisLinks.push(links);
      url = links.url.replace('http', 'redis');
    }
    const env = { ...GATEWAY_SETTINGS, REDIS_URL: url, CHANNELS_FILE: channelsFile };
    const gateway = await RestartableGateway.start(env, { startLimitMs: START_LIMIT_MS });
    ends.push(() => gateway.end('SIGKILL'));
    gateways.push(gateway);
  }
  const urls = gateways.map(({ url }) => url);
  const nginx = await NginxProcess.start(urls, { shutdownSeconds: 2 });
  ends.push(() => nginx.stop());
  return { form, redis, gateways, nginx, clientLinks: await proxyTo(nginx.url), redisLinks, switches };
}

/** The last one first. */
async function endAll(ends: readonly End[]): Promise<void> {
  for (const end of ends.toReversed()) await end();
}

async function startRedis(form: Form): Promise<RedisDeployment> {
  switch (form) {
    case 'standalone':
      return startStandalone({ config: WITH_FILE, under: SURVIVES_FULL_DISK });
    case 'sentinel': {
      const redis = await startSentinel();
      for (const sentinel of redis.servers.slice(2))
        for (const [name, value] of QUICK_SENTINEL) await sentinel.command('SENTINEL', 'SET', 'main', name, value);
      return redis;
    }
    case 'cluster':
      return startCluster({ config: QUICK_CLUSTER });
  }
}
