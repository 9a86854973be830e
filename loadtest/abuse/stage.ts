/**
 * Two gateways on one Redis with as much in it as an abuser may ask for: a channel full of the largest events, and a channel and a room with very
 * many members. It watches what the abuse does to them: memory and readiness.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { until } from '../../broker/testing/until.ts';
import { call } from '../../gateway/e2e/harness/http-client.ts';
import { startTwoGateways, type TwoGateways } from '../../gateway/e2e/harness/two-gateways.ts';
import { residentBytes } from '../machine.ts';
import type { Done } from './attacks.ts';
import { CROWD, FULL, ROOM } from './cases.ts';

export interface StageOptions {
  /** How many of the largest events are in the full channel. */
  readonly events: number;
  /** How many members the crowded channel has, and the crowded room. */
  readonly members: number;
}

/** Keeps what healthy clients publish, whatever there is of it, so that nothing of it may be missing. */
const HEALTHY = 'healthy';
const NAMESPACES = { [HEALTHY]: { history: { size: 100_000 } }, abuse: { history: { size: 1_000 }, presence: 'list' } };
const EVENT_BYTES = 60_000;
const EVENTS_A_BATCH = 16;
const MEMBERS_AT_ONCE = 50;
const WATCH_EACH_MS = 200;
/** A probe of readiness is given up after that, as an orchestrator does. */
const READY_LIMIT_MS = 5_000;
/** Clients that are neither healthy nor abuse: each group has an address of its own. */
const FILLER = '127.0.0.4';
const MEMBERS = '127.0.0.3';
const ABUSER = '127.0.0.2';
const ABUSER_MAIN = fileURLToPath(new URL('abuser.js', import.meta.url));

export class Stage {
  readonly gateways: TwoGateways;
  readonly #members: WebSocket[] = [];
  readonly #folder: string;
  #channels = 0;

  private constructor(gateways: TwoGateways, folder: string) {
    this.gateways = gateways;
    this.#folder = folder;
  }

  static async start({ events, members }: StageOptions): Promise<Stage> {
    const folder = mkdtempSync(join(tmpdir(), 'passerelle-abuse-'));
    const file = join(folder, 'channels.json');
    writeFileSync(file, JSON.stringify({ namespaces: NAMESPACES }));
    const stage = new Stage(await startTwoGateways({ CHANNELS_FILE: file }), folder);
    try {
      await stage.#fill(events);
      await stage.#gather(members);
      return stage;
    } catch (error) {
      await stage.stop();
      throw error;
    }
  }

  /** Whom the abuser abuses, and the other one. */
  get urls(): readonly [string, string] {
    return [this.gateways.a.url, this.gateways.b.url];
  }

  /** Channels that nobody has used yet. */
  newChannels(count: number): readonly string[] {
    return Array.from({ length: count }, () => `${HEALTHY}:${this.#channels++}`);
  }

  /** Begins to abuse the first gateway. Resolves once it does. */
  async abuse(name: string): Promise<{ stop(): Promise<Done> }> {
    const child = fork(ABUSER_MAIN, [name, this.urls[0], ABUSER]);
    const ended = once(child, 'exit').then(() => {
      throw new Error(`The abuser of ${name} ended by itself`);
    });
    ended.catch(() => undefined); // of interest while something is awaited of it
    const told = () => Promise.race([once(child, 'message'), ended]);
    await told();
    return {
      async stop() {
        const answer = told();
        child.send('stop');
        const [done] = await answer;
        return done;
      },
    };
  }

  /** Watches until it is told to stop. */
  watch(): Watch {
    const { a, b, redis } = this.gateways;
    const pids = [a.pid, b.pid];
    const redisPid = redis.servers[0]?.pid ?? 0;
    const memory = () => ({ gateway: Math.max(...pids.map(residentBytes)), redis: residentBytes(redisPid) });
    return new Watch(this.urls, memory);
  }

