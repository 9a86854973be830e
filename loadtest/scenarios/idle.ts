/**
 * Memory of idle connections: the growth of a fresh server, and of the kernel, while it takes on connections that then do
 * nothing but be subscribed to one channel. And what taking them on cost: the rate of connects.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Transport } from '../dialects.ts';
import { type Lab, type Subject, type SubjectName, speaks } from '../lab.ts';
import { cpuSeconds, kernelBytes, residentBytes } from '../machine.ts';
import { type Figure, figure, KERNEL_BYTES, RESIDENT_BYTES } from '../results.ts';
import { fewRounds, type Run, type Scenario, withSubjects } from '../scenario.ts';
import type { LoadSockets, SocketsOptions } from '../sockets.ts';

/** Connections before the first reading, opened and closed again so many times: code is compiled, and whatever grows with use has grown. */
const WARMUP_CONNECTIONS = 500;
const WARMUP_TIMES = 10;
/** What was collected is given back to the system little by little: it is read again and again until no less of it is there. */
const SETTLE_MS = 1_000;
const READINGS = 10;
const STEADY_BYTES = 262_144;
/**
 * Servers of Node.js are told when to collect their garbage, and have a young generation of 1 MB at most: of its usual 32 MB there is more or less at any
 * moment, which has nothing to do with how many connections there are.
 */
const COLLECTING = { NODE_OPTIONS: `--max-semi-space-size=1 --import ${new URL('../collect.js', import.meta.url)}` };
/** The connections are spread over so many channels, each subscribed to one. */
const CHANNELS = 100;

export const CONNECTS_PER_CPU_SECOND = 'connects with a subscription per CPU second';
export const PROCESS_MB = 'resident MB of the process without them';
export const CONNECT_SECONDS = 'seconds per 1,000 connects';

export const IDLE: Scenario = {
  name: 'idle',
  title: 'memory of idle connections, and what connecting costs',
  run: async (run) => {
    const figures: Figure[] = [];
    const transports: readonly Transport[] = ['ws', 'sse'];
    for (const transport of transports)
      for (const name of run.lab.subjects)
        if (speaks(name, transport)) figures.push(...(await idle(run, name, transport)));
    return figures;
  },
};

async function idle(run: Run, name: SubjectName, transport: Transport): Promise<readonly Figure[]> {
  const connections = run.quick ? 5_000 : 10_000;
  run.progress(`${name}, ${transport}, ${connections} connections`);
  const options = { transport, count: connections };
  const readings: Reading[] = [];
  const rates: Rate[] = [];
  // Memory that a server has once had it keeps: each reading needs a fresh one. What connecting costs is that of a server as it is.
  for (let round = 0; round < fewRounds(run); round++) {
    readings.push(await readIdle(run.lab, name, options));
    rates.push(await withSubjects(run.lab, [name], ([subject]) => connect(subject as Subject, options)));
  }
  const at = { transport, connections };
  const memory = (metric: string, key: keyof Reading) =>
    figure(
      'idle',
      name,
      at,
      metric,
      readings.map((reading) => reading[key]),
    );
  const rate = (metric: string, key: keyof Rate) =>
    figure(
      'connect',
      name,
      at,
      metric,
      rates.map((each) => each[key]),
    );
  return [
    memory(RESIDENT_BYTES, 'resident'),
    memory(KERNEL_BYTES, 'kernel'),
    memory(PROCESS_MB, 'processMb'),
    rate(CONNECTS_PER_CPU_SECOND, 'perCpuSecond'),
    rate(CONNECT_SECONDS, 'seconds'),
  ];
}

export interface Reading {
  readonly resident: number;
  readonly kernel: number;
  readonly processMb: number;
}

interface Rate {
  readonly perCpuSecond: number;
  readonly seconds: number;
}

type Options = Pick<SocketsOptions, 'transport' | 'count' | 'extensions'>;

/** What so many connections take of a fresh server's memory, with these settings; each is opened as `options` say and subscribed to one of a hundred channels. */
export async function readIdle(
  lab: Lab,
  name: SubjectName,
  options: Options,
  env: Readonly<Record<string, string>> = {},
): Promise<Reading> {
  const subject = await lab.start(name, { ...env, ...COLLECTING });
  try {
    await warmUp(subject, options);
    const [resident, kernel] = await settled(subject);
    const sockets = await open(subject, options, options.count);
    const [residentAfter, kernelAfter] = await settled(subject);
    await sockets.close();
    if (sockets.lost > 0) throw new Error(`${sockets.lost} idle connections were lost`);
    return {
      resident: (residentAfter - resident) / options.count,
      kernel: (kernelAfter - kernel) / options.count,
      processMb: resident / 1e6,
    };
  } finally {
    await subject.kill();
  }
}

async function connect(subject: Subject, options: Options): Promise<Rate> {
  await warmUp(subject, options);
  const [cpu, at] = [cpuSeconds(subject.pid), performance.now()];
  const sockets = await open(subject, options, options.count);
  const perCpuSecond = options.count / (cpuSeconds(subject.pid) - cpu);
  const seconds = (performance.now() - at) / options.count; // of a thousand, as these are milliseconds
  await sockets.close();
  return { perCpuSecond, seconds };
}

function open(subject: Subject, options: Options, count: number): Promise<LoadSockets> {
  return subject.open({ ...options, count, channels: (index) => [`load:idle${index % CHANNELS}`] });
}

async function warmUp(subject: Subject, options: Options): Promise<void> {
  for (let time = 0; time < WARMUP_TIMES; time++) await (await open(subject, options, WARMUP_CONNECTIONS)).close();
}

/** Resident bytes, and those of the kernel, once garbage is collected and given back. */
async function settled({ name, pid }: Subject): Promise<readonly [number, number]> {
  let least = Number.POSITIVE_INFINITY;
  for (let reading = 0; reading < READINGS; reading++) {
    if (name !== 'centrifugo') process.kill(pid, 'SIGUSR2');
    await sleep(SETTLE_MS);
    const before = least;
    least = Math.min(least, residentBytes(pid));
    if (reading >= 3 && before - least < STEADY_BYTES) break;
  }
  return [least, kernelBytes()];
}
