/** Plays an ingress controller: keeps a real nginx, with the project's configuration, on the endpoints of a Service that are ready. */
import { NginxProcess } from '../../gateway/e2e/harness/nginx.ts';
import type { KubernetesObject } from '../../k8s/renders.ts';
import type { ApiClient } from './api.ts';

interface Endpoint {
  readonly addresses: readonly string[];
  readonly conditions?: { readonly ready?: boolean };
}

export class Ingress {
  /** How often its nginx has read new endpoints. */
  reloads = 0;
  readonly #slices = new Map<string, readonly string[]>();
  readonly #abort = new AbortController();
  readonly #nginx: NginxProcess;
  #urls = '';

  private constructor(nginx: NginxProcess) {
    this.#nginx = nginx;
  }

  /** Until there are endpoints everybody is told to come back. */
  static async start(api: ApiClient, namespace: string, service: string): Promise<Ingress> {
    // 192.0.2.1 is nobody's. The workers of before a reload stay for as long as ingress-nginx leaves them by default.
    const ingress = new Ingress(await NginxProcess.start(['http://192.0.2.1:8080'], { shutdownSeconds: 240 }));
    const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D${service}`;
    void api.watch(path, ingress.#abort.signal, ({ type, object }) => {
      if (type === 'DELETED') ingress.#slices.delete(object.metadata.name);
      else ingress.#slices.set(object.metadata.name, readyUrls(object));
      ingress.#spread();
    });
    return ingress;
  }

  get url(): string {
    return this.#nginx.url;
  }

  get endpoints(): readonly string[] {
    return this.#urls.split(' ').filter(Boolean);
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#nginx.stop();
  }

  #spread(): void {
    const urls = [...new Set([...this.#slices.values()].flat())].sort();
    if (urls.length === 0 || urls.join(' ') === this.#urls) return;
    this.#urls = urls.join(' ');
    this.reloads++;
    this.#nginx.spreadOver(urls);
  }
}

function readyUrls({ endpoints, ports }: KubernetesObject): string[] {
  const port = ((ports ?? []) as readonly { readonly name: string; readonly port: number }[]).find(
    ({ name }) => name === 'http',
  );
  if (port === undefined) return [];
  return ((endpoints ?? []) as readonly Endpoint[])
    .filter(({ conditions }) => conditions?.ready === true)
    .flatMap(({ addresses }) => addresses.map((address) => `http://${address}:${port.port}`));
}
