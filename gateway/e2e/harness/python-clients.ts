/** Event streams as Python programs read them: HTTP clients that hand a chunk on only when they have seen its end. They are fetched from PyPI. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { FrameQueue } from './frame-queue.ts';

const PACKAGES = ['urllib3==2.8.0', 'requests==2.34.2', 'sseclient-py==1.9.0', 'launchdarkly-eventsource==1.7.4'];
const INSTALL_LIMIT_MS = 120_000;

/** Each prints a line for every event as soon as it has it: the data of the event. */
const PROGRAMS = {
  urllib3: `
import sys, urllib3
response = urllib3.PoolManager().request("GET", sys.argv[1], preload_content=False)
text = ""
for chunk in response.stream():
    *lines, text = (text + chunk.decode("utf-8") + "|").splitlines()
    text = text[:-1]
    for line in lines:
        if line.startswith("data: "):
            print(line[len("data: "):], flush=True)
`,
  'requests and sseclient': `
import sys, requests, sseclient
for event in sseclient.SSEClient(requests.get(sys.argv[1], stream=True)).events():
    print(event.data, flush=True)
`,
  'launchdarkly-eventsource': `
import sys
from ld_eventsource import SSEClient
for event in SSEClient(sys.argv[1]).events:
    print(event.data, flush=True)
`,
} as const;

export type PythonClient = keyof typeof PROGRAMS;
export const PYTHON_CLIENTS = Object.keys(PROGRAMS) as PythonClient[];

/** A Python of its own with the clients in it, in a folder of its own. */
export class PythonClients {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Why there is none, as a sentence, where there is no Python here or no PyPI. */
  static install(): PythonClients | string {
    const folder = mkdtempSync(join(tmpdir(), 'passerelle-python-'));
    const python = join(folder, 'bin', 'python');
    const steps: [string, string[]][] = [
      ['python3', ['-m', 'venv', folder]],
      [python, ['-m', 'pip', 'install', '--quiet', ...PACKAGES]],
    ];
    for (const [program, parameters] of steps) {
      const { status, stderr } = spawnSync(program, parameters, { encoding: 'utf8', timeout: INSTALL_LIMIT_MS });
      if (status === 0) continue;
      rmSync(folder, { recursive: true, force: true });
      return `${program} ${parameters.join(' ')} failed: ${(stderr ?? '').trim().split('\n').at(-1)}`;
    }
    return new PythonClients(folder);
  }

  /** Begins to read a stream. */
  read(client: PythonClient, url: string): PythonReader {
    return new PythonReader(spawn(join(this.#folder, 'bin', 'python'), ['-c', PROGRAMS[client], url]));
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export class PythonReader {
  /** What it printed, line by line. */
  readonly lines = new FrameQueue<string>();
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
    let fault = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      fault += text;
    });
    if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => this.lines.push(line));
    child.on('close', () => this.lines.end(`The program ended: ${fault}`));
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}
