/**
 * The figures of the machine that the gateway runs on, or of the container where that has less: processors, memory, disk. Reads
 * them when asked, and keeps nothing but the counters that the next reading is compared with.
 */
import { statfs } from 'node:fs/promises';
import { cpus, freemem, totalmem } from 'node:os';
import { cpuQuota, type KernelPaths, memoryLimit, text } from './cgroup.ts';

export interface Space {
  /** In bytes. */
  readonly used: number;
  readonly total: number;
}

export interface MachineFigures {
  /** Percent of the processors, or of the quota, since the reading before; undefined where nothing tells, as for the first one. */
  readonly cpuUsage: number | undefined;
  readonly memory: Space;
  /** Undefined where the file system does not tell. */
  readonly disk: Space | undefined;
}

export interface MachineOptions extends KernelPaths {
  /** A path on the file system that is told of. */
  readonly disk: string;
  /** A clock in milliseconds that only goes forward. */
  readonly clock: () => number;
}

/** Processor time since some beginning: what was used, and what there was to use, in one unit. */
interface CpuCount {
  /** What is counted, and by what rule: counts of different ones cannot be compared. */
  readonly source: string;
  readonly used: number;
  readonly available: number;
}

export const THIS_MACHINE: MachineOptions = {
  proc: '/proc',
  cgroup: '/sys/fs/cgroup',
  disk: '.',
  clock: () => performance.now(),
};

/** Serves one reader: a reading is compared with the one before. Limits are read anew each time, for they can change. */
export class Machine {
  readonly #options: MachineOptions;
  #before: CpuCount | undefined;

  constructor(options: MachineOptions = THIS_MACHINE) {
    this.#options = options;
  }

  async read(): Promise<MachineFigures> {
    const [count, memory, disk] = await Promise.all([this.#countCpu(), this.#memory(), this.#disk()]);
    const cpuUsage = usage(this.#before, count);
    this.#before = count;
    return { cpuUsage, memory, disk };
  }

  async #countCpu(): Promise<CpuCount> {
    const host = (await countOfHost(this.#options.proc)) ?? countOfSystem();
    const quota = await cpuQuota(this.#options);
    if (quota === undefined || quota.cores >= host.cores) return host.count;
    const available = this.#options.clock() * 1_000 * quota.cores;
    return { source: `quota of ${quota.cores}`, used: quota.usedMicros, available };
  }

  async #memory(): Promise<Space> {
    const host = (await memoryOfHost(this.#options.proc)) ?? { used: totalmem() - freemem(), total: totalmem() };
    const limit = await memoryLimit(this.#options);
    return limit === undefined || limit.total >= host.total ? host : limit;
  }

  /**
   * As `df` tells it: blocks kept back for root are neither used nor can they be, so that the total is what this process could
   * ever use, and 100 percent is when it can write no more.
   */
  async #disk(): Promise<Space | undefined> {
    try {
      const { bsize, blocks, bfree, bavail } = await statfs(this.#options.disk);
      const used = (blocks - bfree) * bsize;
      return { used, total: used + bavail * bsize };
    } catch {
      return undefined; // the folder is gone, or the file system does not answer
    }
  }
}

/** Of what there was to use between two counts, the part that was used, in percent. */
function usage(before: CpuCount | undefined, after: CpuCount): number | undefined {
  if (before === undefined || before.source !== after.source) return undefined;
  const available = after.available - before.available;
  if (available <= 0) return undefined;
  return Math.min(100, Math.max(0, ((after.used - before.used) / available) * 100));
}

interface HostCount {
  readonly cores: number;
  readonly count: CpuCount;
}

/** Reads `/proc/stat`: `cpu user nice system idle iowait irq softirq steal …`, and a line for each processor. */
async function countOfHost(proc: string): Promise<HostCount | undefined> {
  const stat = await text(`${proc}/stat`);
  const line = stat === undefined ? undefined : /^cpu +(.*)$/m.exec(stat)?.[1];
  if (stat === undefined || line === undefined) return undefined;
  // The two that follow `steal` are parts of `user` and `nice`.
  const times = line.split(' ').slice(0, 8).map(Number);
  const available = times.reduce((sum, time) => sum + time, 0);
  const idle = (times[3] ?? 0) + (times[4] ?? 0);
  const cores = stat.match(/^cpu\d/gm)?.length ?? 1;
  return { cores, count: { source: 'host', used: available - idle, available } };
}

async function memoryOfHost(proc: string): Promise<Space | undefined> {
  const info = await text(`${proc}/meminfo`);
  if (info === undefined) return undefined;
  const bytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(info)?.[1]) * 1024;
  const total = bytes('MemTotal');
  const used = total - bytes('MemAvailable');
  return Number.isNaN(used) ? undefined : { used, total };
}

/** Where there is no procfs. */
function countOfSystem(): HostCount {
  const processors = cpus();
  let used = 0;
  let available = 0;
  for (const { times } of processors) {
    const busy = times.user + times.nice + times.sys + times.irq;
    used += busy;
    available += busy + times.idle;
  }
  return { cores: processors.length, count: { source: 'system', used, available } };
}
