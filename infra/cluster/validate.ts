/** Applies every rendering of the manifests to a real API server: server-side, strictly, and with any warning as a fault. */
import { parseObjects, RENDERS } from '../../k8s/renders.ts';
import type { Tools } from './tools.ts';

const IN = ['--namespace', 'passerelle'];
const APPLY = ['apply', '--server-side', '--validate=strict', '--warnings-as-errors', '--filename', '-'];

/** Resolves with how many objects of each were taken. Each is taken away again before the next. */
export async function validateAll(tools: Tools, note: (line: string) => void): Promise<void> {
  await tools.kubectl('create', 'namespace', 'passerelle');
  await tools.kubectl(
    'label',
    'namespace',
    'passerelle',
    'pod-security.kubernetes.io/enforce=restricted',
    'pod-security.kubernetes.io/warn=restricted',
  );
  for (const { name, program, run } of RENDERS) {
    const yaml = run();
    if (yaml === undefined) throw new Error(`${program} is not installed`);
    const applied = await tools.kubectlWith(yaml, ...IN, ...APPLY);
    const lines = applied.trim().split('\n');
    const odd = lines.filter((line) => !line.endsWith(' serverside-applied'));
    if (odd.length > 0) throw new Error(`${name}: ${odd.join('\n')}`);
    note(`${name}: ${lines.length} objects were applied by the API server, with no warning`);
    const items = parseObjects(yaml).filter(({ kind }) => kind !== 'Namespace');
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    await tools.kubectlWith(list, ...IN, 'delete', '--filename', '-');
  }
  await refusesWhatIsMisspelt(tools);
  note('a misspelt field is refused by the API server, too');
}

/** The same command must be able to fail. */
async function refusesWhatIsMisspelt(tools: Tools): Promise<void> {
  const [first] = RENDERS;
  const yaml = first?.run()?.replace('readinessProbe:', 'readynessProbe:') ?? '';
  const refused = await tools.kubectlWith(yaml, ...IN, ...APPLY, '--dry-run=server').then(
    (said) => said,
    (error: Error) => error,
  );
  if (!(refused instanceof Error) || !/readynessProbe/.test(refused.message))
    throw new Error(`A misspelt field was taken: ${refused}`);
}
