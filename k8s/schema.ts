/** Whether an object has the form that a Kubernetes API server asks for: strictly, so that a field that it does not know is a fault. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import { FOLDER, type KubernetesObject } from './renders.ts';

export class Schemas {
  readonly #validators = new Map<string, ValidateFunction>();

  constructor() {
    const { definitions, kinds } = JSON.parse(readFileSync(join(FOLDER, 'schemas', 'schemas.json'), 'utf8'));
    const ajv = new Ajv({ strict: true, allowUnionTypes: true, strictRequired: false, allErrors: true });
    ajv.addSchema({ $id: 'kubernetes', definitions });
    for (const [kind, schema] of Object.entries(kinds))
      this.#validators.set(kind, ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"kubernetes#/'))));
  }

  /** Every fault, as where it is and what it is. */
  faults(object: KubernetesObject): string[] {
    const kind = `${object.apiVersion} ${object.kind}`;
    const validate = this.#validators.get(kind);
    if (validate === undefined) return [`${kind}: there is no schema of it`];
    validate(object);
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${object.kind}${instancePath}: ${message} ${JSON.stringify(params)}`,
    );
  }
}
