/**
 * The manifests on a real control plane, and a deployment's life under clients: `npm run e2e:cluster -- --binaries DIR --crds DIR`; k8s/README.md says where both
 * come from. Ends with 1 where anything is not as it should be.
 *
 * It runs in a network namespace of its own, in which every address of the pods is local: root, or whoever may use `unshare`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../../broker/testing/until.ts';
import { commandLine } from '../../gateway/e2e/harness/command-line.ts';
import { environment } from '../../gateway/settings/config.ts';
import { ControlPlane } from './control-plane.ts';
import { Life } from './life.ts';
import { Tools } from './tools.ts';
import { validateAll } from './validate.ts';

const options = commandLine('npm run e2e:cluster -- --binaries DIR --crds DIR [options]', {
  binaries: {
    about: 'where etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl and helm are',
    default: undefined,
  },
  crds: { about: 'where the definitions of the custom kinds are', default: undefined },
  clients: { about: 'clients that must miss nothing', default: 1_000 },
  rate: { about: 'events published per second', default: 50 },
  only: { about: 'manifests or life, in place of both', default: undefined },
  inside: { about: 'the network namespace is made already', default: false },
});
const { binaries, crds } = options;
if (binaries === undefined || crds === undefined) {
  console.error('--binaries and --crds are needed: k8s/README.md says where both come from');
  process.exit(2);
}

if (options.inside) await main(resolve(binaries), resolve(crds));
else process.exit(again(resolve(binaries)));

/** This program again, in a network namespace of its own, with what is in `programs` before all others. */
function again(programs: string): number {
  const env = { ...environment(), PATH: `${programs}:${environment().PATH ?? ''}` };
  const script = 'ip link set lo up && ip route add local 10.244.0.0/16 dev lo && exec "$@"';
  const self = [
    process.execPath,
    '--enable-source-maps',
    fileURLToPath(import.meta.url),
    ...process.argv.slice(2),
    '--inside',
  ];
  return spawnSync('unshare', ['--net', 'sh', '-c', script, 'sh', ...self], { stdio: 'inherit', env }).status ?? 1;
}

async function main(programs: string, definitions: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-cluster-'));
  const plane = await ControlPlane.start(programs, folder);
  let failed = true;
  try {
    const tools = new Tools(plane.kubeconfig);
    const { gitVersion } = await plane.api.get('/version');
    say(`Kubernetes ${gitVersion} is up`);
    for (const file of readdirSync(definitions).sort())
      await tools.kubectl('apply', '--server-side', '--warnings-as-errors', '--filename', join(definitions, file));
    await until('the custom kinds are known', async () =>
      (await tools.kubectl('api-resources')).includes('scaledobjects'),
    );
    if (options.only !== 'life') await validateAll(tools, say);
    if (options.only !== 'manifests')
      await new Life({
        plane,
        tools,
        folder,
        clients: options.clients,
        eventsPerSecond: options.rate,
        note: say,
      }).run();
    failed = false;
  } finally {
    await plane.stop();
    if (failed) say(`What the parts of the control plane said is in ${folder}`);
    else rmSync(folder, { recursive: true });
  }
}

function say(line: string): void {
  console.log(line);
}
