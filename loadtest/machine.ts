/** What the kernel tells of processes and of this machine. Linux only. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** CPU seconds, user and system, that a process and its threads have used. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in brackets, may itself hold blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // utime and stime are fields 14 and 15 of proc(5); the first two are cut off here. A clock tick is 10 ms on every Linux.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}

/** Binds a process with all its threads to one core. What it starts afterwards inherits that. */
export function pin(pid: number, core: number): void {
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
}

export function describeMachine(): Machine {
  const run = (program: string, ...parameters: string[]) =>
    execFileSync(program, parameters, { encoding: 'utf8' }).trim();
  const uws = readFileSync(new URL('../../node_modules/uWebSockets.js/package.json', import.meta.url), 'utf8');
  return {
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    uWebSockets: /"version": "(.*)"/.exec(uws)?.[1] ?? '',
    redis: /v=(\S+)/.exec(run('redis-server', '--version'))?.[1] ?? '',
    commit: run('git', 'describe', '--always', '--dirty', '--exclude=*'),
  };
}
