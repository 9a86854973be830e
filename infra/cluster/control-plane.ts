/**
 * A real Kubernetes control plane on this machine: etcd, API server, controller manager and scheduler, of binaries that are given. It has no nodes; `kubelet.ts`
 * plays them. It ends with the process that started it.
 *
 * It listens on an address of its own, so it belongs into a network namespace in which that address is local (`cluster.e2e.ts` makes one).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../broker/testing/until.ts';
import { ApiClient } from './api.ts';

/** In the range of the pods, which the namespace has as local addresses. */
const ADDRESS = '10.244.255.1';
const PORT = 6443;
const ETCD = 'http://127.0.0.1:2379';
const START_LIMIT_MS = 180_000;

export class ControlPlane {
  readonly api: ApiClient;
  /** The path of a configuration by which kubectl and helm reach it, as somebody who may do everything. */
  readonly kubeconfig: string;
  readonly #children: ChildProcess[];

  private constructor(api: ApiClient, kubeconfig: string, children: ChildProcess[]) {
    this.api = api;
    this.kubeconfig = kubeconfig;
    this.#children = children;
  }

  /** Resolves once it serves. `folder` gets its data and logs. */
  static async start(binaries: string, folder: string): Promise<ControlPlane> {
    const children: ChildProcess[] = [];
    const run = (program: string, ...args: string[]) => children.push(start(join(binaries, program), args, folder));
    const token = randomBytes(24).toString('hex');
    const certificates = join(folder, 'certificates');
    mkdirSync(certificates);
    const key = join(folder, 'service-accounts.key');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const tokens = join(folder, 'tokens.csv');
    writeFileSync(tokens, `${token},admin,admin,system:masters\n`);
    const kubeconfig = join(folder, 'kubeconfig');
    const certificate = join(certificates, 'apiserver.crt');
    writeFileSync(kubeconfig, JSON.stringify(configuration(certificate, token)));

    run(
      'etcd',
      '--data-dir',
      join(folder, 'etcd'),
      '--listen-client-urls',
      ETCD,
      '--advertise-client-urls',
      ETCD,
      '--unsafe-no-fsync',
    );
    run(
      'kube-apiserver',
      ...[
        '--etcd-servers',
        ETCD,
        '--bind-address',
        ADDRESS,
        '--advertise-address',
        ADDRESS,
        '--secure-port',
        `${PORT}`,
      ],
      ...['--cert-dir', certificates, '--token-auth-file', tokens, '--authorization-mode', 'RBAC'],
      ...['--service-cluster-ip-range', '10.96.0.0/16', '--service-account-issuer', 'https://kubernetes.default.svc'],
      ...['--service-account-key-file', key, '--service-account-signing-key-file', key],
    );
    let api: ApiClient | undefined;
    await until(
      'the API server is ready',
      async () => {
        const dead = children.find(({ exitCode }) => exitCode !== null);
        if (dead) throw new Error(`${dead.spawnfile} has ended: see its log in ${folder}`);
        api = new ApiClient({ host: ADDRESS, port: PORT, token, certificate: readFileSync(certificate, 'utf8') });
        return (await api.get('/readyz')) === 'ok';
      },
      START_LIMIT_MS,
    );
    const common = ['--kubeconfig', kubeconfig, '--leader-elect=false', '--secure-port', '0'];
    // Decisions of the autoscaler every five seconds, so that a run need not wait.
    run(
      'kube-controller-manager',
      ...common,
      '--service-account-private-key-file',
      key,
      '--horizontal-pod-autoscaler-sync-period',
      '5s',
    );
    run('kube-scheduler', ...common);
    if (api === undefined) throw new Error('unreachable: it was ready');
    const plane = new ControlPlane(api, kubeconfig, children);
    await until(
      'the controllers work',
      async () => {
        await plane.api.get('/api/v1/namespaces/default/serviceaccounts/default');
        return true;
      },
      START_LIMIT_MS,
    );
    return plane;
  }

  async stop(): Promise<void> {
    for (const child of this.#children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
  }
}

function start(program: string, args: readonly string[], folder: string): ChildProcess {
  const log = createWriteStream(join(folder, `${program.split('/').at(-1)}.log`));
  const child = spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) stream.pipe(log);
  return child;
}

function configuration(certificate: string, token: string): object {
  const name = 'passerelle-e2e';
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: `https://${ADDRESS}:${PORT}`, 'certificate-authority': certificate } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
}
