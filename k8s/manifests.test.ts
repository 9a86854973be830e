/** What the manifests say, as a cluster gets them: of the right form, of one piece, and true of the gateway. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parse } from 'yaml';
import { parseRedisUrl } from '../broker/redis/url.ts';
import { Certificates } from '../gateway/e2e/harness/certificates.ts';
import { call } from '../gateway/e2e/harness/http-client.ts';
import { GatewayProcess } from '../gateway/e2e/harness/processes.ts';
import { type Config, loadConfig, SETTINGS } from '../gateway/settings/config.ts';
import { packageVersion } from '../gateway/settings/usage.ts';
import { source } from './copies.ts';
import { environmentOf, secretData } from './pod.ts';
import { FOLDER, type KubernetesObject, RENDERS, rendered } from './renders.ts';
import { Schemas } from './schema.ts';

const schemas = new Schemas();
const names = RENDERS.map(({ name }) => name);
/** What is not in the manifests, as it is made by hand (k8s/README.md). */
const MADE_BY_HAND = ['Secret passerelle', 'Secret passerelle-redis-ca', 'Secret passerelle-tls'];
/** Settings of libraries. */
const NOT_OURS = ['UWS_HTTP_MAX_HEADERS_SIZE'];

const certificates = new Certificates();
const authority = certificates.make('redis').certificate;
after(() => certificates.remove());

type Fields = Readonly<Record<string, unknown>>;

const find = (objects: readonly KubernetesObject[], kind: string, name = 'passerelle') =>
  objects.find((object) => object.kind === kind && object.metadata.name === name);

function gatewayOf(objects: readonly KubernetesObject[]) {
  const deployment = find(objects, 'Deployment');
  assert(deployment !== undefined);
  const { template } = deployment.spec;
  const [container] = template.spec.containers;
  return { deployment, template, container };
}

/** What the gateway's environment is; the Secret that is made by hand is taken to have what the example has. */
function environmentIn(objects: readonly KubernetesObject[]): Record<string, string> {
  const byHand = { ...(objects[0] as KubernetesObject), stringData: exampleSecrets() };
  const env = environmentOf(gatewayOf(objects).container, 'passerelle-5d4f8c7b9-abcde', (kind, name) => {
    return find(objects, kind, name) ?? (name === 'passerelle' ? byHand : undefined);
  });
  return { HOST: '0.0.0.0', ...env }; // from the image
}

function exampleSecrets(): Record<string, string> {
  const lines = readFileSync(join(FOLDER, 'overlays/production/secrets.env.example'), 'utf8').trim().split('\n');
  const pairs = lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const);
  return { ...Object.fromEntries(pairs), API_KEYS: `backend:${'0123456789abcdef'.repeat(4)}` };
}

function configOf(objects: readonly KubernetesObject[]): Config {
  const env = environmentIn(objects);
  const channels = objects.find(({ kind, data }) => kind === 'ConfigMap' && data['channels.json'] !== undefined);
  const loaded = loadConfig(env, {
    generateId: () => assert.fail('the pod has a name'),
    checkRedisUrl: (url) => {
      const parsed = parseRedisUrl(url);
      return parsed.ok ? undefined : parsed.error;
    },
    readFile: (path) => {
      const files: Record<string, string> = {
        '/etc/passerelle/channels.json': channels?.data['channels.json'],
        '/etc/passerelle-redis-ca/ca.crt': authority,
      };
      return files[path] ?? assert.fail(`${path} is not mounted`);
    },
  });
  assert(loaded.ok, loaded.ok ? '' : loaded.faults.join('\n'));
  return loaded.config;
}

const isWithin = (part: Fields, whole: Fields = {}) =>
  Object.entries(part).every(([key, value]) => whole[key] === value);

