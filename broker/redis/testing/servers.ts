/**
 * Real Redis servers for tests: standalone, a Sentinel set and a Cluster, on free loopback ports and in directories of
 * their own.
 *
 * Owns the processes that it starts: they end by `stop()`, when this process exits, and, where `setpriv` is installed, also
 * when it is killed. Readiness is awaited as a condition, never slept for.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { ports } from '../../testing/ports.ts';
import { until } from '../../testing/until.ts';

const MASTER_NAME = 'main';

export interface ServerOptions {
  /** Further lines of the configuration of each server that holds data; they win. */
  readonly config?: string;
  /** A command that runs it, such as `env NAME=value`. */
  readonly under?: readonly string[];
  /** With it servers also listen by TLS, speak it among themselves, and are named by `rediss` URLs. */
  readonly tls?: RedisTls;
}

/** The paths of files in PEM form. */
export interface RedisTls {
  readonly certFile: string;
  readonly keyFile: string;
  /** Whoever connects must show a certificate that this one signed; without it nobody has to. */
  readonly clientCaFile?: string;
}

interface OwnOptions {
  readonly under?: readonly string[] | undefined;
  readonly tls?: { readonly port: number; readonly files: RedisTls } | undefined;
}

/** One server process; it can be killed and started again on its port. */
export class RedisServer {
  /** Where it listens in the clear. */
  readonly port: number;
  /** Where others are to reach it: by TLS, where it has that. */
  readonly ownPort: number;
  readonly #directory: string;
  readonly #args: readonly string[];
  readonly #under: readonly string[];
  #child: ChildProcess | undefined;
  #output = '';
  readonly #killOnExit = () => this.#child?.kill('SIGKILL');

