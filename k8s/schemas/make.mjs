// Makes the schemas by which the tests know a misspelt field: of the kinds that the manifests use, out of what Kubernetes and the
// makers of the custom resources publish, without descriptions, and closed: what is not named may not be there.
//
//   go mod download -json k8s.io/kubernetes@v1.37.2 sigs.k8s.io/gateway-api@v1.7.0 \
//     github.com/prometheus-operator/prometheus-operator@v0.85.0 github.com/kedacore/keda/v2@v2.21.0     # prints each `Dir`
//   node k8s/schemas/make.mjs KUBERNETES_DIR GATEWAY_API_DIR PROMETHEUS_OPERATOR_DIR KEDA_DIR
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'yaml';

const [kubernetes, gatewayApi, prometheusOperator, keda] = process.argv.slice(2);
if (keda === undefined)
  throw new Error('usage: make.mjs KUBERNETES_DIR GATEWAY_API_DIR PROMETHEUS_OPERATOR_DIR KEDA_DIR');

/** Kinds by the file of Kubernetes's OpenAPI documents that has them. */
const BUILT_IN = {
  api__v1: ['ConfigMap', 'Namespace', 'Secret', 'Service', 'ServiceAccount'],
  apis__apps__v1: ['Deployment', 'StatefulSet'],
  apis__autoscaling__v2: ['HorizontalPodAutoscaler'],
  'apis__networking.k8s.io__v1': ['Ingress', 'NetworkPolicy'],
  apis__policy__v1: ['PodDisruptionBudget'],
};
const CUSTOM = [
  [gatewayApi, 'config/crd/standard/gateway.networking.k8s.io_httproutes.yaml', 'v1'],
  [prometheusOperator, 'example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml', 'v1'],
  [prometheusOperator, 'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml', 'v1'],
  [keda, 'config/crd/bases/keda.sh_scaledobjects.yaml', 'v1alpha1'],
];
const INT_OR_STRING = { type: ['integer', 'string'] };
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
/** Where the published schema says less than the API server: numbers may stand for text. */
const WIDER = {
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': INT_OR_STRING,
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: ['string', 'number'] },
};

const definitions = {};
const kinds = {};
for (const [file, names] of Object.entries(BUILT_IN)) addBuiltIn(file, names);
for (const [directory, file, version] of CUSTOM) addCustom(directory, file, version);

const versions = [kubernetes, gatewayApi, prometheusOperator, keda].map((directory) => basename(directory));
const target = new URL('schemas.json', import.meta.url);
writeFileSync(
  target,
  `${JSON.stringify({ $comment: `Made by make.mjs from ${versions.join(', ')}`, definitions, kinds })}\n`,
);

function addBuiltIn(file, names) {
  const document = JSON.parse(readFileSync(join(kubernetes, 'api/openapi-spec/v3', `${file}_openapi.json`), 'utf8'));
  const { schemas } = document.components;
  for (const name of names) {
    const [id, schema] = Object.entries(schemas).find(([, each]) =>
      each['x-kubernetes-group-version-kind']?.some(({ kind }) => kind === name),
    );
    const { group, version } = schema['x-kubernetes-group-version-kind'].find(({ kind }) => kind === name);
    kinds[`${group === '' ? '' : `${group}/`}${version} ${name}`] = { $ref: reference(id, schemas) };
  }
}

function addCustom(directory, file, version) {
  const { spec } = parse(readFileSync(join(directory, file), 'utf8'));
  const { schema } = spec.versions.find(({ name }) => name === version);
  const closed = close(schema.openAPIV3Schema);
  closed.properties.metadata = { $ref: `#/definitions/${META}` };
  kinds[`${spec.group}/${version} ${spec.names.kind}`] = closed;
}

/** The reference to a definition, which is added with all that it refers to. */
function reference(id, schemas) {
  if (definitions[id] === undefined) {
    definitions[id] = {}; // some refer to themselves
    definitions[id] = WIDER[id] ?? close(schemas[id], schemas);
  }
  return `#/definitions/${id}`;
}

/** The same schema as JSON Schema, without words, and with no other properties than it names. */
function close(schema, schemas) {
  if (schema.$ref !== undefined) return { $ref: reference(schema.$ref.split('/').at(-1), schemas) };
  if (schema.allOf?.length === 1 && schema.properties === undefined) return close(schema.allOf[0], schemas);
  if (schema['x-kubernetes-int-or-string']) return INT_OR_STRING;

  const { type, enum: values, required, minLength, maxLength, minimum, maximum, minItems, maxItems, nullable } = schema;
  // Patterns are Go's: one with flags says nothing to JavaScript.
  const pattern = schema.pattern?.includes('(?i)') ? undefined : schema.pattern;
  const given = { type, enum: values, required, pattern, minLength, maxLength, minimum, maximum, minItems, maxItems };
  const closed = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  if (nullable) closed.type = [type, 'null'];
  if (schema.items !== undefined) closed.items = close(schema.items, schemas);
  if (schema.properties !== undefined) {
    closed.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, each]) => [name, close(each, schemas)]),
    );
    if (!schema['x-kubernetes-preserve-unknown-fields']) closed.additionalProperties = false;
  } else if (typeof schema.additionalProperties === 'object') {
    closed.additionalProperties = close(schema.additionalProperties, schemas);
  }
  return closed;
}
