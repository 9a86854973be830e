/**
 * The manifests as a cluster gets them: rendered by kubectl and helm from the sources in this folder, and kept in `rendered/`, so that they can be
 * checked where neither is installed. `npm run k8s:render` writes them; `renders.test.ts` holds them to their sources.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

/** This folder in the repository; the built tests stand elsewhere. */
export const FOLDER = fileURLToPath(new URL('../../k8s/', import.meta.url));
/** What charts are rendered for; without a cluster helm takes a version of its own. */
const KUBERNETES = '1.37.2';
const SOURCES = ['base', 'components', 'overlays', 'helm'];

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: every kind has another form, which is what the schemas check.
  readonly [field: string]: any;
}

export interface Render {
  readonly name: string;
  readonly program: 'kubectl' | 'helm';
  /** The manifests as YAML; undefined where the program is not installed, or too old. */
  run(): string | undefined;
}

export const RENDERS: readonly Render[] = [
  overlay('local'),
  overlay('production'),
  // What the overlay for production does not take.
  components('keda-f5', ['autoscale-keda', 'ingress-f5']),
  components('cpu-gateway-api', ['autoscale-cpu', 'gateway-api']),
  chart('local', ['--values', 'helm/examples/local.yaml']),
  chart('production', ['--values', 'helm/examples/production.yaml']),
  chart('keda-f5', ['--set', 'autoscaling.by=keda,ingress.controller=f5']),
  chart('cpu-gateway-api', ['--set', 'autoscaling.by=cpu,gatewayApi.enabled=true']),
];

/** What `rendered/` has of it. */
export function rendered(name: string): KubernetesObject[] {
  return parseObjects(readFileSync(join(FOLDER, 'rendered', `${name}.yaml`), 'utf8'));
}

export function parseObjects(yaml: string): KubernetesObject[] {
  return parseAllDocuments(yaml)
    .map((document) => document.toJS() as KubernetesObject | null)
    .filter((object) => object !== null);
}

/** The first line of what is kept: it says of which sources it is. */
export function headline(): string {
  const hash = createHash('sha256');
  for (const folder of SOURCES)
    for (const file of (readdirSync(join(FOLDER, folder), { recursive: true, withFileTypes: true }) as FileEntry[])
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort())
      hash.update(`${relative(FOLDER, file)}\0${readFileSync(file, 'utf8')}\0`);
  return `# Written by \`npm run k8s:render\` from sources with the digest ${hash.digest('hex')}`;
}

interface FileEntry {
  readonly name: string;
  readonly parentPath: string;
  isFile(): boolean;
}

function overlay(name: string): Render {
  return { name: `kustomize-${name}`, program: 'kubectl', run: () => kustomize(join(FOLDER, 'overlays', name)) };
}

/** The base with these components: an overlay as users write them. */
function components(name: string, parts: readonly string[]): Render {
  const run = () => {
    const folder = mkdtempSync(join(tmpdir(), 'passerelle-overlay-'));
    const from = (path: string) => relative(folder, join(FOLDER, path));
    const kustomization = {
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      namespace: 'passerelle',
      resources: [from('base')],
      components: parts.map((part) => from(`components/${part}`)),
    };
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
    try {
      return kustomize(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
  return { name: `kustomize-${name}`, program: 'kubectl', run };
}

function kustomize(folder: string): string | undefined {
  return output('kubectl', ['kustomize', folder]);
}

function chart(name: string, options: readonly string[]): Render {
  const args = ['template', 'passerelle', 'helm/passerelle', '--namespace', 'passerelle', '--kube-version', KUBERNETES];
  return { name: `helm-${name}`, program: 'helm', run: () => output('helm', [...args, ...options]) };
}

function output(program: string, args: readonly string[]): string | undefined {
  const { error, status, stdout, stderr } = spawnSync(program, args, { cwd: FOLDER, encoding: 'utf8' });
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') return undefined;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`, { cause: error });
  return stdout;
}