  /** `config`: the text of a configuration file; a Sentinel rewrites its own. */
  constructor(port: number, config: string, args: readonly string[], { under = [], tls }: OwnOptions = {}) {
    this.port = port;
    this.ownPort = tls?.port ?? port;
    this.#under = under;
    this.#directory = mkdtempSync(join(tmpdir(), 'passerelle-redis-'));
    const file = join(this.#directory, 'redis.conf');
    const listening = `port ${port}\nbind 127.0.0.1\n${tls ? tlsConfig(tls.port, tls.files) : ''}`;
    writeFileSync(file, `${listening}dir ${this.#directory}\n${config}`);
    this.#args = [file, ...args];
    process.once('exit', this.#killOnExit);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when the server answers. `more`: arguments for this time only; `under`: a command that runs it this time. */
  async start(more: readonly string[] = [], under = this.#under): Promise<void> {
    // The process then dies with its parent, however that one ends; the pid remains that of the server.
    const guard = hasSetpriv() ? ['setpriv', '--pdeathsig', 'KILL'] : [];
    const [command = 'redis-server', ...args] = [...guard, ...under, 'redis-server', ...this.#args, ...more];
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.#output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk).slice(-4_000);
      });
    const ended = new Promise<never>((_, reject) => {
      child.once('error', (cause) => reject(new Error('redis-server could not be started.', { cause })));
      child.once('exit', () => reject(new Error(`redis-server ended while starting:\n${this.#output}`)));
    });
    ended.catch(() => undefined); // Only of interest while starting.
    await Promise.race([ended, until('redis-server answers', async () => (await this.command('PING')) === 'PONG')]);
  }

  /** Sends one command over a connection of its own. */
  async command(...[name, ...args]: [string, ...(string | number)[]]): Promise<unknown> {
    const redis = new Redis({
      host: '127.0.0.1',
      port: this.port,
      lazyConnect: true,
      retryStrategy: null,
      enableReadyCheck: false,
    });
    redis.on('error', () => undefined); // The same failure rejects `connect` or the command.
    try {
      await redis.connect();
      return await redis.call(name, args);
    } finally {
      redis.disconnect();
    }
  }

  /** Ends the process as a crash would; resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** Stops it from answering while its connections stay open. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    await this.kill();
    process.removeListener('exit', this.#killOnExit);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export interface RedisDeployment {
  readonly url: string;
  /** Every process, Sentinels included. */
  readonly servers: readonly RedisServer[];
  /** The server that holds this key now. */
  masterOf(key: string): Promise<RedisServer>;
  /** The servers that hold data and take writes now. */
  masters(): Promise<readonly RedisServer[]>;
  stop(): Promise<void>;
}

export async function startStandalone(options: ServerOptions = {}): Promise<RedisDeployment> {
  const servers: RedisServer[] = [];
  return guarded(servers, async () => {
    const server = await launch(servers, dataServer(options));
    return {
      url: `${scheme(options)}://${addresses([server])}`,
      servers,
      masterOf: async () => server,
      masters: async () => [server],
      stop: () => stopAll(servers),
    };
  });
}

/** One master, one replica and three Sentinels. */
export async function startSentinel(options: ServerOptions = {}): Promise<RedisDeployment> {
  const servers: RedisServer[] = [];
  return guarded(servers, async () => {
    const first = await launch(servers, dataServer(options));
    const second = await launch(servers, dataServer(options, `replicaof 127.0.0.1 ${first.ownPort}\n`));
    await until('the replica is in step', () => isReplicating(second));
    const sentinelConfig = [
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${first.ownPort} 2`,
      `sentinel down-after-milliseconds ${MASTER_NAME} 1000`,
      `sentinel failover-timeout ${MASTER_NAME} 4000`,
      '',
    ].join('\n');
    const sentinels: RedisServer[] = [];
    for (let i = 0; i < 3; i += 1)
      sentinels.push(
        await launch(servers, (port, tlsPort) => {
          return new RedisServer(port, sentinelConfig, ['--sentinel'], ownOptions({ tls: options.tls }, tlsPort));
        }),
      );
    for (const sentinel of sentinels)
      await until('the Sentinels know each other and the replica', async () => {
        const facts = asFacts(await sentinel.command('SENTINEL', 'MASTER', MASTER_NAME));
        return facts.get('num-slaves') === '1' && facts.get('num-other-sentinels') === '2';
      });
    const master = async () => {
      const roles = await Promise.all([first, second].map(async (server) => ({ server, role: await roleOf(server) })));
      const found = roles.find(({ role }) => role === 'master');
      if (found === undefined) throw new Error('No server is a master now.');
      return found.server;
    };
    return {
      url: `${scheme(options)}+sentinel://${addresses(sentinels)}/${MASTER_NAME}`,
      servers,
      masterOf: master,
      masters: async () => [await master()],
      stop: () => stopAll(servers),
    };
  });
}

/** Three masters with a replica each. */
export async function startCluster(options: ServerOptions = {}): Promise<RedisDeployment> {
  const servers: RedisServer[] = [];
  return guarded(servers, async () => {
    const config = 'cluster-enabled yes\ncluster-node-timeout 2000\ncluster-replica-validity-factor 0\n';
    for (let i = 0; i < 6; i += 1) await launch(servers, dataServer(options, config));
    const masters = servers.slice(0, 3);
    const ids = await Promise.all(servers.map(async (server) => String(await server.command('CLUSTER', 'MYID'))));
    // Distinct epochs before they meet spare them a slow election about who is first.
    for (const [index, server] of servers.entries()) await server.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    for (const [index, server] of masters.entries()) {
      const from = Math.floor((16_384 * index) / 3);
      const to = Math.floor((16_384 * (index + 1)) / 3) - 1;
      await server.command('CLUSTER', 'ADDSLOTSRANGE', from, to);
    }
    const [first, ...others] = servers;
    for (const server of others) await first?.command('CLUSTER', 'MEET', '127.0.0.1', server.ownPort);
    for (const server of servers)
      await until('the cluster nodes know each other', async () => {
        const nodes = String(await server.command('CLUSTER', 'NODES'));
        return ids.every((id) => nodes.includes(id)) && !nodes.includes('handshake');
      });
    for (const [index, server] of servers.slice(3).entries())
      await server.command('CLUSTER', 'REPLICATE', ids[index] ?? '');
    for (const server of servers.slice(3)) await until('a cluster replica is in step', () => isReplicating(server));
    for (const server of servers)
      await until('the cluster is whole', async () => {
        const info = String(await server.command('CLUSTER', 'INFO'));
        const slots = await server.command('CLUSTER', 'SLOTS');
        // Each range lists its bounds, its master and its replica.
        const replicated = Array.isArray(slots) && slots.every((range) => Array.isArray(range) && range.length === 4);
        return info.includes('cluster_state:ok') && replicated;
      });
    const current = async () => {
      const roles = await Promise.all(servers.map(async (server) => ({ server, role: await roleOf(server) })));
      return roles.filter(({ role }) => role === 'master').map(({ server }) => server);
    };
    return {
      url: `${scheme(options)}+cluster://${addresses(masters)}`,
      servers,
      masterOf: async (key) => {
        for (const server of await current()) {
          const held = await server.command('EXISTS', key).catch(() => undefined); // MOVED: held elsewhere.
          if (held !== undefined) return server;
        }
        throw new Error('No master holds this key now.');
      },
      masters: current,
      stop: () => stopAll(servers),
    };
  });
}

const DATA_CONFIG = 'save ""\nappendonly no\nrepl-diskless-sync-delay 0\n';

/** Makes a server of two ports, the second of which is for TLS. */
type Make = (port: number, tlsPort: number) => RedisServer;

function dataServer(options: ServerOptions, own = ''): Make {
  return (port, tlsPort) =>
    new RedisServer(port, `${DATA_CONFIG}${own}${options.config ?? ''}`, [], ownOptions(options, tlsPort));
}

function ownOptions(
  { under, tls }: Pick<OwnOptions, 'under'> & { readonly tls?: RedisTls | undefined },
  tlsPort: number,
): OwnOptions {
  return { under, tls: tls && { port: tlsPort, files: tls } };
}

async function launch(servers: RedisServer[], make: Make): Promise<RedisServer> {
  for (let attempt = 1; ; attempt += 1) {
    const server = make(await ports.free(), await ports.free());
    try {
      await server.start();
      servers.push(server);
      return server;
    } catch (error) {
      await server.stop();
      // Somebody else may have taken the port meanwhile.
      if (attempt === 5) throw error;
    }
  }
}

function tlsConfig(port: number, { certFile, keyFile, clientCaFile }: RedisTls): string {
  return [
    `tls-port ${port}`,
    `tls-cert-file ${certFile}`,
    `tls-key-file ${keyFile}`,
    `tls-ca-cert-file ${clientCaFile ?? certFile}`,
    `tls-auth-clients ${clientCaFile === undefined ? 'no' : 'yes'}`,
    'tls-replication yes',
    'tls-cluster yes',
    '',
  ].join('\n');
}

function scheme({ tls }: ServerOptions): string {
  return tls === undefined ? 'redis' : 'rediss';
}

function addresses(servers: readonly RedisServer[]): string {
  return servers.map(({ ownPort }) => `127.0.0.1:${ownPort}`).join(',');
}

async function guarded(servers: RedisServer[], start: () => Promise<RedisDeployment>): Promise<RedisDeployment> {
  try {
    return await start();
  } catch (error) {
    await stopAll(servers);
    throw error;
  }
}

async function stopAll(servers: readonly RedisServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}

async function isReplicating(server: RedisServer): Promise<boolean> {
  return String(await server.command('INFO', 'replication')).includes('master_link_status:up');
}

/** Undefined where it cannot be asked. */
async function roleOf(server: RedisServer): Promise<string | undefined> {
  if (server.pid === undefined) return undefined;
  const info = String(await server.command('INFO', 'replication').catch(() => ''));
  return /role:(\w+)/.exec(info)?.[1];
}

function asFacts(reply: unknown): Map<string, string> {
  const facts = new Map<string, string>();
  if (!Array.isArray(reply)) return facts;
  for (let i = 0; i + 1 < reply.length; i += 2) facts.set(String(reply[i]), String(reply[i + 1]));
  return facts;
}

function hasSetpriv(): boolean {
  return spawnSync('setpriv', ['--version'], { stdio: 'ignore' }).status === 0;
}