  async stop(): Promise<void> {
    for (const member of this.#members) member.terminate();
    await this.gateways.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #fill(events: number): Promise<void> {
    const data = 'x'.repeat(EVENT_BYTES);
    for (let left = events; left > 0; ) {
      const publishes = Array.from({ length: Math.min(left, EVENTS_A_BATCH) }, () => ({ channel: FULL, data }));
      const stored = await batch(this.urls[left % 2] ?? '', { publishes });
      left -= stored;
      if (stored < publishes.length) await sleep(WATCH_EACH_MS); // over the limit of bytes a second
    }
  }

  async #gather(members: number): Promise<void> {
    for (let index = 0; index < members; index += MEMBERS_AT_ONCE) {
      const some = Array.from({ length: Math.min(MEMBERS_AT_ONCE, members - index) }, (_none, more) =>
        this.#enter(index + more),
      );
      await Promise.all(some);
    }
    await until('all members are listed', async () => {
      const { json } = await call(`${this.urls[0]}/api/presence?channel=${CROWD}`);
      return typeof json === 'object' && json !== null && 'count' in json && json.count === members;
    });
  }

  async #enter(index: number): Promise<void> {
    const base = (this.urls[index % 2] ?? '').replace(/^http/, 'ws');
    const open = async (path: string) => {
      const socket = new WebSocket(`${base}${path}`, { localAddress: MEMBERS, perMessageDeflate: false });
      this.#members.push(socket);
      socket.on('error', () => undefined); // it is missed by who awaits its first frame
      await once(socket, 'message');
      return socket;
    };
    const [socket] = await Promise.all([open('/ws'), open(`/chat?room=${ROOM}&username=m${index}&tail=0`)]);
    socket.send(JSON.stringify({ type: 'subscribe', channel: CROWD }));
  }
}

export interface Watched {
  /** The most that was resident, and by how much that is more than at the start. */
  readonly gatewayBytes: number;
  readonly gatewayGrowth: number;
  readonly redisBytes: number;
  readonly redisGrowth: number;
  readonly probes: number;
  /** What /readyz of any gateway answered that was not 200. */
  readonly unready: readonly string[];
}

interface Memory {
  readonly gateway: number;
  readonly redis: number;
}

/** Samples memory, and asks both gateways whether they are ready. */
export class Watch {
  readonly #first: Memory;
  readonly #most: { gateway: number; redis: number };
  readonly #unready: string[] = [];
  readonly #loops: Promise<unknown>;
  #probes = 0;
  #stopped = false;

  constructor(urls: readonly string[], memory: () => Memory) {
    this.#first = memory();
    this.#most = { ...this.#first };
    const sample = () => {
      const now = memory();
      this.#most.gateway = Math.max(this.#most.gateway, now.gateway);
      this.#most.redis = Math.max(this.#most.redis, now.redis);
    };
    this.#loops = Promise.all([
      this.#over(async () => sample()),
      ...urls.map((url) => this.#over(() => this.#probe(url))),
    ]);
  }

  async stop(): Promise<Watched> {
    this.#stopped = true;
    await this.#loops;
    return {
      gatewayBytes: this.#most.gateway,
      gatewayGrowth: this.#most.gateway - this.#first.gateway,
      redisBytes: this.#most.redis,
      redisGrowth: this.#most.redis - this.#first.redis,
      probes: this.#probes,
      unready: this.#unready,
    };
  }

  async #over(time: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      await time();
      await sleep(WATCH_EACH_MS);
    }
  }

  async #probe(url: string): Promise<void> {
    this.#probes++;
    const answer = await call(`${url}/readyz`, { signal: AbortSignal.timeout(READY_LIMIT_MS) }).then(
      ({ status, text }) => (status === 200 ? undefined : `${status} ${text}`),
      String,
    );
    if (answer !== undefined) this.#unready.push(answer);
  }
}

/** How many of a batch were stored. */
function batch(url: string, body: object): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const asked = request(
      `${url}/api/batch`,
      { method: 'POST', localAddress: FILLER, agent: false, headers },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.once('end', () => resolve(Buffer.concat(chunks).toString().split('"id":').length - 1));
        answer.once('error', reject);
      },
    );
    asked.once('error', reject);
    asked.end(JSON.stringify(body));
  });
}
