/** The packages of this repository: packed, unpacked to be looked at, and installed by npm in a folder of its own, as an application would have them. */
import { execFileSync, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { environment } from '../../settings/config.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const INSTALL_LIMIT_MS = 300_000;
/** What npm says where the registry cannot be reached. */
const OFFLINE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED)\b/;

export interface Program {
  /** What the first line to match the expression had in its first group. */
  readonly found: string;
  readonly output: () => string;
  /** Sends a signal to the program and all that it started, and resolves with its exit code once all of them have ended. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export class Installation {
  readonly folder: string;
  /** Why nothing is installed: the registry cannot be reached. */
  readonly missing: string | undefined;
  /** The folder of each package as it was packed, which there is also where nothing is installed. */
  readonly packed: readonly string[];

  private constructor(folder: string, packed: readonly string[], missing: string | undefined) {
    this.folder = folder;
    this.packed = packed;
    this.missing = missing;
  }

  /** Packs all, and installs them together with further packages. Throws where that fails for another reason than the network. */
  static make(further: readonly string[]): Installation {
    const folder = mkdtempSync(join(tmpdir(), 'passerelle-installed-'));
    const packed = execFileSync(process.execPath, [join(ROOT, 'infra/pack.mjs'), join(folder, 'packed')], { env: ENV });
    writeFileSync(join(folder, 'package.json'), '{ "name": "app", "private": true, "type": "module" }');
    const tarballs = packed.toString().trim().split('\n');
    const unpacked = tarballs.map((tarball) => unpack(tarball, tarball.replace(/\.tgz$/, '')));
    const quick = ['--no-audit', '--no-fund', '--prefer-offline', '--fetch-retries=1', '--fetch-retry-mintimeout=1000'];
    const args = ['install', ...quick, ...tarballs, ...further];
    const { status, stderr } = run('npm', args, folder, INSTALL_LIMIT_MS);
    if (status !== 0 && !OFFLINE.test(stderr)) throw new Error(`npm install failed:\n${stderr}`);
    return new Installation(folder, unpacked, status === 0 ? undefined : 'the registry cannot be reached');
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Writes a file, and returns its path. */
  write(path: string, text: string): string {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** Runs a program to its end. */
  run(program: string, ...args: readonly string[]): SpawnSyncReturns<string> {
    return run(program, args, this.folder);
  }

  /** Starts a program, and resolves once a line of it matches; rejects with its output where it ends before. */
  async start(command: readonly string[], line: RegExp, env: Readonly<Record<string, string>> = {}): Promise<Program> {
    const [program = '', ...args] = command;
    const child = spawn(program, args, {
      cwd: this.folder,
      env: { ...ENV, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const exited = once(child, 'close') as Promise<[number | null]>;
    const lines: string[] = [];
    const output = () => lines.join('\n');
    const found = await new Promise<string>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr])
        createInterface(stream).on('line', (text) => {
          lines.push(text);
          const match = line.exec(text)?.[1];
          if (match !== undefined) resolve(match);
        });
      exited.then(([code]) => reject(new Error(`It ended with ${code}:\n${output()}`)), reject);
    });
    const end = async (signal: NodeJS.Signals) => {
      if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, signal);
      return (await exited)[0];
    };
    return { found, output, end };
  }
}

/** Nothing of the npm that runs the tests: neither its packages' programs, nor where it is at work. */
const ENV = outside(environment());

function outside(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  const kept = /^npm_config_(registry|cache|userconfig|globalconfig|proxy|https_proxy|noproxy|cafile)$/i;
  const rest = Object.entries(env).filter(
    ([name]) => !/^(npm_|INIT_CWD$|NODE_TEST_CONTEXT$)/i.test(name) || kept.test(name),
  );
  const path = (env.PATH ?? '').split(delimiter).filter((folder) => !folder.endsWith(join('node_modules', '.bin')));
  return { ...Object.fromEntries(rest), PATH: [dirname(process.execPath), ...path].join(delimiter) };
}

function unpack(tarball: string, folder: string): string {
  mkdirSync(folder);
  execFileSync('tar', ['-xf', tarball, '-C', folder, '--strip-components=1']);
  return folder;
}

function run(program: string, args: readonly string[], cwd: string, timeout?: number): SpawnSyncReturns<string> {
  return spawnSync(program, args, { cwd, env: ENV, encoding: 'utf8', timeout });
}
