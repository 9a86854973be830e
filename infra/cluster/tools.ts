/** kubectl as somebody uses it who has the cluster's configuration. */
import { execFile } from 'node:child_process';
import { environment } from '../../gateway/settings/config.ts';
import { FOLDER } from '../../k8s/renders.ts';

export class Tools {
  readonly #env: NodeJS.ProcessEnv;

  constructor(kubeconfig: string) {
    this.#env = { ...environment(), KUBECONFIG: kubeconfig };
  }

  /** Resolves with what it prints; rejects with what it complains of. */
  kubectl(...args: string[]): Promise<string> {
    return this.kubectlWith('', ...args);
  }

  /** The same with something on standard input. */
  kubectlWith(input: string, ...args: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { cwd: FOLDER, env: this.#env, maxBuffer: 64 * 1024 * 1024 };
      const child = execFile('kubectl', args, options, (error, stdout, stderr) => {
        if (error) reject(new Error(`kubectl ${args.join(' ')}: ${stderr}${stdout}`, { cause: error }));
        else resolve(`${stdout}${stderr}`);
      });
      child.stdin?.on('error', () => undefined); // it ended without reading: its exit says why
      child.stdin?.end(input);
    });
  }
}