for (const name of names)
  describe(name, () => {
    const objects = rendered(name);
    const gateway = gatewayOf(objects);

    test('every object has the form that the API server asks for, with no field that it does not know', () => {
      assert(objects.length > 5);
      assert.deepEqual(
        objects.flatMap((object) => schemas.faults(object)),
        [],
      );
    });

    test('a field that is misspelt anywhere is noticed', () => {
      for (const object of objects) {
        let misspelt = 0;
        for (const path of pathsOf(object)) {
          const spoiled = structuredClone(object) as KubernetesObject;
          const parent = path
            .slice(0, -1)
            .reduce((at: Record<string, unknown>, key) => at[key] as never, spoiled as never);
          const last = path.at(-1) ?? '';
          parent[`${last}x`] = parent[last];
          delete parent[last];
          misspelt++;
          assert.notDeepEqual(schemas.faults(spoiled), [], `${object.kind} ${path.join('.')}`);
        }
        assert(misspelt > 2, object.kind);
      }
    });

    test('selectors select the pods that they are meant for, and ports have their names', () => {
      const labels = gateway.template.metadata.labels as Fields;
      assert(isWithin(gateway.deployment.spec.selector.matchLabels, labels));
      for (const spread of gateway.template.spec.topologySpreadConstraints) {
        assert(isWithin(spread.labelSelector.matchLabels, labels));
        assert.equal(spread.whenUnsatisfiable, 'ScheduleAnyway', 'a rule would block the draining of a node');
      }
      const service = find(objects, 'Service');
      assert(isWithin(service?.spec.selector, labels));
      assert(isWithin(find(objects, 'PodDisruptionBudget')?.spec.selector.matchLabels, labels));
      assert(isWithin(find(objects, 'NetworkPolicy')?.spec.podSelector.matchLabels, labels));
      const monitor = find(objects, 'ServiceMonitor');
      if (monitor) assert(isWithin(monitor.spec.selector.matchLabels, service?.metadata.labels));
      const ports = gateway.container.ports.map((port: { name: string }) => port.name);
      const { startupProbe, livenessProbe, readinessProbe } = gateway.container;
      for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) assert(ports.includes(httpGet.port));
      for (const { targetPort } of service?.spec.ports ?? []) assert(ports.includes(targetPort));
      const { port: publicPort, internalPort } = configOf(objects);
      assert.deepEqual(
        gateway.container.ports.map(({ name, containerPort }: { name: string; containerPort: number }) => [
          name,
          containerPort,
        ]),
        [
          ['http', publicPort],
          ['internal', internalPort],
        ],
      );
      // Strangers come by the one port, probes and Prometheus by the other.
      assert.equal(service?.spec.ports[0].targetPort, 'http');
      for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) assert.equal(httpGet.port, 'internal');
      const internalName = service?.spec.ports[1].name;
      if (monitor)
        assert.deepEqual(
          monitor.spec.endpoints.map(({ port }: { port: string }) => port),
          [internalName],
        );
      const [fromProxies, fromMonitoring] = find(objects, 'NetworkPolicy')?.spec.ingress ?? [];
      assert.deepEqual([fromProxies.ports[0].port, fromMonitoring.ports[0].port], ['http', 'internal']);
      // Nor may it be mixed up with Redis's pods.
      const redis = find(objects, 'StatefulSet', 'passerelle-redis');
      if (redis) assert(!isWithin(service?.spec.selector, redis.spec.template.metadata.labels));
    });

    test('whatever is named is there', () => {
      const there = [...objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`), ...MADE_BY_HAND];
      for (const reference of references(objects)) assert(there.includes(reference), `${reference} is missing`);
    });

    test('the settings are such as the gateway takes, and nothing else', () => {
      const config = configOf(objects);
      const known = [...Object.values(SETTINGS).map((setting) => setting.name), ...NOT_OURS];
      assert.deepEqual(
        Object.keys(environmentIn(objects)).filter((variable) => !known.includes(variable)),
        [],
      );
      assert.equal(config.nodeEnv, 'production');
      assert.equal(config.redisRequired, true);
      assert.equal(config.auth.open, name.endsWith('local'));
    });

    test('a gateway has time to drain before it is killed', () => {
      const { preStop } = gateway.container.lifecycle;
      const grace = gateway.template.spec.terminationGracePeriodSeconds;
      assert(grace > preStop.sleep.seconds + configOf(objects).shutdownTimeoutSeconds);
    });

    test('no replica goes before another one has come, and readiness alone depends on Redis', () => {
      assert.deepEqual(gateway.deployment.spec.strategy, {
        type: 'RollingUpdate',
        rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
      });
      assert.equal(gateway.container.livenessProbe.httpGet.path, '/healthz');
      assert.equal(gateway.container.startupProbe.httpGet.path, '/healthz');
      assert.equal(gateway.container.readinessProbe.httpGet.path, '/readyz');
      const scaled = find(objects, 'HorizontalPodAutoscaler') ?? find(objects, 'ScaledObject');
      assert.equal(gateway.deployment.spec.replicas, scaled === undefined ? 3 : undefined, 'the autoscaler has it');
    });

    test('proxies wait longer than a silent connection is silent, and let every body in that the gateway takes', () => {
      const ingress = find(objects, 'Ingress');
      if (ingress === undefined) return;
      const { idleTimeoutSeconds, keepAliveSeconds, maxBodyBytes } = configOf(objects);
      const annotations = Object.entries(ingress.metadata.annotations ?? {});
      const values = (word: string) => annotations.filter(([key]) => key.endsWith(word)).map(([, value]) => value);
      const waits = [...values('/proxy-read-timeout'), ...values('/proxy-send-timeout')].map((wait) =>
        Number.parseInt(wait, 10),
      );
      assert.equal(waits.length, 2);
      for (const wait of waits) assert(wait > idleTimeoutSeconds && wait > keepAliveSeconds);
      assert.deepEqual(['off', 'false'].filter((word) => values('/proxy-buffering').includes(word)).length, 1);
      const [size] = [...values('/proxy-body-size'), ...values('/client-max-body-size')];
      assert(Number.parseInt(size ?? '', 10) * 1024 * 1024 > maxBodyBytes);
    });

    test('strangers reach what clients use, and neither metrics nor pages', () => {
      const route = find(objects, 'HTTPRoute')?.spec.rules[0].matches.map(
        (match: { path: Fields }) => match.path.value,
      );
      const paths = find(objects, 'Ingress')?.spec.rules[0].http.paths.map((path: Fields) => path.path) ?? route;
      if (paths !== undefined)
        assert.deepEqual([...paths].sort(), ['/api', '/chat', '/client.js', '/events', '/notifications', '/ws']);
    });
  });

describe('what watches the gateways', () => {
  const alerts = source('infra/prometheus/alerts.yml');
  const [, job = ''] = /up\{job=~"([^"]+)"\}/.exec(alerts) ?? [];
  const watched = names.filter((name) => find(rendered(name), 'ServiceMonitor') !== undefined);

  test('is in the chart and in the overlays', () =>
    assert.deepEqual(watched, ['kustomize-production', 'helm-production']));

  for (const name of watched) {
    const objects = rendered(name);

    test(`${name}: the alerts are those that are tested, and look for the job that the gateways are given`, () => {
      assert.deepEqual(find(objects, 'PrometheusRule')?.spec, parse(alerts));
      const { jobLabel } = find(objects, 'ServiceMonitor')?.spec ?? {};
      assert.match(find(objects, 'Service')?.metadata.labels?.[jobLabel] ?? '', new RegExp(`^${job}$`));
    });

    test(`${name}: Grafana's sidecar finds the dashboard`, () => {
      const dashboard = find(objects, 'ConfigMap', 'passerelle-dashboard');
      assert.equal(dashboard?.metadata.labels?.grafana_dashboard, '1');
      assert.deepEqual(dashboard?.data, { 'passerelle.json': source('infra/grafana/dashboards/passerelle.json') });
    });
  }
});

