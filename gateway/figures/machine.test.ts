import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { until } from '../../broker/testing/until.ts';
import { Machine, type MachineFigures, THIS_MACHINE } from './machine.ts';

const MIB = 1024 * 1024;

/** A host of 8 GiB, 3 of them in use, with two processors. Files of a control group are added to it, or replace its own. */
const HOST: Files = {
  'proc/meminfo': 'MemTotal:        8388608 kB\nMemFree:          524288 kB\nMemAvailable:    5242880 kB\n',
  'proc/stat': stat({ user: 1_000, idle: 9_000 }),
  'proc/self/cgroup': '0::/\n',
};
const HOST_MEMORY = { used: 3 * 1024 * MIB, total: 8 * 1024 * MIB };
const NO_LIMIT_V1 = '9223372036854771712\n';

type Files = Readonly<Record<string, string>>;

interface CpuTimes {
  readonly user?: number;
  readonly system?: number;
  readonly idle?: number;
  readonly iowait?: number;
  readonly steal?: number;
  readonly guest?: number;
}

function stat({ user = 0, system = 0, idle = 0, iowait = 0, steal = 0, guest = 0 }: CpuTimes): string {
  const line = `${user} 0 ${system} ${idle} ${iowait} 0 0 ${steal} ${guest} 0`;
  return `cpu  ${line}\ncpu0 ${line}\ncpu1 ${line}\nintr 123\nctxt 456\n`;
}

