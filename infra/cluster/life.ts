/**
 * One deployment's life on a control plane, under clients that stay: rolled out, upgraded, scaled, driven from a node, and upgraded to something that
 * cannot work. Throws where anything is not as it should be.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { Certificates } from '../../gateway/e2e/harness/certificates.ts';
import { Traffic } from '../../gateway/e2e/harness/traffic.ts';
import { FOLDER } from '../../k8s/renders.ts';
import type { ControlPlane } from './control-plane.ts';
import { Ingress } from './ingress.ts';
import { Kubelet } from './kubelet.ts';
import type { Tools } from './tools.ts';

const MAIN = fileURLToPath(new URL('../../gateway/main.js', import.meta.url));
const NAMESPACE = 'passerelle';
const IN = ['--namespace', NAMESPACE];
const NODES = [
  { node: 'node-a1', zone: 'a' },
  { node: 'node-a2', zone: 'a' },
  { node: 'node-b1', zone: 'b' },
];

export interface LifeOptions {
  readonly plane: ControlPlane;
  readonly tools: Tools;
  /** Takes what is written on the way. */
  readonly folder: string;
  readonly clients: number;
  readonly eventsPerSecond: number;
  readonly note: (line: string) => void;
}

export class Life {
  readonly #options: LifeOptions;
  #kubelets: Kubelet[] = [];
  #ingress: Ingress | undefined;
  #traffic: Traffic | undefined;

  constructor(options: LifeOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const certificates = new Certificates();
    const authority = certificates.make('redis');
    const redis = await startStandalone({ tls: authority });
    try {
      await this.#deploy(redis.url, authority.certificate);
      await this.#underTraffic();
    } catch (error) {
      for (const kubelet of this.#kubelets)
        for (const [pod, log] of kubelet.logs()) this.#options.note(`${pod}:\n  ${log.slice(-15).join('\n  ')}`);
      throw error;
    } finally {
      await this.#traffic?.stop();
      await this.#ingress?.stop();
      await Promise.all(this.#kubelets.map((kubelet) => kubelet.stop()));
      await redis.stop();
      certificates.remove();
    }
  }

  async #deploy(redisUrl: string, authority: string): Promise<void> {
    let pods = 0;
    const nextAddress = () => `10.244.${Math.floor(++pods / 250)}.${(pods % 250) + 1}`;
    const commandOf = (image: string) => {
      assert.match(image, /\/passerelle:/, 'the one image that is known here');
      return [process.execPath, MAIN];
    };
    for (const each of NODES)
      this.#kubelets.push(await Kubelet.start({ api: this.#options.plane.api, nextAddress, commandOf, ...each }));

    await this.#kubectl('create', 'namespace', NAMESPACE).catch(() => 'it is there');
    await until('the namespace is usable', async () => {
      await this.#kubectl('get', 'serviceaccount', 'default', ...IN);
      return true;
    });
    const secret = { REDIS_URL: redisUrl, TOKEN_SECRET: 'of thirty-two bytes, or some more' };
    const literals = Object.entries(secret).map(([key, value]) => `--from-literal=${key}=${value}`);
    await this.#kubectl('create', 'secret', 'generic', 'passerelle', ...literals, ...IN);
    await this.#kubectl(
      'create',
      'secret',
      'generic',
      'passerelle-redis-ca',
      `--from-literal=ca.crt=${authority}`,
      ...IN,
    );
    const applied = await this.#kubectl('apply', '--server-side', '--warnings-as-errors', '-k', this.#overlay());
    this.#options.note(`overlays/production was applied: ${applied.trim().split('\n').length} objects`);
    await this.#settled();
    const nodes = new Set((await this.#pods()).map(({ spec }) => spec.nodeName));
    assert.equal(nodes.size, NODES.length, 'one on each node');
    this.#options.note(
      'Three replicas are ready, on three nodes in two zones: the autoscaler raised them to its minimum.',
    );
  }

  async #underTraffic(): Promise<void> {
    const ingress = await Ingress.start(this.#options.plane.api, NAMESPACE, 'passerelle');
    this.#ingress = ingress;
    await until('the ingress has them all', () => ingress.endpoints.length === 3);
    const traffic = await Traffic.start({
      seed: process.pid,
      urls: () => [ingress.url],
      subscribers: this.#options.clients,
      channels: 20,
      eventsPerSecond: this.#options.eventsPerSecond,
      mostEvents: 100_000,
    });
    this.#traffic = traffic;
    this.#options.note(`${this.#options.clients} clients are subscribed through nginx`);

    await this.#step('an upgrade (rollout)', 3, async () => {
      await this.#kubectl('rollout', 'restart', 'deployment/passerelle', ...IN);
      await this.#settled();
    });
    await this.#step('a scale-out to 5', 0, async () => {
      await this.#patchMinimum(5);
      await until('there are five', async () => (await this.#readyPods()) === 5, 120_000);
      await until('the ingress has them', () => ingress.endpoints.length === 5);
    });
    await this.#step('a node that is drained', 1, async () => {
      const node = NODES[0]?.node ?? '';
      const there = (await this.#pods()).filter(({ spec }) => spec.nodeName === node).length;
      const ended = this.#endings().length;
      await this.#kubectl('drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=240s');
      assert.equal((await this.#pods()).filter(({ spec }) => spec.nodeName === node).length, 0);
      assert.equal(this.#endings().length - ended, there);
      await this.#kubectl('uncordon', node);
      await until('there are five again', async () => (await this.#readyPods()) === 5, 120_000);
    });
    await this.#step('an upgrade that cannot work (a wrong Redis address)', 0, () => this.#brokenUpgrade());

    const { violations, complaints, ...counts } = await traffic.finish();
    this.#options.note(
      Object.entries(counts)
        .map(([name, count]) => `${name} ${count}`)
        .join(', '),
    );
    assert.deepEqual(violations.slice(0, 10), []);
    assert.deepEqual(complaints.slice(0, 10), []);
    const untidy = this.#endings().filter(({ exitCode }) => exitCode !== 0);
    assert.deepEqual(untidy, [], 'every gateway that was told to go drained and ended with 0, and none was killed');
    this.#options.note(
      `${this.#endings().length} gateways drained and ended with 0; nginx read new endpoints ${ingress.reloads} times.`,
    );
    this.#options.note('Nothing was lost, nothing came twice.');
  }

  /** New pods never get ready and say why, the old ones go on, and what was undone is gone. */
  async #brokenUpgrade(): Promise<void> {
    await this.#kubectl('set', 'env', 'deployment/passerelle', 'REDIS_URL=rediss://redis.invalid:6379', ...IN);
    const isNew = (pod: Pod) =>
      pod.spec.containers[0]?.env.some(({ value }) => value === 'rediss://redis.invalid:6379');
    await until('a new pod runs', async () =>
      (await this.#pods()).some((pod) => isNew(pod) && pod.status.phase === 'Running'),
    );
    const logs = () => this.#kubelets.flatMap((kubelet) => [...kubelet.logs().values()].flat());
    await until('its log says why', () =>
      logs().some((line) => /Redis cannot be used.*|ENOTFOUND redis\.invalid/.test(line)),
    );
    const failed = await this.#kubectl('rollout', 'status', 'deployment/passerelle', '--timeout=25s', ...IN).then(
      () => undefined,
      (error: Error) => error.message,
    );
    assert.match(failed ?? 'it went through', /timed out/);
    const pods = await this.#pods();
    assert.deepEqual(
      pods.filter(isNew).map((pod) => [ready(pod), pod.status.containerStatuses[0]?.restartCount]),
      [[false, 0]],
      'one new pod, not ready, and not restarted for ever',
    );
    assert.equal(pods.filter((pod) => !isNew(pod) && ready(pod)).length, 5, 'none of the old ones went');
    await this.#kubectl('rollout', 'undo', 'deployment/passerelle', ...IN);
    await this.#settled();
  }

