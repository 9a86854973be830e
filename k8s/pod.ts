/** What a kubelet makes of a pod's container: the environment of its process, out of ConfigMaps, Secrets and the pod itself. */
import type { KubernetesObject } from './renders.ts';

/** Finds an object of the pod's namespace. */
export type Lookup = (kind: 'ConfigMap' | 'Secret', name: string) => KubernetesObject | undefined;

interface Reference {
  readonly name: string;
  readonly optional?: boolean;
}

export interface Container {
  readonly envFrom?: readonly { readonly configMapRef?: Reference; readonly secretRef?: Reference }[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
  }[];
}

/** Throws where a kubelet would not start the container: something is missing that is not optional. */
export function environmentOf(container: Container, podName: string, lookup: Lookup): Record<string, string> {
  const env: Record<string, string> = {};
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef !== undefined) Object.assign(env, dataOf('ConfigMap', configMapRef, lookup));
    if (secretRef !== undefined) Object.assign(env, dataOf('Secret', secretRef, lookup));
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    if (valueFrom !== undefined && valueFrom.fieldRef?.fieldPath !== 'metadata.name')
      throw new Error(`${name} is taken from where nothing is known of here: ${JSON.stringify(valueFrom)}`);
    env[name] = valueFrom === undefined ? (value ?? '') : podName;
  }
  return env;
}

function dataOf(kind: 'ConfigMap' | 'Secret', { name, optional }: Reference, lookup: Lookup): Record<string, string> {
  const object = lookup(kind, name);
  if (object === undefined && optional !== true) throw new Error(`${kind} ${name} not found`);
  return kind === 'Secret' ? secretData(object) : object?.data;
}

/** A Secret's values as text, as `data` or as `stringData` has them. */
export function secretData(secret: KubernetesObject | undefined): Record<string, string> {
  const encoded = Object.entries((secret?.data ?? {}) as Record<string, string>);
  const decoded = encoded.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()] as const);
  return { ...Object.fromEntries(decoded), ...secret?.stringData };
}