describe('the chart and the overlays', () => {
  for (const name of names.filter((each) => each.startsWith('helm-')).map((each) => each.slice('helm-'.length)))
    test(`${name}: both are one shape`, () => {
      const chart = alike(rendered(`helm-${name}`));
      const overlay = alike(rendered(`kustomize-${name}`));
      assert.deepEqual(Object.keys(chart).sort(), Object.keys(overlay).sort());
      for (const key of Object.keys(chart)) assert.deepEqual(chart[key], overlay[key], key);
    });

  test('have the version of the package', () => {
    for (const name of names)
      assert.match(gatewayOf(rendered(name)).container.image, new RegExp(`:${packageVersion()}$`));
  });
});

test('autoscaling and its rule go by a metric that the gateway has', async (t) => {
  const gateway = await GatewayProcess.start();
  t.after(() => gateway.kill());
  const { text } = await call(`${gateway.url}/metrics`);
  const [, metric = ''] = /^(passerelle_connections)\{[^}]*transport="websocket"[^}]*\} 0$/m.exec(text) ?? [];
  const [scaling] = rendered('kustomize-production').filter(({ kind }) => kind === 'HorizontalPodAutoscaler');
  assert.equal(scaling?.spec.metrics[0].pods.metric.name, metric);
  const [scaled] = rendered('kustomize-keda-f5').filter(({ kind }) => kind === 'ScaledObject');
  assert.equal(scaled?.spec.triggers[0].metadata.query, `sum(${metric}{namespace="passerelle"})`);
  const [monitor] = rendered('kustomize-production').filter(({ kind }) => kind === 'ServiceMonitor');
  assert.equal((await call(`${gateway.url}${monitor?.spec.endpoints[0].path}`)).status, 200);
});

