/**
 * Plays a node: registers it, keeps its lease, and runs the pods that the scheduler gives it as plain processes of this machine. What a kubelet does for the
 * gateway's sake is real: environment from ConfigMaps and Secrets, probes, restarts, the pause before SIGTERM, the grace period, and what it tells
 * the API server. What a container runtime would add (image, user, limits, mounts) is not.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentOf } from '../../k8s/pod.ts';
import type { KubernetesObject } from '../../k8s/renders.ts';
import { type ApiClient, ApiError } from './api.ts';
import { type ContainerSpec, RunningContainer, type Termination } from './container.ts';

export interface KubeletOptions {
  readonly api: ApiClient;
  readonly node: string;
  readonly zone: string;
  /** Gives each pod an address of its own. */
  readonly nextAddress: () => string;
  /** What runs in place of a container of this image. */
  readonly commandOf: (image: string) => readonly string[];
}

/** How a pod ended that was told to. */
export interface Ending extends Termination {
  readonly pod: string;
}

interface LocalPod {
  readonly object: KubernetesObject;
  readonly address: string;
  readonly folder: string;
  readonly startTime: string;
  container: RunningContainer | undefined;
  /** Why there is no container. */
  fault: string | undefined;
  ending: boolean;
  /** Reports go out one after the other, each with what is true when it does. */
  reporting: Promise<void>;
}

const LEASE_MS = 5_000;
const CONFIG_RETRY_MS = 2_000;

export class Kubelet {
  /** In the order in which they ended. */
  readonly endings: Ending[] = [];
  readonly #options: KubeletOptions;
  readonly #pods = new Map<string, LocalPod>();
  readonly #abort = new AbortController();
  #lease: NodeJS.Timeout | undefined;

  private constructor(options: KubeletOptions) {
    this.#options = options;
  }

  static async start(options: KubeletOptions): Promise<Kubelet> {
    const kubelet = new Kubelet(options);
    await kubelet.#register();
    return kubelet;
  }

  /** The logs of the pods that run here, by name. */
  logs(): ReadonlyMap<string, readonly string[]> {
    return new Map(
      [...this.#pods.values()].map(({ object, container }) => [object.metadata.name, container?.log ?? []]),
    );
  }

  /** Ends all that runs here at once. */
  async stop(): Promise<void> {
    this.#abort.abort();
    clearInterval(this.#lease);
    for (const { container, folder } of this.#pods.values()) {
      await container?.end(0);
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async #register(): Promise<void> {
    const { api, node, zone } = this.#options;
    const labels = { 'kubernetes.io/hostname': node, 'kubernetes.io/os': 'linux', 'topology.kubernetes.io/zone': zone };
    await api.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: node, labels } });
    const resources = { cpu: '8', memory: '16Gi', pods: '50' };
    const now = new Date().toISOString();
    const condition = {
      type: 'Ready',
      status: 'True',
      reason: 'KubeletReady',
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    };
    await api.patch(`/api/v1/nodes/${node}/status`, {
      status: { capacity: resources, allocatable: resources, conditions: [condition] },
    });
    const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
    const spec = () => ({
      holderIdentity: node,
      leaseDurationSeconds: 40,
      renewTime: `${new Date().toISOString().slice(0, -1)}000Z`,
    });
    await api.create(leases, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: node },
      spec: spec(),
    });
    this.#lease = setInterval(() => {
      api.patch(`${leases}/${node}`, { spec: spec() }).catch(ignoreAway);
    }, LEASE_MS);
    void api.watch(`/api/v1/pods?fieldSelector=spec.nodeName%3D${node}`, this.#abort.signal, ({ type, object }) => {
      if (type === 'DELETED') return;
      const uid = (object.metadata as { uid?: string }).uid ?? '';
      const known = this.#pods.get(uid);
      const { deletionTimestamp } = object.metadata as { deletionTimestamp?: string };
      if (deletionTimestamp !== undefined) void this.#end(uid, object, known);
      else if (known === undefined) this.#begin(uid, object);
    });
  }

  #begin(uid: string, object: KubernetesObject): void {
    const pod: LocalPod = {
      object,
      address: this.#options.nextAddress(),
      folder: mkdtempSync(join(tmpdir(), 'passerelle-pod-')),
      startTime: new Date().toISOString(),
      container: undefined,
      fault: undefined,
      ending: false,
      reporting: Promise.resolve(),
    };
    this.#pods.set(uid, pod);
    void this.#create(pod);
  }

  /** Tries on for as long as a ConfigMap or Secret is missing. */
  async #create(pod: LocalPod): Promise<void> {
    const [spec] = pod.object.spec.containers as readonly ContainerSpec[];
    if (spec === undefined) throw new Error('a pod has a container');
    while (!pod.ending && !this.#abort.signal.aborted) {
      try {
        const env = await this.#environment(pod);
        if (pod.ending) return;
        const command = this.#options.commandOf(spec.image);
        pod.container = new RunningContainer({
          spec,
          command,
          env,
          address: pod.address,
          onChange: () => this.#report(pod),
        });
        pod.fault = undefined;
        return;
      } catch (error) {
        pod.fault = error instanceof Error ? error.message : String(error);
        this.#report(pod);
      }
      await new Promise((resolve) => setTimeout(resolve, CONFIG_RETRY_MS));
    }
  }

  /** As the container would see it, but for its paths and its address, which it shares with all the others here. */
  async #environment({ object, folder, address }: LocalPod): Promise<Record<string, string>> {
    const { namespace = '', name } = object.metadata;
    const found = new Map<string, KubernetesObject>();
    const fetch = async (kind: 'ConfigMap' | 'Secret', wanted: string) => {
      const path = `/api/v1/namespaces/${namespace}/${kind.toLowerCase()}s/${wanted}`;
      try {
        found.set(`${kind} ${wanted}`, await this.#options.api.get(path));
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
      }
      return found.get(`${kind} ${wanted}`);
    };
    const [container] = object.spec.containers;
    for (const { configMapRef, secretRef } of container.envFrom ?? []) {
      if (configMapRef) await fetch('ConfigMap', configMapRef.name);
      if (secretRef) await fetch('Secret', secretRef.name);
    }
    const given = environmentOf(container, name, (kind, wanted) => found.get(`${kind} ${wanted}`));

    const mounted = (path: string) => join(folder, path);
    const mounts = (container.volumeMounts ?? []) as readonly { readonly name: string; readonly mountPath: string }[];
    for (const { name: volumeName, mountPath } of mounts) {
      const volume = object.spec.volumes.find((each: { name: string }) => each.name === volumeName);
      if (volume?.configMap === undefined && volume?.secret === undefined) continue;
      const kind = volume.configMap ? 'ConfigMap' : 'Secret';
      const wanted = volume.configMap?.name ?? volume.secret.secretName;
      const source = await fetch(kind, wanted);
      mkdirSync(mounted(mountPath), { recursive: true });
      if (source === undefined && (volume.configMap ?? volume.secret).optional === true) continue;
      if (source === undefined) throw new Error(`MountVolume.SetUp failed: ${kind} ${wanted} not found`);
      for (const [file, content] of Object.entries((source.data ?? {}) as Record<string, string>))
        writeFileSync(join(mounted(mountPath), file), Buffer.from(content, kind === 'Secret' ? 'base64' : 'utf8'));
    }
    const env = Object.fromEntries(
      Object.entries(given).map(([key, value]) => [
        key,
        mounts.some(({ mountPath }) => value.startsWith(`${mountPath}/`)) ? mounted(value) : value,
      ]),
    );
    return { PATH: '/usr/bin:/bin', ...env, HOST: address, INTERNAL_HOST: address };
  }

  async #end(uid: string, object: KubernetesObject, pod: LocalPod | undefined): Promise<void> {
    if (pod?.ending) return;
    if (pod !== undefined) {
      pod.ending = true;
      const { deletionGracePeriodSeconds = 30 } = object.metadata as { deletionGracePeriodSeconds?: number };
      const ended = await pod.container?.end(deletionGracePeriodSeconds);
      if (ended !== undefined) this.endings.push({ ...ended, pod: object.metadata.name });
      this.#report(pod);
      await pod.reporting;
      rmSync(pod.folder, { recursive: true, force: true });
      this.#pods.delete(uid);
    }
    const path = `/api/v1/namespaces/${object.metadata.namespace}/pods/${object.metadata.name}`;
    await this.#options.api.delete(path, { gracePeriodSeconds: 0, preconditions: { uid } }).catch(ignoreAway);
  }

  #report(pod: LocalPod): void {
    pod.reporting = pod.reporting.then(async () => {
      if (this.#abort.signal.aborted) return;
      const { namespace, name } = pod.object.metadata;
      const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
      await this.#options.api.patch(path, { status: statusOf(pod) }).catch(ignoreAway);
    });
  }
}