/** A machine whose kernel is a folder of files. */
function fixture(t: TestContext, files: Files) {
  const root = mkdtempSync(join(tmpdir(), 'passerelle-machine-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  let clockMs = 0;
  const write = (changed: Files) => {
    for (const [path, content] of Object.entries(changed)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
  };
  write(files);
  const machine = new Machine({
    proc: join(root, 'proc'),
    cgroup: join(root, 'cgroup'),
    disk: root,
    clock: () => clockMs,
  });
  return {
    machine,
    /** What it reads once so much time has gone by and the files have changed. */
    later: (ms: number, changed: Files): Promise<MachineFigures> => {
      clockMs += ms;
      write(changed);
      return machine.read();
    },
  };
}

/** The memory that is told where the host has these files besides. */
async function memory(t: TestContext, files: Files): Promise<MachineFigures['memory']> {
  return (await fixture(t, { ...HOST, ...files }).machine.read()).memory;
}

/** The processor usage that is told for the second in which the files changed. */
async function cpu(t: TestContext, files: Files, changed: Files): Promise<number | undefined> {
  const { machine, later } = fixture(t, { ...HOST, ...files });
  assert.equal((await machine.read()).cpuUsage, undefined, 'nothing to compare the first reading with');
  return (await later(1_000, changed)).cpuUsage;
}

describe('memory', () => {
  it("without a limit is the host's, without what could be freed at once", async (t) => {
    assert.deepEqual(await memory(t, {}), HOST_MEMORY);
  });

  it('in a container of version 2 is its limit, and its use without the file cache', async (t) => {
    const told = await memory(t, {
      'cgroup/memory.max': `${256 * MIB}\n`,
      'cgroup/memory.current': `${100 * MIB}\n`,
      'cgroup/memory.stat': `anon 1\ninactive_anon 5\ninactive_file ${40 * MIB}\nactive_file 7\n`,
    });
    assert.deepEqual(told, { used: 60 * MIB, total: 256 * MIB });
  });

  it('in a container of version 1 is its limit, though its path on the host cannot be seen', async (t) => {
    const told = await memory(t, {
      'proc/self/cgroup': '12:cpu,cpuacct:/docker/4f2\n4:memory:/docker/4f2\n1:name=systemd:/docker/4f2\n',
      'cgroup/memory/memory.limit_in_bytes': `${512 * MIB}\n`,
      'cgroup/memory/memory.usage_in_bytes': `${200 * MIB}\n`,
      'cgroup/memory/memory.stat': `inactive_file 1\ntotal_cache 9\ntotal_inactive_file ${50 * MIB}\n`,
    });
    assert.deepEqual(told, { used: 150 * MIB, total: 512 * MIB });
  });

  it("with max as its limit is the host's", async (t) => {
    const told = await memory(t, { 'cgroup/memory.max': 'max\n', 'cgroup/memory.current': `${MIB}\n` });
    assert.deepEqual(told, HOST_MEMORY);
  });

  it("with version 1's number for no limit is the host's", async (t) => {
    const told = await memory(t, {
      'proc/self/cgroup': '4:memory:/\n0::/\n',
      'cgroup/memory/memory.limit_in_bytes': NO_LIMIT_V1,
      'cgroup/memory/memory.usage_in_bytes': `${MIB}\n`,
    });
    assert.deepEqual(told, HOST_MEMORY);
  });

  it("with a limit of more than the host has is the host's", async (t) => {
    const told = await memory(t, {
      'cgroup/memory.max': `${64 * 1024 * MIB}\n`,
      'cgroup/memory.current': `${MIB}\n`,
    });
    assert.deepEqual(told, HOST_MEMORY);
  });

  it('in a nested group is the smallest limit of the group and those around it, with the use of that one', async (t) => {
    const pod = {
      'proc/self/cgroup': '0::/kubepods.slice/pod-1/gateway\n',
      'cgroup/kubepods.slice/memory.max': `${4096 * MIB}\n`,
      'cgroup/kubepods.slice/memory.current': `${3000 * MIB}\n`,
      'cgroup/kubepods.slice/pod-1/memory.max': `${512 * MIB}\n`,
      'cgroup/kubepods.slice/pod-1/memory.current': `${400 * MIB}\n`,
      'cgroup/kubepods.slice/pod-1/gateway/memory.max': 'max\n',
      'cgroup/kubepods.slice/pod-1/gateway/memory.current': `${100 * MIB}\n`,
    };
    assert.deepEqual(await memory(t, pod), { used: 400 * MIB, total: 512 * MIB });
    const own = { ...pod, 'cgroup/kubepods.slice/pod-1/gateway/memory.max': `${128 * MIB}\n` };
    assert.deepEqual(await memory(t, own), { used: 100 * MIB, total: 128 * MIB });
  });

  it('is found where both versions are mounted, whichever has the limit', async (t) => {
    const both = {
      'proc/self/cgroup': '4:memory:/a\n0::/b\n',
      'cgroup/memory/a/memory.limit_in_bytes': NO_LIMIT_V1,
      'cgroup/memory/a/memory.usage_in_bytes': `${MIB}\n`,
    };
    const v1 = { ...both, 'cgroup/memory/a/memory.limit_in_bytes': `${300 * MIB}\n` };
    assert.deepEqual(await memory(t, v1), { used: MIB, total: 300 * MIB });
    const v2 = {
      ...both,
      'cgroup/unified/b/memory.max': `${200 * MIB}\n`,
      'cgroup/unified/b/memory.current': `${2 * MIB}\n`,
    };
    assert.deepEqual(await memory(t, v2), { used: 2 * MIB, total: 200 * MIB });
  });

  it('reads no file outside the groups, whatever path the kernel tells', async (t) => {
    const told = await memory(t, {
      'proc/self/cgroup': '0::/../../../outside\n',
      'outside/memory.max': `${MIB}\n`,
      'outside/memory.current': '1\n',
      'cgroup/memory.max': `${256 * MIB}\n`,
      'cgroup/memory.current': `${MIB}\n`,
    });
    assert.deepEqual(told, { used: MIB, total: 256 * MIB });
  });

  it('has no limit whose use cannot be read, and none that is no number', async (t) => {
    assert.deepEqual(await memory(t, { 'cgroup/memory.max': `${MIB}\n` }), HOST_MEMORY);
    assert.deepEqual(await memory(t, { 'cgroup/memory.max': 'a lot\n', 'cgroup/memory.current': '1\n' }), HOST_MEMORY);
  });

  it('follows a limit that changes', async (t) => {
    const limited = { 'cgroup/memory.max': `${256 * MIB}\n`, 'cgroup/memory.current': `${MIB}\n` };
    const { machine, later } = fixture(t, { ...HOST, ...limited });
    assert.equal((await machine.read()).memory.total, 256 * MIB);
    assert.equal((await later(1_000, { 'cgroup/memory.max': `${512 * MIB}\n` })).memory.total, 512 * MIB);
  });
});

describe('processor usage', () => {
  it("without a quota is the host's, waiting for disks counted as idle and stolen time as used", async (t) => {
    const changed = { 'proc/stat': stat({ user: 1_020, system: 10, steal: 10, guest: 20, idle: 9_150, iowait: 10 }) };
    assert.equal(await cpu(t, {}, changed), 20);
  });

  it('under a quota of version 2 is the share of that quota', async (t) => {
    const group = { 'cgroup/cpu.max': '50000 100000\n', 'cgroup/cpu.stat': 'usage_usec 7000000\nuser_usec 1\n' };
    assert.equal(await cpu(t, group, { 'cgroup/cpu.stat': 'usage_usec 7125000\nuser_usec 1\n' }), 25);
  });

  it('is never more than 100, though a quota may be overdrawn for a moment', async (t) => {
    const group = { 'cgroup/cpu.max': '50000 100000\n', 'cgroup/cpu.stat': 'usage_usec 0\n' };
    assert.equal(await cpu(t, group, { 'cgroup/cpu.stat': 'usage_usec 600000\n' }), 100);
  });

  for (const [how, folder, usage] of [
    ['mounted together', 'cpu', 'cpu'],
    ['mounted together, without a link', 'cpu,cpuacct', 'cpu,cpuacct'],
    ['mounted apart', 'cpu', 'cpuacct'],
  ] as const) {
    it(`under a quota of version 1 is the share of that quota, with its count ${how}`, async (t) => {
      const group = {
        'proc/self/cgroup': '2:cpu,cpuacct:/docker/4f2\n',
        [`cgroup/${folder}/docker/4f2/cpu.cfs_quota_us`]: '150000\n',
        [`cgroup/${folder}/docker/4f2/cpu.cfs_period_us`]: '100000\n',
        [`cgroup/${usage}/docker/4f2/cpuacct.usage`]: '1000000000\n',
      };
      const changed = { [`cgroup/${usage}/docker/4f2/cpuacct.usage`]: '1300000000\n' };
      assert.equal(await cpu(t, group, changed), 20);
    });
  }

  it("with max, -1 or more processors than there are is the host's", async (t) => {
    const changed = {
      'proc/stat': stat({ user: 1_050, idle: 9_050 }),
      'cgroup/cpu.stat': 'usage_usec 1\n',
      'cgroup/cpu/cpuacct.usage': '1\n',
    };
    const v2 = { 'cgroup/cpu.stat': 'usage_usec 0\n' };
    assert.equal(await cpu(t, { ...v2, 'cgroup/cpu.max': 'max 100000\n' }, changed), 50);
    assert.equal(await cpu(t, { ...v2, 'cgroup/cpu.max': '400000 100000\n' }, changed), 50);
    const v1 = {
      'proc/self/cgroup': '2:cpu,cpuacct:/\n',
      'cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      'cgroup/cpu/cpu.cfs_period_us': '100000\n',
      'cgroup/cpu/cpuacct.usage': '0\n',
    };
    assert.equal(await cpu(t, v1, changed), 50);
  });

  it('in a nested group is that of the tightest quota around it', async (t) => {
    const groups = {
      'proc/self/cgroup': '0::/pod/gateway\n',
      'cgroup/pod/cpu.max': '50000 100000\n',
      'cgroup/pod/cpu.stat': 'usage_usec 0\n',
      'cgroup/pod/gateway/cpu.max': '100000 100000\n',
      'cgroup/pod/gateway/cpu.stat': 'usage_usec 0\n',
    };
    const changed = {
      'cgroup/pod/cpu.stat': 'usage_usec 400000\n',
      'cgroup/pod/gateway/cpu.stat': 'usage_usec 100000\n',
    };
    assert.equal(await cpu(t, groups, changed), 80);
  });

  it('is not told across a change of the quota, but from then on', async (t) => {
    const group = { 'cgroup/cpu.max': '50000 100000\n', 'cgroup/cpu.stat': 'usage_usec 0\n' };
    const { machine, later } = fixture(t, { ...HOST, ...group });
    await machine.read();
    const raised = { 'cgroup/cpu.max': '100000 100000\n', 'cgroup/cpu.stat': 'usage_usec 100000\n' };
    assert.equal((await later(1_000, raised)).cpuUsage, undefined);
    assert.equal((await later(1_000, { 'cgroup/cpu.stat': 'usage_usec 600000\n' })).cpuUsage, 50);
  });

  it('is not told where the kernel counts nothing', async (t) => {
    assert.equal(await cpu(t, {}, {}), undefined);
  });
});

describe('a machine', () => {
  it('without procfs is told of by what Node knows', async (t) => {
    const { machine } = fixture(t, {});
    const { memory } = await machine.read();
    assert.equal(memory.total, totalmem());
    assert(memory.used > 0 && memory.used < memory.total);
    let usage: number | undefined;
    await until('there is some usage', async () => {
      usage = (await machine.read()).cpuUsage;
      return usage !== undefined;
    });
    assert(usage !== undefined && usage >= 0 && usage <= 100, `${usage}`);
  });

  it('whose disk cannot be asked has no figures of one', async () => {
    const machine = new Machine({ ...THIS_MACHINE, disk: '/nothing/here' });
    assert.equal((await machine.read()).disk, undefined);
  });

  it('that this test runs on is read', async () => {
    const machine = new Machine();
    await machine.read();
    const end = performance.now() + 100;
    while (performance.now() < end); // so that there is some usage
    const { cpuUsage, memory, disk } = await machine.read();
    assert(cpuUsage !== undefined && cpuUsage > 0 && cpuUsage <= 100, `${cpuUsage}`);
    assert(memory.total > 64 * MIB && memory.total <= totalmem(), `${memory.total}`);
    assert(memory.used > 0 && memory.used < memory.total, `${memory.used}`);
    assert(disk !== undefined && disk.used > 0 && disk.used <= disk.total);
  });
});