/** The paths of fields whose names are the API's, not the user's: names of labels, settings and the like may be any. */
function pathsOf(value: unknown, path: readonly string[] = []): string[][] {
  const FREE = ['labels', 'annotations', 'data', 'stringData', 'matchLabels', 'requests', 'limits', 'nodeSelector'];
  const free =
    FREE.includes(path.at(-1) ?? '') || (path.at(-1) === 'selector' && !isObject((value as Fields).matchLabels));
  // KEDA leaves it to each trigger what its metadata is.
  if (free || (path.at(-1) === 'metadata' && path.includes('triggers'))) return [];
  if (Array.isArray(value)) return value.flatMap((each, index) => pathsOf(each, [...path, String(index)]));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, each]) => [
    ...(['apiVersion', 'kind'].includes(key) && path.length === 0 ? [] : [[...path, key]]),
    ...pathsOf(each, [...path, key]),
  ]);
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

/** `Kind name` of all that workloads, ingresses and autoscalers refer to. */
function references(objects: readonly KubernetesObject[]): string[] {
  const found: string[] = [];
  const look = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) look(each);
    if (!isObject(value) || Array.isArray(value)) return;
    const refer = (field: string, kind: string, key = 'name') => {
      const reference = value[field];
      if (isObject(reference) && typeof reference[key] === 'string') found.push(`${kind} ${reference[key]}`);
    };
    for (const field of ['configMapRef', 'configMapKeyRef', 'configMap']) refer(field, 'ConfigMap');
    for (const field of ['secretRef', 'secretKeyRef']) refer(field, 'Secret');
    refer('secret', 'Secret', 'secretName');
    refer('service', 'Service');
    refer('scaleTargetRef', 'Deployment');
    if (typeof value.serviceAccountName === 'string') found.push(`ServiceAccount ${value.serviceAccountName}`);
    if (Array.isArray(value.backendRefs)) for (const { name } of value.backendRefs) found.push(`Service ${name}`);
    if (Array.isArray(value.tls)) for (const { secretName } of value.tls) found.push(`Secret ${secretName}`);
    for (const each of Object.values(value)) look(each);
  };
  look(objects);
  assert(found.length > 3);
  return found;
}

/** Without what must differ: helm's own labels and digests, kustomize's digests in names, and the namespace, which helm makes by an option. */
function alike(objects: readonly KubernetesObject[]): Record<string, unknown> {
  const made = objects
    .filter(({ kind }) => ['ConfigMap', 'Secret'].includes(kind))
    .map(({ metadata }) => ({ name: metadata.name, plain: metadata.name.replace(/-[a-z0-9]{10}$/, '') }))
    .sort((a, b) => b.name.length - a.name.length);
  const plain = objects
    .filter(({ kind }) => kind !== 'Namespace')
    .map((object) => {
      const same = JSON.parse(
        made.reduce((text, { name, plain: to }) => text.replaceAll(`"${name}"`, `"${to}"`), JSON.stringify(object)),
      );
      delete same.metadata.namespace;
      for (const label of ['helm.sh/chart', 'app.kubernetes.io/managed-by', 'app.kubernetes.io/version'])
        delete same.metadata.labels?.[label];
      const { annotations } = same.spec?.template?.metadata ?? {};
      if (annotations !== undefined) delete same.spec.template.metadata.annotations;
      if (same.kind === 'Secret') {
        same.stringData = secretData(same);
        delete same.data;
      }
      for (const container of same.spec?.template?.spec.containers ?? []) delete container.imagePullPolicy;
      const channels = same.data?.['channels.json'];
      if (channels !== undefined) same.data['channels.json'] = JSON.parse(channels);
      return same;
    });
  return Object.fromEntries(plain.map((object) => [`${object.kind} ${object.metadata.name}`, object]));
}