  /** Waits for the deployment to be as it should be, and for the pods that went to be gone. */
  async #settled(): Promise<void> {
    // An autoscaler that has not looked yet would let one replica pass for all.
    await until('there are enough', async () => (await this.#readyPods()) >= 3, 120_000);
    await this.#kubectl('rollout', 'status', 'deployment/passerelle', '--timeout=300s', ...IN);
    await until(
      'those that went are gone',
      async () => {
        return (await this.#pods()).every(({ metadata }) => metadata.deletionTimestamp === undefined);
      },
      120_000,
    );
  }

  async #step(what: string, leastGone: number, act: () => Promise<void>): Promise<void> {
    const traffic = this.#traffic;
    assert(traffic !== undefined);
    const before = { published: traffic.published, reconnects: traffic.reconnects, gone: this.#endings().length };
    await act();
    await until('events go on', () => traffic.published > before.published + 50);
    const gone = this.#endings().length - before.gone;
    assert(gone >= leastGone, `${gone} gateways went`);
    this.#options.note(
      `${what}: ${gone} gateways went, ${traffic.reconnects - before.reconnects} clients came back, ` +
        `${traffic.published - before.published} events were published meanwhile`,
    );
  }

  async #patchMinimum(minReplicas: number): Promise<void> {
    const patch = JSON.stringify({ spec: { minReplicas } });
    await this.#kubectl('patch', 'hpa', 'passerelle', '--type=merge', `--patch=${patch}`, ...IN);
  }

  async #readyPods(): Promise<number> {
    return (await this.#pods()).filter((pod) => ready(pod) && pod.metadata.deletionTimestamp === undefined).length;
  }

  async #pods(): Promise<readonly Pod[]> {
    const { items } = await this.#options.plane.api.get(`/api/v1/namespaces/${NAMESPACE}/pods`);
    return items;
  }

  #endings() {
    return this.#kubelets.flatMap(({ endings }) => endings);
  }

  #kubectl(...args: string[]): Promise<string> {
    return this.#options.tools.kubectl(...args);
  }

  /** As somebody would copy it: the overlay for production, with settings of one's own. */
  #overlay(): string {
    const folder = join(this.#options.folder, 'overlay');
    mkdirSync(folder);
    const rights = { subscribe: 'everyone', publish: 'everyone', history: 'everyone' };
    // Nothing may be trimmed: whatever a client missed must be there when it comes back.
    const channels = { namespaces: { load: { history: { size: 100_000, retention: '1h' }, rights } } };
    writeFileSync(join(folder, 'channels.json'), JSON.stringify(channels));
    const kustomization = {
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      namespace: NAMESPACE,
      resources: [relative(folder, join(FOLDER, 'overlays/production'))],
      configMapGenerator: [
        { name: 'passerelle-settings', behavior: 'merge', literals: ['ALLOW_ANONYMOUS=on'] },
        { name: 'passerelle-channels', behavior: 'replace', files: ['channels.json'] },
      ],
    };
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
    return folder;
  }
}

interface Pod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec: {
    readonly nodeName?: string;
    readonly containers: readonly { readonly env: readonly { readonly name: string; readonly value?: string }[] }[];
  };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses: readonly { readonly restartCount: number }[];
  };
}

function ready({ status }: Pod): boolean {
  return status.conditions?.some(({ type, status: holds }) => type === 'Ready' && holds === 'True') === true;
}
