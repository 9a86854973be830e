/** What the kernel tells of processes and of this machine. Linux only. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** CPU seconds, user and system, that a process's threads have used. Those of a thread that has ended are no longer in it. */
export function cpuSeconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  // To the nanosecond, where /proc/PID/stat counts in hundredths of a second.
  const used = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return used.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e9;
}

export function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}

/** Memory that the kernel itself holds, for sockets and their buffers among others. The whole machine's. */
export function kernelBytes(): number {
  const meminfo = readFileSync('/proc/meminfo', 'utf8');
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1]);
  return kilobytes('Slab') * 1_024 + socketPages() * 4_096;
}

/** Pages of data that wait in the buffers of TCP sockets. */
function socketPages(): number {
  return Number(/^TCP:.* mem (\d+)$/m.exec(readFileSync('/proc/net/sockstat', 'utf8'))?.[1]);
}

/** Binds a process with all its threads to one core, or to any of several (`0,1`). What it starts afterwards inherits that. */
export function pin(pid: number, core: number | string): void {
  execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' });
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly uWebSockets: string;
  readonly redis: string;
  readonly commit: string;
  readonly descriptors: number;
}

export function describeMachine(): Machine {
  const run = (program: string, ...parameters: string[]) =>
    execFileSync(program, parameters, { encoding: 'utf8' }).trim();
  // Results of a run before are no change of what is measured.
  const isChanged = run('git', 'status', '--porcelain', '--', '.', ':!loadtest/results') !== '';
  const uws = readFileSync(new URL('../../node_modules/uWebSockets.js/package.json', import.meta.url), 'utf8');
  return {
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    uWebSockets: /"version": "(.*)"/.exec(uws)?.[1] ?? '',
    redis: /v=(\S+)/.exec(run('redis-server', '--version'))?.[1] ?? '',
    commit: run('git', 'rev-parse', '--short', 'HEAD') + (isChanged ? '-dirty' : ''),
    descriptors: Number(run('sh', '-c', 'ulimit -n')),
  };
}
