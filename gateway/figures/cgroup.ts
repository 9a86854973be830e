/**
 * What the control groups of this process allow it: in a container its share of the machine, and not the machine, is all it has.
 * Reads version 1 and 2, and systems with both. A group that cannot be seen from in here has no say; a limit whose use cannot be
 * read is none. Knows neither what the machine has nor who wants to know.
 */
import { readFile } from 'node:fs/promises';

/** The tightest limit among the groups that this process is in, and what all processes under that limit use of it, in bytes. */
export interface MemoryLimit {
  readonly total: number;
  /** Without the file cache that the kernel would give up first. */
  readonly used: number;
}

export interface CpuQuota {
  /** How many processors' worth of time there is: 0.5 is half of one. */
  readonly cores: number;
  /** Processor time that the processes under the quota have ever used, in microseconds. */
  readonly usedMicros: number;
}

export interface KernelPaths {
  /** Where procfs is mounted: `/proc`. */
  readonly proc: string;
  /** Where the control groups are mounted: `/sys/fs/cgroup`. */
  readonly cgroup: string;
}

/** One group: where its files are, and its path among the groups. */
interface Group {
  readonly folder: string;
  readonly path: string;
}

/** The groups that one controller has this process in, the outermost first. */
interface Membership {
  readonly version: 1 | 2;
  readonly groups: readonly Group[];
}

export async function memoryLimit(paths: KernelPaths): Promise<MemoryLimit | undefined> {
  let tightest: MemoryLimit | undefined;
  for (const { version, groups } of await memberships(paths, 'memory')) {
    const names = version === 2 ? MEMORY_V2 : MEMORY_V1;
    for (const { folder } of groups) {
      const total = await figure(`${folder}/${names.limit}`);
      if (total === undefined || (tightest !== undefined && total >= tightest.total)) continue;
      const current = await figure(`${folder}/${names.current}`);
      if (current === undefined) continue;
      const cache = field(await text(`${folder}/memory.stat`), names.cache) ?? 0;
      tightest = { total, used: Math.max(0, current - cache) };
    }
  }
  return tightest;
}

const MEMORY_V2 = { limit: 'memory.max', current: 'memory.current', cache: 'inactive_file' };
const MEMORY_V1 = {
  limit: 'memory.limit_in_bytes',
  current: 'memory.usage_in_bytes',
  cache: 'total_inactive_file',
};

export async function cpuQuota(paths: KernelPaths): Promise<CpuQuota | undefined> {
  let tightest: CpuQuota | undefined;
  for (const { version, groups } of await memberships(paths, 'cpu')) {
    for (const group of groups) {
      const cores = version === 2 ? await coresV2(group) : await coresV1(group);
      if (cores === undefined || (tightest !== undefined && cores >= tightest.cores)) continue;
      const usedMicros = version === 2 ? await usedV2(group) : await usedV1(group, paths);
      if (usedMicros !== undefined) tightest = { cores, usedMicros };
    }
  }
  return tightest;
}

/** `cpu.max` is `QUOTA PERIOD`, both in microseconds, or `max PERIOD`. */
async function coresV2({ folder }: Group): Promise<number | undefined> {
  const [quota, period] = ((await text(`${folder}/cpu.max`)) ?? '').trim().split(' ');
  return ratio(number(quota), number(period));
}

async function usedV2({ folder }: Group): Promise<number | undefined> {
  return field(await text(`${folder}/cpu.stat`), 'usage_usec');
}

/** The quota is -1 where there is none. */
async function coresV1({ folder }: Group): Promise<number | undefined> {
  return ratio(await figure(`${folder}/cpu.cfs_quota_us`), await figure(`${folder}/cpu.cfs_period_us`));
}

/** The count is kept by another controller, which is mostly, but not everywhere, mounted together with `cpu`. */
async function usedV1({ folder, path }: Group, { cgroup }: KernelPaths): Promise<number | undefined> {
  const nanos = (await figure(`${folder}/cpuacct.usage`)) ?? (await figure(`${cgroup}/cpuacct${path}/cpuacct.usage`));
  return nanos === undefined ? undefined : nanos / 1_000;
}

function ratio(quota: number | undefined, period: number | undefined): number | undefined {
  return quota === undefined || period === undefined || quota <= 0 || period <= 0 ? undefined : quota / period;
}

/**
 * Reads `/proc/self/cgroup`, lines of `number:controllers:path`; version 2 has one line with no controllers. A container without
 * a namespace of its own is told its path on the host, of which it sees nothing: the mount itself is then its group.
 */
async function memberships({ proc, cgroup }: KernelPaths, controller: string): Promise<readonly Membership[]> {
  const found: Membership[] = [];
  for (const line of ((await text(`${proc}/self/cgroup`)) ?? '').split('\n')) {
    const [, number, controllers, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined || controllers === undefined) continue;
    if (number === '0' && controllers === '') {
      // Beside version 1 the other one has a mount of its own.
      for (const mount of [cgroup, `${cgroup}/unified`]) found.push({ version: 2, groups: lineage(mount, path) });
    } else if (controllers.split(',').includes(controller)) {
      found.push({ version: 1, groups: lineage(`${cgroup}/${controller}`, path) });
      if (controllers !== controller) found.push({ version: 1, groups: lineage(`${cgroup}/${controllers}`, path) });
    }
  }
  return found;
}

/** The group of the mount and every one from there to the path. `..` leads out of what a namespace shows, and is left out. */
function lineage(mount: string, path: string): readonly Group[] {
  const groups = [{ folder: mount, path: '' }];
  let below = '';
  for (const name of path.split('/')) {
    if (name === '' || name === '.' || name === '..') continue;
    below += `/${name}`;
    groups.push({ folder: mount + below, path: below });
  }
  return groups;
}

/** A file that is one number; undefined for `max`. */
async function figure(path: string): Promise<number | undefined> {
  return number((await text(path))?.trim());
}

/** The number of a line `name number`. */
function field(lines: string | undefined, name: string): number | undefined {
  return number(lines === undefined ? undefined : new RegExp(`^${name} (\\d+)$`, 'm').exec(lines)?.[1]);
}

function number(word: string | undefined): number | undefined {
  return word !== undefined && /^-?\d+$/.test(word) ? Number(word) : undefined;
}

/** A file of the kernel's, or undefined where it is not there or may not be read. */
export async function text(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined; // which files there are differs from system to system, and from container to container
  }
}