function statusOf({ object, address, startTime, container, fault, ending }: LocalPod): object {
  const [spec] = object.spec.containers as readonly ContainerSpec[];
  const ready = container?.ready === true;
  const condition = (type: string, holds: boolean) => ({
    type,
    status: holds ? 'True' : 'False',
    lastTransitionTime: new Date().toISOString(),
  });
  const over = ending && container?.startedAt === undefined;
  return {
    phase: over ? 'Succeeded' : container === undefined ? 'Pending' : 'Running',
    startTime,
    podIP: address,
    podIPs: [{ ip: address }],
    conditions: [
      condition('Initialized', true),
      condition('ContainersReady', ready),
      condition('Ready', ready),
      condition('PodReadyToStartContainers', true),
    ],
    containerStatuses: [
      {
        name: spec?.name,
        image: spec?.image,
        imageID: '',
        ready,
        started: container?.started === true,
        restartCount: container?.restarts ?? 0,
        state: stateOf(container, fault, over),
        lastState: container?.last && !over ? { terminated: terminated(container.last) } : {},
      },
    ],
  };
}

function stateOf(container: RunningContainer | undefined, fault: string | undefined, over: boolean): object {
  if (container?.startedAt !== undefined) return { running: { startedAt: container.startedAt } };
  if (over && container?.last !== undefined) return { terminated: terminated(container.last) };
  if (container?.last !== undefined)
    return { waiting: { reason: 'CrashLoopBackOff', message: container.last.message } };
  return {
    waiting: { reason: fault === undefined ? 'ContainerCreating' : 'CreateContainerConfigError', message: fault ?? '' },
  };
}

function terminated({ exitCode, startedAt, finishedAt, message }: Termination): object {
  const code = exitCode ?? 137;
  return {
    exitCode: code,
    reason: code === 0 ? 'Completed' : 'Error',
    startedAt,
    finishedAt,
    message: code === 0 ? '' : message,
  };
}

/** The object is gone or another one by now, or the API server is away: the next report says what is to be said. */
function ignoreAway(error: unknown): void {
  if (error instanceof ApiError && [404, 409].includes(error.status)) return;
  if (!(error instanceof Error && 'code' in error)) throw error;
}
